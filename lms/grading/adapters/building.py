"""Build a lab in jailed jobs, and refuse it unless its solution passes and its template does not."""

import base64
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import lms
from lms.grading.adapters import boards
from lms.grading.adapters.kernels import mounts_of
from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    CellKind,
    CheckResult,
    CheckStatus,
    GradingJob,
    LabSource,
    Manifest,
    Notice,
)
from lms.grading.core.notices import sentence
from lms.grading.core.wire import from_json
from lms.runtime.jail import WORK, Bounds, JailSpec, prefixes
from lms.runtime.jobs import JobResult, run_job

BUILD_SECONDS = 120  # beyond what the lab allows its own cells
OUTPUT_BYTES = 64 << 20
LIBRARY = "/opt/duri"
LANGUAGE = "python"  # that the checker speaks
TOLERANCE = 1e-9  # points are sums of decimal fractions


@dataclass(frozen=True)
class Proof:
    """How one of the author's own notebooks was graded, and what its tests asked of it."""

    checks: tuple[CheckResult, ...]
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # grade_id -> questions


class Prove(Protocol):
    """Grades a notebook of the author's; with `noting` its tests may ask for anything, and it is noted."""

    def __call__(self, job: GradingJob, *, noting: bool = False) -> Proof:
        """Grade it."""


def build_lab(lab: LabSource, prove: Prove, isolation: str) -> BuildReport:
    """Build, prove and, for a board, make the hidden set.

    Raises:
        JailUnavailable: the jail cannot start.
    """
    report = replace(_student_version(lab), isolation=isolation)
    if report.errors or report.manifest is None:
        return report
    report = _proved(lab, report, report.manifest, prove)
    if report.errors or lab.board is None:
        return report
    made = boards.make_board(lab, lab.board)
    return replace(report, errors=made.errors, board_archive=made.archive, baselines=made.baselines)


def _student_version(lab: LabSource) -> BuildReport:
    file = lab.folder / f"{lab.name}.ipynb"
    if not file.is_file():
        return _refused(Notice("source-missing", {"file": file.name}, for_staff=True))
    python = lab.environment / "bin" / "python"
    request = {
        "notebook": base64.b64encode(file.read_bytes()).decode(),
        "name": lab.name,
        "python": str(python),
    }
    seconds = BUILD_SECONDS + lab.limits.total_seconds
    result = run_job(
        _job(lab, python), json.dumps(request).encode(), seconds=seconds, output_bytes=OUTPUT_BYTES
    )
    return _read_report(result)


def _job(lab: LabSource, lab_python: Path) -> JailSpec:
    mounts = {Path(lms.__file__).parent: f"{LIBRARY}/lms"}
    mounts |= {prefix: str(prefix) for prefix in prefixes(lab_python)}
    data = lab.folder / "data"
    mounts |= mounts_of(data if data.is_dir() else None, beside=lab.kernel.data_beside)
    tests = lab.folder / "autotests.yml"
    return JailSpec(
        python=Path(sys.prefix) / "bin" / "python",
        command=("-m", "lms.grading.core.build_program"),
        mounts=mounts,
        files={f"{WORK}/autotests.yml": tests.read_bytes()} if tests.is_file() else {},
        environment={"PYTHONPATH": LIBRARY, "JUPYTER_PATH": "/tmp/jupyter"},  # noqa: S108  # the jail's own
        bounds=Bounds(lab.limits.memory_bytes + (1 << 30), lab.limits.processes + 32, 600),
    )


def _read_report(result: JobResult) -> BuildReport:
    if not result.ok:
        last = result.errors.strip().splitlines()[-1:] or [result.status.value]
        reason = result.status.value if result.status.value != "done" else last[0][-500:]
        return _refused(Notice("build-stopped", {"reason": reason}, for_staff=True))
    try:
        return from_json(BuildReport, result.output)
    except ValueError:
        return _refused(Notice("build-stopped", {"reason": "no report"}, for_staff=True))


def _refused(notice: Notice) -> BuildReport:
    return BuildReport(errors=(notice,), warnings=())


