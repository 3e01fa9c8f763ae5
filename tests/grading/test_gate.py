"""The gate over a grader of our own, which runs the code of trusted notebooks in this process."""

import contextlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lms.grading.adapters import gate
from lms.grading.core.contracts import (
    BuildReport,
    CellKind,
    CellState,
    CheckResult,
    CheckStatus,
    GateSettings,
    GradingJob,
    GradingReport,
    LabSource,
    Limits,
    Manifest,
    ManifestCell,
    Notice,
    OnProgress,
    Progress,
)
from lms.grading.core.notices import LANGUAGES, sentence

SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
WEAK = "assert double(1) is not None"
HIDDEN = "y = 1\n### BEGIN HIDDEN TESTS\nassert double(7) == 14\n### END HIDDEN TESTS"


def manifest(*tests: str, before: str = "x = 3") -> Manifest:
    cells = [
        ManifestCell("setup", CellKind.READ_ONLY, "code", 0, before, before, ""),
        ManifestCell("answer", CellKind.ANSWER, "code", 0, SOLUTION, SOLUTION, ""),
    ]
    cells += [
        ManifestCell(f"test-{at}", CellKind.TEST, "code", 2, test.partition("###")[0], test, "")
        for at, test in enumerate(tests)
    ]
    return Manifest(tuple(cells), "python3", "python")


def built(lab: Manifest) -> BuildReport:
    cells = [
        {
            "cell_type": "code",
            "source": cell.full_source,
            "metadata": {"nbgrader": {"grade_id": cell.grade_id, "solution": cell.kind is CellKind.ANSWER}},
        }
        for cell in lab.cells
    ]
    source = json.dumps({"cells": cells, "nbformat": 4}).encode()
    return BuildReport((), (), lab, b"{}", source, maximum=lab.maximum)


class Here:
    """Grades in this process; counts."""

    def __init__(self) -> None:
        self.jobs: list[GradingJob] = []
        self.steps = 0
        self.running = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        with self.lock:
            self.jobs.append(job)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            checks = tuple(self.checks(job, on_progress))
        finally:
            with self.lock:
                self.running -= 1
        return GradingReport(checks, (), b"", 0.01, 0, "isolated", "full")

    def checks(self, job: GradingJob, on_progress: OnProgress) -> list[CheckResult]:
        names: dict[str, object] = {"SEED": job.seed}
        found = []
        for at, (cell, sent) in enumerate(
            zip(job.manifest.cells, json.loads(job.submission)["cells"], strict=True)
        ):
            try:
                exec(sent["source"] if cell.kind is CellKind.ANSWER else cell.full_source, names)  # noqa: S102
                state, score = CellState.PASSED, cell.points
            except Exception:  # noqa: BLE001  # whatever a wrong variant raises
                state, score = CellState.FAILED, 0.0
            if cell.kind is CellKind.TEST:
                self.steps += 1
                status = CheckStatus.PASSED if score else CheckStatus.FAILED
                found.append(CheckResult(cell.grade_id, score, cell.points, status, message="no"))
                on_progress(Progress(at, state, len(job.manifest.cells)))
        return found


def examine(
    lab: Manifest, settings: GateSettings | None, grade: gate.Grade, errors: tuple[Notice, ...] = ()
) -> BuildReport:
    limits = Limits()
    source = LabSource(Path(), "lab", Path(), limits, gate=settings)

    def job_for(report: BuildReport, cells: Manifest, notebook: bytes) -> GradingJob:
        return GradingJob(notebook, cells, report.student_notebook, Path(), limits)

    return gate.examine(source, replace(built(lab), errors=errors), job_for, grade)


@pytest.fixture
def here() -> Here:
    return Here()


def codes(notices: tuple[Notice, ...]) -> list[str]:
    return [one.code for one in notices]


def test_tests_that_notice_every_error_are_not_complained_about(here: Here) -> None:
    report = examine(manifest(HIDDEN), GateSettings(), here)
    assert report.gate is not None
    assert report.gate.tried == report.gate.killed == report.gate.possible > 3
    assert report.gate.score == 1
    assert (report.errors, report.warnings, report.gate.survivors) == ((), (), ())


