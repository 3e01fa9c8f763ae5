"""A record of a real worker: genuine, and the same when graded again in the jail."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lms.cli import main
from tests.stage import Stage

COURSE, LAB = "small-steps", "two-numbers"


def told(stage: Stage, *arguments: object) -> tuple[Result, dict[str, object]]:
    answer = CliRunner().invoke(main, ["grade", *map(str, arguments), "--json"], obj=stage.installation)
    return answer, json.loads(answer.stdout)


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
