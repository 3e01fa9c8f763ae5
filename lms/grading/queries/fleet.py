"""What the operator's board shows: workers, what waits for them, and how it went lately."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.courses.models import Course
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
from lms.grading.queries.scenes import ALIVE, KINDS

PERIODS = (timedelta(minutes=15), timedelta(hours=1), timedelta(days=1))
MOST_ROWS = 3000  # medians are those of the newest so many
SHORT_SECONDS = 5.0  # how far a first estimate was off is only asked of waits longer than this


@dataclass(frozen=True)
class AtWork:
    """What a worker has in hand."""

    kind: str  # run | view | build
    id: int
    course: str
    lab: str
    submission_id: int | None
    since: datetime | None


@dataclass(frozen=True)
class Warm:
    """One warm environment of a worker."""

    name: str
    memory_bytes: int
    forks: int
    since: datetime | None


@dataclass(frozen=True)
class Desk:
    """One worker, and what it does."""

    name: str
    alive: bool
    started_at: datetime
    seen_at: datetime
    resources: Sequence[str]
    level: str  # full | reduced | refuse | empty: not said
    missing: Sequence[str]
    work: AtWork | None
    warm: Sequence[Warm]


@dataclass(frozen=True)
class Backlog:
    """What waits and works with one priority on one kind of machine."""

    priority: int
    resource: Resource
    waiting: int
    working: int
    oldest_seconds: float | None  # of what waits

    @property
    def name(self) -> str:
        """Return the priority's name."""
        return priority_of(self.priority)


@dataclass(frozen=True)
class Spread:
    """The middle and the far end of some figures."""

    middle: float
    far: float
    count: int


@dataclass(frozen=True)
class Period:
    """How grading went in the time before now.

    Units: seconds; `error` is the first estimate's, as a share of the wait, its far end the ninth decile.
    """

    length: timedelta
    graded: int
    failed: int
    wait: Spread | None  # from queued to taken; far end: 95 of 100
    run: Spread | None  # from taken to kept
    error: Spread | None

    @property
    def per_minute(self) -> float:
        """Return how many were graded a minute."""
        return self.graded / (self.length.total_seconds() / 60)


def priority_of(number: int) -> str:
    """Return the name of a priority, or its number if it has none."""
    return Priority(number).name.lower() if number in set(Priority) else str(number)


def desks(session: Session, at: datetime) -> list[Desk]:
    """Return all workers on the list, the live ones first."""
    in_hand = _in_hand(session, at)
    rows = session.scalars(select(Worker).order_by(Worker.name))
    found = [_desk(row, in_hand.get(row.name), at) for row in rows]
    return sorted(found, key=lambda desk: (not desk.alive, desk.name))


def _desk(row: Worker, work: AtWork | None, at: datetime) -> Desk:
    level, _, missing = row.isolation.partition(":")
    return Desk(
        name=row.name,
        alive=row.seen_at >= at - ALIVE,
        started_at=row.started_at,
        seen_at=row.seen_at,
        resources=row.resources,
        level=level,
        missing=[name for name in missing.split(",") if name],
        work=work,
        warm=[_warm(each) for each in row.environments],
    )


def _warm(said: Mapping[str, Any]) -> Warm:
    since = said.get("started_at", said.get("since"))
    return Warm(
        name=str(said.get("name", "")),
        memory_bytes=int(said.get("memory_bytes", 0)),
        forks=int(said.get("forks", 0)),
        since=datetime.fromtimestamp(since, UTC) if isinstance(since, int | float) else None,
    )


def _in_hand(session: Session, at: datetime) -> dict[str, AtWork]:
    """Return what is in work, by the worker's name."""
    where = (Course.slug.label("course"), Lab.slug.label("lab"))
    found = {}
    for kind in KINDS:
        rows = select(kind.id, kind.worker, kind.started_at, Submission.id.label("work"), *where).select_from(
            kind
        )
        if kind is ViewRun:
            rows = rows.join(GradingRun, ViewRun.run_id == GradingRun.id)
        rows = rows.join(Submission, GradingRun.submission_id == Submission.id)
        rows = rows.join(Lab, Submission.lab_id == Lab.id).join(Course, Lab.course_id == Course.id)
        for row in session.execute(rows.where(in_work(kind, at))):
            name = "view" if kind is ViewRun else "run"
            found[row.worker] = AtWork(name, row.id, row.course, row.lab, row.work, row.started_at)
    builds = select(LabRelease.id, LabRelease.worker, *where).join(Lab, LabRelease.lab_id == Lab.id)
    for built in session.execute(
        builds.join(Course, Lab.course_id == Course.id).where(in_work(LabRelease, at))
    ):
        found[built.worker] = AtWork("build", built.id, built.course, built.lab, None, None)
    return found


