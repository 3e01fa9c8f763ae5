"""The real runner: builds and grades in jails. Every process ends with the call that started it."""

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from lms.grading.adapters import boards, building
from lms.grading.adapters.notebooks import NotebookRun, open_kernel, run_cells
from lms.grading.core.contracts import (
    BoardResult,
    BuildReport,
    CellState,
    CheckResult,
    CheckStatus,
    GradingJob,
    GradingReport,
    LabSource,
    Limits,
    Manifest,
    Notice,
    OnProgress,
    Progress,
    RunnerUnavailable,
)
from lms.grading.core.notices import Unreadable
from lms.grading.core.report import GRADED, checks_of, notebook_bytes, run_notices
from lms.grading.core.score import Ran, RanStatus, points_of
from lms.grading.core.structure import Assembled, Placed, assemble
from lms.runtime.faults import JailUnavailable
from lms.runtime.probe import Isolation, IsolationLevel, probe

ASSURANCE = "shared-kernel"


class JailedRunner:
    """Runs notebooks in bubblewrap jails; make it with `probed`, once, at the worker's start."""

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation

    @classmethod
    def probed(cls, python: Path, secret_paths: Iterable[Path] = ()) -> "JailedRunner":
        """Prove the jail first; `secret_paths` are what no notebook may reach (database, keys)."""
        return cls(probe(python, secret_paths))

    def build(self, lab: LabSource) -> BuildReport:
        """Make the student version, and prove it with the solution and with the empty template."""
        self._require_jail()
        try:
            return building.build_lab(lab, self._prove, str(self.isolation))
        except JailUnavailable as error:
            raise RunnerUnavailable(str(error)) from error

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        """Grade one submission; raises `RunnerUnavailable` when the jail itself cannot start."""
        self._require_jail()
        begun = time.monotonic()
        try:
            assembled = assemble(job.submission, job.manifest)
        except Unreadable as error:
            return self._ungraded(job.manifest, error.notice)
        try:
            report = _grade(job, assembled, on_progress)
        except JailUnavailable as error:
            raise RunnerUnavailable(str(error)) from error
        wall = time.monotonic() - begun
        return replace(report, wall_seconds=wall, isolation=str(self.isolation))

    def _require_jail(self) -> None:
        if self.isolation.level is IsolationLevel.REFUSE:
            raise RunnerUnavailable(str(self.isolation))

    def _prove(self, job: GradingJob) -> tuple[CheckResult, ...]:
        return self.grade(job, lambda _step: None).checks

    def _ungraded(self, manifest: Manifest, notice: Notice) -> GradingReport:
        checks = tuple(
            CheckResult(cell.grade_id, 0, cell.points, CheckStatus.ERROR, hidden=cell.hidden, notice=notice)
            for cell in manifest.cells
            if cell.kind in GRADED
        )
        return GradingReport(checks, (notice,), b"", b"", 0, 0, ASSURANCE, str(self.isolation))


def _grade(job: GradingJob, assembled: Assembled, on_progress: OnProgress) -> GradingReport:
    """Run the notebook for its points, and once more without hidden tests if there are any.

    All that students see comes from the run without hidden tests: in the other one their own functions
    were called with the hidden cases, and could show them in any later cell.
    """
    hidden = any(cell.hidden for cell in job.manifest.cells)
    files = boards.files_before(job.board, job.board_archive)
    with ExitStack() as stack:
        counted = open_kernel(stack, job.environment, job.limits, job.data_folder, files)
        seen = open_kernel(stack, job.environment, job.limits, job.data_folder, files) if hidden else counted
        run_cells(counted, assembled, full=True, on_cell=_Strip(assembled, on_progress).tell)
        if hidden:
            run_cells(seen, assembled, full=False)
        board = boards.score_entry(job, seen)
        peak = max(counted.kernel.peak_memory_bytes(), seen.kernel.peak_memory_bytes())
    return _report(job, assembled, counted, seen, (board, peak))


def _report(
    job: GradingJob,
    assembled: Assembled,
    counted: NotebookRun,
    seen: NotebookRun,
    rest: tuple[BoardResult | None, int],
) -> GradingReport:
    bounds = bounds_of(job.limits)
    shown = [_without_outputs(ran) for ran in seen.runs] if boards.withholds(job.board) else seen.runs
    extra = () if counted is seen else _difference(counted.runs, seen.runs)
    if boards.withholds(job.board):
        extra = (*extra, Notice("board-outputs-withheld"))
    return GradingReport(
        checks=checks_of(assembled, counted.runs, shown, job.manifest, bounds),
        notices=(*assembled.notices, *run_notices(counted.runs, bounds), *extra),
        executed=notebook_bytes(assembled, counted.runs, job.manifest, full=True),
        feedback=notebook_bytes(assembled, shown, job.manifest, full=False),
        wall_seconds=counted.seconds + (0 if counted is seen else seen.seconds),
        peak_memory_bytes=rest[1],
        assurance=ASSURANCE,
        isolation="",
        board=rest[0],
    )


def bounds_of(limits: Limits) -> Mapping[str, float]:
    """Return the limits as the notices name them."""
    return {
        "seconds": limits.cell_seconds,
        "total_seconds": limits.total_seconds,
        "limit_mib": limits.memory_bytes >> 20,
        "limit_kib": limits.output_bytes >> 10,
    }


def _without_outputs(ran: Ran | None) -> Ran | None:
    return replace(ran, outputs=(), error=None, result=None) if ran is not None else None


def _difference(counted: list[Ran | None], seen: list[Ran | None]) -> tuple[Notice, ...]:
    """Say where only the run without hidden tests came to an end of its own; for staff."""
    for number, (one, other) in enumerate(zip(counted, seen, strict=True), 1):
        if one is None or other is None:
            continue
        if one.status is RanStatus.OK and other.status not in {RanStatus.OK, RanStatus.NOT_REACHED}:
            return (Notice("visible-run-differs", {"cell": number}, for_staff=True),)
    return ()


class _Strip:
    """Tells where the run is, cell by cell."""

    def __init__(self, assembled: Assembled, on_progress: OnProgress) -> None:
        self._cells = assembled.cells
        self._on_progress = on_progress

    def tell(self, at: int, ran: Ran | None) -> None:
        state = CellState.RUNNING if ran is None else _state(self._cells[at], ran)
        self._on_progress(Progress(at, state, len(self._cells)))


def _state(placed: Placed, ran: Ran) -> CellState:
    origin = placed.origin
    if origin is None or origin.kind.value != "test":
        return CellState.DONE
    score = points_of(origin, ran).score
    if ran.status is RanStatus.OK and score >= origin.points:
        return CellState.PASSED
    return CellState.PARTIAL if score > 0 else CellState.FAILED
