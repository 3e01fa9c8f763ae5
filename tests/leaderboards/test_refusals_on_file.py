"""What is counted although it is refused, on a database of its own: a request must not wait for itself."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from lms.accounts.models import RateWindow, User
from lms.accounts.services.tokens import Purpose, make_token
from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import Base, make_engine, make_sessions, now
from lms.leaderboards.models import Entry
from tests.factories.leaderboards import make_contest

SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"


@dataclass
class Site:
    """An installation with one challenge, in which somebody leads a team."""

    client: FlaskClient
    sessions: sessionmaker[Session]
    leader: User
    slug: str
    token: str

    def post(self, path: str, data: dict[str, object]) -> TestResponse:
        with self.client.session_transaction() as cookie:
            cookie["_user_id"] = self.leader.session_token
            cookie["_fresh"] = True
        return self.client.post(f"/challenges/{self.slug}{path}", data=data)

    def send(self, content: bytes) -> TestResponse:
        return self.post("/entries", {"file": (io.BytesIO(content), "mine.csv")})

    def send_by_token(self, content: bytes) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.post(f"/api/challenges/{self.slug}/entries", data=content, headers=headers)

    def hits(self) -> dict[str, int]:
        with self.sessions() as session:
            rows = session.execute(select(RateWindow.key, RateWindow.hits)).all()
        return {key.partition(":")[0]: hits for key, hits in rows}


@pytest.fixture
def site(settings: Settings, tmp_path: Path) -> Iterator[Site]:
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    sessions, blobs = make_sessions(engine), FolderBlobs(tmp_path / "own-blobs")
    with sessions.begin() as session:
        contest = make_contest(session, opens_at=now() - timedelta(days=3), per_day=2)
        kept = {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}
        contest.challenge.files = {"sample_submission.csv": kept}
        leader = contest.leader(contest.team(at=now()))
        slug = contest.challenge.slug
    app = create_app(settings, sessions=sessions, blobs=blobs)
    app.config.update(WTF_CSRF_ENABLED=False)
    token = make_token(leader, Purpose.BOARDS, settings.session_key())
    yield Site(app.test_client(), sessions, leader, slug, token)
    engine.dispose()


def test_a_letter_is_counted_and_sent(site: Site) -> None:
    assert site.post("/team/invite", {"email": "a@b.example"}).status_code == 303
    assert site.hits() == {"team-letters": 1, "team-letters-to": 1}


def test_refused_files_are_counted_and_good_ones_are_not(site: Site) -> None:
    assert site.send(b"id\na").status_code == 422
    assert site.send_by_token(b"id\na").status_code == 422
    assert site.hits() == {"entries-refused": 2}
    assert (site.send(GOOD).status_code, site.send_by_token(GOOD).status_code) == (303, 202)
    assert site.hits() == {"entries-refused": 2}
    assert (site.send(GOOD).status_code, site.send_by_token(GOOD).status_code) == (429, 429)
    assert site.hits() == {"entries-refused": 4}
    with site.sessions() as session:
        assert len(session.scalars(select(Entry.id)).all()) == 2
