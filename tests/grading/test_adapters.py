import json
from dataclasses import replace
from pathlib import Path

import pytest

from lms.grading.adapters import boards
from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import (
    BoardResult,
    BoardSpec,
    BuildReport,
    CellKind,
    CellState,
    CheckResult,
    CheckStatus,
    GradingJob,
    GradingReport,
    LabSource,
    Limits,
    Progress,
    RunnerUnavailable,
    ViewReport,
)
from lms.grading.core.structure import check_structure
from lms.grading.core.wire import to_json
from lms.runtime.probe import Isolation, IsolationLevel
from tests.grading.core.making import (
    LAB,
    answer,
    cell,
    entry,
    graded,
    manifest,
    notebook,
    released,
    submission,
)

pytestmark = pytest.mark.jail
LIMITS = Limits(cell_seconds=20, total_seconds=60, memory_bytes=512 << 20)
OPEN = manifest(*(replace(one, full_source=one.source) for one in LAB.cells))  # the lab without hidden tests


class Desk:
    """Grades with one runner; keeps the steps of the last run."""

    def __init__(self, runner: JailedRunner, environment: Path) -> None:
        self.runner, self.environment = runner, environment
        self.steps: list[Progress] = []

    def grade(self, content: bytes, **changes: object) -> GradingReport:
        self.steps = []
        return self.runner.grade(self.job(content, **changes), self.steps.append)

    def view(self, content: bytes, **changes: object) -> ViewReport:
        return self.runner.view(self.job(content, **changes), lambda _step: None)

    def job(self, content: bytes, **changes: object) -> GradingJob:
        job = GradingJob(content, LAB, b"", self.environment, LIMITS)
        return replace(job, **changes)  # type: ignore[arg-type]


@pytest.fixture
def desk(runner: JailedRunner, environment: Path) -> Desk:
    return Desk(runner, environment)


def check(report: GradingReport, grade_id: str) -> CheckResult:
    return next(one for one in report.checks if one.grade_id == grade_id)


def scores(report: GradingReport) -> dict[str, float | None]:
    return {one.grade_id: one.score for one in report.checks}


def test_a_right_answer_gets_its_points_and_shows_where_it_is(desk: Desk) -> None:
    content = submission("import sys, warnings\nwarnings.warn('fine')\ndef double(x): return 2 * x")
    report = desk.grade(content)
    assert scores(report) == {"test": 2, "hidden": 3, "essay": 0}
    assert check(report, "hidden").hidden
    assert report.assurance == "shared-kernel"
    assert report.isolation.split(":")[0] in {"full", "reduced"}
    assert report.peak_memory_bytes > 10 << 20
    states = [(step.cell, step.state) for step in desk.steps]
    assert states[-2:] == [(3, CellState.RUNNING), (3, CellState.PASSED)]
    assert {step.total for step in desk.steps} == {5}
    assert "double(7)" in report.executed.decode()
    assert report.view is None
    view = desk.view(content)
    assert "double(7)" not in view.feedback.decode()
    assert "fine" in view.feedback.decode()


def test_what_a_hidden_test_hands_over_reaches_no_student(desk: Desk) -> None:
    thief = (
        "seen = []\ndef double(x):\n    seen.append(x)\n    if len(seen) > 2:\n"
        "        print('caught', seen); raise AssertionError(f'caught {seen}')\n    return 2 * x"
    )
    cells = released()
    cells[1]["source"] = thief
    cells.append(cell("print('caught', seen)\nraise ValueError(f'caught {seen}')"))
    report, view = desk.grade(notebook(*cells)), desk.view(notebook(*cells))
    assert check(report, "hidden").score == 0
    assert check(report, "hidden").message == ""
    assert "caught [2, 1]" in view.feedback.decode()
    assert "caught [2, 1, 7" not in to_json(view)
    assert "caught [2, 1, 7" in report.executed.decode()


def test_a_tag_that_skips_execution_gains_nothing(desk: Desk) -> None:
    cells = released()
    for one in cells:
        one["metadata"]["tags"] = ["skip-execution", "raises-exception"]
    report = desk.grade(notebook(*cells), manifest=OPEN)
    assert scores(report) == {"test": 0, "hidden": 0, "essay": 0}
    assert check(report, "test").message.startswith("NotImplementedError")


KILLERS = {
    "exit": "import os; os._exit(0)",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "memory": "held = [bytearray(64 << 20) for _ in range(99)]; import os; os._exit(0)",
    "flood": "while True: print('x' * 100_000)",
    "deaf": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
}


@pytest.mark.parametrize("killer", KILLERS)
def test_what_ends_the_kernel_is_named_and_costs_only_itself(desk: Desk, killer: str) -> None:
    cells = released()
    cells[1]["source"] = "def double(x): return 2 * x"
    cells.insert(3, cell(KILLERS[killer]))
    report = desk.grade(notebook(*cells), manifest=OPEN, limits=replace(LIMITS, cell_seconds=2))
    assert scores(report) == {"test": 2, "hidden": 3, "essay": 0}
    assert {one.params["cell"] for one in report.notices} <= {4}
    assert report.notices or killer == "memory"
    assert report.phases.get("restore", 0) > 0 or killer in {"memory", "flood"}


