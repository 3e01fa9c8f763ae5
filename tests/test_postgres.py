"""What matters most, on PostgreSQL: with connections that really meet."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from lms import workflows
from lms.accounts.core.chain import first_flaw
from lms.accounts.models import AuditEvent, OutgoingMail, User
from lms.accounts.queries import audit_entries
from lms.accounts.services.audit import record
from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.certs.services.batches import issue
from lms.config import Settings
from lms.db import make_sessions
from lms.grading.core.contracts import BoardResult, GradingReport
from lms.grading.models import Grade
from lms.grading.services.running import record_grade
from lms.leaderboards.models import Board, Entry
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.boards import open_board
from tests.factories.campus import BOARD
from tests.factories.certs import NOW as SIGNED
from tests.factories.certs import Pair, make_request
from tests.factories.grading import (
    NOW,
    ONLY_TESTS,
    World,
    build_report,
    enrol,
    grading_report,
    lab_settings,
    make_user,
    make_world,
)

pytestmark = pytest.mark.postgres
THREADS = 6


@pytest.fixture
def sessions(postgres_engine: Engine) -> sessionmaker[Session]:
    return make_sessions(postgres_engine)


@pytest.fixture
def app(settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs) -> Flask:
    app = create_app(settings, sessions=sessions, blobs=blobs)
    app.config.update(WTF_CSRF_ENABLED=False)
    return app


@pytest.fixture
def world(
    sessions: sessionmaker[Session], blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A course with a board lab that machines grade alone, in a session that stays open."""
    report = replace(build_report(ONLY_TESTS), board_archive=b"hidden set")
    monkeypatch.setattr("tests.factories.grading.build_report", lambda *_: report)
    with sessions() as session:
        made = make_world(session, blobs, tmp_path / "environments", settings=lab_settings(board=BOARD))
        assert made.lab.current_release is not None
        open_board(session, made.cohort, made.lab.current_release)
        session.commit()
        yield made


def at_once(work: Callable[[int], object]) -> list[object]:
    """Let `work` run in threads that all start together."""
    gate = threading.Barrier(THREADS)

    def one(number: int) -> object:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


FORM = {"name": "김하늘", "email": "haneul@example.org", "password": "a sentence to remember"}


def test_somebody_signs_up_confirms_and_signs_in(app: Flask, sessions: sessionmaker[Session]) -> None:
    client = app.test_client()
    assert client.post("/sign-up", data=FORM).status_code == 302
    with sessions() as session:
        letter = session.scalars(select(OutgoingMail)).one()
    link = re.search(r"(/confirm/\S+)", letter.body)
    assert link
    assert client.post(link[1]).status_code == 302
    assert client.post("/sign-in", data=FORM).status_code == 302
    assert "김하늘" in client.get("/profile").text


def test_one_address_that_signs_up_many_times_at_once_is_one_account(
    app: Flask, sessions: sessionmaker[Session]
) -> None:
    statuses = at_once(lambda _: app.test_client().post("/sign-up", data=FORM).status_code)
    assert {status for status in statuses if status != 429} == {302}
    with sessions() as session:
        assert session.scalar(select(func.count(User.id))) == 1


def test_what_many_write_down_at_once_is_one_unbroken_chain(sessions: sessionmaker[Session]) -> None:
    def write(number: int) -> None:
        for step in range(5):
            with sessions.begin() as session:
                record(session, None, "test.step", f"thread:{number}", step=step)

    at_once(write)
    with sessions() as session:
        assert session.scalar(select(func.count(AuditEvent.id))) == THREADS * 5
        assert first_flaw(audit_entries(session)) is None


def scored(public: float) -> GradingReport:
    return replace(grading_report(manual=False), board=BoardResult(public, public / 2))


def test_a_zombie_and_its_successor_record_one_grade(
    sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    world.hand_in()
    first = world.claim()
    old = first.id, first.token
    second = world.claim(at=world.at + timedelta(minutes=5))
    assert (second.id, second.token) == (old[0], old[1] + 1)
    world.session.commit()

    def finish(number: int) -> bool:
        token = old[1] + number % 2
        with sessions.begin() as session:
            report = scored(0.5 + token / 10)
            return record_grade(session, old[0], token, report, blobs=blobs, at=NOW) is not None

    assert sorted(bool(done) for done in at_once(finish)) == [False] * (THREADS - 1) + [True]
    with sessions() as session:
        grade = session.scalars(select(Grade)).one()
        assert grade.run.token == old[1] + 1
        assert grade.run.board is not None
        assert grade.run.board["public_score"] == 0.5 + (old[1] + 1) / 10


def test_a_grade_that_many_settle_at_once_has_its_consequences_once(
    sessions: sessionmaker[Session], world: World
) -> None:
    work = world.graded(report=scored(0.9))
    world.session.commit()

    def settle(_: int) -> bool:
        try:
            with sessions.begin() as session:
                grade = session.scalars(select(Grade).where(Grade.submission_id == work.id)).one()
                workflows.settle(session, grade, NOW)
        except IntegrityError:  # met on the unique key; the chore repeats it and finds it done
            return False
        return True

    assert any(at_once(settle))
    assert settle(0)
    with sessions() as session:
        assert session.scalars(select(Grade)).one().settled_at == NOW
        assert session.scalar(select(func.count(Entry.id)).where(Entry.submission_id.is_not(None))) == 1
        assert session.scalar(select(func.count(IssuanceRequest.id))) == 1


def test_a_board_ranks_by_unrounded_scores_and_the_earlier_of_equals(world: World) -> None:
    session = world.session
    people = [world.enrolment] + [enrol(session, make_user(session), world.cohort) for _ in range(3)]
    for minutes, (person, score) in enumerate(zip(people, (0.5, 0.90001, 0.9, 0.5), strict=True)):
        work = world.graded(
            report=scored(score), enrolment=person, received_at=NOW + timedelta(minutes=minutes)
        )
        workflows.settle(
            session, session.scalars(select(Grade).where(Grade.submission_id == work.id)).one(), NOW
        )
    session.commit()
    table = standings(session, session.scalars(select(Board)).one(), world.student, NOW)
    assert [(row.rank, row.score) for row in table.rows] == [(1, 0.90001), (2, 0.9), (3, 0.5), (4, 0.5)]
    assert [row.rank for row in table.rows if row.mine] == [3]


def test_a_certificate_waits_for_the_company_and_comes_when_it_is_back(
    sessions: sessionmaker[Session],
) -> None:
    pair = Pair()
    with sessions.begin() as session:
        number = make_request(session).id
    pair.company.down = True
    assert issue(sessions, number, pair.signing, SIGNED) is None
    with sessions() as session:
        assert session.get_one(IssuanceRequest, number).state is RequestState.WAITING_FOR_COMPANY
        assert session.scalar(select(func.count(Credential.id))) == 0
    pair.company.down = False
    assert issue(sessions, number, pair.signing, SIGNED) is not None
    with sessions() as session:
        assert len(session.scalars(select(Credential)).one().document["proof"]) == 2
