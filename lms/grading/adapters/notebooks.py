"""Run the cells of one assembled notebook in one jailed kernel."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lms.grading.core.contracts import Limits
from lms.grading.core.score import Ran, RanStatus
from lms.grading.core.structure import Assembled
from lms.runtime.jail import WORK, Bounds
from lms.runtime.kernel import CellRun, Kernel, KernelSpec

MARGIN_SECONDS = 30  # processor time beyond the wall limit, for start and libraries
VARIABLES = {"NBGRADER_EXECUTION": "autograde"}  # as nbgrader sets it


@dataclass
class NotebookRun:
    """One notebook in one kernel: every cell's end, and the kernel while it is alive."""

    kernel: Kernel
    limits: Limits
    runs: list[Ran | None] = field(default_factory=list)
    seconds: float = 0

    @property
    def finished(self) -> bool:
        """Say whether the kernel is still alive after the last cell."""
        return self.kernel.ended is None and not any(
            one is not None and one.status is RanStatus.NOT_REACHED for one in self.runs
        )


def open_kernel(
    stack: ExitStack,
    environment: Path,
    limits: Limits,
    data_folder: Path | None = None,
    files: Mapping[str, bytes] | None = None,
) -> NotebookRun:
    """Start a kernel for a notebook; it is ended with the stack.

    Raises:
        JailUnavailable: the jail cannot start.
    """
    bounds = Bounds(
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        cpu_seconds=math.ceil(limits.total_seconds) + MARGIN_SECONDS,
    )
    mounts = {data_folder: f"{WORK}/data"} if data_folder is not None else {}
    kernel = Kernel(KernelSpec(environment, bounds, limits.output_bytes, mounts, files or {}, VARIABLES))
    stack.enter_context(kernel)
    return NotebookRun(kernel, limits)


def run_cells(
    run: NotebookRun,
    assembled: Assembled,
    *,
    full: bool,
    on_cell: Callable[[int, Ran | None], None] = lambda _at, _ran: None,
) -> None:
    """Run every cell in order; `on_cell` hears each start (without a run) and each end.

    Raises:
        JailUnavailable: the kernel did not start.
    """
    run.kernel.await_ready()
    begun = time.monotonic()
    for at, placed in enumerate(assembled.cells):
        code = placed.code(full=full)
        if not code.strip():
            run.runs.append(None if placed.cell_type != "code" else Ran(RanStatus.OK))
            continue
        on_cell(at, None)
        left = run.limits.total_seconds - (time.monotonic() - begun)
        ran = _run_cell(run, code, left)
        run.runs.append(ran)
        on_cell(at, ran)
    run.seconds = time.monotonic() - begun


def _run_cell(run: NotebookRun, code: str, left: float) -> Ran:
    if left <= 0 and run.kernel.ended is None:
        run.kernel.stop()
    return as_ran(run.kernel.execute(code, max(min(run.limits.cell_seconds, left), 0)))


def as_ran(run: CellRun) -> Ran:
    """Return the kernel's account of a cell in the pipeline's words."""
    return Ran(RanStatus(run.status.value), run.outputs, run.seconds, run.error, run.result, run.truncated)