def test_an_error_that_no_test_notices_is_shown_with_its_line(here: Here) -> None:
    report = examine(manifest(WEAK), GateSettings(), here)
    assert report.gate is not None
    assert (3, "    return 2 * x", "    return 3 * x") in {
        (one.line, one.before, one.after) for one in report.gate.survivors
    }
    assert (report.gate.killed, codes(report.warnings)) == (1, ["mutants-survive"])
    assert report.errors == ()
    assert all(str(report.gate.tried) in sentence(report.warnings[0], one) for one in LANGUAGES)


def test_a_lab_may_ask_for_a_share_of_noticed_errors(here: Here) -> None:
    weak = manifest(WEAK)
    assert codes(examine(weak, GateSettings(least_score=0.9), here).errors) == ["mutation-score-low"]
    assert codes(examine(weak, GateSettings(least_score=0.1), here).errors) == []


def test_the_first_failing_test_ends_the_run_of_a_variant(here: Here) -> None:
    report = examine(manifest(HIDDEN, HIDDEN, HIDDEN), GateSettings(flaky_runs=1), here)
    assert report.gate is not None
    assert here.steps == 3 + report.gate.tried


def test_variants_are_as_many_as_allowed_and_get_tighter_limits(here: Here) -> None:
    report = examine(manifest(HIDDEN), GateSettings(mutants=2), here)
    assert report.gate is not None
    assert (report.gate.tried, report.gate.possible > 2) == (2, True)
    assert here.jobs[-1].limits.total_seconds < Limits().total_seconds
    late = examine(manifest(HIDDEN), GateSettings(seconds=-1), here).gate
    assert late is not None
    assert (late.tried, late.possible, late.score) == (0, report.gate.possible, 1)


def test_the_solution_is_graded_two_at_once_with_other_seeds(here: Here) -> None:
    gathered = threading.Barrier(2, timeout=20)

    def grade(job: GradingJob, on_progress: OnProgress) -> GradingReport:
        with contextlib.suppress(threading.BrokenBarrierError):
            gathered.wait()
        return here(job, on_progress)

    examine(manifest(HIDDEN), GateSettings(flaky_runs=4, mutants=0), grade)
    assert not gathered.broken
    assert sorted(job.seed for job in here.jobs) == [1, 2, 3, 4]


def test_a_solution_that_is_not_graded_alike_is_refused_and_its_variants_are_not_tried(here: Here) -> None:
    report = examine(manifest("assert SEED != 3", HIDDEN), GateSettings(), here)
    assert codes(report.errors) == ["flaky"]
    assert report.errors[0].params["grade_id"] == "test-0"
    assert report.errors[0].params["points"] == "2, 2, 0, 2, 2"
    assert report.gate is not None
    assert report.gate.tried == 0


def test_a_refused_lab_is_linted_and_nothing_more(here: Here) -> None:
    refusal = Notice("nothing-graded")
    report = examine(manifest("double(3)\nx = 1"), GateSettings(), here, errors=(refusal,))
    assert (codes(report.errors), codes(report.warnings)) == (["nothing-graded"], ["lint-no-verdict"])
    assert (report.gate, here.jobs) == (None, [])


def test_a_gate_may_look_at_the_tests_alone(here: Here) -> None:
    report = examine(manifest("double(3)\nx = 1"), GateSettings(flaky_runs=0, mutants=0), here)
    assert (codes(report.warnings), report.errors, here.jobs) == (["lint-no-verdict"], (), [])


def test_without_a_gate_nothing_is_tried(here: Here) -> None:
    assert examine(manifest("double(3)"), None, here) == built(manifest("double(3)"))
    assert here.jobs == []


def test_a_variant_without_end_counts_as_noticed() -> None:
    def grade(job: GradingJob, on_progress: OnProgress) -> GradingReport:
        status = CheckStatus.PASSED if b"2 * x" in job.submission else CheckStatus.ERROR
        on_progress(Progress(2, CellState.DONE, 3))
        check = CheckResult("test-0", 0, 2, status, notice=Notice("cell-timeout", {"cell": 3, "seconds": 3}))
        return GradingReport((check,), (), b"", 0.01, 0, "isolated", "full")

    report = examine(manifest(HIDDEN), GateSettings(), grade)
    assert report.gate is not None
    assert report.gate.killed == report.gate.tried > 0
