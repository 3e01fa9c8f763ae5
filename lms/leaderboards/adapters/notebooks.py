"""A participant's notebook, run again from its first cell to its last on data that nobody may download.

What it says there stays there: an output, an error's text or a file's name could carry hidden rows out. Told
are only which cell failed, and the exception's name where Python itself has it.

To mend a notebook its author needs more. So where it failed, and only there, it can be run once more in a
jail of its own that holds nothing but files that everyone has; of that run all words are kept (`log`).
Nothing that the first run wrote is there: a jail has memory folders and processes of its own, which end with
it.
"""

import builtins
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import ReadNotebook, read_notebook
from lms.leaderboards.core.challenge_file import FILE_BYTES, Challenge
from lms.leaderboards.core.failures import EntryFailed
from lms.leaderboards.core.predictions import BadPredictions, check_shape
from lms.leaderboards.core.run_logs import CellLog, RunLog, bounded, cell_log, readable_name
from lms.leaderboards.core.scoring import PARQUET, form_of
from lms.runtime.environments import prepare
from lms.runtime.jail import WORK, Bounds
from lms.runtime.kernel import CellRun, Kernel, KernelSpec, RunStatus

OUTPUT = "submission.csv"
MARGIN_SECONDS = 30  # of processor time beyond the wall limit, for start and libraries
KEPT_BYTES = 100_000  # of outputs; nobody reads them
LOG_SHARE = 0.1  # of the time that counts
LOG_SECONDS = 20.0  # at least, for libraries take their time
LOOKED_AT_BYTES = 4 << 20  # of what it leaves on public files; more is not looked through
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
        notebook, seconds = _read(content), challenge.compute.seconds
        with Kernel(self._spec(challenge, data, seconds)) as kernel:
            for number, run in _runs(kernel, notebook, seconds):
                _check(number, run, seconds)
            found = kernel.fetch(f"{WORK}/{OUTPUT}", limit_bytes)
        if found is None:
            raise EntryFailed("no_output", file=OUTPUT)
        return found

    def log(self, challenge: Challenge, content: bytes, data: Path) -> RunLog:
        """Return what a notebook says and how it ends on files that everyone has, in a short time.

        Args:
            challenge: whose limits hold, but for the time.
            content: the notebook, as it was handed in.
            data: a folder with what everybody may download, and nothing else.

        Raises:
            EntryFailed: it cannot be read.
        """
        notebook, seconds = _read(content), log_seconds(challenge)
        cells: list[CellLog] = []
        failed: tuple[str, dict[str, Any]] | None = None
        with Kernel(self._spec(challenge, data, seconds, last_texts=True)) as kernel:
            for number, run in _runs(kernel, notebook, seconds):
                said = cell_log(number, run.outputs, cut=run.truncated)
                cells += [said] if said is not None else []
                failed = _failed(number, run, challenge)
                if failed is not None:
                    break
            found = kernel.fetch(f"{WORK}/{OUTPUT}", FILE_BYTES) if failed is None else None
        outcome, params = failed or _left(challenge, found)
        return bounded(RunLog(outcome, params, cells, int(seconds)))

    def _spec(
        self, challenge: Challenge, data: Path, seconds: float, *, last_texts: bool = False
    ) -> KernelSpec:
        compute = challenge.compute
        return KernelSpec(
            environment=prepare(self.root, challenge.environment).path,
            bounds=Bounds(compute.memory_mib << 20, compute.processes, int(seconds) + MARGIN_SECONDS),
            output_bytes=KEPT_BYTES,
            mounts={data: f"{WORK}/data"},
            last_texts=last_texts,
        )


def log_seconds(challenge: Challenge) -> float:
    """Return the time that a notebook has on files that everyone has: others wait meanwhile."""
    seconds = challenge.compute.seconds
    return min(seconds, max(LOG_SECONDS, seconds * LOG_SHARE))


def _read(content: bytes) -> ReadNotebook:
    try:
        return read_notebook(content, FILE_BYTES)
    except Unreadable as problem:
        raise EntryFailed("notebook_unreadable") from problem


def _runs(kernel: Kernel, notebook: ReadNotebook, seconds: float) -> Iterator[tuple[int, CellRun]]:
    """Run the code cells one after the other within the time; who asks stops at what fails."""
    kernel.await_ready()
    deadline = time.monotonic() + seconds
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    for number, cell in code:
        left = deadline - time.monotonic()
        yield number, kernel.execute(cell.source, left) if left > 0 else CellRun(RunStatus.TIME)


def _check(number: int, run: CellRun, seconds: float) -> None:
    """Refuse a notebook one of whose cells did not run through, without its words."""
    if run.status is RunStatus.ERROR:
        raise EntryFailed("cell_failed", cell=number, error=_kind(run))
    if run.status is not RunStatus.OK:
        raise EntryFailed(FAILURES[run.status], cell=number, seconds=int(seconds))


def _kind(run: CellRun) -> str:
    """Return the exception's name if Python has it: one of the participant's own could spell rows out."""
    name = run.error[0] if run.error else ""
    known = getattr(builtins, name, None)
    return name if isinstance(known, type) and issubclass(known, BaseException) else "Error"


def _failed(number: int, run: CellRun, challenge: Challenge) -> tuple[str, dict[str, Any]] | None:
    """Say how a cell failed on what everyone has; None: it did not."""
    if run.status is RunStatus.ERROR:
        return "failed", {"cell": number, "error": readable_name(run.error[0] if run.error else "Error")}
    if run.status is RunStatus.OK:
        return None
    seconds = log_seconds(challenge)
    told: dict[str, Any] = {"cell": number, "seconds": int(seconds)}
    if run.status is RunStatus.TIME:
        told["fewer"] = seconds < challenge.compute.seconds
    return FAILURES[run.status], told


def _left(challenge: Challenge, found: bytes | None) -> tuple[str, dict[str, Any]]:
    """Say what a notebook left that ran to its end on what everyone has; its ids are compared with none."""
    if found is None:
        return "no_output", {"file": OUTPUT}
    if len(found) > LOOKED_AT_BYTES or found.startswith(PARQUET):
        return "not_looked", {"limit": LOOKED_AT_BYTES >> 20}
    try:
        check_shape(found, form_of(challenge, {}))
    except BadPredictions as bad:
        fault = bad.faults[0]
        return "bad_file", {
            "file": OUTPUT, "line": fault.line, "fault": fault.message, "with": dict(fault.params)
        }  # fmt: skip
    return "ended", {}
