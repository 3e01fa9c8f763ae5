"""Grading runs: taken with a lease, kept alive, recorded once, given back when the grader fails.

The queue is the rows of `grading_runs`. A claim raises the run's token; whatever comes back with an
older token is from a worker that was thought dead, and is not recorded.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from lms.blobs import BlobStore
from lms.grading.core.contracts import CellState, CheckResult, GradingReport, ViewReport
from lms.grading.core.wire import to_plain
from lms.grading.models import Grade, GradingRun, ManualMark, RunState, Submission, ViewRun
from lms.grading.queries.submissions import newest_marks
from lms.grading.services.recording import Recording, keep_record

MOST_TRIES = 3
FAILURE_CHARACTERS = 500


def claim_run(session: Session, *, at: datetime, lease_seconds: int) -> GradingRun | None:
    """Take the run whose turn it is, or whose worker has gone silent; None if nothing waits.

    First come students with the fewest running runs, fresh work before work graded again, then the oldest.
    """
    _give_up_silent(session, at)
    free = _free(at)
    turn = (
        select(GradingRun.id)
        .join(Submission, GradingRun.submission_id == Submission.id)
        .where(free)
        .order_by(
            _running_of_same_person(at),
            case((GradingRun.cause == "regrade", 1), else_=0),
            GradingRun.queued_at,
            GradingRun.id,
        )
        .limit(1)
        .with_for_update(of=GradingRun, skip_locked=True)
        .scalar_subquery()
    )
    claimed = session.scalar(
        update(GradingRun)
        .where(GradingRun.id == turn, free)
        .values(
            state=RunState.RUNNING,
            token=GradingRun.token + 1,
            tries=GradingRun.tries + 1,
            started_at=at,
            lease_until=at + timedelta(seconds=lease_seconds),
            progress=[],
        )
        .returning(GradingRun.id)
        .execution_options(synchronize_session=False)
    )
    return None if claimed is None else session.get(GradingRun, claimed, populate_existing=True)


def _free(at: datetime) -> ColumnElement[bool]:
    silent = (GradingRun.state == RunState.RUNNING) & (GradingRun.lease_until < at)
    return or_(GradingRun.state == RunState.QUEUED, silent)


def _running_of_same_person(at: datetime) -> ColumnElement[int]:
    run, work = aliased(GradingRun), aliased(Submission)
    return (
        select(func.count(run.id))
        .join(work, run.submission_id == work.id)
        .where(
            work.enrolment_id == Submission.enrolment_id,
            run.state == RunState.RUNNING,
            run.lease_until >= at,
        )
        .correlate(Submission)
        .scalar_subquery()
    )


def _give_up_silent(session: Session, at: datetime) -> None:
    session.execute(
        update(GradingRun)
        .where(
            GradingRun.state == RunState.RUNNING, GradingRun.lease_until < at, GradingRun.tries >= MOST_TRIES
        )
        .values(
            state=RunState.FAILED,
            finished_at=at,
            lease_until=None,
            failure=f"the worker stopped {MOST_TRIES} times while grading this",
        )
        .execution_options(synchronize_session=False)
    )


def heartbeat(session: Session, run_id: int, token: int, *, at: datetime, lease_seconds: int) -> bool:
    """Extend the lease of a run; False: it was given to another worker, so stop."""
    return _while_held(session, run_id, token, lease_until=at + timedelta(seconds=lease_seconds))


def record_progress(session: Session, run_id: int, token: int, cells: Sequence[CellState]) -> bool:
    """Keep where each cell of the running notebook is; False: the run was given to another worker."""
    return _while_held(session, run_id, token, progress=[cell.value for cell in cells])


def _while_held(session: Session, run_id: int, token: int, **values: object) -> bool:
    statement = (
        update(GradingRun)
        .where(GradingRun.id == run_id, GradingRun.token == token, GradingRun.state == RunState.RUNNING)
        .values(**values)
        .returning(GradingRun.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def record_grade(
    session: Session,
    run_id: int,
    token: int,
    report: GradingReport,
    *,
    blobs: BlobStore,
    at: datetime,
    recording: Recording | None = None,
) -> Grade | None:
    """Keep the outcome of a run and the grade that follows from it; None if the run was given away.

    With `recording` the run gets its signed record, in the same transaction.
    """
    held = _while_held(
        session,
        run_id,
        token,
        state=RunState.DONE,
        finished_at=at,
        lease_until=None,
        checks=[to_plain(check) for check in report.checks],
        notices=[to_plain(notice) for notice in report.notices],
        executed_blob=blobs.put(report.executed),
        wall_seconds=report.wall_seconds,
        cpu_seconds=report.cpu_seconds,
        peak_memory_bytes=report.peak_memory_bytes,
        phases=dict(report.phases),
        cells=[to_plain(cell) for cell in report.cells],
        assurance=report.assurance,
        isolation=report.isolation,
        board=to_plain(report.board) if report.board is not None else None,
        failure="",
    )
    if not held:
        return None
    run = session.get_one(GradingRun, run_id, populate_existing=True)
    if recording is not None:
        run.record_blob = keep_record(run, report, recording, blobs=blobs, at=at)
    _add_view(session, run, report.view, blobs=blobs, at=at)
    return grade_by(session, run, report.checks, at=at)


def _add_view(
    session: Session, run: GradingRun, report: ViewReport | None, *, blobs: BlobStore, at: datetime
) -> None:
    """Keep what the student sees if the run itself showed it; otherwise queue the execution that will."""
    view = ViewRun(run_id=run.id, resource=run.resource, queued_at=at)
    if report is not None:
        view.state, view.started_at, view.finished_at = RunState.DONE, run.started_at, at
        view.feedback_blob = blobs.put(report.feedback)
        view.messages = dict(report.messages)
        view.notices = [to_plain(notice) for notice in report.notices]
        view.cells = [to_plain(cell) for cell in report.cells]
    session.add(view)
    session.flush()


def grade_by(session: Session, run: GradingRun, checks: Sequence[CheckResult], *, at: datetime) -> Grade:
    """Make or replace the grade of a run's submission, unsettled; an older run never replaces a newer one."""
    work = run.submission
    session.execute(select(Submission.id).where(Submission.id == work.id).with_for_update())
    grade = session.scalar(select(Grade).where(Grade.submission_id == work.id))
    if grade is not None and grade.run.ordinal > run.ordinal:
        return grade
    figures = total(checks, newest_marks(session, work))
    if grade is None:
        grade = Grade(submission_id=work.id, enrolment_id=work.enrolment_id, lab_id=work.lab_id)
    grade.score, grade.maximum, grade.provisional = figures
    grade.run = run
    grade.graded_at = at
    grade.settled_at = None
    session.add(grade)
    session.flush()
    return grade


