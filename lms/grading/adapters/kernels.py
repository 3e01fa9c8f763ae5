"""The kernels of one job: every one of them opened in the same way, so that none differs from another."""

import math
from collections.abc import Mapping
from pathlib import Path

from lms.grading.core.contracts import Assurance, GradingJob
from lms.runtime.jail import WORK, Bounds
from lms.runtime.kernel import Kernel, KernelSpec
from lms.runtime.warm import Pair, WarmPool, WarmSpec

MARGIN_SECONDS = 30  # processor time beyond the wall limit, for start and libraries
LANGUAGE = "python"  # of warm environments and of the checker


def open_pair(pool: WarmPool, job: GradingJob, files: Mapping[str, bytes]) -> Pair:
    """Open the kernel of a job, with a checker beside it if its tests run isolated.

    `files` stand in it from the start: inside path -> content.

    Raises:
        JailUnavailable: the jail cannot start.
    """
    spec = _spec(job, files)
    if job.manifest.language != LANGUAGE:
        return Pair(Kernel(spec), None)
    return pool.open(
        WarmSpec(job.environment, job.kernel.libraries),
        spec,
        seed=job.seed,
        checked=job.manifest.assurance is Assurance.ISOLATED,
        fresh=not job.kernel.warm,
    )


def _spec(job: GradingJob, files: Mapping[str, bytes]) -> KernelSpec:
    limits = job.limits
    return KernelSpec(
        environment=job.environment,
        bounds=Bounds(
            memory_bytes=limits.memory_bytes,
            processes=limits.processes,
            cpu_seconds=math.ceil(limits.total_seconds) + MARGIN_SECONDS,
        ),
        output_bytes=limits.output_bytes,
        mounts=mounts_of(job.data_folder, beside=job.kernel.data_beside),
        files=files,
        # As nbgrader sets it, for labs that ask for it; else nothing tells a grading run from any other.
        variables={"NBGRADER_EXECUTION": "autograde"} if job.kernel.announces else {},
    )


def mounts_of(folder: Path | None, *, beside: bool) -> Mapping[Path, str]:
    """Return where a lab's data stands in its kernels: outside path -> inside path."""
    if folder is None:
        return {}
    if not beside:
        return {folder: f"{WORK}/data"}
    return {path: f"{WORK}/{path.name}" for path in sorted(folder.iterdir())}
