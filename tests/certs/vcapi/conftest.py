"""A desk of the VC-API, and how the W3C's suites speak to it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.vcapi.answers import answer_post
from lms.certs.vcapi.contexts import DATA_INTEGRITY
from lms.certs.vcapi.desk import Desk

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ADDRESS = "http://127.0.0.1:8199"
RESOURCE = "https://files.example/rules.txt"
CONTENT = b"the rules\n"
# Stands in for the copy that the suites bring along: what a proof of the data model 1.1 needs of it.
_SECURITY = "https://w3id.org/security#"
_STAND_IN = {
    "@context": {
        "@protected": True,
        "id": "@id",
        "type": "@type",
        "proof": {"@id": f"{_SECURITY}proof", "@type": "@id", "@container": "@graph"},
        "DataIntegrityProof": {
            "@id": f"{_SECURITY}DataIntegrityProof",
            "@context": {
                "@protected": True,
                "id": "@id",
                "type": "@type",
                "created": {
                    "@id": "http://purl.org/dc/terms/created",
                    "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
                },
                "cryptosuite": {"@id": f"{_SECURITY}cryptosuite", "@type": f"{_SECURITY}cryptosuiteString"},
                "proofPurpose": {
                    "@id": f"{_SECURITY}proofPurpose",
                    "@type": "@vocab",
                    "@context": {"assertionMethod": {"@id": f"{_SECURITY}assertionMethod", "@type": "@id"}},
                },
                "proofValue": {"@id": f"{_SECURITY}proofValue", "@type": f"{_SECURITY}multibase"},
                "verificationMethod": {"@id": f"{_SECURITY}verificationMethod", "@type": "@id"},
            },
        },
    }
}

Post = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def desk() -> Desk:
    return Desk(ADDRESS, {DATA_INTEGRITY: json.dumps(_STAND_IN).encode()}, {RESOURCE: CONTENT})


@pytest.fixture(scope="session")
def post(desk: Desk) -> Post:
    def send(path: str, now: datetime = NOW, **request: Any) -> tuple[int, dict[str, Any]]:
        answer = answer_post(desk, path, json.dumps(request).encode(), now)
        return int(answer.status), answer.body

    return send


@pytest.fixture
def plain(desk: Desk) -> dict[str, Any]:
    return {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiableCredential"],
        "issuer": desk.did,
        "credentialSubject": {"id": "did:example:subject"},
    }


@pytest.fixture
def issued(post: Post, plain: dict[str, Any]) -> dict[str, Any]:
    status, body = post("/credentials/issue", credential=plain)
    assert status == HTTPStatus.CREATED
    return body
