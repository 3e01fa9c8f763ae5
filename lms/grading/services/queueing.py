"""What gets into the queue and out of it again: runs and views, cancelled, tried again, wanted sooner."""

import secrets
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict
from lms.grading import policy
from lms.grading.models import GradingRun, Priority, Resource, RetryReason, RunState, Submission, ViewRun
from lms.grading.queries.queue import view_of
from lms.grading.services.waking import announce

SEED_LIMIT = 1 << 32
LEFT = (RunState.QUEUED, RunState.RUNNING)


def queue_run(
    session: Session,
    submission: Submission,
    *,
    at: datetime,
    cause: str = "submitted",
    priority: Priority = Priority.PRACTICE,
    by: int | None = None,
) -> GradingRun:
    """Queue one more execution of the grader on a submission, in place of an older one that still waits.

    What nobody has asked to see yet of the person's earlier attempts at the lab is not made any more; it
    is queued again when somebody looks.
    """
    newest = session.scalar(
        select(func.max(GradingRun.ordinal)).where(GradingRun.submission_id == submission.id)
    )
    _replace(session, submission, at)
    release = submission.release
    run = GradingRun(
        submission_id=submission.id,
        ordinal=(newest or 0) + 1,
        cause=cause,
        priority=int(priority),
        resource=Resource(policy.rules_of(release).resource),
        seed=secrets.randbelow(SEED_LIMIT),
        requested_by_id=by,
        queued_at=at,
        environment_sha256=release.environment_sha256,
    )
    session.add(run)
    session.flush()
    announce(session, run.resource)
    return run


def _replace(session: Session, submission: Submission, at: datetime) -> None:
    session.execute(
        update(GradingRun)
        .where(GradingRun.submission_id == submission.id, GradingRun.state == RunState.QUEUED)
        .values(state=RunState.CANCELLED, finished_at=at)
    )
    earlier = (
        select(GradingRun.id)
        .join(Submission, GradingRun.submission_id == Submission.id)
        .where(Submission.enrolment_id == submission.enrolment_id, Submission.lab_id == submission.lab_id)
    )
    session.execute(
        update(ViewRun)
        .where(
            ViewRun.run_id.in_(earlier),
            ViewRun.state == RunState.QUEUED,
            ViewRun.priority == int(Priority.VIEW),
        )
        .values(state=RunState.CANCELLED, finished_at=at)
    )


def cancel_run(session: Session, actor: User, run: GradingRun, *, at: datetime) -> GradingRun:
    """Take a run out of the queue; the worker that has it loses its lease and stops.

    Raises:
        Conflict: it has ended already.
    """
    policy.check_can_cancel(actor, run)
    cancelled = session.scalar(
        update(GradingRun)
        .where(GradingRun.id == run.id, GradingRun.state.in_(LEFT))
        .values(state=RunState.CANCELLED, finished_at=at, lease_until=None, token=GradingRun.token + 1)
        .returning(GradingRun.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(run)
    if cancelled is None:
        raise Conflict(N_("This run has ended already, so there is nothing to cancel."))
    record(session, actor, "grading.cancel_run", f"submission:{run.submission_id}", run=run.id)
    return run


def retry_run(
    session: Session, actor: User, run: GradingRun, *, at: datetime, reason: RetryReason | None = None
) -> GradingRun:
    """Queue a new run in place of one that failed or was cancelled; the reason stands in its cause.

    Raises:
        Conflict: it neither failed nor was cancelled, or a newer run took its place.
    """
    policy.check_can_retry(actor, run)
    newest = session.scalar(
        select(func.max(GradingRun.ordinal)).where(GradingRun.submission_id == run.submission_id)
    )
    if newest != run.ordinal:
        raise Conflict(N_("A newer run took this one's place. Look at that one."))
    work = run.submission
    priority = policy.priority_of(work.release, work.enrolment.cohort, at)
    cause = f"retry:{reason.value}" if reason is not None else "retry"
    fresh = queue_run(session, work, at=at, cause=cause, priority=priority, by=actor.id)
    record(
        session, actor, "grading.retry_run", f"submission:{work.id}", run=run.id, retry=fresh.id, cause=cause
    )
    return fresh


def want_view(session: Session, run_id: int, at: datetime) -> ViewRun | None:
    """Have what a student sees of a run made now, as somebody looks; None while the run is not graded.

    It takes its place among the runs of its kind, at most as practice, counted from this moment. What
    failed for good stays so until staff try it again.
    """
    view = view_of(session, run_id)
    if view is None or not waits_unasked(view):
        return view
    return _requeue(session, view, _wanted(view), at)


def waits_unasked(view: ViewRun) -> bool:
    """Say whether a view waits behind everything, or not at all, because nobody has looked yet."""
    if view.state is RunState.CANCELLED:
        return True
    return view.state is RunState.QUEUED and view.priority > _wanted(view)


def _wanted(view: ViewRun) -> int:
    return min(view.run.priority, int(Priority.PRACTICE))


def retry_view(session: Session, actor: User, view: ViewRun, *, at: datetime) -> ViewRun:
    """Have what a student sees of a run tried once more after it failed for good.

    Raises:
        Conflict: it did not fail.
    """
    policy.check_can_retry_view(actor, view)
    record(session, actor, "grading.retry_view", f"run:{view.run_id}", view=view.id)
    return _requeue(session, view, int(Priority.PRACTICE), at)


def _requeue(session: Session, view: ViewRun, priority: int, at: datetime) -> ViewRun:
    """Queue a view that nobody has in work; one that was taken meanwhile is left alone."""
    queued = session.scalar(
        update(ViewRun)
        .where(ViewRun.id == view.id, ViewRun.state == view.state)
        .values(state=RunState.QUEUED, priority=priority, queued_at=at, tries=0, finished_at=None, failure="")
        .returning(ViewRun.id)
        .execution_options(synchronize_session=False)
    )
    session.refresh(view)
    if queued is not None:
        announce(session, view.resource)
    return view
