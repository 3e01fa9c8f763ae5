"""What the VC-API issues, as an independent implementation sees it."""

import json
import subprocess
from typing import Any

import pytest

from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.keys import PublicKey, did_document
from lms.certs.vcapi.answers import answer_post
from lms.certs.vcapi.desk import Desk
from tests.certs.conftest import NOW
from tests.certs.node.test_cross_check import HERE, node

__all__ = ["node"]
pytestmark = pytest.mark.node


def test_a_set_of_both_suites_verifies_elsewhere(node: str) -> None:
    desk = Desk("http://127.0.0.1:8199")
    credential: dict[str, Any] = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiableCredential", "https://a.example/Diploma"],
        "issuer": {"id": desk.did, "name": [{"@value": "한강대학교", "@language": "ko"}]},
        "validFrom": "2026-01-01T09:00:00+09:00",
        "credentialSubject": {"id": "did:example:subject", "name": "김하늘"},
        "evidence": {"type": "https://a.example/Evidence"},
    }
    for path in ("/bsl/credentials/issue", "/jcs/credentials/issue"):
        answer = answer_post(desk, path, json.dumps({"credential": credential}).encode(), NOW)
        assert answer.status == 201
        credential = answer.body
    shown = did_document(desk.did, [PublicKey(credential["proof"][0]["verificationMethod"], desk.did[8:])])
    done = subprocess.run(
        [node, "verify.js"],
        cwd=HERE,
        input=json.dumps({"credential": credential, "didDocuments": {desk.did: shown}}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [answer["verified"] for answer in answers] == [True, True], answers
