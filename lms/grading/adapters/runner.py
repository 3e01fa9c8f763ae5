"""The real runner: builds and grades in jails. Every process ends with the call that started it."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from lms.grading.adapters import boards, building, gate
from lms.grading.adapters.kernels import open_pair
from lms.grading.adapters.lanes import Lane, Script
from lms.grading.adapters.notebooks import NotebookRun, Phases
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
    Notice,
    OnProgress,
    Progress,
    RunnerUnavailable,
    ViewReport,
)
from lms.grading.core.notices import Unreadable
from lms.grading.core.report import (
    GRADED,
    checks_of,
    first_hidden,
    notebook_bytes,
    run_notices,
    view_messages,
)
from lms.grading.core.score import Ran, RanStatus, points_of
from lms.grading.core.structure import Assembled, Placed, assemble
from lms.runtime.faults import JailUnavailable
from lms.runtime.probe import Isolation, IsolationLevel, probe
from lms.runtime.warm import WarmPool


class JailedRunner:
    """Runs notebooks in bubblewrap jails; make it with `probed`, once, at the worker's start.

    It keeps environments warm between runs: close it when it is done with.

    Args:
        isolation: what the jail's probe found.
        lingering: kernels whose run is over end with the next call of `tidy`; without it, at once. Two
            processes that give their memory back take both cores from whoever records the result.
    """

    def __init__(self, isolation: Isolation, *, lingering: bool = False) -> None:
        self.isolation = isolation
        self.pool = WarmPool()
        self._over: deque[Lane] = deque()
        self._let_go = self._over.append if lingering else Lane.close

    def tidy(self) -> None:
        """End the kernels whose run is over, and prepare what the next run gets."""
        while self._over:
            self._over.popleft().close()

    def close(self) -> None:
        """End the warm environments."""
        self.tidy()
        self.pool.close()

    def data(self, digest: str, write: Callable[[Path], None]) -> Path:
        """Return the folder of that digest, kept for all runs; `write` makes it the first time."""
        return self.pool.lay(digest, write)

    @classmethod
    def probed(cls, python: Path, secret_paths: Iterable[Path] = ()) -> "JailedRunner":
        """Prove the jail first; `secret_paths` are what no notebook may reach (database, keys)."""
        return cls(probe(python, secret_paths))

    def build(self, lab: LabSource) -> BuildReport:
        """Make the student version, and prove it with the solution and with the empty template."""
        self._require_jail()
        try:
            report = building.build_lab(lab, self.prove, str(self.isolation))
        except JailUnavailable as error:
            raise RunnerUnavailable(str(error)) from error
        return gate.examine(lab, report, partial(building.job_for, lab), self.grade)

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        """Grade one submission; raises `RunnerUnavailable` when the jail itself cannot start."""
        self._require_jail()
        phases = Phases()
        try:
            with phases.of("assemble"):
                assembled = assemble(job.submission, job.manifest)
        except Unreadable as error:
            return self._ungraded(job, error.notice)
        run, board = self._played(job, Script(assembled, job.manifest, full=True), phases, on_progress)
        with phases.of("report"):
            report = _report(job, assembled, run, board)
        wall = sum(phases.seconds.values())
        return replace(report, wall_seconds=wall, isolation=str(self.isolation), phases=phases.seconds)

    def view(self, job: GradingJob, on_progress: OnProgress) -> ViewReport:
        """Execute a submission without hidden tests, for what its student may see; raises as `grade` does."""
        self._require_jail()
        try:
            assembled = assemble(job.submission, job.manifest)
        except Unreadable as error:
            return ViewReport(b"", {}, notices=(error.notice,))
        script = Script(assembled, job.manifest, full=False)
        run, _ = self._played(job, script, Phases(), on_progress)
        return _view(job, assembled, run)

    def _require_jail(self) -> None:
        if self.isolation.level is IsolationLevel.REFUSE:
            raise RunnerUnavailable(str(self.isolation))

    def _played(
        self, job: GradingJob, script: Script, phases: Phases, on_progress: OnProgress
    ) -> tuple[NotebookRun, BoardResult | None]:
        """Run a notebook to its end, and let the kernel predict for a board if the run has points."""
        strip = _Strip(script.assembled, on_progress)
        files = boards.files_before(job.board, job.board_archive)
        run = NotebookRun(script, job.limits, lambda: open_pair(self.pool, job, files), phases, self._let_go)
        self.tidy()
        try:
            with run:
                run.play(strip.tell)
                with phases.of("predictions"):
                    board = boards.score_entry(job, run) if script.full else None
        except JailUnavailable as error:
            raise RunnerUnavailable(str(error)) from error
        return run, board

    def prove(self, job: GradingJob, *, noting: bool = False) -> building.Proof:
        """Grade one of the author's own notebooks; with `noting`, learn what its tests ask for."""
        assembled = assemble(job.submission, job.manifest)
        script = Script(assembled, job.manifest, full=True, noting=noting)
        run, _ = self._played(job, script, Phases(), lambda _step: None)
        asked = {
            placed.origin.grade_id: ran.asked
            for placed, ran in zip(assembled.cells, run.runs, strict=True)
            if placed.origin is not None and ran is not None
        }
        everything = len(assembled.cells)  # the author may read all
        checks = checks_of(assembled, run.runs, job.manifest, bounds_of(job.limits), everything)
        return building.Proof(checks, asked)

    def _ungraded(self, job: GradingJob, notice: Notice) -> GradingReport:
        checks = tuple(
            CheckResult(cell.grade_id, 0, cell.points, CheckStatus.ERROR, hidden=cell.hidden, notice=notice)
            for cell in job.manifest.cells
            if cell.kind in GRADED
        )
        return GradingReport(
            checks=checks,
            notices=(notice,),
            executed=b"",
            wall_seconds=0,
            peak_memory_bytes=0,
            assurance=str(job.manifest.assurance),
            isolation=str(self.isolation),
            view=ViewReport(b"", {}),
            seed=job.seed,
        )


def _report(
    job: GradingJob, assembled: Assembled, run: NotebookRun, board: BoardResult | None
) -> GradingReport:
    bounds = bounds_of(job.limits)
    hidden = first_hidden(assembled, run.runs)
    clean = 0 if boards.withholds(job.board) else hidden
    return GradingReport(
        checks=checks_of(assembled, run.runs, job.manifest, bounds, clean),
        notices=(*assembled.notices, *run_notices(run.runs, bounds, clean=clean)),
        executed=notebook_bytes(assembled, run.runs, job.manifest, full=True),
        wall_seconds=0,
        peak_memory_bytes=run.peak_memory_bytes,
        assurance=str(job.manifest.assurance),
        isolation="",
        board=board,
        # Nothing hidden ran: what the student may see is what was seen here.
        view=_view(job, assembled, run) if hidden == len(assembled.cells) else None,
        cpu_seconds=run.cpu_seconds,
        seed=job.seed,
        cells=tuple(run.timings),
    )


def _view(job: GradingJob, assembled: Assembled, run: NotebookRun) -> ViewReport:
    withheld = boards.withholds(job.board)
    shown = [_without_outputs(ran) for ran in run.runs] if withheld else run.runs
    extra = (Notice("board-outputs-withheld"),) if withheld else ()
    return ViewReport(
        feedback=notebook_bytes(assembled, shown, job.manifest, full=False),
        messages=view_messages(assembled, shown),
        cells=tuple(run.timings),
        notices=(*run_notices(run.runs, bounds_of(job.limits)), *extra),
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
