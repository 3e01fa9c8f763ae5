"""The kernels of one job: every one of them opened in the same way, so that none differs from another."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from lms.grading.core.contracts import Assurance, GradingJob
from lms.runtime.jail import WORK, Bounds
from lms.runtime.kernel import Kernel, KernelSpec, RunStatus

MARGIN_SECONDS = 30  # processor time beyond the wall limit, for start and libraries


class Checked(Protocol):
    """One test cell that ran in the checker."""

    status: RunStatus
    error: tuple[str, str] | None
    result: str | None
    outputs: tuple[Mapping[str, Any], ...]
    asked: tuple[str, ...]
    seconds: float
    traceback: str
    student_raised: bool


class Checker(Protocol):
    """What runs tests apart from the student's kernel."""

    def prepare(
        self, source: str, student_names: Collection[str], needed: Collection[str] | None, seconds: float
    ) -> object:
        """Run a locked cell of the author's."""

    def check(
        self, kernel: Kernel, source: str, *, allowed: Collection[str] | None, seconds: float
    ) -> Checked:
        """Run a test."""

    def close(self) -> None:
        """End it."""


@dataclass
class Pair:
    """A kernel for the student's cells, and what runs the tests."""

    kernel: Kernel
    checker: Checker | None = None

    def __enter__(self) -> Self:
        self.kernel.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.kernel.close()


class Pool(Protocol):
    """What opens kernels."""

    def open(self, spec: KernelSpec, *, seed: int, checked: bool) -> Pair:
        """Open a kernel."""


class ColdPool:
    """Starts an interpreter for each kernel."""

    def open(self, spec: KernelSpec, *, seed: int, checked: bool) -> Pair:
        """Open a kernel in a jail of its own."""
        del seed, checked
        return Pair(Kernel(spec))


def open_pair(pool: Pool, job: GradingJob, files: Mapping[str, bytes]) -> Pair:
    """Open the kernel of a job, with a checker beside it if its tests run isolated.

    `files` stand in it from the start: inside path -> content.

    Raises:
        JailUnavailable: the jail cannot start.
    """
    limits = job.limits
    spec = KernelSpec(
        environment=job.environment,
        bounds=Bounds(
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            cpu_seconds=math.ceil(limits.total_seconds) + MARGIN_SECONDS,
        ),
        output_bytes=limits.output_bytes,
        mounts=_mounts(job.data_folder, beside=job.kernel.data_beside),
        files=files,
        # As nbgrader sets it, for labs that ask for it; else nothing tells a grading run from any other.
        variables={"NBGRADER_EXECUTION": "autograde"} if job.kernel.announces else {},
    )
    return pool.open(spec, seed=job.seed, checked=job.manifest.assurance is Assurance.ISOLATED)


def _mounts(folder: Path | None, *, beside: bool) -> Mapping[Path, str]:
    if folder is None:
        return {}
    if not beside:
        return {folder: f"{WORK}/data"}
    return {path: f"{WORK}/{path.name}" for path in sorted(folder.iterdir())}
