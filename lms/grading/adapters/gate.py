"""The publication gate: is the reference solution graded alike each time, and do the tests notice errors?

It comes after the proof by solution and template, and grades as submissions are graded.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from lms.grading.core.contracts import (
    BuildReport,
    CellKind,
    CellState,
    CheckResult,
    CheckStatus,
    GateReport,
    GateSettings,
    GradingJob,
    GradingReport,
    LabSource,
    Limits,
    Manifest,
    Notice,
    OnProgress,
    Progress,
)
from lms.grading.core.lints import lint
from lms.grading.core.mutations import Mutant, mutants_of, sampled, with_mutant
from lms.grading.core.notices import sentence

AT_ONCE = 2
SLOWER = 3  # times as long as the solution: a variant that needs more is stopped, and counts as noticed
GRACE_SECONDS = 2.0
LOAD_SECONDS = 3_600
LOAD = (
    "import os, sys, time\n"
    "parent, end = os.getppid(), time.monotonic() + float(sys.argv[1])\n"
    "while time.monotonic() < end and os.getppid() == parent:\n"
    "    sum(range(100_000))\n"
)
SHOWN_SURVIVORS = 20


class Grade(Protocol):
    """Grades one submission."""

    def __call__(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        """Grade it."""


class _Noticed(Exception):
    """A test has failed, so the rest of the run says nothing more."""


@dataclass(frozen=True)
class _Repeated:
    """What came of grading the solution again and again."""

    errors: tuple[Notice, ...]
    wall_seconds: float  # of the slowest run
    seconds: float


def examine(
    lab: LabSource,
    report: BuildReport,
    job_for: Callable[[BuildReport, Manifest, bytes], GradingJob],
    grade: Grade,
) -> BuildReport:
    """Return the report of a built lab with what the gate found.

    Raises:
        RunnerUnavailable: the jail cannot start.
    """
    manifest = report.manifest
    if lab.gate is None or manifest is None:
        return report
    report = replace(report, warnings=(*report.warnings, *lint(manifest)))
    if report.errors:
        return report
    job = job_for(report, manifest, report.source_notebook)
    repeated = _repeat(job, lab.gate.flaky_runs, grade)
    found = GateReport(flaky_runs=lab.gate.flaky_runs, flaky_seconds=repeated.seconds)
    if not repeated.errors:
        job = replace(job, limits=_limits(lab.limits, repeated.wall_seconds))
        found = _mutate(job, found, lab.gate, grade)
    warnings = _survivors(found)
    errors = (*repeated.errors, *_too_few(found, lab.gate))
    return replace(report, gate=found, errors=errors, warnings=(*report.warnings, *warnings))


def _repeat(job: GradingJob, runs: int, grade: Grade) -> _Repeated:
    """Grade the solution under load, each time with another seed."""
    if not runs:
        return _Repeated((), 0, 0)
    begun = time.monotonic()
    jobs = [replace(job, seed=seed) for seed in range(1, runs + 1)]
    with _busy(), ThreadPoolExecutor(AT_ONCE) as threads:
        reports = list(threads.map(lambda one: grade(one, _unheard), jobs))
    return _Repeated(
        errors=tuple(_flaky(job.manifest, reports)),
        wall_seconds=max(report.wall_seconds for report in reports),
        seconds=time.monotonic() - begun,
    )


def _unheard(step: Progress) -> None:
    """Let the steps of a run pass."""


@contextmanager
def _busy() -> Iterator[None]:
    """Keep one processor busy meanwhile."""
    command = [sys.executable, "-I", "-S", "-c", LOAD, str(LOAD_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=True, cwd=os.sep) as loop:
        try:
            yield
        finally:
            loop.kill()


def _flaky(manifest: Manifest, reports: Sequence[GradingReport]) -> Iterator[Notice]:
    for cell in manifest.cells:
        if cell.kind is not CellKind.TEST:
            continue
        checks = [one for report in reports for one in report.checks if one.grade_id == cell.grade_id]
        bad = next((one for one in checks if one.status is not CheckStatus.PASSED), None)
        if bad is not None:
            points = ", ".join(f"{one.score or 0:g}" for one in checks)
            params = {"grade_id": cell.grade_id, "points": points, "maximum": f"{cell.points:g}"}
            yield Notice("flaky", {**params, "message": _why(bad)}, for_staff=True)


def _why(check: CheckResult) -> str:
    return check.message or (sentence(check.notice, "en") if check.notice else "")


def _limits(limits: Limits, wall_seconds: float) -> Limits:
    """Return tighter limits, so that a variant without end does not use up the time of all others."""
    most = wall_seconds * SLOWER + GRACE_SECONDS
    return replace(
        limits,
        cell_seconds=min(limits.cell_seconds, most),
        total_seconds=min(limits.total_seconds, most),
    )


def _mutate(job: GradingJob, found: GateReport, gate: GateSettings, grade: Grade) -> GateReport:
    """Grade wrong variants until there are enough of them or the time is over."""
    begun = time.monotonic()
    mutants = mutants_of(job.submission)
    alive: list[Mutant] = []
    tried = 0
    for mutant in sampled(mutants, gate.mutants):
        if time.monotonic() - begun > gate.seconds:
            break
        tried += 1
        if not _is_noticed(replace(job, submission=with_mutant(job.submission, mutant)), grade):
            alive.append(mutant)
    return replace(
        found,
        tried=tried,
        killed=tried - len(alive),
        possible=len(mutants),
        survivors=tuple(mutant.change for mutant in _in_order(alive)[:SHOWN_SURVIVORS]),
        mutation_seconds=time.monotonic() - begun,
    )


def _in_order(mutants: Iterable[Mutant]) -> list[Mutant]:
    return sorted(mutants, key=lambda one: (one.cell, one.change.line, one.change.after))


def _is_noticed(job: GradingJob, grade: Grade) -> bool:
    """Say whether a test fails; the first that does ends the run."""
    try:
        report = grade(job, _stop_at_failure)
    except _Noticed:
        return True
    tests = {cell.grade_id for cell in job.manifest.cells if cell.kind is CellKind.TEST}
    return any(one.status is not CheckStatus.PASSED for one in report.checks if one.grade_id in tests)


def _stop_at_failure(step: Progress) -> None:
    if step.state in {CellState.FAILED, CellState.PARTIAL}:
        raise _Noticed


def _survivors(found: GateReport) -> tuple[Notice, ...]:
    if found.killed == found.tried:
        return ()
    return (Notice("mutants-survive", {"killed": found.killed, "tried": found.tried}, for_staff=True),)


def _too_few(found: GateReport, gate: GateSettings) -> tuple[Notice, ...]:
    if gate.least_score is None or not found.tried or found.score >= gate.least_score:
        return ()
    params: dict[str, str | float] = {
        "killed": found.killed,
        "tried": found.tried,
        "score": f"{found.score:.0%}",
        "least": f"{gate.least_score:.0%}",
    }
    return (Notice("mutation-score-low", params, for_staff=True),)
