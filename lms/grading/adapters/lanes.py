"""One kernel and its checker, fed cell by cell."""

import contextlib
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from lms.grading.core.contracts import CellKind, Manifest, ManifestCell
from lms.grading.core.names import needed_names
from lms.grading.core.score import Ran, RanStatus
from lms.grading.core.structure import Assembled
from lms.runtime.checker import Checked, Prepared
from lms.runtime.kernel import CellRun
from lms.runtime.warm import Pair

FATAL = frozenset({RanStatus.DIED, RanStatus.MEMORY, RanStatus.OUTPUT})


@dataclass(frozen=True)
class Script:
    """What a run executes.

    Args:
        assembled: the submission in the shape of its release.
        manifest: the release's cells.
        full: with hidden tests.
        noting: allow and note every question that a test asks of the author's own solution.
    """

    assembled: Assembled
    manifest: Manifest
    full: bool
    noting: bool = False

    def code(self, at: int) -> str:
        """Return what cell `at` executes; nothing for text."""
        return self.assembled.cells[at].code(full=self.full)

    def tests(self) -> list[str]:
        """Return the code of all tests."""
        cells = enumerate(self.assembled.cells)
        return [
            self.code(at)
            for at, cell in cells
            if cell.origin is not None and cell.origin.kind is CellKind.TEST
        ]

    def needed(self) -> Collection[str] | None:
        """Return the names of locked cells that tests need, the same with hidden tests and without."""
        cells = [cell for cell in self.manifest.cells if cell.cell_type == "code"]
        return needed_names(
            (cell.full_source for cell in cells if cell.kind is CellKind.TEST),
            [cell.full_source for cell in cells if cell.kind is CellKind.READ_ONLY],
        )


class Lane:
    """A pair at work: student cells in its kernel, tests in its checker if it has one."""

    def __init__(self, pair: Pair, script: Script) -> None:
        self._pair = pair
        self._script = script
        self._broken = False
        self._aside = ThreadPoolExecutor(1, "prepare") if pair.checker is not None else None
        self._preparing: list[Future[Prepared] | Future[None]] = []
        self._needed = script.needed() if pair.checker is not None else None
        if self._aside is not None and pair.checker is not None:
            self._preparing.append(self._aside.submit(pair.checker.expect, script.tests()))

    @property
    def pair(self) -> Pair:
        """Return what runs the cells."""
        return self._pair

    @property
    def alive(self) -> bool:
        """Say whether another cell can run."""
        checker = self._pair.checker
        lost = self._broken or (checker is not None and not checker.alive)
        return not lost and self._pair.kernel.ended is None

    def execute(self, at: int, seconds: float) -> Ran:
        """Run one cell for at most the given time."""
        placed, code = self._script.assembled.cells[at], self._script.code(at)
        kind = placed.origin.kind if placed.origin is not None else CellKind.FREE
        if self._pair.checker is not None and placed.origin is not None:
            if kind is CellKind.TEST:
                return self._check(placed.origin, code, seconds)
            if kind is CellKind.READ_ONLY:
                self._prepare(code, seconds)
        return as_ran(self._pair.kernel.execute(code, seconds))

    def _prepare(self, code: str, seconds: float) -> None:
        """Let the checker run a locked cell while the student's kernel runs it too."""
        checker = self._pair.checker
        if self._aside is not None and checker is not None:
            names = self._script.manifest.student_names
            self._preparing.append(self._aside.submit(checker.prepare, code, names, self._needed, seconds))

    def _check(self, cell: ManifestCell, code: str, seconds: float) -> Ran:
        begun = time.monotonic()
        self._await_prepared(seconds)
        checker = self._pair.checker
        if checker is None or self._pair.kernel.ended is not None:
            return Ran(RanStatus.NOT_REACHED)
        left = max(seconds - (time.monotonic() - begun), 0)
        allowed = None if self._script.noting else cell.asks
        ran = as_checked(checker.check(self._pair.kernel, code, allowed=allowed, seconds=left))
        self._broken = self._broken or ran.status in FATAL
        return ran

    def _await_prepared(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for future in self._preparing:
            with contextlib.suppress(TimeoutError):  # then the test finds a checker that is busy, and fails
                future.result(max(deadline - time.monotonic(), 0))
        self._preparing.clear()

    def cpu_seconds(self) -> float:
        """Return the processor time that kernel and checker took."""
        checker = self._pair.checker
        return self._pair.kernel.cpu_seconds() + (checker.cpu_seconds() if checker is not None else 0)

    def peak_memory_bytes(self) -> int:
        """Return the most memory of the student's kernel that was seen in use."""
        return self._pair.kernel.peak_memory_bytes()

    def stop(self) -> None:
        """End the kernel; later cells are not reached."""
        self._pair.kernel.stop()

    def close(self) -> None:
        """End kernel and checker."""
        self._pair.close()
        if self._aside is not None:
            self._aside.shutdown(cancel_futures=True)


def as_ran(run: CellRun) -> Ran:
    """Return the kernel's account of a cell in the pipeline's words."""
    return Ran(RanStatus(run.status.value), run.outputs, run.seconds, run.error, run.result, run.truncated)


def as_checked(checked: Checked) -> Ran:
    """Return the checker's account of a test in the pipeline's words."""
    return Ran(
        RanStatus(checked.status.value),
        checked.outputs,
        checked.seconds,
        checked.error,
        checked.result,
        by_student=checked.student_raised,
        asked=checked.asked,
        traceback=checked.traceback,
    )
