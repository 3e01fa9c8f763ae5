"""What decides when a run's turn comes: who waits, who works, and what recent runs took."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby, pairwise
from statistics import median
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from lms.courses.models import Cohort, Enrolment
from lms.grading import policy
from lms.grading.core.waiting import (
    FEWEST,
    WINDOW_SECONDS,
    Arrival,
    Job,
    Pace,
    Scene,
    Slot,
    expected_arrivals,
    pace_of,
)
from lms.grading.models import (
    GradingRun,
    Lab,
    LabRelease,
    Priority,
    Resource,
    RunState,
    Submission,
    ViewRun,
    Worker,
)
from lms.grading.queries.queue import free, in_work

ALIVE = timedelta(seconds=30)
"""A worker that showed no sign of life for so long counts as dead."""
MOST_WAITING = 2000  # of each kind; played through one by one
RECENT = timedelta(days=14)
RECENT_RUNS = 150
RECENT_ARRIVALS = 400
OF_ONE_LAB = 30
LONGEST_GAP_SECONDS = 2.0
BUILD = Pace((20.0,))

Kind = type[GradingRun | ViewRun]
KINDS: tuple[Kind, ...] = (GradingRun, ViewRun)


@dataclass(frozen=True)
class Newcomer:
    """A run that is about to be queued, and is not in the database yet."""

    priority: int
    resource: Resource
    queued_at: datetime
    person: int
    course: int
    lab: int
    release_id: int
    cohort_id: int
    id: int = 1 << 62  # comes after whatever is there


def scene(session: Session, at: datetime, newcomer: Newcomer | None = None) -> Scene:
    """Return the queue as it stands, or as it will stand once `newcomer` is in it.

    Complexity: a fixed number of statements, each over what waits, works, or was done lately.
    """
    paces = Paces(session, at)
    queue = [_job(kind, row, paces) for kind in KINDS for row in session.execute(_queued(kind, at))]
    queue += [_build(row) for row in session.execute(_builds(at))]
    if newcomer is not None:
        queue.append(_job(GradingRun, newcomer, paces))
    return Scene(
        slots=tuple(_slots(session, at, paces)),
        queue=tuple(queue),
        arrivals=expected_arrivals(_arrivals(session, at, newcomer), paces.of_courses),
        gap_seconds=paces.gap_seconds,
    )


def key(kind: type, row_id: int) -> Hashable:
    """Return the name under which a scene knows a row."""
    return kind.__name__, row_id


def _placed(kind: Kind, *columns: Any) -> Select[Any]:
    """Select columns of a run, or of a view, with the lab, the course and the person that it belongs to."""
    where = (Submission.lab_id.label("lab"), Lab.course_id.label("course"), Enrolment.user_id.label("person"))
    found = select(*columns, *where).select_from(kind)
    if kind is ViewRun:
        found = found.join(GradingRun, ViewRun.run_id == GradingRun.id)
    return (
        found.join(Submission, GradingRun.submission_id == Submission.id)
        .join(Enrolment, Submission.enrolment_id == Enrolment.id)
        .join(Lab, Submission.lab_id == Lab.id)
    )


def _queued(kind: Kind, at: datetime) -> Select[Any]:
    columns = (kind.id, kind.priority, kind.queued_at, kind.resource)
    turn = (kind.priority, kind.queued_at, kind.id)
    return _placed(kind, *columns).where(free(kind, at)).order_by(*turn).limit(MOST_WAITING)


def _job(kind: Kind, row: Any, paces: "Paces") -> Job:
    return Job(
        key=key(kind, row.id),
        priority=row.priority,
        person=row.person,
        course=row.course,
        queued_at=row.queued_at.timestamp(),
        order=(KINDS.index(kind) + 1, row.id),
        pace=paces.of(kind, row.lab, row.course),
        resource=row.resource.value,
    )


def _builds(at: datetime) -> Select[Any]:
    columns: tuple[Any, ...] = (LabRelease.id, LabRelease.created_at, LabRelease.resource, Lab.course_id)
    return select(*columns).join(Lab, LabRelease.lab_id == Lab.id).where(free(LabRelease, at))


def _build(row: Any) -> Job:
    name = key(LabRelease, row.id)
    age = row.created_at.timestamp()
    return Job(name, int(Priority.BUILD), name, row.course_id, age, (0, row.id), BUILD, row.resource.value)


def _slots(session: Session, at: datetime, paces: "Paces") -> list[Slot]:
    """Return the live workers; whoever has a lease on something is alive, whatever its row says."""
    alive = session.execute(select(Worker.name, Worker.resources).where(Worker.seen_at >= at - ALIVE))
    idle = {name: frozenset(resources) for name, resources in alive}
    busy = [
        _busy(row, row.worker, paces.of(kind, row.lab, row.course), at, idle)
        for kind in KINDS
        for row in session.execute(_working(kind, at))
    ]
    builds = (LabRelease.worker, LabRelease.resource, Lab.course_id.label("course"))
    busy += [
        Slot(idle.pop(row.worker, frozenset({row.resource.value})), BUILD.mean / 2, None, row.course)
        for row in session.execute(
            select(*builds).join(Lab, LabRelease.lab_id == Lab.id).where(in_work(LabRelease, at))
        )
    ]
    return busy + [Slot(resources) for resources in idle.values()]


def _working(kind: Kind, at: datetime) -> Select[Any]:
    return _placed(kind, kind.started_at, kind.worker, kind.resource).where(in_work(kind, at))


def _busy(row: Any, worker: str, pace: Pace, at: datetime, idle: dict[str, frozenset[str]]) -> Slot:
    elapsed = max((at - row.started_at).total_seconds(), 0.0) if row.started_at else 0.0
    return Slot(
        resources=idle.pop(worker, frozenset({row.resource.value})),
        left_seconds=pace.left(elapsed),
        person=row.person,
        course=row.course,
        variance=pace.variance,
    )


def _arrivals(session: Session, at: datetime, newcomer: Newcomer | None) -> Iterable[Arrival]:
    """Return what was queued within the window, with the deadline that it hurried for."""
    since = at - timedelta(seconds=WINDOW_SECONDS)
    until = _deadlines(session, at)
    for kind in KINDS:
        columns = (kind.priority, kind.resource, kind.queued_at, Submission.release_id, Enrolment.cohort_id)
        newest = _placed(kind, *columns).order_by(kind.id.desc()).limit(RECENT_ARRIVALS)
        own = [newcomer] if newcomer is not None and kind is GradingRun else []
        for row in (*own, *session.execute(newest)):
            if since <= row.queued_at <= at and row.priority < Priority.VIEW:
                yield Arrival(
                    row.priority,
                    row.course,
                    row.resource.value,
                    (at - row.queued_at).total_seconds(),
                    until(row.priority, row.release_id, row.cohort_id),
                )


def _deadlines(session: Session, at: datetime) -> Callable[[int, int, int], float]:
    """Return a function that says how long work of a release and a cohort goes on hurrying."""
    known: dict[tuple[int, int], float] = {}

    def until(priority: int, release_id: int, cohort_id: int) -> float:
        if priority > Priority.DUE_SOON:
            return WINDOW_SECONDS
        if (release_id, cohort_id) not in known:
            release, cohort = session.get_one(LabRelease, release_id), session.get_one(Cohort, cohort_id)
            due = policy.due_at(release, cohort)
            left = (due - at).total_seconds() if due is not None else WINDOW_SECONDS
            known[release_id, cohort_id] = left if left > 0 else WINDOW_SECONDS
        return known[release_id, cohort_id]

    return until


class Paces:
    """What recent runs and views took, by lab, by course and altogether."""

    def __init__(self, session: Session, at: datetime) -> None:
        self.session, self.at = session, at
        self._found: dict[tuple[Kind, int], Pace] = {}

    @cached_property
    def recent(self) -> dict[Kind, list[Any]]:
        """Return the newest ended runs of each kind, with what they belong to."""
        return {kind: list(self.session.execute(self._ended(kind).limit(RECENT_RUNS))) for kind in KINDS}

    def _ended(self, kind: Kind) -> Select[Any]:
        columns = (kind.state, kind.queued_at, kind.started_at, kind.finished_at, kind.worker)
        ended = kind.finished_at.between(self.at - RECENT, self.at)
        return _placed(kind, *columns).where(ended).order_by(kind.finished_at.desc())

    def of(self, kind: Kind, lab: int, course: int) -> Pace:
        """Return the pace of a lab's runs, else its course's, else everybody's."""
        if (kind, lab) not in self._found:
            rows = self.recent[kind]
            own = _lengths(row for row in rows if row.lab == lab)[:OF_ONE_LAB]
            if len(own) < FEWEST and len(rows) == RECENT_RUNS:  # its own lie further back
                mine = self._ended(kind).where(Submission.lab_id == lab).limit(OF_ONE_LAB)
                own = _lengths(self.session.execute(mine))
            of_course = _lengths(row for row in rows if row.course == course)
            self._found[kind, lab] = pace_of(own, of_course, _lengths(rows))
        return self._found[kind, lab]

    @cached_property
    def of_courses(self) -> dict[Hashable, Pace]:
        """Return the pace of all runs of each course."""
        found: defaultdict[Hashable, list[Any]] = defaultdict(list)
        for row in self.recent[GradingRun]:
            found[row.course].append(row)
        everything = _lengths(self.recent[GradingRun])
        return {course: pace_of(_lengths(rows), everything) for course, rows in found.items()}

    @cached_property
    def gap_seconds(self) -> float:
        """Return how long a worker takes from one run to the next while something waits."""
        rows = sorted(
            (row for rows in self.recent.values() for row in rows if row.worker and row.started_at),
            key=lambda row: (row.worker, row.started_at),
        )
        gaps = [
            (after.started_at - before.finished_at).total_seconds()
            for _, own in groupby(rows, key=lambda row: row.worker)
            for before, after in pairwise(own)
            if after.queued_at < before.finished_at
        ]
        close = [gap for gap in gaps if 0 <= gap < LONGEST_GAP_SECONDS]
        return median(close) if len(close) >= FEWEST else 0.0


def _lengths(rows: Iterable[Any]) -> list[float]:
    """Return what ended well took, from claim to kept result."""
    return [
        (row.finished_at - row.started_at).total_seconds()
        for row in rows
        if row.state is RunState.DONE and row.started_at is not None and row.finished_at > row.started_at
    ]