def test_a_test_whose_student_code_ends_the_kernel_leaves_the_others_their_points(desk: Desk) -> None:
    code = "import os\ndef double(x):\n    if x == 2: os._exit(0)\n    return 2 * x"
    report = desk.grade(submission(code), manifest=OPEN)
    assert scores(report) == {"test": 0, "hidden": 3, "essay": 0}
    died = check(report, "test")
    assert died.status is CheckStatus.ERROR
    assert died.notice is not None
    assert (died.notice.code, died.notice.params["cell"]) == ("kernel-died", 3)


def test_after_two_restores_the_rest_is_not_reached(desk: Desk) -> None:
    cells = released()
    cells[1]["source"] = "def double(x): return 2 * x"
    for at in (1, 4, 5):
        cells.insert(at, cell(KILLERS["exit"]))
    report = desk.grade(notebook(*cells), manifest=OPEN)
    assert scores(report) == {"test": 2, "hidden": 0, "essay": 0}
    late = check(report, "hidden")
    assert late.status is CheckStatus.ERROR
    assert late.notice is not None
    assert (late.notice.code, late.notice.params["cell"]) == ("not-reached", 6)


def test_outputs_of_what_is_repeated_are_not_shown_twice(desk: Desk) -> None:
    cells = [cell("print('once')"), *released()]
    cells.insert(2, cell(KILLERS["exit"]))
    report = desk.grade(notebook(*cells), manifest=OPEN)
    assert report.view is not None
    assert report.view.feedback.decode().count("once\\n") == 1


def test_a_loop_without_end_costs_only_its_own_cell(desk: Desk) -> None:
    cells = released()
    cells[1]["source"] = "def double(x): return 2 * x"
    cells.insert(1, cell("while True: pass"))
    report = desk.grade(notebook(*cells), manifest=OPEN, limits=replace(LIMITS, cell_seconds=1))
    assert scores(report) == {"test": 2, "hidden": 3, "essay": 0}
    assert [one.code for one in report.notices] == ["cell-timeout"]


def test_the_time_of_the_whole_notebook_is_limited(desk: Desk) -> None:
    cells = [*released(), *[cell("import time; time.sleep(9)") for _ in range(9)]]
    report = desk.grade(notebook(*cells), manifest=OPEN, limits=replace(LIMITS, total_seconds=2))
    assert "total-timeout" in {one.code for one in report.notices}


def test_a_zero_character_in_a_cell_does_not_stop_grading(desk: Desk) -> None:
    report = desk.grade(submission("def double(x): return 2\0 * x"), manifest=OPEN)
    assert scores(report)["test"] == 2


def test_a_file_that_cannot_be_read_is_reported_not_raised(desk: Desk) -> None:
    report = desk.grade(b"{")
    assert [one.code for one in report.notices] == ["broken-json"]
    assert {one.score for one in report.checks} == {0}


def test_without_a_sound_jail_nothing_is_run(environment: Path) -> None:
    runner = JailedRunner(Isolation(IsolationLevel.REFUSE, ("network",)))
    with pytest.raises(RunnerUnavailable, match="network"):
        Desk(runner, environment).grade(submission())


HIDDEN_TEST = "assert double(2) == 4\n### BEGIN HIDDEN TESTS\nassert double(7) == 14\n### END HIDDEN TESTS"
SOLUTION = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"


def lab(folder: Path, environment: Path, *cells: dict[str, object]) -> LabSource:
    folder.mkdir(exist_ok=True)
    (folder / f"{folder.name}.ipynb").write_bytes(notebook(*cells))
    return LabSource(folder, folder.name, environment, LIMITS)


def test_a_lab_is_built_and_proved(runner: JailedRunner, environment: Path, tmp_path: Path) -> None:
    essay = cell(
        "<!-- title: 왜 | The reason -->\n### BEGIN MARK SCHEME\n5 if good\n### END MARK SCHEME\nWhy?",
        "why",
        "markdown",
    )
    essay["metadata"]["nbgrader"] |= {"grade": True, "solution": True, "points": 4}
    test = graded("# title: 두 배 | Doubles\n" + HIDDEN_TEST, points=3)
    made = runner.build(lab(tmp_path / "one", environment, answer(SOLUTION), test, essay))
    assert made.errors == ()
    assert (made.solution_score, made.template_score, made.maximum) == (3, 0, 7)
    assert made.manifest is not None
    kinds = [one.kind for one in made.manifest.cells]
    assert kinds == [CellKind.ANSWER, CellKind.TEST, CellKind.MANUAL_ANSWER]
    assert made.manifest.cells[1].title == {"ko": "두 배", "en": "Doubles"}
    assert made.manifest.cells[2].title == {"ko": "왜", "en": "The reason"}
    student = made.student_notebook.decode()
    assert "NotImplementedError" in student
    assert not any(secret in student for secret in ("double(7)", "return 2", "5 if good"))
    assert b"return 2" in made.source_notebook
    assert check_structure(made.student_notebook, made.manifest) == ()


