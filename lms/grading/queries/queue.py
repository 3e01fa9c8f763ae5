"""The queue: whose turn it is, what waits for which kind of machine, and what ended for good without a grade.

The order of turns is one statement, for claiming and for telling people how long they wait:

1. priority (`Priority`): exams, what is due soon, practice, builds of releases, a whole lab graded again,
   and last what nobody looks at yet;
2. the person with the fewest runs in work, so that nobody's ten attempts hold up another's first;
3. the course with the fewest runs in work, so that every course that waits gets the same share of the
   workers, however large it is;
4. age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    bindparam,
    cast,
    func,
    join,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from lms.courses.models import Enrolment
from lms.db import UtcDateTime
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

ALL = tuple(Resource)
NO_LIMIT = 1 << 62
AT = bindparam("at", type_=UtcDateTime())
"""The moment of a statement that is made once and asked often."""
Moment = datetime | BindParameter[datetime]


class WorkKind(StrEnum):
    """What a worker can have in hand."""

    BUILD = "build"
    RUN = "run"
    VIEW = "view"


Leasable = type[GradingRun | ViewRun | LabRelease]
KINDS: Mapping[WorkKind, Leasable] = {
    WorkKind.BUILD: LabRelease,
    WorkKind.RUN: GradingRun,
    WorkKind.VIEW: ViewRun,
}


@dataclass(frozen=True)
class Turn:
    """One row of the queue."""

    kind: WorkKind
    id: int
    priority: int
    person_id: int | None
    course_id: int
    queued_at: datetime


def free(kind: Leasable, at: Moment) -> ColumnElement[bool]:
    """Return the condition under which a row can be taken: it waits, or its worker has gone silent."""
    return or_(kind.state == kind.WAITING, silent(kind, at))


def silent(kind: Leasable, at: Moment) -> ColumnElement[bool]:
    """Return the condition under which a row's worker has gone silent."""
    return (kind.state == kind.WORKING) & (kind.lease_until < at)


def in_work(kind: Leasable, at: Moment) -> ColumnElement[bool]:
    """Return the condition under which a worker that is alive has a row."""
    return (kind.state == kind.WORKING) & (kind.lease_until >= at)


def is_held(session: Session, work: GradingRun | ViewRun | LabRelease) -> bool:
    """Say whether a piece of work is still in the hands of the worker that took it with this token."""
    kind = type(work)
    mine = select(kind.id).where(kind.id == work.id, kind.token == work.token, kind.state == kind.WORKING)
    return session.scalar(mine) is not None


def turns(
    session: Session,
    at: datetime,
    *,
    resources: Sequence[Resource] = ALL,
    kinds: Sequence[WorkKind] = tuple(WorkKind),
    limit: int | None = None,
) -> list[Turn]:
    """Return what waits for machines of these kinds, in the order in which it is taken.

    Complexity: one statement, linear in what waits.
    """
    statement = _in_order(tuple(resources), tuple(kinds))
    rows = session.execute(statement, {"at": at, "most": limit if limit is not None else NO_LIMIT})
    return [Turn(WorkKind(row.kind), *row[1:6]) for row in rows]


def is_waiting(session: Session, at: datetime, resources: Sequence[Resource] = ALL) -> bool:
    """Say whether anything waits for machines of these kinds, or its worker has gone silent."""
    return bool(session.scalar(_anything(tuple(resources)), {"at": at}))


def waiting_by_resource(session: Session, at: datetime) -> dict[Resource, int]:
    """Return how much waits for each kind of machine that anything waits for."""
    waiting: dict[Resource, int] = {}
    for kind in KINDS.values():
        rows = session.execute(
            select(kind.resource, func.count(kind.id)).where(free(kind, at)).group_by(kind.resource)
        )
        for resource, number in rows:
            waiting[resource] = waiting.get(resource, 0) + number
    return waiting


def dead_letters(session: Session, limit: int = 100) -> list[GradingRun]:
    """Return runs that failed for good and that no newer run replaced, the newest first."""
    newest = (
        select(func.max(GradingRun.ordinal))
        .where(GradingRun.submission_id == Submission.id)
        .correlate(Submission)
        .scalar_subquery()
    )
    return list(
        session.scalars(
            select(GradingRun)
            .join(Submission, GradingRun.submission_id == Submission.id)
            .where(GradingRun.state == RunState.FAILED, GradingRun.ordinal == newest)
            .order_by(GradingRun.finished_at.desc(), GradingRun.id.desc())
            .limit(limit)
        )
    )


