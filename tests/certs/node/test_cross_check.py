"""An independent implementation reads the same proofs: `@digitalbazaar/vc` in Node."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.keys import did_document
from lms.certs.core.strict_json import Document
from tests.certs.conftest import Case

pytestmark = pytest.mark.node
HERE = Path(__file__).parent


def absent(reason: str) -> None:
    if os.environ.get("CI_REQUIRE") == "1":
        pytest.fail(f"required but absent: {reason}")
    pytest.skip(f"not run: {reason}")


@pytest.fixture(scope="session")
def node() -> str:
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        absent("node and npm are not installed")
    with (HERE / "package.json").open("rb") as one_worker_at_a_time:
        fcntl.flock(one_worker_at_a_time, fcntl.LOCK_EX)
        problem = "" if (HERE / "node_modules" / ".package-lock.json").exists() else install(str(npm))
    if problem:
        absent(f"npm could not install the packages: {problem}")
    return str(found)


def install(npm: str) -> str:
    done = subprocess.run(
        [npm, "ci", "--silent"], cwd=HERE, capture_output=True, text=True, timeout=240, check=False
    )
    return "" if done.returncode == 0 else done.stderr[-300:] or f"exit status {done.returncode}"


def ask(node: str, case: Case, credential: Document) -> list[dict[str, Any]]:
    documents = {party.did: did_document(party.did, party.keys) for party in case.pair.trust.parties}
    done = subprocess.run(
        [node, "verify.js"],
        cwd=HERE,
        input=json.dumps({"credential": credential, "didDocuments": documents}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_each_proof_verifies_alone(node: str, case: Case) -> None:
    answers = ask(node, case, case.credential)
    assert [answer["suite"] for answer in answers] == ["eddsa-rdfc-2022", "eddsa-jcs-2022"]
    assert [answer["verified"] for answer in answers] == [True, True], answers


def test_a_changed_certificate_verifies_with_neither(node: str, case: Case) -> None:
    answers = ask(node, case, {**case.credential, "name": "박사"})
    assert [answer["verified"] for answer in answers] == [False, False]


def test_each_proof_of_the_present_form_verifies_alone(node: str, whole: Case) -> None:
    answers = ask(node, whole, whole.credential)
    assert [answer["verified"] for answer in answers] == [True, True], answers


def test_the_endorsement_alone_is_a_credential_of_the_companys(node: str, whole: Case) -> None:
    [embedded] = whole.credential["credentialSubject"]["achievement"]["endorsement"]
    assert [answer["verified"] for answer in ask(node, whole, embedded)] == [True]
    answers = ask(node, whole, {**embedded, "name": "다른 보증"})
    assert [answer["verified"] for answer in answers] == [False]
