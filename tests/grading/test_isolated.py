"""Tests in a process of their own: what may end, lie or change there, and what a build finds out for it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lms.courses.core.outline import LabFile
from lms.courses.core.shape import fit
from lms.courses.core.yaml_file import read_yaml
from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    CheckResult,
    CheckStatus,
    GradingJob,
    GradingReport,
    KernelSettings,
    LabSource,
    Limits,
)
from lms.grading.queries.labs import source_of
from tests.grading.core.making import answer, cell, graded, notebook
from tests.runtime.jails import ROOT

pytestmark = pytest.mark.jail
LIMITS = Limits(cell_seconds=2, total_seconds=90, memory_bytes=512 << 20)
SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
TESTS = (
    graded("assert double(1) == 2, 'one'", "before", 1),
    graded(
        "assert double(2) == 4, 'two'\n### BEGIN HIDDEN TESTS\nassert double(7) == 14\n### END HIDDEN TESTS",
        "at",
        2,
    ),
    graded("value = double(3)\nassert value == 6", "after", 4),
)
KILLERS = {
    "exits": "import os; os._exit(0)",
    "is killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "loops and hears nothing": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "        while True: pass",
    "loops and swallows": "while True:\n            try:\n                while True: pass\n"
    "            except BaseException: pass",
    "fills the memory": "import ctypes\n        held = []\n        while True:\n"
    "            held.append(ctypes.create_string_buffer(1 << 20)); ctypes.memset(held[-1], 1, 1 << 20)",
    "floods": "while True: print('x' * 100_000)",
}


def lab(folder: Path, environment: Path, *cells: dict[str, object], **changes: object) -> LabSource:
    folder.mkdir(exist_ok=True)
    (folder / f"{folder.name}.ipynb").write_bytes(notebook(*cells))
    return replace(LabSource(folder, folder.name, environment, LIMITS), **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def built(runner: JailedRunner, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    folder = tmp_path_factory.mktemp("labs") / "one"
    setup = cell("factor = 2\ntotals = []", "setup", locked=True)
    made = runner.build(lab(folder, environment, setup, answer(SOLUTION), *TESTS))
    assert made.errors == ()
    return made


def graded_with(
    runner: JailedRunner, environment: Path, built: BuildReport, code: str, **changes: object
) -> GradingReport:
    assert built.manifest is not None
    cells = json.loads(built.student_notebook)["cells"]
    cells[1]["source"] = code
    job = GradingJob(notebook(*cells), built.manifest, built.student_notebook, environment, LIMITS)
    return runner.grade(replace(job, **changes), lambda _step: None)  # type: ignore[arg-type]


def by_id(report: GradingReport) -> dict[str, CheckResult]:
    return {one.grade_id: one for one in report.checks}


def test_values_of_a_library_that_only_the_answer_imports_reach_the_test(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    body = "    ### BEGIN SOLUTION\n    return pd.DataFrame({'n': np.arange(n)})\n    ### END SOLUTION"
    solution = f"import numpy as np\nimport pandas as pd\n\n\ndef table(n):\n{body}"
    test = graded("assert table(3)['n'].tolist() == [0, 1, 2]", "test", 1)
    made = runner.build(lab(tmp_path / "late", environment, answer(solution), test))
    assert made.errors == ()
    assert made.solution_score == 1


@pytest.mark.parametrize("killer", KILLERS)
def test_a_function_that_ends_its_kernel_costs_the_test_that_calls_it(
    runner: JailedRunner, environment: Path, built: BuildReport, killer: str
) -> None:
    code = f"def double(x):\n    if x == 2:\n        {KILLERS[killer]}\n    return 2 * x"
    report = graded_with(runner, environment, built, code)
    checks = by_id(report)
    assert {name: one.score for name, one in checks.items()} == {"before": 1, "at": 0, "after": 4}
    ended = checks["at"]
    assert ended.status in {CheckStatus.ERROR, CheckStatus.FAILED}
    assert ended.notice is None or ended.notice.params["cell"] == 4
    assert report.assurance == "isolated"


def test_a_build_notes_where_tests_run_and_what_they_ask(built: BuildReport) -> None:
    assert built.manifest is not None
    assert built.manifest.assurance is Assurance.ISOLATED
    assert built.manifest.student_names == ()


def test_variables_that_the_solution_changes_are_the_students(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    setup = cell("totals = []\nrate = 1", "setup", locked=True)
    code = "### BEGIN SOLUTION\ntotals.append(3)\n### END SOLUTION"
    made = runner.build(
        lab(tmp_path / "one", environment, setup, answer(code), graded("assert totals == [3] and rate == 1"))
    )
    assert made.errors == ()
    assert made.manifest is not None
    assert made.manifest.student_names == ("totals",)


def test_a_test_that_needs_the_students_kernel_is_named_with_its_remedies(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    inside = graded("assert get_ipython().user_ns['double'](2) == 4", "inside")
    source = lab(tmp_path / "one", environment, answer(SOLUTION), graded("assert double(1) == 2"), inside)
    made = runner.build(source)
    assert [(one.code, one.params["grade_id"]) for one in made.errors] == [
        ("solution-fails-isolated", "inside")
    ]
    shared = runner.build(replace(source, assurance=Assurance.SHARED_KERNEL))
    assert shared.errors == ()
    assert shared.manifest is not None
    assert shared.manifest.assurance is Assurance.SHARED_KERNEL


def test_a_locked_variable_cannot_be_replaced_by_the_student(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    setup = cell("expected = [2, 4]", "setup", locked=True)
    test = graded("assert [double(1), double(2)] == expected", "test", 3)
    built = runner.build(lab(tmp_path / "one", environment, setup, answer(SOLUTION), test))
    assert built.errors == ()
    report = graded_with(runner, environment, built, "expected = [0, 0]\ndef double(x): return 0")
    assert by_id(report)["test"].score == 0


def test_partial_credit_and_messages_come_through(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    tests = graded("assert double(1) == 2\n1.5 if double(2) == 4 and double(-1) != -2 else 3", "part", 3)
    setup = cell("import math", "setup", locked=True)
    built = runner.build(lab(tmp_path / "one", environment, setup, answer(SOLUTION), tests, TESTS[0]))
    assert built.errors == ()
    report = graded_with(
        runner,
        environment,
        built,
        "def double(x): return abs(2 * x)",
    )
    assert (by_id(report)["part"].score, by_id(report)["part"].status) == (1.5, CheckStatus.PARTIAL)
    wrong = graded_with(runner, environment, built, "def double(x): return x")
    assert by_id(wrong)["before"].message == "one"
    assert wrong.view is not None
    assert wrong.view.messages["before"] == "one"


def test_runs_of_one_seed_draw_the_same_and_others_do_not(
    runner: JailedRunner, environment: Path, built: BuildReport
) -> None:
    code = "import random\nprint(random.random())\ndef double(x): return 2 * x"
    drawn = [
        json.loads(graded_with(runner, environment, built, code, seed=seed).executed)["cells"][1]["outputs"]
        for seed in (5, 5, 6)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_only_a_lab_that_asks_for_it_is_told_that_it_is_graded(
    runner: JailedRunner, environment: Path, built: BuildReport
) -> None:
    code = "import os\nprint(os.environ.get('NBGRADER_EXECUTION'))\ndef double(x): return 2 * x"
    quiet = graded_with(runner, environment, built, code)
    told = graded_with(runner, environment, built, code, kernel=KernelSettings(announces=True))
    assert "autograde" not in json.dumps(json.loads(quiet.executed)["cells"][1]["outputs"])
    assert "autograde" in json.dumps(json.loads(told.executed)["cells"][1]["outputs"])


def test_times_and_memory_are_kept_by_cell_and_phase(
    runner: JailedRunner, environment: Path, built: BuildReport
) -> None:
    code = "sum(i * i for i in range(2_000_000))\ndef double(x): return 2 * x"
    report = graded_with(runner, environment, built, code)
    assert {"assemble", "start", "cells", "tests", "end", "report"} <= report.phases.keys()
    assert report.wall_seconds == pytest.approx(sum(report.phases.values()))
    timings = {one.cell: one for one in report.cells}
    assert timings.keys() == {0, 1, 2, 3, 4}
    assert timings[1].cpu_seconds > 0.05
    assert timings[1].cpu_seconds <= report.cpu_seconds
    assert timings[1].peak_memory_bytes > 10 << 20


@pytest.mark.long
@pytest.mark.parametrize(
    "file", sorted((ROOT / "course_content").glob("*/labs/*/lab.yml")), ids=lambda file: file.parent.name
)
def test_every_lab_of_the_shipped_courses_is_isolated(
    runner: JailedRunner, environment: Path, file: Path
) -> None:
    rules, problems = fit(read_yaml(file.name, file.read_text(encoding="utf-8")), LabFile)
    assert rules is not None, problems
    source = source_of(rules, file.parent.name, folder=file.parent, environment=environment)
    made = runner.build(replace(source, gate=None, board_seed=3))
    assert made.errors == ()
    assert made.manifest is not None
    assert made.manifest.assurance is Assurance.ISOLATED
    assert made.template_score == 0
