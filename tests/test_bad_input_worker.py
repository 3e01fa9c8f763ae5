"""A worker whose database is locked or whose disk is full: every hand-in is graded in the end, once."""

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from lms.cli import main
from lms.courses.models import Course, Enrolment
from lms.db import make_engine, make_sessions, now
from lms.grading.core.contracts import (
    BuildReport,
    CellState,
    GradingJob,
    GradingReport,
    LabSource,
    Progress,
    RunnerUnavailable,
)
from lms.grading.models import Grade, GradingRun, Lab, RunState
from lms.grading.queries.queue import is_held
from lms.grading.services.submitting import submit
from lms.installation import Installation
from lms.runtime.environments import describe
from lms.worker import Worker
from tests.factories.campus import Place, make_place
from tests.factories.courses import write_course
from tests.factories.grading import grading_report, notebook
from tests.factories.records import PlainNotary


def nothing() -> None:
    pass


@dataclass
class Grader:
    """A runner that answers at once; something may happen before and after it tells how far it is."""

    before: Callable[[], object] = nothing
    after: Callable[[], object] = nothing

    def build(self, lab: LabSource) -> BuildReport:
        raise RunnerUnavailable(lab.name)

    def grade(self, job: GradingJob, on_progress: Callable[[Progress], None]) -> GradingReport:
        del job
        self.before()
        on_progress(Progress(cell=0, total=3, state=CellState.RUNNING))
        self.after()
        return replace(grading_report(), executed=notebook(answer="graded = 1"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("lms.db.BUSY_TIMEOUT_MS", 50)
    place = make_place(tmp_path, f"sqlite:///{tmp_path / 'duri.db'}")
    python = describe(tmp_path, "ml-basics").python
    python.parent.mkdir(parents=True)
    python.touch()
    with make_sessions(place.engine, writing=True).begin() as session:
        enrolment = session.scalars(
            select(Enrolment).where(Enrolment.user_id == place.campus.fellow.id)
        ).one()
        lab = session.scalars(select(Lab)).one()
        submit(
            session,
            enrolment,
            lab,
            filename="x.ipynb",
            content=notebook(answer="mine = 1"),
            received_at=now(),
            blobs=place.blobs,
        )
    yield place
    place.engine.dispose()


@pytest.fixture
def other(place: Place) -> Iterator[Engine]:
    """Somebody else's connection to the database."""
    engine = make_engine(str(place.engine.url))
    yield engine
    engine.dispose()


def worker(place: Place, runner: Grader) -> Worker:
    made = Worker(
        settings=place.settings,
        sessions=make_sessions(place.engine, writing=True),
        blobs=place.blobs,
        runner=runner,
        notary=PlainNotary(),
    )
    made.stop.set()  # pauses end at once
    return made


def run_of(sessions: sessionmaker[Session]) -> tuple[RunState, int, int]:
    """Return the fellow's run: its state, how often it was taken, how many grades came of it."""
    with sessions() as session:
        run = session.scalars(select(GradingRun).order_by(GradingRun.id.desc())).first()
        assert run is not None
        grades = session.scalars(select(Grade).where(Grade.submission_id == run.submission_id)).all()
        return run.state, run.tries, len(grades)


def test_progress_that_cannot_be_written_stops_no_grading(place: Place, other: Engine) -> None:
    with other.connect().execution_options(sqlite_begin="IMMEDIATE") as lock:
        grader = worker(place, Grader(before=lock.begin, after=lock.rollback))
        assert grader.grade_one()
    assert run_of(grader.sessions) == (RunState.DONE, 1, 1)


def test_a_result_that_meets_a_locked_database_is_made_again_and_kept_once(
    place: Place, other: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = other.connect().execution_options(sqlite_begin="IMMEDIATE")
    grader = worker(place, Grader(after=lock.begin))
    with pytest.raises(OperationalError):
        grader.grade_one()
    lock.close()
    assert run_of(grader.sessions) == (RunState.RUNNING, 1, 0)
    assert not worker(place, Grader()).grade_one()  # the lease still holds
    later = now() + timedelta(seconds=place.settings.lease_seconds + 1)
    monkeypatch.setattr("lms.worker.now", lambda: later)
    assert worker(place, Grader()).grade_one()
    assert run_of(grader.sessions) == (RunState.DONE, 2, 1)


def test_a_sign_of_life_between_record_and_end_is_not_taken_for_a_loss(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is not in work any more then; a worker that thought it lost would begin anew, and cold."""
    monkeypatch.setattr("lms.pulse.BEAT_SECONDS", 0.001)
    monkeypatch.setattr("lms.pulse.LOOK_SECONDS", 0.0)
    grader, looked = worker(place, Grader()), threading.Event()
    grader.stop.clear()

    def look(session: Session, work: GradingRun) -> bool:
        held = is_held(session, work)
        if not held:
            looked.set()
        return held

    monkeypatch.setattr("lms.pulse.is_held", look)
    told = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    try:
        grader.take_signals()
        event.listen(grader.sessions, "after_commit", lambda _: looked.wait(0.3))
        assert grader.grade_one()
    finally:
        for number, handler in told.items():
            signal.signal(number, handler)
    assert looked.is_set()
    assert not grader.is_over
    assert run_of(grader.sessions) == (RunState.DONE, 1, 1)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_result_that_meets_a_full_disk_is_made_again_and_kept_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    grader = worker(place, Grader())

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fail)
        assert grader.grade_one()
    assert run_of(grader.sessions) == (RunState.QUEUED, 1, 0)
    assert grader.grade_one()
    assert run_of(grader.sessions) == (RunState.DONE, 2, 1)


# the command line


def publish(place: Place, folder: Path) -> tuple[int, str]:
    path = write_course(folder / "matrices")
    installation = Installation(replace(place.settings, database_url=str(place.engine.url)))
    done = CliRunner().invoke(main, ["course", "publish", str(path)], obj=installation)
    installation.engine.dispose()
    return done.exit_code, done.output


@pytest.fixture
def organisations(place: Place) -> None:
    with make_sessions(place.engine, writing=True).begin() as session:
        course = session.scalars(select(Course)).one()
        course.university.slug, course.company.slug = "hangang-university", "nuri-ai"


@pytest.mark.usefixtures("organisations")
def test_publishing_onto_a_full_disk_says_so_and_makes_no_version(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fail)
        status, said = publish(place, tmp_path / "new")
    assert status == 1
    assert "There is no room left on the disk." in said
    with make_sessions(place.engine)() as session:
        assert session.scalar(select(Course).where(Course.slug == "matrices")) is None
    assert publish(place, tmp_path / "new")[0] == 0


@pytest.mark.usefixtures("organisations")
def test_publishing_into_a_locked_database_says_so_and_makes_no_version(
    place: Place, tmp_path: Path, other: Engine
) -> None:
    with other.execution_options(sqlite_begin="IMMEDIATE").begin():
        status, said = publish(place, tmp_path / "new")
    assert status == 1
    assert "database is locked" in said
    assert "Traceback" not in said
    assert publish(place, tmp_path / "new")[0] == 0
