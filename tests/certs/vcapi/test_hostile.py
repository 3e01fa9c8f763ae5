"""Whatever is sent, the VC-API answers: no value of any kind in any place ends in a fault of the program."""

import copy
import json
import random
from typing import Any

import pytest

from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.vcapi.answers import answer_post
from lms.certs.vcapi.desk import Desk
from tests.certs.core.test_mutants import mutant, places
from tests.certs.vcapi.conftest import NOW, RESOURCE, Post
from tests.certs.vcapi.test_presentations import envelope
from tests.certs.vcapi.test_status_list import ENTRY

ANSWERS = {200, 201, 400}


@pytest.fixture
def requests(desk: Desk, issued: dict[str, Any], plain: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """One good request of each kind."""
    presentation = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": desk.did,
        "verifiableCredential": [issued, envelope(plain)],
    }
    rich = {
        **plain,
        "name": {"@value": "수료증", "@language": "ko"},
        "validFrom": "2026-01-01T00:00:00Z",
        "credentialStatus": [ENTRY],
        "relatedResource": [{"id": RESOURCE, "digestSRI": "sha256-" + "A" * 43 + "="}],
    }
    options = {"type": "DataIntegrityProof", "created": "2026-01-01T00:00:00Z", "domain": "a.example"}
    return [
        ("/credentials/issue", {"credential": rich, "options": options}),
        ("/jcs/credentials/issue", {"credential": plain, "options": {"previousProof": []}}),
        ("/bsl/credentials/issue", {"credential": plain}),
        ("/credentials/verify", {"verifiableCredential": issued, "options": {}}),
        ("/presentations/verify", {"verifiablePresentation": presentation, "options": {"challenge": "x"}}),
        ("/credentials/status", {"credentialStatus": ENTRY, "status": True}),
    ]


def answered(desk: Desk, path: str, request: dict[str, Any]) -> bool:
    return int(answer_post(desk, path, json.dumps(request).encode(), NOW).status) in ANSWERS


def test_a_value_of_any_kind_in_any_place_is_answered(
    desk: Desk, requests: list[tuple[str, dict[str, Any]]]
) -> None:
    for path, good in requests:
        for at in range(len(list(places(good)))):
            for value in ([], {}, [{}], None, 7):
                request = copy.deepcopy(good)
                parent, key = list(places(request))[at]
                parent[key] = value
                assert answered(desk, path, request)


@pytest.mark.long
@pytest.mark.parametrize("kind", range(6))
def test_thousands_of_mutants_are_answered(
    desk: Desk, requests: list[tuple[str, dict[str, Any]]], kind: int
) -> None:
    chance = random.Random(kind)
    path, good = requests[kind]
    for _ in range(2_000):
        assert answered(desk, path, mutant(chance, good))


def test_an_index_of_thousands_of_digits_is_no_place(post: Post, desk: Desk) -> None:
    entry = {**ENTRY, "statusListCredential": desk.list_address, "statusListIndex": "9" * 5_000}
    assert post("/credentials/status", credentialStatus=entry, status=True)[0] == 400
