"""The gate over the real runner, in the jail."""

from pathlib import Path

import pytest

from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import BuildReport, GateSettings, KernelSettings, LabSource, Limits
from tests.grading.core.making import answer, cell, graded, notebook

pytestmark = pytest.mark.jail
SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
HIDDEN = "assert double(1) == 2\n### BEGIN HIDDEN TESTS\nassert double(7) == 14\n### END HIDDEN TESTS"
ENDLESS = """def count(n):
    ### BEGIN SOLUTION
    while n > 0:
        n = n - 1
    return n
    ### END SOLUTION"""
LIMITS = Limits(cell_seconds=20, total_seconds=60, memory_bytes=512 << 20)


def build(
    runner: JailedRunner, environment: Path, folder: Path, *cells: dict[str, object], **settings: object
) -> BuildReport:
    (folder / "lab.ipynb").write_bytes(notebook(cell("x = 0", "setup", locked=True), *cells))
    gate = GateSettings(**{"flaky_runs": 3, **settings})  # type: ignore[arg-type]
    return runner.build(LabSource(folder, "lab", environment, LIMITS, kernel=KernelSettings(), gate=gate))


def test_a_lab_whose_tests_notice_every_error_passes(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    report = build(runner, environment, tmp_path, answer(SOLUTION), graded(HIDDEN))
    assert report.errors == ()
    assert report.gate is not None
    assert report.gate.tried == report.gate.killed == report.gate.possible == 4
    assert report.warnings == ()


def test_an_error_that_no_test_notices_is_shown(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    weak = graded("assert double(0) == 0 and double(1) is not None")
    report = build(runner, environment, tmp_path, answer(SOLUTION), weak, least_score=0.9)
    assert report.gate is not None
    survivors = {one.after.strip() for one in report.gate.survivors}
    assert {"return 3 * x", "return 1 * x"} <= survivors
    assert [one.code for one in report.errors] == ["mutation-score-low"]


def test_a_test_that_gives_other_points_each_time_is_refused(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    # The proof has one seed and the repeated runs have others: one of the two tests passes the proof.
    for compared in ("<", ">="):
        chance = f"import random\nassert double(1) == 2\nassert random.random() {compared} 0.5"
        lab = (answer(SOLUTION), graded(chance, "chance"))
        report = build(runner, environment, tmp_path, *lab, flaky_runs=8)
        codes = {one.code for one in report.errors}
        if not codes & {"solution-fails", "solution-fails-isolated"}:
            break
    assert codes == {"flaky"}
    assert report.errors[0].params["grade_id"] == "chance"
    assert "lint-unseeded" in {one.code for one in report.warnings}


@pytest.mark.long
def test_an_error_without_end_is_noticed_by_the_clock(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    lab = (answer(ENDLESS, "count"), graded("assert count(3) == 0"))
    report = build(runner, environment, tmp_path, *lab, flaky_runs=1, mutants=5)
    assert report.errors == ()
    assert report.gate is not None
    assert report.gate.tried == 5
    assert all("n + 1" not in one.after for one in report.gate.survivors)
