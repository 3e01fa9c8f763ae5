"""A participant's notebook, run again from its first cell to its last on data that nobody may download.

What it says stays here: an output, an error's text or a file's name could carry hidden rows out. Told are
only which cell failed, and the exception's name where Python itself has it.
"""

import builtins
import time
from dataclasses import dataclass
from pathlib import Path

from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import ReadNotebook, read_notebook
from lms.leaderboards.core.challenge_file import FILE_BYTES, Challenge
from lms.leaderboards.core.failures import EntryFailed
from lms.runtime.environments import prepare
from lms.runtime.jail import WORK, Bounds
from lms.runtime.kernel import CellRun, Kernel, KernelSpec, RunStatus

OUTPUT = "submission.csv"
MARGIN_SECONDS = 30  # of processor time beyond the wall limit, for start and libraries
KEPT_BYTES = 100_000  # of outputs; nobody reads them
FAILURES = {
    RunStatus.TIME: "time",
    RunStatus.MEMORY: "memory",
    RunStatus.OUTPUT: "output",
    RunStatus.DIED: "died",
    RunStatus.UNSETTLED: "died",
    RunStatus.NOT_REACHED: "died",
}


@dataclass(frozen=True)
class JailedNotebooks:
    """Runs participants' notebooks in the environments of this machine."""

    root: Path  # below which the lists of the lab environments and the built ones stand

    def predictions(self, challenge: Challenge, content: bytes, data: Path, limit_bytes: int) -> bytes:
        """Return the predictions file that a notebook writes.

        Args:
            challenge: whose limits hold.
            content: the notebook, as it was handed in.
            data: the folder that it finds as `./data`, read-only.
            limit_bytes: how large its predictions may be.

        Raises:
            EntryFailed: it cannot be read, did not run to its end, or left no predictions.
        """
        try:
            notebook = read_notebook(content, FILE_BYTES)
        except Unreadable as problem:
            raise EntryFailed("notebook_unreadable") from problem
        compute = challenge.compute
        spec = KernelSpec(
            environment=prepare(self.root, challenge.environment).path,
            bounds=Bounds(compute.memory_mib << 20, compute.processes, int(compute.seconds) + MARGIN_SECONDS),
            output_bytes=KEPT_BYTES,
            mounts={data: f"{WORK}/data"},
        )
        with Kernel(spec) as kernel:
            _play(kernel, notebook, compute.seconds)
            found = kernel.fetch(f"{WORK}/{OUTPUT}", limit_bytes)
        if found is None:
            raise EntryFailed("no_output", file=OUTPUT)
        return found


def _play(kernel: Kernel, notebook: ReadNotebook, seconds: float) -> None:
    """Run all code cells within the time."""
    kernel.await_ready()
    deadline = time.monotonic() + seconds
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    for number, cell in code:
        left = deadline - time.monotonic()
        if left <= 0:
            raise EntryFailed("time", cell=number, seconds=int(seconds))
        run = kernel.execute(cell.source, left)
        if run.status is RunStatus.ERROR:
            raise EntryFailed("cell_failed", cell=number, error=_kind(run))
        if run.status is not RunStatus.OK:
            raise EntryFailed(FAILURES[run.status], cell=number, seconds=int(seconds))


def _kind(run: CellRun) -> str:
    """Return the exception's name if Python has it: one of the participant's own could spell rows out."""
    name = run.error[0] if run.error else ""
    known = getattr(builtins, name, None)
    return name if isinstance(known, type) and issubclass(known, BaseException) else "Error"
