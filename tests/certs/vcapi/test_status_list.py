"""The cases of vc-bitstring-status-list-test-suite, written anew from the specification."""

import base64
import gzip
import json
from typing import Any

import pytest

from lms.certs.vcapi.answers import answer_get
from lms.certs.vcapi.desk import Desk
from tests.certs.vcapi.conftest import ADDRESS, NOW, Post

LIST = f"{ADDRESS}/status/revocation"
ENTRY = {
    "id": "https://u.example/status/3#94567",
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "94567",
    "statusListCredential": "https://u.example/status/3",
}


@pytest.fixture
def with_status(post: Post, plain: dict[str, Any]) -> dict[str, Any]:
    status, body = post("/bsl/credentials/issue", credential=plain)
    assert status == 201
    return body


def read_list(desk: Desk) -> dict[str, Any]:
    answer = answer_get(desk, "/status/revocation", NOW)
    assert answer.status == 200
    return answer.body


def test_an_entry_has_the_form_that_the_standard_gives_it(with_status: dict[str, Any]) -> None:
    entry = with_status["credentialStatus"]
    assert entry["type"] == "BitstringStatusListEntry"
    assert entry["statusPurpose"] == "revocation"
    assert entry["statusListIndex"] == str(int(entry["statusListIndex"]))
    assert entry["statusListCredential"] == LIST
    assert entry["id"] == f"{LIST}#{entry['statusListIndex']}"


def test_the_list_is_a_credential_of_the_form_that_the_standard_gives_it(desk: Desk, post: Post) -> None:
    found = read_list(desk)
    assert found["id"] == LIST
    assert found["issuer"] == desk.did
    assert set(found["type"]) == {"VerifiableCredential", "BitstringStatusListCredential"}
    subject = found["credentialSubject"]
    assert (subject["type"], subject["statusPurpose"]) == ("BitstringStatusList", "revocation")
    assert post("/credentials/verify", verifiableCredential=found)[1]["verified"] is True


def test_the_list_holds_131072_places_or_more_packed_as_the_standard_says(desk: Desk) -> None:
    encoded = read_list(desk)["credentialSubject"]["encodedList"]
    assert encoded.startswith("u")
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    assert len(bits) * 8 >= 131_072


def test_a_place_that_is_set_refuses_and_one_that_is_cleared_does_not(
    desk: Desk, post: Post, with_status: dict[str, Any]
) -> None:
    entry = with_status["credentialStatus"]
    before = read_list(desk)["credentialSubject"]["encodedList"]
    assert post("/credentials/verify", verifiableCredential=with_status)[1]["verified"] is True
    assert post("/credentials/status", credentialStatus=entry, status=True)[0] == 200
    status, body = post("/credentials/verify", verifiableCredential=with_status)
    assert (status, body["title"]) == (400, "vc.status_set")
    assert (
        body["errors"][0]["type"] == "https://www.w3.org/ns/credentials/status-list#STATUS_VERIFICATION_ERROR"
    )
    assert read_list(desk)["credentialSubject"]["encodedList"] != before
    assert post("/credentials/status", credentialStatus=entry, status=False)[0] == 200
    assert post("/credentials/verify", verifiableCredential=with_status)[0] == 200
    assert read_list(desk)["credentialSubject"]["encodedList"] == before


def test_every_credential_has_a_place_of_its_own(post: Post, plain: dict[str, Any]) -> None:
    issued = [post("/bsl/credentials/issue", credential=plain)[1] for _ in range(20)]
    assert len({one["credentialStatus"]["statusListIndex"] for one in issued}) == 20


def test_a_status_that_is_there_already_stays_beside_the_new_one(post: Post, plain: dict[str, Any]) -> None:
    issued = post("/bsl/credentials/issue", credential={**plain, "credentialStatus": ENTRY})[1]
    assert issued["credentialStatus"][0] == ENTRY
    assert issued["credentialStatus"][1]["statusListCredential"] == LIST


