"""What a person is shown of one submission: where it is, and what came of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from lms.grading.core.contracts import CellKind, CellState, CheckResult, CheckStatus, ManifestCell, Notice
from lms.grading.models import Grade, GradingRun, LabRelease, ManualMark, RunState, Submission
from lms.grading.queries import labs, submissions
from lms.grading.queries.submissions import Wait

SQUARES = {
    CellState.RUNNING: "run",
    CellState.PASSED: "ok",
    CellState.PARTIAL: "part",
    CellState.FAILED: "bad",
}
SIGNS = {
    CheckStatus.PASSED: "ok",
    CheckStatus.PARTIAL: "part",
    CheckStatus.FAILED: "bad",
    CheckStatus.ERROR: "bad",
    CheckStatus.MANUAL: "wait",
}


class Stage(StrEnum):
    """Where a submission is, in words that fit one tag."""

    REFUSED = "refused"
    QUEUED = "queued"
    RUNNING = "running"
    GRADED = "graded"
    PROVISIONAL = "provisional"
    FAILED = "failed"


@dataclass(frozen=True)
class Row:
    """One graded cell with its points, as shown."""

    grade_id: str
    title: Mapping[str, str]
    sign: str
    status: CheckStatus
    score: float | None
    maximum: float
    message: str
    hidden: bool
    by_hand: bool
    notice: Notice | None
    mark: ManualMark | None


@dataclass(frozen=True)
class Outcome:
    """One submission with its newest run and its grade."""

    submission: Submission
    stage: Stage
    run: GradingRun | None
    grade: Grade | None
    wait: Wait | None
    rows: Sequence[Row]
    notices: Sequence[Notice]
    squares: Sequence[tuple[int, str]]  # number from 1, kind of the cell strip

    @property
    def moving(self) -> bool:
        """Say whether there is more to come by itself."""
        return self.stage in {Stage.QUEUED, Stage.RUNNING}

    @property
    def version(self) -> str:
        """Return a short mark that changes whenever something shown of the submission changes."""
        run, grade = self.run, self.grade
        seen = (
            self.stage,
            self.wait,
            run and (run.id, run.token, run.progress),
            grade and (grade.run_id, grade.score, grade.graded_at),
            [(row.grade_id, row.mark and row.mark.id) for row in self.rows],
        )
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def outcome(session: Session, submission: Submission, *, staff: bool = False) -> Outcome:
    """Return what is shown of a submission; notices for staff only with `staff`."""
    run = submissions.newest_run(session, submission)
    grade = submissions.grade_of(session, submission)
    stage = stage_of(submission, run, grade)
    marks = submissions.newest_marks(session, submission)
    graded_by = grade.run if grade is not None else None
    results = submissions.checks(graded_by) if graded_by is not None else []
    return Outcome(
        submission=submission,
        stage=stage,
        run=run,
        grade=grade,
        wait=submissions.wait(session, run) if run is not None and stage is Stage.QUEUED else None,
        rows=_rows(submission.release, results, marks),
        notices=_notices(submission, graded_by, staff=staff),
        squares=_squares(run, results),
    )


def stage_of(submission: Submission, run: GradingRun | None, grade: Grade | None) -> Stage:
    """Say where a submission is."""
    if submission.refused or run is None:
        return Stage.REFUSED
    stages = {RunState.QUEUED: Stage.QUEUED, RunState.RUNNING: Stage.RUNNING, RunState.FAILED: Stage.FAILED}
    if run.state in stages:
        return stages[run.state]
    return Stage.PROVISIONAL if grade is not None and grade.provisional else Stage.GRADED


def _rows(release: LabRelease, results: Sequence[CheckResult], marks: Mapping[str, ManualMark]) -> list[Row]:
    if not results:
        return []
    cells = {cell.grade_id: cell for cell in labs.manifest(release).cells}
    return [_row(each, cells.get(each.grade_id), marks.get(each.grade_id)) for each in results]


def _row(result: CheckResult, cell: ManifestCell | None, mark: ManualMark | None) -> Row:
    score, status = result.score, result.status
    if mark is not None:
        score = mark.score
        status = _status(mark.score, result.maximum)
    by_hand = cell is not None and cell.kind in {CellKind.MANUAL_ANSWER, CellKind.MANUAL_TASK}
    return Row(
        grade_id=result.grade_id,
        title=(cell.title if cell is not None else None) or {"en": result.grade_id},
        sign=SIGNS[status],
        status=status,
        score=score,
        maximum=result.maximum,
        message=result.message,
        hidden=result.hidden,
        by_hand=by_hand,
        notice=result.notice,
        mark=mark,
    )


def _status(score: float, maximum: float) -> CheckStatus:
    if score >= maximum:
        return CheckStatus.PASSED
    return CheckStatus.PARTIAL if score > 0 else CheckStatus.FAILED


def _notices(submission: Submission, run: GradingRun | None, *, staff: bool) -> list[Notice]:
    found = submissions.notices(submission)
    if run is not None:
        found += [each for each in submissions.notices(run) if each not in found]
        found += submissions.board_notices(run)
    return [each for each in found if staff or not each.for_staff]


def _squares(run: GradingRun | None, results: Sequence[CheckResult]) -> list[tuple[int, str]]:
    states = [CellState(state) for state in run.progress] if run is not None else []
    if run is not None and run.state is not RunState.RUNNING:
        states = [CellState.DONE if state is CellState.RUNNING else state for state in states]
    if states:
        return [(number, SQUARES.get(state, "none")) for number, state in enumerate(states, start=1)]
    kinds = [SIGNS[result.status] for result in results]
    return [(number, "none" if kind == "wait" else kind) for number, kind in enumerate(kinds, start=1)]
