"""`lms lab …` over a runner of our own; its last tests are those with the real one."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nbgrader
import pytest
import yaml
from click.testing import CliRunner, Result

from lms.cli import main
from lms.config import ROOT, Settings
from lms.grading.cli.lab import lab
from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    CheckResult,
    CheckStatus,
    GateReport,
    GradingJob,
    GradingReport,
    LabSource,
    Manifest,
    Notice,
    OnProgress,
    RunnerUnavailable,
    Survivor,
    ViewReport,
)
from lms.grading.core.structure import check_structure
from lms.installation import Installation
from lms.runtime.probe import Isolation, IsolationLevel
from tests.factories.courses import graded_cell, lab_file, source_notebook
from tests.grading.core.making import LAB, submission

GUIDE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
KEYS = "submission status score maximum assurance isolation wall_seconds cpu_seconds checks".split()  # noqa: SIM905  # as the issue lists them
CHECK_KEYS = "grade_id score maximum status message hidden".split()  # noqa: SIM905  # likewise


FULL = Isolation(IsolationLevel.FULL)


@dataclass
class Played:
    """A runner that gives every readable file 2 points."""

    isolation: Isolation = FULL
    errors: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()
    gate: GateReport | None = None
    manifest: Manifest | None = LAB
    sources: list[LabSource] = field(default_factory=list)
    jobs: list[GradingJob] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    closed: bool = False
    broken: bool = False

    def build(self, source: LabSource) -> BuildReport:
        self.sources.append(source)
        found = source.folder / "data"
        self.data = sorted(path.name for path in found.iterdir()) if found.is_dir() else []
        manifest = self.manifest and replace(self.manifest, assurance=source.assurance)
        return BuildReport(
            self.errors, self.warnings, manifest, b"{}", b"{}", 5, 0, 6, isolation="full", gate=self.gate
        )

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        del on_progress
        if self.broken:
            raise RunnerUnavailable("no bubblewrap")
        self.jobs.append(job)
        notices = check_structure(job.submission, job.manifest)
        check = CheckResult("test", 2, 2, CheckStatus.PASSED)
        late = CheckResult("hidden", 0, 3, CheckStatus.FAILED, "합이 | The sum", hidden=True)
        return GradingReport(
            (check, late), notices, b"", 0.12345, 0, str(job.manifest.assurance), "full", cpu_seconds=0.1
        )

    def view(self, job: GradingJob, on_progress: OnProgress) -> ViewReport:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


@dataclass
class Desk:
    settings: Settings
    runner: Played

    def open_runner(self) -> Played:
        return self.runner

    def run(self, *arguments: object) -> Result:
        python = ["--python", sys.prefix] if arguments[0] != "import-nbgrader" else []
        return CliRunner().invoke(lab, [*map(str, arguments), *python], obj=self)

    def results(self, *arguments: object) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(Settings(instance=tmp_path / "instance", course_content=tmp_path / "courses"), Played())
    yield made
    assert made.runner.closed or not made.runner.sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "products"
    (home / "data").mkdir(parents=True)
    (home / "data" / "rows.csv").write_text("1")
    (home / "products.ipynb").write_text(source_notebook())
    (home / "lab.yml").write_text(yaml.safe_dump(lab_file(), allow_unicode=True))
    return home


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work.ipynb"
    path.write_bytes(submission("def double(x): return 2 * x"))
    return path


def test_each_submission_is_one_object_with_the_agreed_keys(desk: Desk, folder: Path, work: Path) -> None:
    one, two = desk.results("grade", folder, work, work)
    assert list(one) == KEYS
    assert [list(check) for check in one["checks"]] == [CHECK_KEYS] * 2
    assert one == two
    assert (one["submission"], one["status"], one["score"], one["maximum"]) == (str(work), "graded", 2, 5)
    assert (one["assurance"], one["isolation"], one["wall_seconds"]) == ("isolated", "full", 0.123)
    assert desk.runner.jobs[0].data_folder == folder / "data"


def test_for_people_there_is_a_line_and_what_did_not_pass(desk: Desk, folder: Path, work: Path) -> None:
    done = desk.run("grade", folder, work)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"{work}: 2 / 5 (graded; isolated, full, 0.12 s)",
        "  ✗ hidden 0 / 3  합이 | The sum",
    ]
    assert "1/1 graded" in done.stderr


def test_bad_files_are_unreadable_and_the_others_are_graded(desk: Desk, folder: Path, work: Path) -> None:
    broken = work.with_name("broken.ipynb")
    broken.write_bytes(b'{"nbformat": 4, "cells": ')
    missing = work.with_name("missing.ipynb")
    paths = [broken, missing, folder, work]
    results = desk.results("grade", folder, *paths)
    assert [one["status"] for one in results] == ["unreadable", "unreadable", "unreadable", "graded"]
    assert all(list(one) == KEYS for one in results)
    assert results[1]["checks"][0]["message"].endswith("there is no such file")
    assert (results[1]["score"], results[1]["maximum"]) == (0, LAB.maximum)
    assert desk.run("grade", folder, *paths).exit_code == 1
    assert desk.run("grade", folder, work).exit_code == 0


def test_assurance_can_be_chosen(desk: Desk, folder: Path, work: Path) -> None:
    (one,) = desk.results("grade", folder, work, "--assurance", "shared-kernel")
    assert one["assurance"] == "shared-kernel"
    assert desk.runner.sources[0].gate is None


@pytest.mark.parametrize(
    ("level", "asked", "status"),
    [("reduced", "full", 1), ("reduced", "reduced", 0), ("refuse", "reduced", 1), ("full", "reduced", 0)],
)
def test_less_isolation_than_asked_is_refused(
    desk: Desk, folder: Path, work: Path, level: str, asked: str, status: int
) -> None:
    desk.runner.isolation = Isolation(IsolationLevel(level), ("cgroup",))
    done = desk.run("grade", folder, work, "--isolation", asked)
    assert done.exit_code == status
    assert ("not good enough" in done.stderr) is bool(status)
    assert bool(desk.runner.jobs) is not bool(status)


def test_without_a_word_the_installation_s_isolation_counts(desk: Desk, folder: Path, work: Path) -> None:
    desk.runner.isolation = Isolation(IsolationLevel.REDUCED)
    assert desk.run("grade", folder, work).exit_code == 1
    desk.settings = replace(desk.settings, isolation="reduced")
    assert desk.run("grade", folder, work).exit_code == 0


def test_a_jail_that_does_not_start_is_a_sentence(desk: Desk, folder: Path, work: Path) -> None:
    desk.runner.broken = True
    done = desk.run("grade", folder, work)
    assert (done.exit_code, "The sandbox cannot start: no bubblewrap" in done.stderr) == (1, True)


def test_a_plain_notebook_has_its_files_beside_it(desk: Desk, tmp_path: Path, work: Path) -> None:
    home = tmp_path / "course" / "source" / "ps1"
    home.mkdir(parents=True)
    (home / "problem.ipynb").write_text(source_notebook())
    (home / "other.ipynb").write_text("{}")
    (home / "rows.csv").write_text("1")
    (home / "link.csv").symlink_to("/etc/passwd")
    (tmp_path / "course" / "autotests.yml").write_text("python3: {}")
    assert desk.run("grade", home / "problem.ipynb", work).exit_code == 0
    (source,) = desk.runner.sources
    assert (source.name, source.kernel.data_beside, source.kernel.announces) == ("problem", True, False)
    assert desk.runner.data == ["rows.csv"]
    assert not source.folder.exists()


def test_a_notebook_that_looks_for_nbgrader_s_variable_gets_it(
    desk: Desk, tmp_path: Path, work: Path
) -> None:
    path = tmp_path / "alone.ipynb"
    path.write_text(source_notebook(graded_cell("test", "import os; os.environ['NBGRADER_EXECUTION']")))
    desk.run("grade", path, work)
    assert desk.runner.sources[0].kernel.announces


@pytest.mark.parametrize("name", ["nothing", "nothing.ipynb", "."])
def test_a_place_without_a_lab_is_a_sentence(desk: Desk, tmp_path: Path, work: Path, name: str) -> None:
    work.rename(tmp_path / "a.ipynb")
    (tmp_path / "b.ipynb").write_text("{}")
    done = CliRunner().invoke(main, ["lab", "grade", str(tmp_path / name), str(work)], obj=desk)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert "Name" in done.stderr


def test_wrong_settings_are_a_sentence(desk: Desk, folder: Path, work: Path) -> None:
    (folder / "lab.yml").write_text("title: {ko: 가}\nenvironmen: ml-basics\n")
    done = CliRunner().invoke(main, ["lab", "grade", str(folder), str(work)], obj=desk)
    assert done.exit_code == 1
    assert "did you mean 'environment'?" in done.stderr


def test_what_speaks_against_publishing_is_said_and_grading_goes_on(
    desk: Desk, folder: Path, work: Path
) -> None:
    params: dict[str, str | float] = {"grade_id": "test", "score": "1"}
    desk.runner.errors = (Notice("template-passes", params, for_staff=True),)
    done = desk.run("grade", folder, work)
    assert done.exit_code == 0
    assert "warning: The untouched template already gets 1 points" in done.stderr
    desk.runner.manifest = None
    assert desk.run("grade", folder, work).exit_code == 1


def test_an_interpreter_that_is_none_is_a_sentence(desk: Desk, folder: Path, work: Path) -> None:
    arguments = ["grade", str(folder), str(work), "--python", str(work)]
    done = CliRunner().invoke(lab, arguments, obj=desk)
    assert (done.exit_code, "is no environment" in done.stderr) == (1, True)
    unknown = ["grade", str(work), str(work), "--environment", "nothing"]
    done = CliRunner().invoke(lab, unknown, obj=desk)
    assert (done.exit_code, "environment nothing cannot be used" in done.stderr) == (1, True)


FLAKY = Notice("flaky", {"grade_id": "test", "points": "2, 0", "maximum": "2", "message": ""}, for_staff=True)
GATE = GateReport(8, 7, 20, (Survivor("answer", 3, "a < b", "a <= b", "comparison"),), 5)


def test_check_says_what_publication_would_find(desk: Desk, folder: Path) -> None:
    desk.runner.gate = GATE
    desk.runner.warnings = (Notice("lint-unseeded", {"grade_id": "test", "line": 2}, for_staff=True),)
    done = desk.run("check", folder)
    assert done.exit_code == 0
    for said in ("Reference solution: 5 / 5", "7 / 8 (of 20)", "answer:3", "+ a <= b", "without a seed"):
        assert said in done.stdout
    korean = desk.run("check", folder, "--language", "ko").stdout
    assert "발행하는 데 문제가 없습니다." in korean
    document = json.loads(desk.run("check", folder, "--json").stdout)
    assert document["mutation"]["survivors"][0]["after"] == "a <= b"
    assert document["warnings"][0] | {"message": ""} == {
        "code": "lint-unseeded",
        "grade_id": "test",
        "line": 2,
        "message": "",
    }


def test_check_fails_where_the_lab_would_be_refused(desk: Desk, folder: Path) -> None:
    desk.runner.errors, desk.runner.gate = (FLAKY,), GATE
    done = desk.run("check", folder, "--json")
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert (document["ok"], document["flakiness"]["cells"]) == (False, ["test"])
    assert "The lab would be refused." in desk.run("check", folder).stdout


def test_check_names_the_mode_of_every_test(desk: Desk, folder: Path) -> None:
    params: dict[str, str | float] = {
        "grade_id": "test",
        "score": "0",
        "maximum": "2",
        "message": "TypeError",
    }
    desk.runner.errors = (Notice("solution-fails-isolated", params, for_staff=True),)
    document = json.loads(desk.run("check", folder, "--json").stdout)
    modes = {one["grade_id"]: (one["mode"], bool(one["why"])) for one in document["tests"]}
    assert modes == {"test": ("shared-kernel", True), "hidden": ("isolated", False)}


def test_check_tries_isolated_tests_for_a_lab_that_does_without(desk: Desk, folder: Path) -> None:
    settings = yaml.safe_dump(lab_file(assurance="shared-kernel"), allow_unicode=True)
    (folder / "lab.yml").write_text(settings)
    document = json.loads(desk.run("check", folder, "--json", "--quick").stdout)
    assert {one["mode"] for one in document["tests"]} == {"isolated"}
    assert document["assurance"] == "shared-kernel"
    assert [source.assurance for source in desk.runner.sources] == [
        Assurance.SHARED_KERNEL,
        Assurance.ISOLATED,
    ]
    first, second = (source.gate for source in desk.runner.sources)
    assert first is not None
    assert (first.flaky_runs, first.mutants, second) == (0, 0, None)


def test_a_course_of_nbgrader_s_comes_in_and_is_checked(desk: Desk) -> None:
    done = desk.run("import-nbgrader", GUIDE, "--language", "en")
    assert done.exit_code == 0
    assert "4 labs, 0 lessons, 26 points" in done.stdout
    assert (desk.settings.course_content / "user-guide" / "course.yml").is_file()
    again = CliRunner().invoke(main, ["lab", "import-nbgrader", str(GUIDE)], obj=desk)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)


def test_a_course_without_notebooks_is_not_made(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "empty" / "source").mkdir(parents=True)
    done = desk.run("import-nbgrader", tmp_path / "empty")
    assert (done.exit_code, "holds no notebook" in done.stderr) == (1, True)
    assert not desk.settings.course_content.exists()


@pytest.mark.jail
def test_nbgrader_s_own_course_is_graded_as_nbgrader_does(tmp_path: Path, environment: Path) -> None:
    installation = Installation(Settings(instance=tmp_path, isolation="reduced", environments_root=ROOT))
    paths = [GUIDE / "submitted" / name / "ps1" / "problem1.ipynb" for name in ("bitdiddle", "hacker")]
    arguments = ["lab", "grade", str(GUIDE / "source/ps1/problem1.ipynb"), *map(str, paths), "--json"]
    for assurance in ("shared-kernel", "isolated"):
        more = ["--assurance", assurance, "--python", str(environment)]
        done = CliRunner().invoke(main, [*arguments, *more], obj=installation)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["score"] for one in results] == [1.5, 3.0]
        assert {one["assurance"] for one in results} == {assurance}
    assert not (tmp_path / "duri.db").exists()
