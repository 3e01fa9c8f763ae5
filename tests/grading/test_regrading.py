"""`lms regrade`: the tests that students see whole, graded again from files alone."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lms.cli import main
from lms.config import Settings
from lms.grading.core.contracts import (
    Assurance,
    CellKind,
    CheckResult,
    CheckStatus,
    GradingJob,
    GradingReport,
    OnProgress,
)
from lms.grading.core.record import GradeRecord, OutcomePart, Witness, written
from lms.grading.core.record_reading import RecordProblem
from lms.grading.services.regrading import grade_files, job_of_files, lay_out, names_of
from lms.installation import Installation
from tests.factories.grading import grading_report, notebook
from tests.factories.records import sign, statement

LAB = notebook(answer="# YOUR CODE")
WORK = notebook()
OUTCOMES = (
    OutcomePart(grade_id="test", score=3, maximum=3, status="passed", hidden=False),
    OutcomePart(grade_id="kept", score=1, maximum=2, status="partial", hidden=True),
    OutcomePart(grade_id="essay", score=None, maximum=2, status="manual", hidden=False),
)
SEEN = (
    CheckResult("test", 3, 3, CheckStatus.PASSED),
    CheckResult("essay", None, 2, CheckStatus.MANUAL),
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def record(**changes: object) -> GradeRecord:
    said = statement()
    named = {
        "submission": said.submission.model_copy(update={"sha256": sha256(WORK)}),
        "release": said.release.model_copy(update={"student_notebook": sha256(LAB)}),
        "outcomes": OUTCOMES,
        "files": {},
    }
    return sign(said.model_copy(update=named | changes))


@dataclass
class Fake:
    """A runner that gives these checks."""

    checks: tuple[CheckResult, ...] = SEEN
    jobs: list[GradingJob] = field(default_factory=list)

    def close(self) -> None:
        """Nothing is open."""

    def grade(self, job: GradingJob, _on_progress: OnProgress) -> GradingReport:
        self.jobs.append(job)
        return replace(grading_report(), checks=self.checks)


def witness(found: GradeRecord) -> Witness:
    return Witness(environment=found.environment, machine=found.machine, engine=found.engine)


def job(found: GradeRecord) -> GradingJob:
    return job_of_files(found, WORK, LAB, environment=Path("/env"), data=None)


def test_the_job_is_what_the_record_and_the_lab_say() -> None:
    found = record()
    made = job(found)
    assert (made.seed, made.limits.cell_seconds) == (found.seed, found.limits.cell_seconds)
    assert made.manifest.assurance is Assurance.SHARED_KERNEL
    cells = {cell.grade_id: cell for cell in made.manifest.cells}
    assert (cells["test"].kind, cells["test"].points, cells["test"].hidden) == (CellKind.TEST, 3, False)


def test_the_same_points_are_the_same_and_hidden_tests_are_not_asked_for() -> None:
    found, runner = record(), Fake()
    answer = grade_files(found, job(found), witness(found), runner)
    assert (answer.same, len(runner.jobs)) == (True, 1)
    assert (answer.compared, answer.left_out) == (1, 2)


@pytest.mark.parametrize("outcomes", [OUTCOMES[1:2], OUTCOMES[1:], ()])
def test_where_there_is_no_test_that_students_see_whole_nothing_is_compared(
    outcomes: tuple[OutcomePart, ...],
) -> None:
    found, runner = record(outcomes=outcomes), Fake(())
    with pytest.raises(RecordProblem) as problem:
        grade_files(found, job(found), witness(found), runner)
    assert (problem.value.code, runner.jobs) == ("again.no-seen-test", [])


@pytest.mark.parametrize(
    ("checks", "differences"),
    [
        ((replace(SEEN[0], score=2), SEEN[1]), [("score", 3, 2)]),
        ((replace(SEEN[0], score=float("nan")), SEEN[1]), [("score", 3, 0)]),
        (SEEN[1:], [("score", 3, None), ("maximum", 3, None)]),
    ],
)
def test_other_points_are_named(checks: tuple[CheckResult, ...], differences: list[Any]) -> None:
    found = record()
    answer = grade_files(found, job(found), witness(found), Fake(checks))
    assert (answer.ran, answer.same) == (True, False)
    assert [(one.where, one.recorded, one.now) for one in answer.result] == [
        (f"outcomes[test].{part}", recorded, now) for part, recorded, now in differences
    ]


def test_other_points_of_a_lab_with_a_leaderboard_prove_nothing() -> None:
    found = record(board="8" * 64)
    assert grade_files(found, job(found), witness(found), Fake()).same
    with pytest.raises(RecordProblem) as problem:
        grade_files(found, job(found), witness(found), Fake(SEEN[1:]))
    assert problem.value.code == "again.board"


def test_another_grader_or_other_packages_are_no_fair_comparison() -> None:
    found, runner = record(), Fake()
    here = witness(found)
    engine = here.engine.model_copy(update={"sha256": "9" * 64})
    packages = here.environment.model_copy(update={"packages_sha256": "9" * 64})
    for other in ({"engine": engine}, {"environment": packages}):
        answer = grade_files(found, job(found), here.model_copy(update=other), runner)
        assert (answer.ran, len(answer.inputs)) == (False, 1)
    assert not runner.jobs
    interpreter = here.environment.model_copy(update={"interpreter_sha256": "9" * 64})
    assert grade_files(found, job(found), here.model_copy(update={"environment": interpreter}), runner).same


def test_files_that_the_record_is_not_about_are_refused() -> None:
    for work, lab in ((LAB, LAB), (WORK, WORK), (b"", b"")):
        with pytest.raises(RecordProblem) as problem:
            job_of_files(record(), work, lab, environment=Path("/env"), data=None)
        assert problem.value.code == "again.not-about"


def test_data_files_are_copied_if_they_are_those_of_the_record(tmp_path: Path) -> None:
    there, folder = tmp_path / "there", tmp_path / "job"
    (there / "deep").mkdir(parents=True)
    folder.mkdir()
    (there / "deep" / "rows.csv").write_bytes(b"1,2\n")
    assert lay_out(record(files={}), there, folder) is None
    assert lay_out(record(files={"deep/rows.csv": sha256(b"1,2\n")}), there, folder) == folder
    assert (folder / "deep" / "rows.csv").read_bytes() == b"1,2\n"


@pytest.mark.parametrize("path", ["rows.csv", "deep/none.csv", "../secret", "/etc/hostname", "deep"])
def test_data_files_that_are_absent_others_or_outside_are_refused(tmp_path: Path, path: str) -> None:
    there, folder = tmp_path / "there", tmp_path / "job"
    (there / "deep").mkdir(parents=True)
    (there / "rows.csv").write_bytes(b"other")
    (tmp_path / "secret").write_bytes(b"secret")
    wanted = Path("/etc/hostname").read_bytes() if path.startswith("/") else b"secret"
    with pytest.raises(RecordProblem) as problem:
        lay_out(record(files={path: sha256(wanted)}), there, folder)
    assert problem.value.code == "again.data"
    assert not folder.exists()


def test_names_that_would_leave_their_folder_are_refused() -> None:
    assert names_of(record()) == ("first-steps", "softmax", "ml-basics")
    said = statement()
    for name in ("../x", "/x", "", ".", "x/y"):
        with pytest.raises(RecordProblem):
            names_of(record(release=said.release.model_copy(update={"lab": name})))


def run(folder: Path, found: bytes, *more: str, tools: object = None) -> Result:
    files = {"record": found, "notebook": WORK, "lab": LAB}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    named = [str(folder / "record"), "--notebook", str(folder / "notebook"), "--lab", str(folder / "lab")]
    tools = tools or Installation(Settings(instance=folder / "nowhere"))
    return CliRunner().invoke(main, ["regrade", *named, *more], obj=tools)


def test_the_command_says_what_is_missing_and_touches_no_installation(tmp_path: Path) -> None:
    answer = run(tmp_path, written(record(files={"rows.csv": "a" * 64})), "--json")
    assert (answer.exit_code, json.loads(answer.output)["ran"]) == (3, False)
    assert "rows.csv" in json.loads(answer.output)["explained"][0]
    for language, word in (("en", "environment"), ("ko", "환경")):
        answer = run(tmp_path, written(record()), "--language", language)
        assert answer.exit_code == 3
        assert word in answer.output
        assert "ml-basics" in answer.output
    assert run(tmp_path, b"{}").exit_code == 3
    assert not (tmp_path / "nowhere").exists()


def test_the_command_does_not_call_a_record_of_hidden_tests_the_same(tmp_path: Path) -> None:
    hidden = written(record(outcomes=OUTCOMES[1:2]))
    for language, words in (
        ("en", "no test in the record that students see whole"),
        ("ko", "비교할 것이 없"),
    ):
        answer = run(tmp_path, hidden, "--language", language)
        assert (answer.exit_code, words in answer.output) == (3, True)
    told = json.loads(run(tmp_path, hidden, "--json").output)
    assert (told["ran"], told["same"], told["compared"]) == (False, False, 0)


def test_the_command_says_how_much_was_compared(tmp_path: Path) -> None:
    found = record()
    python = tmp_path / ".environments" / f"ml-basics-{found.environment.lock_sha256[:12]}" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    settings = Settings(instance=tmp_path / "instance", environments_root=tmp_path)
    notary = SimpleNamespace(witness=lambda _name, _lock: witness(found))
    tools = SimpleNamespace(settings=settings, notary=notary, runner=Fake)
    english, korean = (
        run(tmp_path, written(found), "--language", word, tools=tools) for word in ("en", "ko")
    )
    assert (english.exit_code, english.output.splitlines()) == (
        0,
        [
            "Same points: 1 of 3 outcomes were compared, and came out as recorded.",
            "Not compared: hidden tests and answers that people mark.",
        ],
    )
    assert "결과 3개 가운데 1개를 비교했고" in korean.output
    told = json.loads(run(tmp_path, written(found), "--json", tools=tools).output)
    assert (told["same"], told["compared"], told["left_out"]) == (True, 1, 2)
