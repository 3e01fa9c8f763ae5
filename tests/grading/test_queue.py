"""Whose turn it is: the statement that claims work against a model of the order in plain Python."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import FolderBlobs
from lms.courses.models import Enrolment
from lms.db import Base, make_engine, make_sessions
from lms.grading.models import (
    GradingRun,
    LabRelease,
    Priority,
    ReleaseState,
    Resource,
    RunState,
    Submission,
    ViewRun,
)
from lms.grading.queries.queue import WorkKind, is_waiting, turns, waiting_by_resource
from lms.grading.services.claiming import Work, claim
from tests.factories.grading import NOW, World, enrol, make_user, make_world

PEOPLE = 3
KINDS = {GradingRun: WorkKind.RUN, ViewRun: WorkKind.VIEW, LabRelease: WorkKind.BUILD}


@dataclass(frozen=True)
class Job:
    """One row as the model sees it."""

    kind: WorkKind
    id: int
    priority: int
    person: int | None
    course: int
    age: int
    resource: Resource = Resource.CPU
    working: bool = False
    lease: int = 0  # seconds that it still lasts

    def free(self) -> bool:
        return not self.working or self.lease < 0


def expected_order(jobs: list[Job], resources: tuple[Resource, ...]) -> list[tuple[WorkKind, int]]:
    """Take everything, one after another, as the words in `queries.queue` say."""
    order = []
    while True:
        at_work = [job for job in jobs if not job.free()]

        def key(job: Job, at_work: list[Job] = at_work) -> tuple[object, ...]:
            return (
                job.priority,
                sum(other.person == job.person for other in at_work) if job.person is not None else 0,
                sum(other.course == job.course for other in at_work),
                -job.age,
                job.kind.value,
                job.id,
            )

        waiting = sorted((job for job in jobs if job.free() and job.resource in resources), key=key)
        if not waiting:
            return order
        first = waiting[0]
        order.append((first.kind, first.id))
        jobs = [replace(job, working=True, lease=30) if job == first else job for job in jobs]


rows = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(list(WorkKind)),
        "priority": st.sampled_from([10, 20, 30, 40, 50]),
        "person": st.integers(0, PEOPLE - 1),
        "course": st.integers(0, 1),
        "age": st.integers(0, 5),
        "resource": st.sampled_from([Resource.CPU, Resource.CPU, Resource.GPU]),
        "working": st.sampled_from([False, False, True]),
        "lease": st.sampled_from([-5, 5]),
    }
)


@dataclass
class Stand:
    """Two courses and the same people in both."""

    session: Session
    worlds: list[World]
    enrolments: dict[tuple[int, int], Enrolment]

    def add(self, row: dict[str, object]) -> Job:
        """Put one row into the database and return it as the model sees it."""
        world = self.worlds[int(str(row["course"]))]
        working = bool(row["working"])
        lease = int(str(row["lease"]))
        at = NOW - timedelta(seconds=int(str(row["age"])))
        shared = {
            "resource": row["resource"],
            "lease_until": NOW + timedelta(seconds=lease) if working else None,
        }
        kind = WorkKind(str(row["kind"]))
        if kind is WorkKind.BUILD:
            number = (self.session.scalar(select(func.count(LabRelease.id))) or 0) + 1
            made: Work = LabRelease(
                lab_id=world.lab.id,
                version_id=world.version.id,
                number=number,
                digest=f"{number:064x}",
                state=ReleaseState.BUILDING if working else ReleaseState.QUEUED,
                settings={},
                environment_name="x",
                environment_sha256="0" * 64,
                created_at=at,
                **shared,
            )
        else:
            state = RunState.RUNNING if working else RunState.QUEUED
            done = kind is WorkKind.VIEW
            run = GradingRun(
                submission_id=self._submission(row, world).id,
                ordinal=1,
                queued_at=at,
                state=RunState.DONE if done else state,
                priority=row["priority"],
                **({} if done else shared),
            )
            made = run
            if done:
                self.session.add(run)
                self.session.flush()
                made = ViewRun(run_id=run.id, queued_at=at, state=state, priority=row["priority"], **shared)
        self.session.add(made)
        self.session.flush()
        build = kind is WorkKind.BUILD
        return Job(
            kind=kind,
            id=made.id,
            priority=int(Priority.BUILD) if build else int(str(row["priority"])),
            person=None if build else int(str(row["person"])),
            course=int(str(row["course"])),
            age=int(str(row["age"])),
            resource=Resource(str(row["resource"])),
            working=working,
            lease=lease,
        )

    def _submission(self, row: dict[str, object], world: World) -> Submission:
        number = (self.session.scalar(select(func.max(Submission.id))) or 0) + 1
        work = Submission(
            enrolment_id=self.enrolments[int(str(row["person"])), int(str(row["course"]))].id,
            lab_id=world.lab.id,
            release_id=world.lab.current_release_id,
            attempt=number,
            blob="0" * 64,
            filename="x",
            size_bytes=1,
            received_at=NOW,
        )
        self.session.add(work)
        self.session.flush()
        return work


def make_stand(session: Session, blobs: FolderBlobs, folder: Path) -> Stand:
    worlds = [make_world(session, blobs, folder / str(number)) for number in range(2)]
    people = [make_user(session) for _ in range(PEOPLE)]
    enrolments = {
        (who, where): enrol(session, person, world.cohort)
        for who, person in enumerate(people)
        for where, world in enumerate(worlds)
    }
    return Stand(session, worlds, enrolments)


@pytest.fixture
def stand(session: Session, blobs: FolderBlobs, tmp_path: Path) -> Stand:
    return make_stand(session, blobs, tmp_path)


@given(drawn=st.lists(rows, max_size=9), resources=st.sampled_from([(Resource.CPU,), tuple(Resource)]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_is_taken_in_the_order_that_the_words_say(
    stand: Stand, drawn: list[dict[str, object]], resources: tuple[Resource, ...]
) -> None:
    session = stand.session
    with session.begin_nested() as undone:
        jobs = [stand.add(row) for row in drawn]
        expected = expected_order(jobs, resources)
        assert len(turns(session, NOW, resources=resources)) == len(expected)
        assert is_waiting(session, NOW, resources) == bool(expected)
        taken = []
        while work := claim(session, at=NOW, lease_seconds=30, resources=resources):
            taken.append((KINDS[type(work)], work.id))
        assert taken == expected
        undone.rollback()
    session.expire_all()


def test_what_waits_is_counted_by_the_machine_that_it_needs(stand: Stand) -> None:
    row = {"kind": "run", "priority": 30, "person": 0, "course": 0, "age": 0, "working": False, "lease": 5}
    for resource in (Resource.CPU, Resource.CPU, Resource.GPU):
        stand.add(row | {"resource": resource})
    stand.add(row | {"resource": Resource.BIG_MEMORY, "working": True})
    assert waiting_by_resource(stand.session, NOW) == {Resource.CPU: 2, Resource.GPU: 1}
    assert not is_waiting(stand.session, NOW, (Resource.BIG_MEMORY,))


# claims that meet


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_sessions(request: pytest.FixtureRequest) -> sessionmaker[Session]:
    if request.param == "sqlite":
        return make_sessions(request.getfixturevalue("sqlite"), writing=True)
    engine: Engine = request.getfixturevalue("postgres_engine")
    return make_sessions(engine)


def test_many_workers_take_each_row_once_and_in_the_order_that_the_words_say(
    own_sessions: sessionmaker[Session], blobs: FolderBlobs, tmp_path: Path
) -> None:
    jobs = []
    with own_sessions.begin() as session:
        stand = make_stand(session, blobs, tmp_path)
        for number in range(60):
            kind = (WorkKind.RUN, WorkKind.RUN, WorkKind.VIEW, WorkKind.BUILD)[number % 4]
            jobs.append(
                stand.add(
                    {
                        "kind": kind,
                        "priority": (20, 30, 50)[number % 3],
                        "person": number * 7 % PEOPLE,
                        "course": number * 5 % 2,
                        "age": number * 11 % 17,
                        "resource": Resource.CPU,
                        "working": False,
                        "lease": 30,
                    }
                )
            )
    gate, order = threading.Barrier(6), threading.Lock()
    taken: list[tuple[WorkKind, int]] = []

    def work(_: int) -> None:
        gate.wait()
        while True:
            with own_sessions.begin() as session:
                mine = claim(session, at=NOW, lease_seconds=30)
                if mine is None:
                    return
                with order:  # the claim's transaction is still open: nobody else is claiming
                    taken.append((KINDS[type(mine)], mine.id))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert taken == expected_order(jobs, tuple(Resource))
    with own_sessions() as session:
        assert set(session.scalars(select(GradingRun.token).where(GradingRun.state == RunState.RUNNING))) == {
            1
        }


@pytest.mark.postgres
def test_a_row_that_somebody_has_locked_holds_nobody_up(
    postgres_engine: Engine, blobs: FolderBlobs, tmp_path: Path
) -> None:
    sessions = make_sessions(postgres_engine)
    with sessions.begin() as session:
        world = make_world(session, blobs, tmp_path / "e")
        first, second = world.hand_in(), world.hand_in(received_at=NOW + timedelta(seconds=1))
    with sessions() as other, sessions.begin() as session:
        other.scalars(
            select(GradingRun).where(GradingRun.submission_id == first.id).with_for_update(of=GradingRun)
        ).one()
        taken = claim(session, at=NOW, lease_seconds=30)
        assert isinstance(taken, GradingRun)
        assert taken.submission_id == second.id
        assert claim(session, at=NOW, lease_seconds=30) is None
