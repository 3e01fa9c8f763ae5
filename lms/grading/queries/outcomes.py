"""What a person is shown of one submission: where it is, and what came of it."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from lms.grading import policy
from lms.grading.core.contracts import CellKind, CellState, CheckResult, CheckStatus, ManifestCell, Notice
from lms.grading.core.waiting import Wait
from lms.grading.core.wire import from_plain
from lms.grading.models import Grade, GradingRun, LabRelease, ManualMark, RunState, Submission, ViewRun
from lms.grading.queries import labs, queue, submissions
from lms.grading.queries.queue import WorkKind

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
ENDED = {CellState.PASSED, CellState.PARTIAL, CellState.FAILED}
NOT_REACHED = "not-reached"


class Stage(StrEnum):
    """Where a submission is, in words that fit one tag."""

    REFUSED = "refused"
    QUEUED = "queued"
    RUNNING = "running"
    GRADED = "graded"
    PROVISIONAL = "provisional"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Row:
    """One graded cell with its points, as shown. Kept back: neither status nor points."""

    grade_id: str
    title: Mapping[str, str]
    sign: str
    status: CheckStatus | None
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
    cells: Sequence[CellState]  # where each cell of the newest run is
    squares: Sequence[tuple[int, str]]  # number from 1, kind of the cell strip
    hidden_until: datetime | None = None  # results of hidden tests are kept back up to then
    view: ViewRun | None = None  # what may be seen of the graded run beside its points
    view_place: int | None = None  # 1 = next, while that waits

    @property
    def moving(self) -> bool:
        """Say whether points are to come by themselves."""
        return self.stage in {Stage.QUEUED, Stage.RUNNING}

    @property
    def preparing(self) -> bool:
        """Say whether outputs and messages are still being made."""
        return self.view is not None and self.view.state in {RunState.QUEUED, RunState.RUNNING}

    @property
    def seen_seconds(self) -> float | None:
        """Return what the cells took in the execution that the student sees; None while there is none."""
        if self.view is None or self.view.state is not RunState.DONE or not self.view.cells:
            return None
        return math.fsum(cell["wall_seconds"] for cell in self.view.cells)

    @property
    def version(self) -> str:
        """Return a short mark that changes whenever something shown of the submission changes."""
        run, grade = self.run, self.grade
        seen = (
            self.stage,
            self.wait,
            run and (run.id, run.token),
            [cell.value for cell in self.cells],
            self.hidden_until,
            grade and (grade.run_id, grade.score, grade.graded_at),
            self.view and (self.view.id, self.view.state),
            self.view_place,
            [(row.grade_id, row.mark and row.mark.id) for row in self.rows],
        )
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def outcome(
    session: Session, submission: Submission, *, staff: bool = False, at: datetime | None = None
) -> Outcome:
    """Return what is shown of a submission; notices for staff only with `staff`.

    With the moment `at`, also how many go before outputs that are being prepared, and what a lab keeps
    back until its deadline; without it that is kept back from all but staff.
    """
    until = None if staff else _hidden_until(submission, at)
    run = submissions.newest_run(session, submission)
    grade = submissions.grade_of(session, submission)
    stage = stage_of(submission, run, grade)
    marks = submissions.newest_marks(session, submission)
    graded_by = grade.run if grade is not None else None
    results = submissions.checks(graded_by) if graded_by is not None else []
    view = queue.view_of(session, graded_by.id) if graded_by is not None else None
    messages = view.messages if view is not None else {}
    rows = _rows(submission.release, results, marks, messages)
    cells = _cells(run)
    if until is not None:
        rows = [_kept_back(row, messages) for row in rows]
        cells = _without_hidden(submission.release, cells)
    return Outcome(
        submission=submission,
        stage=stage,
        run=run,
        grade=grade,
        wait=submissions.wait(session, run) if run is not None and stage is Stage.QUEUED else None,
        rows=rows,
        notices=_notices(submission, graded_by, view, staff=staff),
        cells=cells,
        squares=_squares(cells, results, keeps=until is not None),
        hidden_until=until,
        view=view,
        view_place=_place(session, view, at) if view is not None and at is not None else None,
    )


def stage_of(submission: Submission, run: GradingRun | None, grade: Grade | None) -> Stage:
    """Say where a submission is."""
    if submission.refused or run is None:
        return Stage.REFUSED
    stages = {RunState.QUEUED: Stage.QUEUED, RunState.RUNNING: Stage.RUNNING, RunState.FAILED: Stage.FAILED}
    if run.state in stages:
        return stages[run.state]
    if run.state is RunState.CANCELLED and grade is None:
        return Stage.CANCELLED
    return Stage.PROVISIONAL if grade is not None and grade.provisional else Stage.GRADED


def _hidden_until(submission: Submission, at: datetime | None) -> datetime | None:
    until = policy.hidden_results_at(submission)
    return until if until is not None and (at is None or at <= until) else None


def _place(session: Session, view: ViewRun, at: datetime) -> int | None:
    """Return the place in the queue of outputs that wait to be made."""
    if view.state is not RunState.QUEUED:
        return None
    turns = queue.turns(session, at, resources=[view.resource])
    return next(
        (place for place, turn in enumerate(turns, 1) if (turn.kind, turn.id) == (WorkKind.VIEW, view.id)),
        None,
    )


def _rows(
    release: LabRelease,
    results: Sequence[CheckResult],
    marks: Mapping[str, ManualMark],
    messages: Mapping[str, str],
) -> list[Row]:
    if not results:
        return []
    cells = {cell.grade_id: cell for cell in labs.manifest(release).cells}
    return [
        _row(_told(each, messages), cells.get(each.grade_id), marks.get(each.grade_id)) for each in results
    ]


def _told(result: CheckResult, messages: Mapping[str, str]) -> CheckResult:
    """Let a failed check say what its visible part said where no hidden test ran."""
    said = messages.get(result.grade_id, "")
    return replace(result, message=said) if said and result.status is not CheckStatus.PASSED else result


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


def _notices(
    submission: Submission, run: GradingRun | None, view: ViewRun | None, *, staff: bool
) -> list[Notice]:
    found = submissions.notices(submission)
    if run is not None:
        found += submissions.notices(run) + submissions.board_notices(run)
    if view is not None:
        found += [from_plain(Notice, each) for each in view.notices]
    seen: dict[tuple[object, ...], Notice] = {}
    for each in found:
        if staff or not each.for_staff:
            seen.setdefault((each.code, *sorted(each.params.items())), each)
    return list(seen.values())


def _kept_back(row: Row, messages: Mapping[str, str]) -> Row:
    """Keep back what a hidden test came to; what its visible part said without it may stay.

    Which cell ended a run, so that others were not reached, would tell of hidden tests as well.
    """
    if not row.hidden:
        named = row.notice is not None and row.notice.code == NOT_REACHED
        return replace(row, notice=None) if named else row
    said = messages.get(row.grade_id, "")
    return replace(row, sign="none", status=None, score=None, message=said, notice=None)


def _cells(run: GradingRun | None) -> list[CellState]:
    states = [CellState(state) for state in run.progress] if run is not None else []
    if run is not None and run.state is not RunState.RUNNING:
        return [CellState.DONE if state is CellState.RUNNING else state for state in states]
    return states


def _without_hidden(release: LabRelease, cells: Sequence[CellState]) -> list[CellState]:
    """Make cells with hidden tests neutral: the tests of a notebook stand in the order of the release.

    Until all of them have ended it is not known which is which, so none of them is told.
    """
    tests = [cell.hidden for cell in labs.manifest(release).cells if cell.kind is CellKind.TEST]
    ended = [at for at, state in enumerate(cells) if state in ENDED]
    known = len(ended) == len(tests)
    neutral = {at for at, hidden in zip(ended, tests, strict=False) if hidden} if known else set(ended)
    return [CellState.DONE if at in neutral else state for at, state in enumerate(cells)]


def _squares(
    cells: Sequence[CellState], results: Sequence[CheckResult], *, keeps: bool
) -> list[tuple[int, str]]:
    if cells:
        return [(number, SQUARES.get(state, "none")) for number, state in enumerate(cells, start=1)]
    kinds = ["none" if keeps and result.hidden else SIGNS[result.status] for result in results]
    return [(number, "none" if kind == "wait" else kind) for number, kind in enumerate(kinds, start=1)]