def test_a_list_that_is_not_at_hand_leaves_the_answer_open(post: Post, plain: dict[str, Any]) -> None:
    issued = post("/credentials/issue", credential={**plain, "credentialStatus": ENTRY})[1]
    status, body = post("/credentials/verify", verifiableCredential=issued)
    assert (status, body["verified"], body["warnings"][0]["title"]) == (200, False, "vc.status_unseen")


ABSENT = object()
MESSAGES = [{"status": f"0x{number}", "message": "m"} for number in range(4)]
BAD: dict[str, dict[str, Any]] = {
    "an index that is true": {"statusListIndex": True},
    "an index that is a number": {"statusListIndex": 94567},
    "a negative index": {"statusListIndex": "-1"},
    "an index with a zero before": {"statusListIndex": "007"},
    "an index in another script": {"statusListIndex": "٤"},
    "an index that is empty": {"statusListIndex": ""},
    "no index": {"statusListIndex": ABSENT},
    "no purpose": {"statusPurpose": ABSENT},
    "a purpose that is no text": {"statusPurpose": ["revocation"]},
    "no list": {"statusListCredential": ABSENT},
    "a list that is no address": {"statusListCredential": "status/3"},
    "a list that is an object": {"statusListCredential": {"id": "https://u.example/status/3"}},
    "the list's address as id": {"id": "https://u.example/status/3"},
    "a type beside": {"type": ["BitstringStatusListEntry", "https://a.example/Status"]},
    "a size of nothing": {"statusSize": 0},
    "a size that is a text": {"statusSize": "2"},
    "a size that is true": {"statusSize": True},
    "a larger size without messages": {"statusSize": 2},
    "too few messages": {"statusSize": 2, "statusMessage": MESSAGES[:3]},
    "a message without its status": {"statusSize": 2, "statusMessage": [*MESSAGES[:3], {"message": "m"}]},
    "a huge size": {"statusSize": 2**40, "statusMessage": MESSAGES},
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("path", ["/credentials/issue", "/jcs/credentials/issue"])
def test_an_entry_of_another_form_is_a_malformed_value(
    post: Post, plain: dict[str, Any], path: str, case: str
) -> None:
    entry = {name: value for name, value in {**ENTRY, **BAD[case]}.items() if value is not ABSENT}
    status, body = post(path, credential={**plain, "credentialStatus": entry})
    assert status == 400
    assert body["type"] == "https://www.w3.org/ns/credentials/status-list#MALFORMED_VALUE_ERROR"


def test_an_entry_with_messages_is_issued(post: Post, plain: dict[str, Any]) -> None:
    entry = {**ENTRY, "statusPurpose": "message", "statusSize": 2, "statusMessage": MESSAGES}
    assert post("/jcs/credentials/issue", credential={**plain, "credentialStatus": entry})[0] == 201


def test_a_place_behind_the_end_of_the_list_is_a_range_error(post: Post, plain: dict[str, Any]) -> None:
    entry = {**ENTRY, "statusListCredential": LIST, "statusListIndex": "131072"}
    issued = post("/credentials/issue", credential={**plain, "credentialStatus": entry})[1]
    status, body = post("/credentials/verify", verifiableCredential=issued)
    assert (status, body["type"]) == (400, "https://www.w3.org/ns/credentials/status-list#RANGE_ERROR")


@pytest.mark.parametrize(
    "request_",
    [
        {"status": True},
        {"credentialStatus": "revoked", "status": True},
        {"credentialStatus": ENTRY, "status": True},
        {
            "credentialStatus": {**ENTRY, "statusListCredential": LIST, "statusListIndex": "999999"},
            "status": True,
        },
        {"credentialStatus": ENTRY},
    ],
)
def test_only_places_that_were_given_away_can_be_set(post: Post, request_: dict[str, Any]) -> None:
    status, body = post("/credentials/status", **request_)
    assert (status, body["title"]) == (400, "vc.bad_request")
    assert json.dumps(body, ensure_ascii=False)
