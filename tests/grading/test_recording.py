"""What is recorded of a run, who gets it, and whether grading again gives the same."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, User
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import now
from lms.errors import NotFound
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.core.contracts import CheckResult, CheckStatus, GradingJob, GradingReport, OnProgress
from lms.grading.core.record import GradeRecord, Witness, moment
from lms.grading.core.record_reading import explained, read_keys, read_record, verify
from lms.grading.models import GradingRun
from lms.grading.queries.records import record_of
from lms.grading.services.marking import regrade_submission
from lms.grading.services.recording import statement
from lms.grading.services.rerunning import Rerun, grade_again, job_of_record, run_of_record
from lms.grading.services.running import record_grade
from tests.factories.grading import (
    World,
    enrol,
    grading_report,
    make_organisation,
    make_staff,
    make_user,
    make_world,
)
from tests.factories.records import KEYS, PlainNotary, recording

SignIn = Callable[[User], None]


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments", started_at=now() - timedelta(days=3))


def graded(world: World, report: GradingReport | None = None) -> GradingRun:
    """Hand in, grade, record."""
    world.hand_in()
    return finished(world, report)


def finished(world: World, report: GradingReport | None = None) -> GradingRun:
    run = world.claim()
    recorded = recording(run, world.blobs)
    made = report or grading_report()
    assert record_grade(
        world.session, run.id, run.token, made, blobs=world.blobs, at=world.at, recording=recorded
    )
    return run


def content(world: World, run: GradingRun) -> bytes:
    assert run.record_blob is not None
    return world.blobs.get(run.record_blob)


def record(world: World, run: GradingRun) -> GradeRecord:
    return verify(content(world, run), KEYS)


# what is recorded


def test_the_record_of_a_run_says_what_went_in_and_what_came_out(world: World) -> None:
    run = graded(world)
    found, work = record(world, run), run.submission
    assert (found.run.ordinal, found.run.cause) == (1, "submitted")
    assert (found.submission.sha256, found.submission.attempt) == (work.blob, 1)
    assert found.submission.received_at == moment(work.received_at)
    assert (found.release.course, found.release.lab, found.release.number) == (
        world.course.slug,
        "softmax",
        1,
    )
    assert found.release.student_notebook == work.release.student_blob
    assert found.environment.lock_sha256 == work.release.environment_sha256
    assert found.files == {"rows.csv": hashlib.sha256(b"a,b\n1,2\n").hexdigest()}
    assert found.limits.memory_bytes == 2048 << 20
    assert found.seed == run.seed
    assert [(one.grade_id, one.score, one.status) for one in found.outcomes] == [
        ("test", 3, "passed"),
        ("essay", None, "manual"),
    ]
    assert (found.total.score, found.total.maximum) == (3, 3)
    assert (found.assurance, found.isolation) == (run.assurance, run.isolation)


def test_a_record_names_nobody(world: World) -> None:
    run = graded(world)
    found = content(world, run).decode()
    for word in (world.student.name, world.student.email, "softmax.ipynb", "The sum is not 1"):
        assert word not in found


def test_a_record_confirms_no_guess_of_a_hidden_test(world: World) -> None:
    """Whoever guesses the text must not find its hash, nor that of anything else that they do not have."""
    run = graded(world)
    found = content(world, run).decode()
    release = run.submission.release
    assert release.manifest is not None
    hidden = next(
        cell["full_source"] for cell in release.manifest["cells"] if "secret" in cell["full_source"]
    )
    for guess in (hidden, "assert secret", json.dumps(release.manifest, sort_keys=True)):
        assert hashlib.sha256(guess.encode()).hexdigest() not in found
    assert release.digest not in found
    assert "secret" not in found


def test_a_hidden_test_passes_nothing_on_in_the_digits_of_its_points(world: World) -> None:
    checks = (
        CheckResult("test", 1.234567890123, 3, CheckStatus.PARTIAL, hidden=True),
        CheckResult("essay", 1.234567890123, 2, CheckStatus.PARTIAL, hidden=False),
    )
    run = graded(world, replace(grading_report(), checks=checks, wall_seconds=1.2345))
    found = record(world, run)
    assert [one.score for one in found.outcomes] == [1.23, 1.234567890123]
    assert "1.2345," not in content(world, run).decode()


def test_points_out_of_range_are_recorded_as_they_count(world: World) -> None:
    checks = tuple(
        CheckResult(name, score, 3, CheckStatus.PARTIAL)
        for name, score in (("test", 99.0), ("essay", -1.0), ("odd", float("nan")))
    )
    run = graded(world, replace(grading_report(), checks=checks))
    assert [one.score for one in record(world, run).outcomes] == [3, 0, 0]


def test_grading_again_makes_a_record_of_its_own(world: World) -> None:
    first = graded(world)
    regrade_submission(world.session, world.instructor, first.submission, at=world.at)
    second = finished(world, grading_report(score=0))
    assert first.record_blob != second.record_blob
    assert (record(world, second).run.ordinal, record(world, second).total.score) == (2, 0)
    assert record(world, first).total.score == 3


def test_two_attempts_of_one_student_share_a_pseudonym_and_two_students_do_not(world: World) -> None:
    one, two = record(world, graded(world)), record(world, graded(world))
    other = make_user(world.session)
    world.hand_in(enrolment=enrol(world.session, other, world.cohort))
    three = record(world, finished(world))
    assert one.submission.student == two.submission.student != three.submission.student


def test_a_run_that_was_given_away_leaves_no_record(world: World) -> None:
    world.hand_in()
    run = world.claim()
    late = record_grade(
        world.session,
        run.id,
        run.token - 1,
        grading_report(),
        blobs=world.blobs,
        at=world.at,
        recording=recording(run, world.blobs),
    )
    assert late is None
    assert run.record_blob is None


# who gets it


def address(run: GradingRun) -> str:
    return f"/submissions/{run.submission_id}/runs/{run.ordinal}/record"


def test_the_student_and_staff_get_the_record_as_it_was_signed(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    run = graded(world)
    for user in (world.student, world.instructor, world.assistant):
        sign_in(user)
        answer = client.get(address(run))
        assert answer.status_code == 200
        assert verify(answer.data, KEYS)
        assert answer.headers["Cache-Control"].startswith("private")
        assert "attachment" in answer.headers["Content-Disposition"]
        assert address(run) in client.get(f"/submissions/{run.submission_id}").text


def test_nobody_else_learns_that_there_is_a_record(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    run = graded(world)
    assert client.get(address(run)).status_code == 302
    fellow = make_user(world.session)
    enrol(world.session, fellow, world.cohort)
    stranger = make_staff(world.session, make_organisation(world.session, OrganisationKind.UNIVERSITY))
    for user in (fellow, stranger):
        sign_in(user)
        assert client.get(address(run)).status_code == 404
    sign_in(world.student)
    assert client.get(address(run).replace("/runs/1/", "/runs/2/")).status_code == 404


def test_a_student_gets_the_record_of_the_run_that_counts_and_staff_every_one(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    first = graded(world)
    regrade_submission(world.session, world.instructor, first.submission, at=world.at)
    second = finished(world)
    sign_in(world.student)
    assert [client.get(address(run)).status_code for run in (first, second)] == [404, 200]
    sign_in(world.instructor)
    assert [client.get(address(run)).status_code for run in (first, second)] == [200, 200]


def test_a_run_without_a_record_says_so(world: World) -> None:
    work = world.graded()
    with pytest.raises(NotFound, match="no grade record"):
        record_of(world.session, work, 1)


def test_the_keys_are_published_for_everyone(client: FlaskClient, settings: Settings) -> None:
    empty = client.get("/.well-known/duri-grade-keys.json")
    assert (empty.status_code, read_keys(empty.data)) == (200, ())
    made = FolderKeys(settings.instance / "keys").rotate(at=now())
    answer = client.get("/.well-known/duri-grade-keys.json")
    assert read_keys(answer.data) == (made,)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


# grading again


class Again:
    """Reports what it is told to; notes the job."""

    def __init__(self, report: GradingReport) -> None:
        self.report = report
        self.jobs: list[GradingJob] = []

    def grade(self, job: GradingJob, on_progress: OnProgress) -> GradingReport:
        del on_progress
        self.jobs.append(job)
        return self.report


class OtherNotary(PlainNotary):
    """On this machine the engine is another."""

    def witness(self, environment: str, lock_sha256: str) -> Witness:
        found = super().witness(environment, lock_sha256)
        return found.model_copy(update={"engine": found.engine.model_copy(update={"version": "9"})})


def again(world: World, run: GradingRun, runner: Again, tmp_path: Path, **changes: object) -> Rerun:
    found, notary = record(world, run), changes.pop("notary", PlainNotary())
    assert run_of_record(world.session, found, notary) is run  # type: ignore[arg-type]
    job = job_of_record(run, found, world.blobs, environment=tmp_path, folder=tmp_path / "data")
    return grade_again(run, found, job, runner=runner, notary=notary, at=now(), **changes)  # type: ignore[arg-type]


def test_the_same_outcome_is_the_same_result(world: World, tmp_path: Path) -> None:
    run = graded(world)
    runner = Again(replace(grading_report(), wall_seconds=99))
    found = again(world, run, runner, tmp_path)
    assert found == Rerun(ran=True, inputs=[], result=[])
    assert found.same
    assert runner.jobs[0].seed == run.seed
    assert (tmp_path / "data" / "rows.csv").read_bytes() == b"a,b\n1,2\n"


def test_another_outcome_is_named_check_by_check(world: World, tmp_path: Path) -> None:
    run = graded(world)
    found = again(world, run, Again(replace(grading_report(score=0), isolation="reduced:cgroup")), tmp_path)
    assert not found.same
    assert {one.where for one in found.result} >= {
        "outcomes[test].score",
        "outcomes[test].status",
        "total.score",
    }
    assert [one.where for one in found.inputs] == ["isolation"]
    assert "walls" in explained(found.inputs, "en")[0]
    assert "time, load" in explained([], "en")[0]


def test_another_engine_is_refused_unless_it_is_wanted(world: World, tmp_path: Path) -> None:
    run = graded(world)
    runner = Again(grading_report())
    refused = again(world, run, runner, tmp_path, notary=OtherNotary())
    assert (refused.ran, refused.same, runner.jobs) == (False, False, [])
    assert [one.where for one in refused.inputs] == ["engine.version"]
    wanted = again(world, run, runner, tmp_path, notary=OtherNotary(), anyway=True)
    assert wanted.same
    assert [one.where for one in wanted.inputs] == ["engine.version"]


def test_a_record_of_another_installation_is_not_here(world: World) -> None:
    run = graded(world)
    found = record(world, run)
    elsewhere = found.model_copy(
        update={"submission": found.submission.model_copy(update={"student": "0" * 64})}
    )
    for strange in (
        elsewhere,
        found.model_copy(update={"submission": found.submission.model_copy(update={"sha256": "0" * 64})}),
    ):
        with pytest.raises(NotFound):
            run_of_record(world.session, strange, PlainNotary())


def test_a_statement_is_the_same_whenever_it_is_made(world: World) -> None:
    run = graded(world)
    assert (
        read_record(content(world, run)).model_dump(exclude={"proof"})
        == statement(run, grading_report(), recording(run, world.blobs), at=world.at).model_dump()
    )