def dead_views(session: Session, limit: int = 100) -> list[ViewRun]:
    """Return executions for students' eyes that failed for good, the newest first."""
    return list(
        session.scalars(
            select(ViewRun)
            .where(ViewRun.state == RunState.FAILED)
            .order_by(ViewRun.finished_at.desc(), ViewRun.id.desc())
            .limit(limit)
        )
    )


def view_of(session: Session, run_id: int) -> ViewRun | None:
    """Return what the student sees of a run, or the state in which that is."""
    return session.scalar(select(ViewRun).where(ViewRun.run_id == run_id))


def workers(session: Session, seen_since: datetime) -> list[Worker]:
    """Return the grading processes that showed a sign of life since then, by name."""
    return list(session.scalars(select(Worker).where(Worker.seen_at >= seen_since).order_by(Worker.name)))


@lru_cache
def _anything(resources: tuple[Resource, ...]) -> Select[tuple[bool]]:
    found = (
        select(kind.id).where(free(kind, AT), kind.resource.in_(resources)).exists()
        for kind in KINDS.values()
    )
    return select(or_(*found))


@lru_cache
def _in_order(resources: tuple[Resource, ...], kinds: tuple[WorkKind, ...]) -> Select[Any]:
    """Return the statement; made once, as making it takes longer than asking it."""
    waiting, working = _waiting(resources).subquery("waiting"), _working()

    def number_of_same(column: str) -> ColumnElement[int]:
        same = working.c[column] == waiting.c[column]
        return select(func.count()).select_from(working).where(same).scalar_subquery()

    wanted = select(waiting).where(waiting.c.kind.in_([kind.value for kind in kinds]))
    return wanted.order_by(
        waiting.c.priority,
        number_of_same("person"),
        number_of_same("course"),
        waiting.c.queued_at,
        waiting.c.kind,
        waiting.c.id,
    ).limit(bindparam("most", type_=Integer()))


def _waiting(resources: Sequence[Resource]) -> CompoundSelect[Any]:
    kinds: list[tuple[WorkKind, type[GradingRun | ViewRun]]] = [
        (WorkKind.RUN, GradingRun),
        (WorkKind.VIEW, ViewRun),
    ]
    parts = [
        select(
            literal(name.value).label("kind"),
            kind.id.label("id"),
            kind.priority.label("priority"),
            Enrolment.user_id.label("person"),
            Lab.course_id.label("course"),
            kind.queued_at.label("queued_at"),
        )
        .select_from(_with_person(kind))
        .where(free(kind, AT), kind.resource.in_(resources))
        for name, kind in kinds
    ]
    builds = (
        select(
            literal(WorkKind.BUILD.value),
            LabRelease.id,
            literal(int(Priority.BUILD)),
            cast(null(), Integer),
            Lab.course_id,
            LabRelease.created_at,
        )
        .select_from(LabRelease)
        .join(Lab, LabRelease.lab_id == Lab.id)
        .where(free(LabRelease, AT), LabRelease.resource.in_(resources))
    )
    return union_all(*parts, builds)


def _working() -> CTE:
    of_people = [
        select(Enrolment.user_id.label("person"), Lab.course_id.label("course"))
        .select_from(_with_person(kind))
        .where(in_work(kind, AT))
        for kind in (GradingRun, ViewRun)
    ]
    builds = (
        select(cast(null(), Integer), Lab.course_id)
        .select_from(LabRelease)
        .join(Lab, LabRelease.lab_id == Lab.id)
        .where(in_work(LabRelease, AT))
    )
    return union_all(*of_people, builds).cte("working")


def _with_person(kind: type[GradingRun | ViewRun]) -> FromClause:
    """Join a run, or a view through its run, with the person and the course that it belongs to."""
    runs: Any = GradingRun.__table__
    start = runs if kind is GradingRun else join(ViewRun, runs, ViewRun.run_id == GradingRun.id)
    return (
        start.join(Submission, GradingRun.submission_id == Submission.id)
        .join(Enrolment, Submission.enrolment_id == Enrolment.id)
        .join(Lab, Submission.lab_id == Lab.id)
    )
