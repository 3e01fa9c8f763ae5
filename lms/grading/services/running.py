"""Grading runs and views in work: kept alive, recorded once, given back when the grader fails."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from lms.blobs import BlobStore
from lms.grading.core.contracts import CellState, CheckResult, GradingReport, ViewReport
from lms.grading.core.wire import to_plain
from lms.grading.models import Grade, GradingRun, ManualMark, RunState, Submission, ViewRun
from lms.grading.queries.queue import WorkKind
from lms.grading.queries.submissions import newest_marks
from lms.grading.services.claiming import claim
from lms.grading.services.leasing import FAILURE_CHARACTERS, MOST_TRIES, keep, while_held
from lms.grading.services.recording import Recording, keep_record


def claim_run(session: Session, *, at: datetime, lease_seconds: int) -> GradingRun | None:
    """Take the grading run whose turn it is, or whose worker has gone silent; None if none waits."""
    taken = claim(session, at=at, lease_seconds=lease_seconds, kinds=(WorkKind.RUN,))
    return taken if isinstance(taken, GradingRun) else None


def heartbeat(session: Session, run_id: int, token: int, *, at: datetime, lease_seconds: int) -> bool:
    """Extend the lease of a run; False: it was cancelled or given to another worker, so stop."""
    return keep(session, GradingRun, run_id, token, at=at, lease_seconds=lease_seconds)


def record_progress(session: Session, run_id: int, token: int, cells: Sequence[CellState]) -> bool:
    """Keep where each cell of the running notebook is; False: the run is not the caller's any more."""
    return while_held(session, GradingRun, run_id, token, progress=_values(cells))


def _values(cells: Sequence[CellState]) -> list[str]:
    return [cell.value for cell in cells]


def record_grade(
    session: Session,
    run_id: int,
    token: int,
    report: GradingReport,
    *,
    blobs: BlobStore,
    at: datetime,
    progress: Sequence[CellState] | None = None,
    recording: Recording | None = None,
) -> Grade | None:
    """Keep the outcome of a run and the grade that follows from it; None if the run was given away.

    With `recording` the run gets its signed record, in the same transaction. `progress` is where its cells
    were last, where that is not kept yet.
    """
    last = {} if progress is None else {"progress": _values(progress)}
    held = while_held(
        session,
        GradingRun,
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
        **last,
    )
    if not held:
        return None
    run = session.get_one(
        GradingRun, run_id, populate_existing=True, options=[joinedload(GradingRun.submission)]
    )
    if recording is not None:
        run.record_blob = keep_record(run, report, recording, blobs=blobs, at=at)
    _add_view(session, run, report.view, blobs=blobs, at=at)
    return grade_by(session, run, report.checks, at=at)


def _add_view(
    session: Session, run: GradingRun, report: ViewReport | None, *, blobs: BlobStore, at: datetime
) -> None:
    """Keep what the student sees if the run itself showed it; otherwise queue the execution that will.

    Nobody is woken for it: the worker that comes from the run looks for more work anyway.
    """
    view = ViewRun(run_id=run.id, resource=run.resource, queued_at=at)
    if report is not None:
        seen = _seen(report, blobs, at) | {"started_at": run.started_at, "worker": run.worker}
        for name, value in seen.items():
            setattr(view, name, value)
    session.add(view)
    session.flush()


def _seen(report: ViewReport, blobs: BlobStore, at: datetime) -> dict[str, Any]:
    return {
        "state": RunState.DONE,
        "finished_at": at,
        "lease_until": None,
        "feedback_blob": blobs.put(report.feedback),
        "messages": dict(report.messages),
        "notices": [to_plain(notice) for notice in report.notices],
        "cells": [to_plain(cell) for cell in report.cells],
        "failure": "",
    }


def record_view(
    session: Session, view_id: int, token: int, report: ViewReport, *, blobs: BlobStore, at: datetime
) -> ViewRun | None:
    """Keep what the student sees of a run; None if the view was given away."""
    if not while_held(session, ViewRun, view_id, token, **_seen(report, blobs, at)):
        return None
    return session.get_one(ViewRun, view_id, populate_existing=True)


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
    failed = _fail(session, GradingRun, run_id, token, reason=reason, at=at)
    return session.get(GradingRun, run_id, populate_existing=True) if failed else None


def fail_view(session: Session, view_id: int, token: int, *, reason: str, at: datetime) -> ViewRun | None:
    """Give a view back after a failure of the grader itself, as `fail_run` does."""
    failed = _fail(session, ViewRun, view_id, token, reason=reason, at=at)
    return session.get(ViewRun, view_id, populate_existing=True) if failed else None


def _fail(
    session: Session,
    kind: type[GradingRun | ViewRun],
    row_id: int,
    token: int,
    *,
    reason: str,
    at: datetime,
) -> bool:
    tries = session.scalar(select(kind.tries).where(kind.id == row_id)) or 0
    values: dict[str, object] = {"lease_until": None, "failure": reason[:FAILURE_CHARACTERS]}
    if tries < MOST_TRIES:
        values |= {"state": RunState.QUEUED}
    else:
        values |= {"state": RunState.FAILED, "finished_at": at}
    return while_held(session, kind, row_id, token, **values)


def settled(session: Session, grade: Grade, *, at: datetime) -> None:
    """Note that all consequences of the grade are drawn; called by `lms.workflows.settle` only."""
    grade.settled_at = at
    session.flush()