def backlogs(session: Session, at: datetime) -> list[Backlog]:
    """Return what waits and works by priority and kind of machine, in the order of turns."""
    waiting: dict[tuple[int, Resource], tuple[int, datetime]] = {}
    working: dict[tuple[int, Resource], int] = {}
    for kind in KINDS:
        group = (kind.priority, kind.resource)
        counted = select(*group, func.count(kind.id), func.min(kind.queued_at)).where(free(kind, at))
        for priority, resource, count, oldest in session.execute(counted.group_by(*group)):
            _add(waiting, (priority, resource), count, oldest)
        busy = select(*group, func.count(kind.id)).where(in_work(kind, at)).group_by(*group)
        for priority, resource, count in session.execute(busy):
            working[priority, resource] = working.get((priority, resource), 0) + count
    _builds(session, at, waiting, working)
    return [
        Backlog(
            *key,
            waiting=waiting[key][0] if key in waiting else 0,
            working=working.get(key, 0),
            oldest_seconds=max((at - waiting[key][1]).total_seconds(), 0) if key in waiting else None,
        )
        for key in sorted({*waiting, *working})
    ]


def _builds(
    session: Session,
    at: datetime,
    waiting: dict[tuple[int, Resource], tuple[int, datetime]],
    working: dict[tuple[int, Resource], int],
) -> None:
    resource = LabRelease.resource
    counted = select(resource, func.count(LabRelease.id), func.min(LabRelease.created_at))
    for kind, count, oldest in session.execute(counted.where(free(LabRelease, at)).group_by(resource)):
        waiting[Priority.BUILD, kind] = (count, oldest)
    busy = select(resource, func.count(LabRelease.id)).where(in_work(LabRelease, at)).group_by(resource)
    for kind, count in session.execute(busy):
        working[Priority.BUILD, kind] = count


def _add(
    waiting: dict[tuple[int, Resource], tuple[int, datetime]],
    key: tuple[int, Resource],
    count: int,
    oldest: datetime,
) -> None:
    before, since = waiting.get(key, (0, oldest))
    waiting[key] = (before + count, min(since, oldest))


def totals(session: Session) -> dict[tuple[str, str], int]:
    """Return how many runs ever ended, by state and assurance.

    Complexity: linear in all runs, over an index alone.
    """
    ended = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
    group = (GradingRun.state, GradingRun.assurance)
    counted = select(*group, func.count()).where(GradingRun.state.in_(ended)).group_by(*group)
    return {(state.value, assurance): count for state, assurance, count in session.execute(counted)}


def periods(session: Session, at: datetime) -> list[Period]:
    """Return how grading went in the last quarter of an hour, hour and day."""
    columns = (
        GradingRun.state,
        GradingRun.queued_at,
        GradingRun.started_at,
        GradingRun.finished_at,
        GradingRun.first_wait_seconds,
    )
    ended = GradingRun.finished_at.between(at - max(PERIODS), at)
    newest = select(*columns).where(ended).order_by(GradingRun.finished_at.desc()).limit(MOST_ROWS)
    rows = session.execute(newest).all()
    return [_period(session, length, at, rows) for length in PERIODS]


def _period(session: Session, length: timedelta, at: datetime, rows: Sequence[Any]) -> Period:
    since = at - length
    counted = select(GradingRun.state, func.count(GradingRun.id)).where(
        GradingRun.finished_at.between(since, at)
    )
    counts = {row.state: row[1] for row in session.execute(counted.group_by(GradingRun.state))}
    done = [
        row
        for row in rows
        if row.finished_at >= since and row.state is RunState.DONE and row.started_at is not None
    ]
    return Period(
        length=length,
        graded=counts.get(RunState.DONE, 0),
        failed=counts.get(RunState.FAILED, 0),
        wait=spread(((row.started_at - row.queued_at).total_seconds() for row in done), 0.95),
        run=spread(((row.finished_at - row.started_at).total_seconds() for row in done), 0.95),
        error=spread(_errors(done), 0.9),
    )


def _errors(rows: Iterable[Any]) -> Iterable[float]:
    for row in rows:
        waited = (row.finished_at - row.queued_at).total_seconds()
        if row.first_wait_seconds is not None and waited > SHORT_SECONDS:
            yield abs(row.first_wait_seconds - waited) / waited


def spread(values: Iterable[float], share: float) -> Spread | None:
    """Return the median and the value that a share of all stays at or below; None of nothing.

    Args:
        share: in (0, 1]
    """
    found = sorted(max(value, 0.0) for value in values)
    if not found:
        return None
    return Spread(median(found), found[math.ceil(share * len(found)) - 1], len(found))
