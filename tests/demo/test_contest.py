"""The demonstration's students in the challenges."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.services.people import create_user
from lms.blobs import FolderBlobs
from lms.db import now
from lms.demo.contest import TEAMS, scored, take_part
from lms.leaderboards.models import Entry, EntryKind
from tests.factories.leaderboards import Contest, make_contest
from tests.factories.models import safetensors

FILES = {
    "sample_submission.csv": b"id,place\na,north\nb,north\n",
    "train.csv": b"id,place\np,south\nq,south\nr,north\n",
}


@pytest.fixture
def contest(session: Session, blobs: FolderBlobs) -> Contest:
    found = make_contest(session, opens_at=now() - timedelta(days=1))
    found.challenge.files = {
        name: {"sha256": blobs.put(content), "bytes": len(content)} for name, content in FILES.items()
    }
    for email in TEAMS:
        create_user(session, None, email=email, name="김하늘", password="duri-demo-2026")
    session.commit()
    return found


def test_each_student_sends_one_plain_file_however_often_the_story_is_played(
    contest: Contest, sessions: sessionmaker[Session], blobs: FolderBlobs
) -> None:
    installation: Any = SimpleNamespace(sessions=sessions, blobs=blobs)
    assert take_part(installation) == [contest.challenge.slug]
    assert take_part(installation) == [contest.challenge.slug]
    entries = contest.session.scalars(select(Entry).order_by(Entry.sequence)).all()
    assert [entry.filename for entry in entries] == ["middle.csv", "sample_submission.csv"]
    assert blobs.get(entries[0].blob or "") == b"id,place\na,south\nb,south\n"
    assert scored(contest.session, contest.challenge.slug) is None
    for entry in entries:
        contest.score(entry, 0.5)
    assert scored(contest.session, contest.challenge.slug) == "1 하늘 팀 · 2 바다 팀"


def test_where_models_are_asked_one_student_sends_the_file_that_all_can_send(
    contest: Contest, sessions: sessionmaker[Session], blobs: FolderBlobs
) -> None:
    content = safetensors({"slope": ([1], [0.5])})
    challenge = contest.challenge
    challenge.kind = EntryKind.MODEL
    challenge.settings = {**challenge.settings, "kind": "model", "model": {"columns": ["weight"]}}
    files = {"line.safetensors": content, "model.py": b"def predict(weights, inputs): ...\n"}
    challenge.files = {
        name: {"sha256": blobs.put(one), "bytes": len(one)} for name, one in {**FILES, **files}.items()
    }
    contest.session.commit()
    take_part(SimpleNamespace(sessions=sessions, blobs=blobs))  # type: ignore[arg-type]
    entry = contest.session.scalars(select(Entry)).one()
    assert (entry.kind, entry.filename, blobs.get(entry.blob or "")) == (
        EntryKind.MODEL,
        "line.safetensors",
        content,
    )
