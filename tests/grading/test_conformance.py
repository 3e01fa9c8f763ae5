"""nbgrader's own notebooks, read from the installed package, get the scores that upstream asserts."""

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import nbgrader
import pytest

import lms
from lms.grading.adapters.building import with_asks
from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import (
    Assurance,
    BuildReport,
    CheckStatus,
    GradingJob,
    GradingReport,
    KernelSettings,
    Limits,
    Manifest,
)
from lms.grading.core.wire import from_json
from lms.runtime.jail import JailSpec, prefixes
from lms.runtime.jobs import run_job

pytestmark = pytest.mark.jail

PACKAGE = Path(nbgrader.__file__).parent
FILES = PACKAGE / "tests" / "apps" / "files"
GUIDE = PACKAGE / "docs" / "source" / "user_guide"
SOURCES = {
    "plain": FILES / "submitted-unchanged.ipynb",
    "simple": FILES / "autotest-simple.ipynb",
    "hashed": FILES / "autotest-hashed.ipynb",
    "multi": FILES / "autotest-multi.ipynb",
    "hidden": FILES / "autotest-hidden.ipynb",
    "three": FILES / "test-hidden-tests.ipynb",
    "variable": FILES / "validating-environment-variable.ipynb",
    "timeout": FILES / "timeout.ipynb",
    "endless": FILES / "infinite-loop.ipynb",
    "flood": FILES / "infinite-loop-with-output.ipynb",
    "side-effects": FILES / "side-effects.ipynb",
    "problem1": GUIDE / "source" / "ps1" / "problem1.ipynb",
    "problem2": GUIDE / "source" / "ps1" / "problem2.ipynb",
}
# One job for all, because nbgrader takes seconds to load.
BUILD_ALL = """
import base64, json, os, shutil, sys, warnings
out = os.fdopen(os.dup(1), "w"); os.dup2(2, 1); warnings.simplefilter("ignore")
from lms.grading.core.build_program import build
from lms.grading.core.wire import to_plain
request = json.load(sys.stdin)
made = {}
for name, content in request["notebooks"].items():
    shutil.rmtree("/tmp/jupyter", ignore_errors=True)
    made[name] = to_plain(build(base64.b64decode(content), name, request["python"]))
json.dump(made, out)
"""


@pytest.fixture(scope="module")
def built(environment: Path, isolation: object) -> dict[str, BuildReport]:
    assert isolation
    python = environment / "bin" / "python"
    spec = JailSpec(
        python=Path(sys.prefix) / "bin" / "python",
        command=("-c", BUILD_ALL),
        mounts={
            Path(lms.__file__).parent: "/opt/duri/lms",
            **{prefix: str(prefix) for prefix in prefixes(python)},
        },
        files={"/lab/autotests.yml": (FILES / "autotests.yml").read_bytes()},
        environment={"PYTHONPATH": "/opt/duri", "JUPYTER_PATH": "/tmp/jupyter"},  # noqa: S108  # the jail's own
    )
    notebooks = {name: base64.b64encode(file.read_bytes()).decode() for name, file in SOURCES.items()}
    request = json.dumps({"notebooks": notebooks, "python": str(python)}).encode()
    result = run_job(spec, request, seconds=240)
    assert result.ok, result.errors
    reports = json.loads(result.output)
    return {name: from_json(BuildReport, json.dumps(report)) for name, report in reports.items()}


class Course:
    """nbgrader's notebooks, graded with the assurance of the test's choice."""

    def __init__(self, built: dict[str, BuildReport], runner: JailedRunner, environment: Path) -> None:
        self._built, self._runner, self._environment = built, runner, environment
        self._manifests: dict[tuple[str, Assurance], Manifest] = {}

    def grade(
        self, name: str, submission: Path, assurance: Assurance = Assurance.ISOLATED, **limits: float
    ) -> GradingReport:
        job = self._job(name, submission.read_bytes(), self.manifest(name, assurance))
        job = replace(job, limits=Limits(**limits))  # type: ignore[arg-type]  # a test's own words
        return self._runner.grade(job, lambda _step: None)

    def manifest(self, name: str, assurance: Assurance) -> Manifest:
        """The release's cells; with what its tests ask of the source's own answers."""
        known = self._manifests.get((name, assurance))
        if known is None:
            report = self._built[name]
            assert report.manifest is not None, report.errors
            known = replace(report.manifest, assurance=assurance)
            proof = self._runner.prove(self._job(name, report.source_notebook, known), noting=True)
            known = self._manifests[name, assurance] = with_asks(known, proof.asked)
        return known

    def _job(self, name: str, submission: bytes, manifest: Manifest) -> GradingJob:
        return GradingJob(
            submission=submission,
            manifest=manifest,
            student_notebook=self._built[name].student_notebook,
            environment=self._environment,
            limits=Limits(),
            kernel=KernelSettings(announces=True),
        )


