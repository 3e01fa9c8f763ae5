"""`lms-verify --regrade` with the bundle of a real certificate, on a machine that has no database of ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from lms.accounts.models import User
from lms.certs.core.trust import write_trust
from tests.stage import CONTENT, Stage

COURSE, LAB = "small-steps", "two-numbers"


def bundle_of(stage: Stage, email: str, uuid: str) -> bytes:
    """Download the bundle as its holder does."""
    with stage.installation.sessions() as session:
        token = session.scalars(select(User.session_token).where(User.email == email)).one()
    client = stage.app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    answer = client.get(f"/c/{uuid}/bundle.zip")
    assert answer.status_code == 200
    return answer.data


@pytest.mark.jail
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_visible_tests_of_a_bundle_are_graded_again_without_the_platform(
    installed: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.wait_for_lab(COURSE, LAB)
    enrolment = installed.newcomer("윤슬", "seul@example.org", COURSE)
    installed.hand_in(enrolment, LAB)
    bundle, trust = tmp_path / "bundle.zip", tmp_path / "trust.json"
    bundle.write_bytes(bundle_of(installed, "seul@example.org", installed.certificate_of(enrolment)))
    pinned = installed.installation.trust
    trust.write_bytes(write_trust(pinned.parties, pinned.logs))
    monkeypatch.setenv("DURI_INSTANCE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("DURI_COURSE_CONTENT", str(CONTENT))
    monkeypatch.setenv("DURI_ISOLATION", installed.installation.settings.isolation)
    (tmp_path / "click.py").write_text("raise SystemExit('what lies beside the file was run')")
    monkeypatch.chdir(tmp_path)
    command = [Path(sys.executable).with_name("lms-verify"), bundle, "--trust", trust, "--regrade", "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["findings"]) == (0, [])
    notices = {each["code"]: each["params"] for each in told["notices"]}
    assert notices["evidence.checked"]["count"] == 6
    assert notices["regrade.same"]["count"] >= 1
    assert not (tmp_path / "nowhere").exists()
