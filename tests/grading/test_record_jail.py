"""A record of a real worker: genuine, and the same when graded again in the jail."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from lms.blobs import FolderBlobs
from lms.cli import main
from lms.db import now
from lms.grading.adapters.record_key import FolderKeys
from lms.grading.adapters.runner import JailedRunner
from lms.grading.adapters.witness import InstallationNotary
from lms.grading.core.contracts import KernelSettings
from lms.grading.core.record_reading import verify
from lms.grading.queries.labs import grading_job
from lms.grading.services.recording import Recording
from lms.grading.services.rerunning import Rerun, grade_again, job_of_record
from lms.grading.services.running import record_grade
from lms.runtime.environments import describe
from tests.factories.grading import ONLY_TESTS, make_world, notebook
from tests.runtime.jails import ROOT
from tests.stage import Stage

COURSE, LAB = "small-steps", "two-numbers"


def told(stage: Stage, *arguments: object) -> tuple[Result, dict[str, object]]:
    answer = CliRunner().invoke(main, ["grade", *map(str, arguments), "--json"], obj=stage.installation)
    return answer, json.loads(answer.stdout)


@pytest.mark.jail
def test_the_same_seed_draws_the_same_numbers_again(
    session: Session, blobs: FolderBlobs, tmp_path: Path, runner: JailedRunner, environment: Path
) -> None:
    world = make_world(session, blobs, tmp_path / "environments", manifest=ONLY_TESTS)
    chance = "import random, numpy\nsecret = random.random() < 0.5 and numpy.random.rand() < 0.5"
    work = world.hand_in(content=notebook(answer=chance))
    work.release.environment_sha256 = describe(ROOT, "ml-basics").sha256
    run = world.claim()
    notary = InstallationNotary("https://duri.example", FolderKeys(tmp_path / "keys"), ROOT)
    job = replace(
        grading_job(run, blobs, environment=environment), kernel=KernelSettings(libraries=("numpy",))
    )
    recording = Recording(notary, job)
    report = runner.grade(recording.job, lambda _step: None)
    assert record_grade(session, run.id, run.token, report, blobs=blobs, at=now(), recording=recording)
    assert run.record_blob is not None
    record = verify(blobs.get(run.record_blob), notary.keys.published())
    for _ in range(3):
        job = job_of_record(run, record, blobs, environment=environment, folder=tmp_path / "data")
        again = grade_again(run, record, job, runner=runner, notary=notary, at=now())
        assert again == Rerun(ran=True, inputs=[], result=[])


@pytest.mark.jail
def test_a_workers_record_is_genuine_and_comes_out_the_same_again(installed: Stage, tmp_path: Path) -> None:
    installed.wait_for_lab(COURSE, LAB)
    enrolment = installed.newcomer("서하준", "hajun@example.org", COURSE)
    grade = installed.grade_of(installed.hand_in(enrolment, LAB))
    path = tmp_path / "record.json"
    assert grade.run.record_blob is not None
    path.write_bytes(installed.installation.blobs.get(grade.run.record_blob))
    answer, verdict = told(installed, "verify", path)
    assert (answer.exit_code, verdict["genuine"], verdict["own"]) == (0, True, True)
    record = verdict["record"]
    assert isinstance(record, dict)
    assert record["total"]["score"] == grade.score > 0
    assert any(package.startswith("numpy==") for package in record["environment"]["packages"])
    answer, again = told(installed, "rerun", path)
    assert (answer.exit_code, again["same"], again["inputs"], again["result"]) == (0, True, [], [])
