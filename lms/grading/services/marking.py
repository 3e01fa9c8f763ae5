"""What staff do with graded work: mark answers by hand, have work graded again."""

import math
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.courses.models import Cohort, Enrolment
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.grading import policy
from lms.grading.core.contracts import CellKind
from lms.grading.models import GradingRun, Lab, ManualMark, Priority, RunState, Submission
from lms.grading.queries.labs import manifest
from lms.grading.queries.submissions import checks, grade_of
from lms.grading.services.queueing import queue_run
from lms.grading.services.running import grade_by

COMMENT_CHARACTERS = 5000
BY_HAND = frozenset({CellKind.MANUAL_ANSWER, CellKind.MANUAL_TASK})


def mark_manually(
    session: Session,
    actor: User,
    submission: Submission,
    *,
    grade_id: str,
    score: float,
    comment: str,
    at: datetime,
) -> ManualMark:
    """Keep a person's points and comment for one written answer; the grade follows at once, unsettled.

    Raises:
        NotFound: the lab has no such answer.
        Invalid: the points are not between zero and the answer's maximum.
    """
    policy.check_can_mark(actor, submission)
    cells = {cell.grade_id: cell for cell in manifest(submission.release).cells if cell.kind in BY_HAND}
    if grade_id not in cells:
        raise NotFound
    maximum = cells[grade_id].points
    if not math.isfinite(score) or not 0 <= score <= maximum:
        raise Invalid(N_("Give between 0 and %(maximum)g points."), field="score", maximum=maximum)
    mark = ManualMark(
        submission_id=submission.id,
        grade_id=grade_id,
        score=score,
        comment=comment.strip()[:COMMENT_CHARACTERS],
        marked_by_id=actor.id,
        marked_at=at,
    )
    session.add(mark)
    session.flush()
    _follow(session, submission, at)
    record(session, actor, "grading.mark", f"submission:{submission.id}", mark=mark.id)
    return mark


def _follow(session: Session, submission: Submission, at: datetime) -> None:
    grade = grade_of(session, submission)
    if grade is not None:
        grade_by(session, grade.run, checks(grade.run), at=at)


def regrade_submission(session: Session, actor: User, submission: Submission, *, at: datetime) -> GradingRun:
    """Have one submission graded again; a run that still waits is not doubled."""
    policy.check_can_regrade(actor, submission.lab.course)
    if submission.refused:
        raise Conflict(N_("This file came too late and was not taken, so there is nothing to grade."))
    run = _again(session, actor, submission, at, Priority.PRACTICE)
    record(session, actor, "grading.regrade", f"submission:{submission.id}", run=run.id)
    return run


def regrade_lab(
    session: Session, actor: User, lab: Lab, *, at: datetime, cohort: Cohort | None = None
) -> list[GradingRun]:
    """Have every counted submission of a lab graded again, of one cohort or of all, after all other work."""
    policy.check_can_regrade(actor, lab.course)
    work = select(Submission).where(Submission.lab_id == lab.id, Submission.refused.is_(False))
    if cohort is not None:
        work = work.join(Enrolment, Submission.enrolment_id == Enrolment.id).where(
            Enrolment.cohort_id == cohort.id
        )
    again = session.scalars(work.order_by(Submission.id)).all()
    runs = [_again(session, actor, each, at, Priority.REGRADE_ALL) for each in again]
    record(session, actor, "grading.regrade_lab", f"lab:{lab.id}", submissions=len(runs))
    return runs


def _again(
    session: Session, actor: User, submission: Submission, at: datetime, priority: Priority
) -> GradingRun:
    """Queue one more run, unless one waits whose turn comes no later."""
    waiting = session.scalar(
        select(GradingRun).where(
            GradingRun.submission_id == submission.id,
            GradingRun.state == RunState.QUEUED,
            GradingRun.priority <= int(priority),
        )
    )
    return waiting or queue_run(session, submission, at=at, cause="regrade", priority=priority, by=actor.id)
