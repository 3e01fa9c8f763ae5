"""Pools of processes that are killed at any moment: nothing is lost, and every submission has one grade."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.config import ROOT, Settings
from lms.db import Base, make_engine, make_sessions, now
from lms.grading.adapters.wakers import LocalBed, LocalWaker, make_waker
from lms.grading.models import Grade, GradingRun, Resource, RunState, ViewRun, Worker
from lms.grading.queries.queue import waiting_by_resource
from lms.grading.services.queueing import cancel_run
from lms.grading.services.waking import wake_after_commit
from lms.runtime.environments import describe
from tests.factories.grading import enrol, lab_settings, make_user, make_world

PATIENCE = 60.0


def wait_until(there: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if there():
            return True
        time.sleep(0.02)
    return False


@dataclass
class House:
    """An installation with a lab, and programs that grade for it."""

    settings: Settings
    folder: Path

    def __post_init__(self) -> None:
        self.settings.make_instance()
        self.engine = make_engine(self.settings.database)
        if not self.settings.database_url:
            Base.metadata.create_all(self.engine)
        self.sessions = make_sessions(self.engine, writing=True)
        wake_after_commit(self.sessions, make_waker(self.settings.instance, self.settings.queue_url))
        self.blobs = FolderBlobs(self.settings.instance / "blobs")
        self.programs: list[subprocess.Popen[bytes]] = []

    def hand_in(self, count: int) -> list[int]:
        """Hand in one file each of so many people; return the numbers of their submissions."""
        with self.sessions.begin() as session:
            world = make_world(
                session,
                self.blobs,
                self.settings.environments_root / "environments",
                settings=lab_settings(attempts=100, due=None),
                started_at=now().replace(microsecond=0),
            )
            world.at = now()
            self._have_environment()
            people = [enrol(session, make_user(session), world.cohort) for _ in range(count)]
            works = [world.hand_in(enrolment=person).id for person in people]
            self.staff = world.instructor.id
            return works

    def _have_environment(self) -> None:
        python = describe(self.settings.environments_root, "ml-basics").python
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    def start(
        self, count: int, seconds: float, *, resources: str = "cpu,big-memory,gpu"
    ) -> subprocess.Popen[bytes]:
        """Start a pool."""
        with (self.folder / "pool.log").open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, "-m", "tests.pool_program", str(count), str(seconds), resources],
                env=self.settings.to_environment() | {"PYTHONPATH": str(ROOT)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.programs.append(program)
        return program

    def count(self, kind: type[GradingRun | ViewRun | Grade | Worker], **values: object) -> int:
        with self.sessions() as session:
            return session.scalar(select(func.count()).select_from(kind).filter_by(**values)) or 0

    def is_done(self, count: int) -> bool:
        done = self.count(GradingRun, state=RunState.DONE)
        return done == count and self.count(ViewRun, state=RunState.DONE) == count

    def close(self) -> None:
        for program in self.programs:
            program.kill()
            program.wait()
        self.engine.dispose()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(settings_in(tmp_path), tmp_path)
    yield made
    made.close()


@pytest.fixture
def spread(tmp_path: Path, redis_url: str, postgres_engine: Engine) -> Iterator[House]:
    """An installation whose workers stand on several machines, as far as they know."""
    url = postgres_engine.url.render_as_string(hide_password=False)
    made = House(replace(settings_in(tmp_path), database_url=url, queue_url=redis_url), tmp_path)
    yield made
    made.close()


def settings_in(folder: Path) -> Settings:
    return Settings(
        instance=folder / "instance",
        secret_key="not secret in a test",
        environments_root=folder,
        lease_seconds=2,
    )


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(each) for each in found.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill_somebody(program: subprocess.Popen[bytes]) -> None:
    for victim in random.sample(children(program.pid), k=1) if children(program.pid) else []:
        os.kill(victim, signal.SIGKILL)


def one_grade_each(house: House, works: list[int]) -> bool:
    with house.sessions() as session:
        grades = session.scalars(select(Grade.submission_id).order_by(Grade.submission_id)).all()
        return list(grades) == sorted(works)


@pytest.mark.parametrize(
    ("submissions", "kills"),
    [(12, 8), pytest.param(150, 150, marks=[pytest.mark.long, pytest.mark.timeout(1200)])],
)
def test_graders_killed_at_any_instant_lose_nothing_and_grade_once(
    house: House, submissions: int, kills: int
) -> None:
    works = house.hand_in(submissions)
    program = house.start(3, 0.1)
    assert wait_until(lambda: house.count(GradingRun, state=RunState.DONE) > 0)
    for _ in range(kills):
        time.sleep(random.uniform(0, 0.4))
        kill_somebody(program)
        with house.sessions.begin() as session:  # being killed so often is not their fault
            session.query(GradingRun).update({"tries": 0})
            session.query(ViewRun).update({"tries": 0})
    assert wait_until(lambda: house.is_done(submissions), 900), (house.folder / "pool.log").read_text()[
        -3000:
    ]
    assert one_grade_each(house, works)


def test_a_pool_that_is_killed_takes_its_processes_with_it(house: House) -> None:
    house.hand_in(4)
    program = house.start(2, 0.5)
    assert wait_until(lambda: house.count(GradingRun, state=RunState.RUNNING) > 0)
    family = children(program.pid)
    program.kill()
    program.wait()
    assert wait_until(lambda: not any(lives(each) for each in family), 10)
    house.start(2, 0.05)
    assert wait_until(lambda: house.is_done(4))


def test_a_pool_told_to_end_gives_back_what_it_has_in_hand_and_ends_within_seconds(house: House) -> None:
    house.hand_in(4)
    program = house.start(2, 60)
    assert wait_until(lambda: house.count(GradingRun, state=RunState.RUNNING) == 2)
    assert house.count(Worker) == 2
    family = children(program.pid)
    program.terminate()
    assert program.wait(20) == 0
    assert not any(lives(each) for each in family)
    with house.sessions() as session:
        runs = session.scalars(select(GradingRun)).all()
        assert {(run.state, run.tries) for run in runs} == {(RunState.QUEUED, 0)}
    assert house.count(Worker) == 0


def test_a_cancelled_run_is_dropped_by_its_worker_which_goes_on_with_the_next(house: House) -> None:
    house.hand_in(2)
    house.start(1, 8)
    assert wait_until(lambda: house.count(GradingRun, state=RunState.RUNNING) == 1)
    with house.sessions.begin() as session:
        run = session.scalars(select(GradingRun).where(GradingRun.state == RunState.RUNNING)).one()
        cancel_run(session, session.get_one(User, house.staff), run, at=now())
        cancelled = run.id
    assert wait_until(lambda: house.count(GradingRun, state=RunState.RUNNING) == 1, 6)
    assert house.count(GradingRun, id=cancelled, state=RunState.CANCELLED) == 1


def test_workers_say_that_they_live_and_what_they_do(house: House) -> None:
    house.hand_in(1)
    house.start(1, 1)
    assert wait_until(lambda: house.count(Worker, doing="run 1") == 1)
    assert wait_until(lambda: house.is_done(1))
    assert wait_until(lambda: house.count(Worker, doing="") == 1)
    with house.sessions() as session:
        worker = session.scalars(select(Worker)).one()
        assert worker.resources == [kind.value for kind in Resource]
        assert session.scalars(select(GradingRun.worker)).one() == worker.name


# several machines


def wake(house: House) -> None:
    """Say what the chores of a pool say every few seconds: a message may be lost, what waits is not."""
    with house.sessions() as session:
        for resource, number in waiting_by_resource(session, now()).items():
            for _ in range(number):
                make_waker(house.settings.instance, house.settings.queue_url).wake(resource.value)


@pytest.mark.redis
@pytest.mark.postgres
def test_two_machines_share_the_work_and_one_may_be_killed_in_the_middle(spread: House) -> None:
    first, second = spread.start(1, 0.3), spread.start(1, 0.3)
    assert wait_until(lambda: spread.count(Worker) == 2)
    works = spread.hand_in(10)
    assert wait_until(lambda: spread.count(GradingRun, state=RunState.RUNNING) == 2)
    with spread.sessions() as session:
        busy = set(session.scalars(select(GradingRun.worker).where(GradingRun.worker != "")))
    assert len(busy) == 2
    family = children(first.pid)
    first.kill()
    for each in family:
        os.kill(each, signal.SIGKILL)

    def done() -> bool:
        wake(spread)
        return spread.is_done(len(works))

    assert wait_until(done), (spread.folder / "pool.log").read_text()[-3000:]
    assert one_grade_each(spread, works)
    second.terminate()
    assert second.wait(20) == 0


@pytest.mark.redis
@pytest.mark.postgres
def test_a_machine_takes_only_the_kinds_of_work_that_it_is_for(spread: House) -> None:
    spread.hand_in(2)
    with spread.sessions.begin() as session:
        one = session.scalars(select(GradingRun).order_by(GradingRun.id)).first()
        assert one is not None
        one.resource = Resource.GPU
    spread.start(1, 0.05, resources="cpu")
    assert wait_until(lambda: spread.count(GradingRun, state=RunState.DONE) == 1)
    wake(spread)
    time.sleep(0.5)
    assert spread.count(GradingRun, state=RunState.QUEUED, resource=Resource.GPU) == 1
    spread.start(1, 0.05, resources="gpu")
    assert wait_until(lambda: spread.count(GradingRun, state=RunState.DONE) == 2)


@pytest.mark.redis
@pytest.mark.postgres
def test_files_are_taken_while_the_broker_is_away(spread: House) -> None:
    away = replace(spread.settings, queue_url="redis+socket:///nowhere/redis.sock")
    wake_after_commit(spread.sessions, make_waker(away.instance, away.queue_url))
    works = spread.hand_in(1)
    spread.start(1, 0.05)
    assert wait_until(lambda: spread.is_done(1))
    assert one_grade_each(spread, works)


# waking on one machine


def test_a_byte_wakes_one_sleeper_and_a_cleared_bed_holds_none(tmp_path: Path) -> None:
    waker = LocalWaker(tmp_path)
    waker.wake("cpu")  # nobody there: nothing happens
    with LocalBed(tmp_path, [Resource.CPU]) as bed, LocalBed(tmp_path, [Resource.GPU]) as other:
        waker.wake("cpu")
        begun = time.monotonic()
        bed.sleep(PATIENCE)
        assert time.monotonic() - begun < PATIENCE / 2
        waker.wake("cpu")
        bed.clear()
        other.sleep(0.01)
        bed.sleep(0.01)  # nothing left: the pause is what ends it
    waker.wake("cpu")


def test_more_wakes_than_a_pipe_holds_hold_nobody_up(tmp_path: Path) -> None:
    waker = LocalWaker(tmp_path)
    with LocalBed(tmp_path, [Resource.CPU]) as bed:
        for _ in range(70_000):
            waker.wake("cpu")
        bed.clear()


def test_a_file_in_the_way_of_a_pipe_is_said(tmp_path: Path) -> None:
    (tmp_path / "wake").mkdir()
    (tmp_path / "wake" / "cpu").touch()
    with pytest.raises(FileExistsError, match="in the way"):
        LocalBed(tmp_path, [Resource.CPU])