def total(checks: Sequence[CheckResult], marks: dict[str, ManualMark]) -> tuple[float, float, bool]:
    """Add up a run's checks and the marks given by hand: score, maximum, and whether marks are missing.

    Units: points. Each check counts between 0 and its maximum, whatever was reported.
    """
    scores, provisional = [], False
    for check in checks:
        mark = marks.get(check.grade_id)
        score = mark.score if mark is not None else check.score
        provisional = provisional or score is None
        scores.append(
            min(max(score, 0.0), check.maximum) if score is not None and math.isfinite(score) else 0
        )
    maximum = math.fsum(check.maximum for check in checks)
    return min(math.fsum(scores), maximum), maximum, provisional


def fail_run(session: Session, run_id: int, token: int, *, reason: str, at: datetime) -> GradingRun | None:
    """Give a run back after a failure of the grader itself; after three tries it stays failed.

    Staff see the reason. None if the run was given to another worker meanwhile.
    """
    tries = session.scalar(select(GradingRun.tries).where(GradingRun.id == run_id)) or 0
    values: dict[str, object] = {"lease_until": None, "failure": reason[:FAILURE_CHARACTERS]}
    if tries < MOST_TRIES:
        values |= {"state": RunState.QUEUED, "progress": []}
    else:
        values |= {"state": RunState.FAILED, "finished_at": at}
    if not _while_held(session, run_id, token, **values):
        return None
    return session.get(GradingRun, run_id, populate_existing=True)


def settled(session: Session, grade: Grade, *, at: datetime) -> None:
    """Note that all consequences of the grade are drawn; called by `lms.workflows.settle` only."""
    grade.settled_at = at
    session.flush()
