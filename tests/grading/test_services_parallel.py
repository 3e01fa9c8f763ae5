"""Posts and workers that really meet: threads with sessions of their own, on a database of their own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.attributes import flag_modified

from lms.blobs import FolderBlobs
from lms.courses.models import Enrolment
from lms.db import Base, make_engine, make_sessions
from lms.errors import Conflict, TooSoon
from lms.grading.models import Grade, GradingRun, Lab, Submission
from lms.grading.services.running import claim_run, record_grade
from lms.grading.services.submitting import accept, keep, submit
from tests.factories.grading import NOW, World, grading_report, make_world, notebook

POSTS = 8


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_sessions(request: pytest.FixtureRequest) -> sessionmaker[Session]:
    if request.param == "sqlite":
        return make_sessions(request.getfixturevalue("sqlite"))
    engine: Engine = request.getfixturevalue("postgres_engine")
    return make_sessions(engine)


@pytest.fixture
def world(own_sessions: sessionmaker[Session], blobs: FolderBlobs, tmp_path: Path) -> World:
    with own_sessions() as session:
        made = make_world(session, blobs, tmp_path / "environments")
        session.commit()
    return made


def writing(session: Session) -> Session:
    """Begin as a request that writes does: on SQLite with the writer's place already taken."""
    session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
    return session


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """Let `work` run in `count` threads that all start together."""
    gate = threading.Barrier(count)

    def one(number: int) -> object:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_a_file_is_checked_and_stored_while_somebody_else_writes(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    content = notebook(answer="x = 1")
    with own_sessions() as other, own_sessions() as session:
        writing(other)
        accepted = accept(
            session,
            session.get_one(Enrolment, world.enrolment.id),
            session.get_one(Lab, world.lab.id),
            filename="softmax.ipynb",
            content=content,
            received_at=NOW,
            blobs=blobs,
        )
        assert blobs.get(accepted.draft.blob) == content
        other.rollback()
        session.commit()
        assert keep(writing(session), accepted).attempt == 1


def hand_in(sessions: sessionmaker[Session], world: World, blobs: FolderBlobs, content: bytes) -> int | None:
    with sessions() as session:
        try:
            work = submit(
                writing(session),
                session.get_one(Enrolment, world.enrolment.id),
                session.get_one(Lab, world.lab.id),
                filename="softmax.ipynb",
                content=content,
                received_at=NOW,
                blobs=blobs,
            )
        except (Conflict, TooSoon):
            session.rollback()
            return None
        number = work.id
        session.commit()
        return number


def test_parallel_posts_never_exceed_the_attempts(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    taken = at_once(
        POSTS, lambda number: hand_in(own_sessions, world, blobs, notebook(answer=f"x = {number}"))
    )
    assert len([each for each in taken if each is not None]) == 3
    with own_sessions() as session:
        attempts = session.scalars(
            select(Submission.attempt).where(Submission.lab_id == world.lab.id).order_by(Submission.attempt)
        ).all()
        assert attempts == [1, 2, 3]


def test_parallel_posts_within_a_pause_are_one_attempt(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    with own_sessions.begin() as session:
        release = session.get_one(Lab, world.lab.id).current_release
        assert release is not None
        release.settings["pause_seconds"] = 60
        flag_modified(release, "settings")
    taken = at_once(
        POSTS, lambda number: hand_in(own_sessions, world, blobs, notebook(answer=f"x = {number}"))
    )
    assert len([each for each in taken if each is not None]) == 1
    with own_sessions() as session:
        in_lab = select(func.count(Submission.id)).where(Submission.lab_id == world.lab.id)
        assert session.scalar(in_lab) == 1


def test_parallel_clicks_with_one_file_are_one_submission(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    taken = at_once(POSTS, lambda _: hand_in(own_sessions, world, blobs, notebook()))
    assert len(set(taken)) == 1
    assert taken[0] is not None


def test_workers_that_meet_take_each_run_once_and_record_it_once(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    for number in range(3):
        hand_in(own_sessions, world, blobs, notebook(answer=f"x = {number}"))

    def work(_: int) -> int:
        done = 0
        while True:
            with own_sessions() as session:
                run = claim_run(writing(session), at=NOW, lease_seconds=30)
                session.commit()
            if run is None:
                return done
            with own_sessions() as session:
                grade = record_grade(
                    writing(session), run.id, run.token, grading_report(), blobs=blobs, at=NOW
                )
                session.commit()
            done += grade is not None

    done = at_once(4, work)
    with own_sessions() as session:
        in_lab = select(func.count(Grade.id)).where(Grade.lab_id == world.lab.id)
        assert session.scalar(in_lab) == 3
        tokens = session.scalars(
            select(GradingRun.token).join(Submission).where(Submission.lab_id == world.lab.id)
        ).all()
        assert tokens == [1, 1, 1]
    assert sum(int(str(each)) for each in done) == 3


def test_workers_that_find_the_same_silent_run_take_it_once(
    own_sessions: sessionmaker[Session], world: World, blobs: FolderBlobs
) -> None:
    hand_in(own_sessions, world, blobs, notebook())
    with own_sessions() as session:
        dead = claim_run(writing(session), at=NOW, lease_seconds=30)
        session.commit()
    assert dead is not None

    def again(_: int) -> bool:
        with own_sessions() as session:
            run = claim_run(writing(session), at=NOW + timedelta(minutes=5), lease_seconds=30)
            session.commit()
            return run is not None

    assert sorted(bool(each) for each in at_once(4, again)) == [False, False, False, True]
