"""Bodies far too large, or without end, where entries are sent: refused in words, and nothing is kept."""

import gc
import io
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.models import Entry, QuotaDay, Team
from tests.factories.leaderboards import make_contest

GIGABYTE = 1 << 30
PIECE = 64 << 10
SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"
FORM = "multipart/form-data; boundary=edge"
FIELDS = "application/x-www-form-urlencoded"
HEAD = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
PAGE_BYTES = 50_000_000
MOST_HELD = 4 << 20  # of a form's file, which goes to the disk while it comes
torn = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The torn part's own file is closed when it is collected."""


class Body(io.RawIOBase):
    """What somebody sends, as the web server hands it on: without end, or broken off after a few bytes."""

    def __init__(self, begin: bytes = b"id,place\n", *, endless: bool) -> None:
        self.begin, self.endless, self.taken = begin, endless, 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        rest = self.begin[self.taken :]
        if not rest and not self.endless:
            return 0
        sent = (rest or b"a,north\n" * (PIECE // 8))[: len(into)]
        into[: len(sent)] = sent
        self.taken += len(sent)
        return len(sent)


@dataclass
class Door:
    """The two ways to send an entry of one team, and what came of it."""

    app: Flask
    client: FlaskClient
    session: Session
    team: Team
    path: str
    token: str

    def send(self, body: Body, kind: str, *, page: bool = False, promised: int | None = None) -> TestResponse:
        """Send a body whose length is told before, or that comes in pieces."""
        where = self.path if page else f"/api{self.path}"
        length = {"wsgi.input_terminated": True} if promised is None else {"CONTENT_LENGTH": str(promised)}
        environment = {
            "wsgi.input": body,
            "CONTENT_TYPE": kind,
            "HTTP_ACCEPT_LANGUAGE": "en",
            **length,
        }
        if not page:
            environment["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        return self.client.open(where, method="POST", environ_overrides=environment)

    def kept(self) -> tuple[int, int, int]:
        """Return how many files, entries and slots there are."""
        self.session.expire_all()
        files = sum(path.is_file() for path in self.app.extensions["blobs"].folder.rglob("*"))
        entries = self.session.scalar(select(func.count(Entry.id))) or 0
        used = self.session.scalar(select(func.sum(QuotaDay.used + QuotaDay.failed))) or 0
        return files, entries, used + self.team.taken


@pytest.fixture
def door(
    app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs, sign_in: Callable[[User], None]
) -> Door:
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    kept = {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}
    contest.challenge.files = {"sample_submission.csv": kept}
    team = contest.team(at=now())
    token = make_token(contest.leader(team), Purpose.BOARDS, app.extensions["settings"].session_key())
    client.set_cookie("language", "en")
    sign_in(contest.leader(team))
    return Door(app, client, session, team, f"/challenges/{contest.challenge.slug}/entries", token)


@pytest.mark.parametrize("page", [False, True], ids=["a program", "a page"])
@pytest.mark.parametrize("kind", ["text/csv", FORM])
def test_a_promised_gigabyte_is_refused_before_any_of_it_is_read(
    door: Door, kind: str, *, page: bool
) -> None:
    before = door.kept()
    body = Body(HEAD if kind == FORM else b"id,place\n", endless=False)
    answer = door.send(body, kind, page=page, promised=GIGABYTE)
    assert (answer.status_code, body.taken) == (413, 0)
    assert f"({50 if page else 20} MB). Make the file smaller and send it again." in answer.text
    assert door.kept() == before


@torn
@pytest.mark.parametrize("kind", ["text/csv", FORM])
def test_a_program_whose_body_never_ends_is_read_as_far_as_the_largest_entry(door: Door, kind: str) -> None:
    before = door.kept()
    body = Body(HEAD if kind == FORM else b"id,place\n", endless=True)
    answer = door.send(body, kind)
    assert answer.status_code == 413
    assert "(20 MB)" in answer.get_json()["detail"]
    assert body.taken <= FILE_BYTES + PIECE
    assert door.kept() == before
    gc.collect()


@torn
def test_a_form_that_never_ends_is_not_held_in_memory(door: Door) -> None:
    before = door.kept()
    body = Body(HEAD, endless=True)
    tracemalloc.start()
    try:
        answer = door.send(body, FORM, page=True)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.status_code, "(50 MB)" in answer.text) == (413, True)
    assert FILE_BYTES < body.taken <= PAGE_BYTES + PIECE
    assert most < MOST_HELD
    assert door.kept() == before
    gc.collect()


@pytest.mark.parametrize(("kind", "begin"), [("text/csv", b"id,place\n"), (FIELDS, b"comment=")])
@pytest.mark.parametrize("page", [False, True], ids=["a program", "a page"])
def test_what_was_sent_without_end_is_not_taken_for_its_beginning(
    door: Door, kind: str, begin: bytes, *, page: bool
) -> None:
    before = door.kept()
    body = Body(begin, endless=True)
    answer = door.send(body, kind, page=page)
    assert (answer.status_code, f"({50 if page else 20} MB)" in answer.text) == (413, True)
    assert body.taken <= (PAGE_BYTES if page else FILE_BYTES + 1)
    assert door.kept() == before


def test_a_file_in_pieces_is_taken_like_any_other(door: Door) -> None:
    before = door.kept()
    assert door.send(Body(GOOD, endless=False), "text/csv").status_code == 202
    assert door.kept() == (before[0] + 1, 1, 2)
