"""Run the cells of one assembled notebook: in order, to the end, whatever a cell does to its kernel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lms.grading.adapters.lanes import FATAL, Lane, Script
from lms.grading.core.capping import capped
from lms.grading.core.contracts import CellKind, CellTiming, Limits
from lms.grading.core.score import Ran, RanStatus
from lms.runtime.kernel import Kernel
from lms.runtime.warm import Pair

MOST_RESTORES = 2
CULPRITS = FATAL | {RanStatus.TIME}
OnCell = Callable[[int, Ran | None], None]


@dataclass
class Phases:
    """Where the time of a run goes.

    Units: seconds.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the time of what is done inside to a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            taken = time.monotonic() - begun
            self.seconds[name] = self.seconds.get(name, 0) + taken


class NotebookRun:
    """One notebook in one kernel, or, where cells end their kernels, in up to three after another.

    A kernel that has ended is restored: a new one repeats what ran before, without the cells that ended
    or blocked one. Scores and outputs of the first execution stay.
    """

    def __init__(
        self,
        script: Script,
        limits: Limits,
        open_pair: Callable[[], Pair],
        phases: Phases | None = None,
        let_go: Callable[[Lane], None] = Lane.close,
    ) -> None:
        self.runs: list[Ran | None] = []
        self.timings: list[CellTiming] = []
        self.restores = 0
        self.cpu_seconds = 0.0
        self.peak_memory_bytes = 0
        self.phases = phases or Phases()
        self._script = script
        self._limits = limits
        self._open = open_pair
        self._let_go = let_go
        self._left_out: set[int] = set()
        self._room = limits.output_bytes
        self._begun = 0.0
        self._lane: Lane | None = None

    @property
    def kernel(self) -> Kernel:
        """Return the kernel that runs now."""
        return self._here().pair.kernel

    @property
    def finished(self) -> bool:
        """Say whether the kernel is still alive after the last cell, and no cell was given up."""
        reached = all(ran is None or ran.status is not RanStatus.NOT_REACHED for ran in self.runs)
        return self._here().alive and reached

    def play(self, on_cell: OnCell = lambda _at, _ran: None) -> None:
        """Run every cell in order; `on_cell` hears each start (without a run) and each end.

        Raises:
            JailUnavailable: a kernel did not start.
        """
        with self.phases.of("start"):
            self._lane = self._start()
        self._begun = time.monotonic()
        for at in range(len(self._script.assembled.cells)):
            self.runs.append(self._step(at, on_cell))

    def _step(self, at: int, on_cell: OnCell) -> Ran | None:
        if not self._script.code(at).strip():
            return None if self._script.assembled.cells[at].cell_type != "code" else Ran(RanStatus.OK)
        if not self._here().alive and not self._restored():
            return Ran(RanStatus.NOT_REACHED)
        on_cell(at, None)
        with self.phases.of("tests" if self._is_test(at) else "cells"):
            ran = self._execute(at)
        ran, self._room = capped(ran, self._room)
        if ran.status in CULPRITS:
            self._left_out.add(at)
        on_cell(at, ran)
        return ran

    def _is_test(self, at: int) -> bool:
        origin = self._script.assembled.cells[at].origin
        return origin is not None and origin.kind is CellKind.TEST

    def _execute(self, at: int) -> Ran:
        lane = self._here()
        begun, used = time.monotonic(), lane.cpu_seconds()
        left = self._left()
        if left <= 0 and lane.alive:
            lane.stop()
        ran = lane.execute(at, max(min(self._limits.cell_seconds, left), 0)) if lane.alive else _LATE
        self.timings.append(
            CellTiming(
                at,
                wall_seconds=round(time.monotonic() - begun, 6),
                cpu_seconds=round(max(lane.cpu_seconds() - used, 0), 6),
                peak_memory_bytes=lane.peak_memory_bytes(),
            )
        )
        return ran

    def _left(self) -> float:
        return self._limits.total_seconds - (time.monotonic() - self._begun)

    def _restored(self) -> bool:
        with self.phases.of("restore"):
            while self.restores < MOST_RESTORES and self._left() > 0:
                self.restores += 1
                self._end(Lane.close)
                self._lane = self._start()
                if self._replayed(self._lane):
                    return True
        return False

    def _replayed(self, lane: Lane) -> bool:
        for at, ran in enumerate(self.runs):
            if ran is None or at in self._left_out or not self._script.code(at).strip():
                continue
            if ran.status is RanStatus.NOT_REACHED:
                continue
            left = self._left()
            if left <= 0:
                lane.stop()
                return False
            if lane.execute(at, min(self._limits.cell_seconds, left)).status in CULPRITS:
                self._left_out.add(at)
            if not lane.alive:
                return False
        return True

    def _start(self) -> Lane:
        pair = self._open()
        lane = Lane(pair, self._script)
        try:
            pair.kernel.await_ready()
        except BaseException:
            lane.close()
            raise
        return lane

    def _here(self) -> Lane:
        if self._lane is None:
            raise RuntimeError("the run has not begun")
        return self._lane

    def _end(self, let_go: Callable[[Lane], None]) -> None:
        """Let the present kernel go, and add what it took."""
        if self._lane is None:
            return
        lane, self._lane = self._lane, None
        self.cpu_seconds += lane.cpu_seconds()
        self.peak_memory_bytes = max(self.peak_memory_bytes, lane.peak_memory_bytes())
        let_go(lane)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.phases.of("end"):
            self._end(self._let_go)


_LATE = Ran(RanStatus.NOT_REACHED)