@pytest.fixture(scope="module")
def course(built: dict[str, BuildReport], runner: JailedRunner, environment: Path) -> Course:
    return Course(built, runner, environment)


def points(report: GradingReport) -> tuple[float, float]:
    return sum(one.score or 0 for one in report.checks), sum(one.maximum for one in report.checks)


def test_every_upstream_source_is_built(built: dict[str, BuildReport]) -> None:
    # Two sources grade nothing on purpose; upstream takes them, we refuse to publish such a lab.
    empty = {
        name for name, one in built.items() if [notice.code for notice in one.errors] == ["nothing-graded"]
    }
    assert {name: one.errors for name, one in built.items() if one.errors and name not in empty} == {}
    assert empty <= {"endless", "flood", "side-effects"}


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize(
    ("name", "file", "score", "maximum"),
    [
        ("plain", "submitted-unchanged", 1, 7),
        ("plain", "submitted-changed", 2, 7),
        ("plain", "submitted-cheat-attempt", 1, 7),
        ("plain", "submitted-cheat-attempt-alternative", 1, 7),
        ("simple", "autotest-simple-unchanged", 0, 1),
        ("simple", "autotest-simple-changed", 1, 1),
        ("hashed", "autotest-hashed-unchanged", 0, 1),
        ("hashed", "autotest-hashed-changed", 1, 1),
        ("multi", "autotest-multi-unchanged", 0, 4),
        ("multi", "autotest-multi-changed", 3, 4),
        ("hidden", "autotest-hidden-unchanged", 0, 1),
        ("hidden", "autotest-hidden-changed-wrong", 0, 1),
        ("hidden", "autotest-hidden-changed-right", 1, 1),
        ("variable", "validating-environment-variable", 0, 1),
        ("side-effects", "side-effects", 0, 0),
    ],
)
def test_upstream_submissions_get_upstream_points(
    course: Course, name: str, file: str, score: float, maximum: float, assurance: Assurance
) -> None:
    assert points(course.grade(name, FILES / f"{file}.ipynb", assurance)) == (score, maximum)


def test_partial_credit_comes_through(course: Course, built: dict[str, BuildReport], tmp_path: Path) -> None:
    file = tmp_path / "release.ipynb"
    # Upstream's test sets a stub that does not raise, so that the code below it runs.
    file.write_bytes(built["three"].student_notebook.replace(b"raise NotImplementedError()", b"pass"))
    assert points(course.grade("three", file)) == (1.5, 3.0)


def test_manual_answers_that_were_changed_wait_for_a_person(course: Course) -> None:
    unchanged = course.grade("plain", FILES / "submitted-unchanged.ipynb")
    changed = course.grade("plain", FILES / "submitted-changed.ipynb")
    assert CheckStatus.MANUAL not in {one.status for one in unchanged.checks}
    assert CheckStatus.MANUAL in {one.status for one in changed.checks}


def test_a_slow_cell_meets_its_own_limit(course: Course) -> None:
    assert points(course.grade("timeout", FILES / "timeout.ipynb", cell_seconds=30)) == (1, 1)
    slow = course.grade("timeout", FILES / "timeout.ipynb", cell_seconds=2)
    assert points(slow) == (0, 1)
    assert "cell-timeout" in {notice.code for notice in slow.notices}


@pytest.mark.parametrize("name", [pytest.param("endless", marks=pytest.mark.long), "flood"])
def test_an_endless_loop_leaves_a_notebook_behind(course: Course, name: str) -> None:
    # Upstream skips the second one, because it consumes a lot of memory.
    report = course.grade(name, SOURCES[name], cell_seconds=1)
    assert points(report) == (0, 0)
    assert json.loads(report.executed)["cells"]
    assert len(report.executed) < 2_000_000
    assert {notice.code for notice in report.notices} & {"cell-timeout", "output-limit"}


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize(("student", "expected"), [("bitdiddle", 1.5), ("hacker", 3.0)])
def test_the_user_guides_course_gets_its_documented_scores(
    course: Course, student: str, expected: float, assurance: Assurance
) -> None:
    folder = GUIDE / "submitted" / student / "ps1"
    found = [course.grade(file.stem, file, assurance) for file in sorted(folder.glob("*.ipynb"))]
    assert sum(points(report)[0] for report in found) == expected