def _proved(lab: LabSource, report: BuildReport, manifest: Manifest, prove: Prove) -> BuildReport:
    manifest = replace(manifest, assurance=_assurance(lab, manifest))
    solution = prove(job_for(lab, report, manifest, report.source_notebook), noting=True)
    manifest = with_asks(manifest, solution.asked)
    template = prove(job_for(lab, report, manifest, report.student_notebook))
    failed = _failed(solution.checks, manifest)
    shared = _failing_shared(lab, report, manifest, prove) if failed else frozenset()
    errors = [
        *(_solution_error(check, isolated_only=check.grade_id not in shared) for check in failed),
        *_template_errors(template.checks, manifest),
    ]
    return replace(
        report,
        manifest=manifest,
        errors=tuple(errors),
        solution_score=_autograded(solution.checks, manifest),
        template_score=_autograded(template.checks, manifest),
        maximum=manifest.maximum,
    )


def _assurance(lab: LabSource, manifest: Manifest) -> Assurance:
    """Return what the author asked for, where the lab's language has a checker."""
    return lab.assurance if manifest.language == LANGUAGE else Assurance.SHARED_KERNEL


def with_asks(manifest: Manifest, asked: Mapping[str, tuple[str, ...]]) -> Manifest:
    """Return the cells with what their tests ask of the solution, and will ask of every submission."""
    cells = [
        replace(cell, asks=asked.get(cell.grade_id, ())) if cell.kind is CellKind.TEST else cell
        for cell in manifest.cells
    ]
    return replace(manifest, cells=tuple(cells))


def _failing_shared(lab: LabSource, report: BuildReport, manifest: Manifest, prove: Prove) -> frozenset[str]:
    """Return the tests that the solution fails in the student's own kernel too."""
    if manifest.assurance is Assurance.SHARED_KERNEL:
        return frozenset(cell.grade_id for cell in manifest.cells)
    shared = replace(manifest, assurance=Assurance.SHARED_KERNEL)
    proof = prove(job_for(lab, report, shared, report.source_notebook))
    return frozenset(check.grade_id for check in _failed(proof.checks, shared))


def job_for(lab: LabSource, report: BuildReport, manifest: Manifest, notebook: bytes) -> GradingJob:
    """Return what grading one of the author's own notebooks needs."""
    data = lab.folder / "data"
    return GradingJob(
        submission=notebook,
        manifest=manifest,
        student_notebook=report.student_notebook,
        environment=lab.environment,
        limits=lab.limits,
        data_folder=data if data.is_dir() else None,
        kernel=lab.kernel,
    )


def _tests(checks: tuple[CheckResult, ...], manifest: Manifest) -> list[CheckResult]:
    tests = {cell.grade_id for cell in manifest.cells if cell.kind is CellKind.TEST}
    return [check for check in checks if check.grade_id in tests]


def _autograded(checks: tuple[CheckResult, ...], manifest: Manifest) -> float:
    return sum(check.score or 0 for check in _tests(checks, manifest))


def _failed(checks: tuple[CheckResult, ...], manifest: Manifest) -> list[CheckResult]:
    return [
        check
        for check in _tests(checks, manifest)
        if (check.score or 0) < check.maximum - TOLERANCE or check.status is not CheckStatus.PASSED
    ]


def _solution_error(check: CheckResult, *, isolated_only: bool) -> Notice:
    return Notice(
        "solution-fails-isolated" if isolated_only else "solution-fails",
        {
            "grade_id": check.grade_id,
            "score": f"{check.score or 0:g}",
            "maximum": f"{check.maximum:g}",
            "message": _why(check),
        },
        for_staff=True,
    )


def _why(check: CheckResult) -> str:
    return check.message or (sentence(check.notice, "en") if check.notice else "")


def _template_errors(checks: tuple[CheckResult, ...], manifest: Manifest) -> list[Notice]:
    return [
        Notice("template-passes", {"grade_id": check.grade_id, "score": f"{check.score:g}"}, for_staff=True)
        for check in _tests(checks, manifest)
        if check.score
    ]