def test_a_lab_is_refused_unless_its_solution_passes_and_its_template_does_not(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    cells = answer(SOLUTION), graded("assert double(2) == 5, 'five'"), graded("assert True", "weak")
    made = runner.build(lab(tmp_path / "one", environment, *cells))
    assert [(one.code, one.params["grade_id"]) for one in made.errors] == [
        ("solution-fails", "test"),
        ("template-passes", "weak"),
    ]
    assert made.errors[0].params["message"] == "five"


def test_duplicate_grade_ids_are_refused(runner: JailedRunner, environment: Path, tmp_path: Path) -> None:
    made = runner.build(lab(tmp_path / "one", environment, graded("1"), graded("2")))
    assert [one.code for one in made.errors] == ["metadata-invalid"]
    assert "test" in str(made.errors[0].params["reason"])


def test_a_lab_without_its_notebook_is_refused(
    runner: JailedRunner, environment: Path, tmp_path: Path
) -> None:
    made = runner.build(LabSource(tmp_path, "none", environment, LIMITS))
    assert [one.code for one in made.errors] == ["source-missing"]


BOARD = """
import numpy as np
def make_hidden(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(40, 3))
    return features, (features[:, 0] > 0).astype(int)
def baselines(features, seed):
    return {"ones": np.ones(len(features), int)}
"""
SPEC = BoardSpec("accuracy", "max", 0.5, predict="predict")


@pytest.fixture(scope="module")
def archive(runner: JailedRunner, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    assert runner
    folder = tmp_path_factory.mktemp("board")
    (folder / "hidden").mkdir()
    (folder / "hidden" / "board.py").write_text(BOARD)
    source = LabSource(folder, "board", environment, LIMITS, SPEC, board_seed=11)
    made = boards.make_board(source, SPEC)
    assert made.errors == ()
    assert [one.key for one in made.baselines] == ["ones"]
    assert boards.make_board(source, SPEC).archive == made.archive
    assert boards.make_board(replace(source, board_seed=12), SPEC).archive != made.archive
    return made.archive


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def predict(x):\n    print('rows', x)\n    return (x[:, 0] > 0).astype(int)", (1.0, 1.0)),
        ("pass", "board-no-function"),
        ("def predict(x): return x.no_such", "board-function-failed"),
        ("def predict(x): return [1]", "board-wrong-length"),
        ("def predict(x): return [float('nan')] * len(x)", "board-not-finite"),
        ("def predict(x): return [{}] * len(x)", "board-bad-predictions"),
        ("import os\nos._exit(0)", "board-not-run"),
        ("open('/run/desk/features.json', 'w')", "board-not-run"),
        ("def predict(x): return [[[[1]]]] * len(x)", "board-bad-predictions"),
    ],
)
def test_predictions_are_scored_apart_from_the_student(
    desk: Desk, archive: bytes, code: str, expected: tuple[float, float] | str
) -> None:
    content = notebook(*released()[:3], cell(code))
    report = desk.grade(content, manifest=OPEN, board=SPEC, board_archive=archive)
    assert report.board is not None
    if isinstance(expected, str):
        assert report.board.notice is not None
        assert report.board.notice.code == expected
    else:
        assert report.board == BoardResult(*expected)
    assert b"rows [[" not in report.executed
    assert report.view is not None
    assert b"rows [[" not in report.view.feedback


def test_an_output_file_is_scored_and_its_notebook_shows_no_rows(desk: Desk, archive: bytes) -> None:
    code = (
        "import csv\nrows = list(csv.DictReader(open('features.csv')))\nprint('row', rows[0])\n"
        "out = csv.writer(open('out.csv', 'w'))\nout.writerow(['prediction'])\n"
        "out.writerows([[int(float(row['x0']) > 0)] for row in rows])"
    )
    spec = BoardSpec("accuracy", "max", 0.5, output="out.csv")
    content = notebook(*released()[:3], cell(code), cell("import gc; del out; gc.collect()"))
    report = desk.grade(content, manifest=OPEN, board=spec, board_archive=archive)
    assert report.board == BoardResult(1.0, 1.0)
    assert report.view is not None
    assert "row {" not in json.dumps(json.loads(report.view.feedback)["cells"])


def test_a_report_says_its_own_isolation(runner: JailedRunner, environment: Path, tmp_path: Path) -> None:
    made: BuildReport = runner.build(lab(tmp_path / "one", environment, cell("no graded cell")))
    assert made.isolation == str(runner.isolation)
    assert [one.code for one in made.errors] == ["nothing-graded"]


def test_entries_of_a_test_kind_need_no_hidden_part() -> None:
    assert not entry("t", CellKind.TEST, "assert True").hidden
