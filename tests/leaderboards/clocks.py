"""A site with a challenge whose web server's clock a test sets."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.accounts.services.tokens import Purpose, make_token
from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import make_sessions, now
from lms.leaderboards.models import Challenge, Entry
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.teams import join
from tests.factories.grading import make_user
from tests.factories.leaderboards import make_contest

SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"
MICROSECOND = timedelta(microseconds=1)
CLOCK = "lms.web.arrival.now"
"""The one clock by which requests are stamped."""


@dataclass
class Steps:
    """One clock for all threads; says when it was looked at."""

    moment: datetime
    looked_at: Callable[[], object] = bool

    def __call__(self) -> datetime:
        self.looked_at()
        return self.moment


@dataclass
class Site:
    """An installation with one challenge."""

    app: Flask
    sessions: sessionmaker[Session]
    slug: str
    ends_at: datetime

    @property
    def path(self) -> str:
        return f"/api/challenges/{self.slug}/entries"

    def leader(self) -> User:
        """Somebody with a team of one."""
        with self.sessions.begin() as session:
            challenge = session.scalars(select(Challenge).where(Challenge.slug == self.slug)).one()
            user, opened = make_user(session), challenge.opens_at
            accept_rules(session, user, challenge, challenge.rules_version, at=opened)
            join(session, user, challenge, f"Team {user.id}", at=opened)
            return user

    def token(self, user: User) -> dict[str, str]:
        return token(user, self.app.extensions["settings"])

    def send(
        self, user: User, content: bytes = GOOD, *, headers: Mapping[str, str] | None = None, **query: object
    ) -> TestResponse:
        given = self.token(user) | dict(headers or {})
        return self.app.test_client().post(self.path, data=content, headers=given, query_string=query)

    def receipts(self) -> list[Entry]:
        """All entries in the order of receipt."""
        with self.sessions() as session:
            return list(session.scalars(select(Entry).order_by(Entry.sequence)))


def token(user: User, settings: Settings) -> dict[str, str]:
    """What a program of this person sends, which reads English."""
    bearer = f"Bearer {make_token(user, Purpose.BOARDS, settings.session_key())}"
    return {"Authorization": bearer, "Accept-Language": "en"}


def make_site(engine: Engine, settings: Settings, folder: Path, **changes: object) -> Site:
    """Make a site whose challenge, by every clock but the test's, ended some hours ago."""
    sessions, blobs = make_sessions(engine), FolderBlobs(folder / "site-blobs")
    with sessions.begin() as session:
        contest = make_contest(session, opens_at=now() - timedelta(days=28, hours=3), **changes)
        contest.challenge.files = {
            "sample_submission.csv": {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}
        }
        slug, ends_at = contest.challenge.slug, contest.challenge.ends_at
    app = create_app(settings, sessions=sessions, blobs=blobs)
    app.config.update(WTF_CSRF_ENABLED=False)
    return Site(app, sessions, slug, ends_at)


class SlowBody(io.BytesIO):
    """A body of which nothing can be read before `first` was called."""

    def __init__(self, content: bytes, first: Callable[[], object]) -> None:
        super().__init__(content)
        self._first = first

    def read(self, size: int | None = -1, /) -> bytes:
        self._first()
        return super().read(size)

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]  # any writable buffer
        self._first()
        return super().readinto(buffer)
