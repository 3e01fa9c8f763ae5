"""Runs that wait, work, failed for good or were cancelled, page by page: for those who steer the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Load, Session

from lms.courses.models import Course
from lms.grading.models import GradingRun, Lab, LabRelease, RunState, Submission, ViewRun

PAGE_ROWS = 50
CANCELLED_DAYS = 7


@dataclass(frozen=True)
class RunPage:
    """One page of runs."""

    runs: Sequence[GradingRun]
    number: int
    found: int

    @property
    def count(self) -> int:
        """Return how many pages there are."""
        return max(-(-self.found // PAGE_ROWS), 1)


def in_queue(session: Session, *, course: Course | None = None, page: int = 1) -> RunPage:
    """Return what waits or works, by priority and age; of one course or of all."""
    left = _of(course).where(GradingRun.state.in_((RunState.QUEUED, RunState.RUNNING)))
    return _page(session, left, page, GradingRun.priority, GradingRun.queued_at, GradingRun.id)


def failed(session: Session, *, course: Course | None = None, page: int = 1) -> RunPage:
    """Return runs that failed for good and that no newer run replaced, the newest first."""
    stopped = _unreplaced(course, RunState.FAILED)
    return _page(session, stopped, page, GradingRun.finished_at.desc(), GradingRun.id.desc())


def cancelled(session: Session, at: datetime, *, course: Course | None = None) -> list[GradingRun]:
    """Return what was cancelled in the last days and that no newer run replaced, the newest first."""
    recent = GradingRun.finished_at >= at - timedelta(days=CANCELLED_DAYS)
    found = _unreplaced(course, RunState.CANCELLED).where(recent)
    return list(session.scalars(found.order_by(GradingRun.finished_at.desc()).limit(PAGE_ROWS)))


def failed_views(session: Session, *, course: Course | None = None) -> list[ViewRun]:
    """Return executions for students' eyes that failed for good, the newest first."""
    found = select(ViewRun).join(ViewRun.run).join(GradingRun.submission).join(Submission.lab)
    found = found.options(
        *_shown(Load(ViewRun).contains_eager(ViewRun.run).contains_eager(GradingRun.submission))
    )
    found = found.where(ViewRun.state == RunState.FAILED)
    if course is not None:
        found = found.where(Lab.course_id == course.id)
    return list(
        session.scalars(found.order_by(ViewRun.finished_at.desc(), ViewRun.id.desc()).limit(PAGE_ROWS))
    )


def runs_by_number(session: Session, ids: Sequence[int], *, course: Course | None = None) -> list[GradingRun]:
    """Return the runs of these numbers, as far as they are of the course."""
    return list(
        session.scalars(_of(course).where(GradingRun.id.in_(ids[:PAGE_ROWS])).order_by(GradingRun.id))
    )


def _of(course: Course | None) -> Select[GradingRun]:
    found = select(GradingRun).join(GradingRun.submission).join(Submission.lab)
    found = found.options(*_shown(Load(GradingRun).contains_eager(GradingRun.submission)))
    return found if course is None else found.where(Lab.course_id == course.id)


def _shown(work: Load) -> tuple[Load, ...]:
    """Load with each row what tables of runs show of its submission, and what decides who may steer it."""
    return (
        work.contains_eager(Submission.lab).joinedload(Lab.course),
        work.joinedload(Submission.enrolment),
        work.selectinload(Submission.release).load_only(LabRelease.settings),
    )


def _unreplaced(course: Course | None, state: RunState) -> Select[GradingRun]:
    newest = (
        select(func.max(GradingRun.ordinal))
        .where(GradingRun.submission_id == Submission.id)
        .correlate(Submission)
        .scalar_subquery()
    )
    return _of(course).where(GradingRun.state == state, GradingRun.ordinal == newest)


def _page(session: Session, found: Select[GradingRun], page: int, *order: object) -> RunPage:
    number = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    rows = session.scalars(found.order_by(*order).limit(PAGE_ROWS).offset((page - 1) * PAGE_ROWS))  # type: ignore[arg-type]
    return RunPage(list(rows), page, number)
