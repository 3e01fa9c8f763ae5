"""The cases of vc-data-model-2.0-test-suite, written anew from the specification, section by section."""

import base64
import hashlib
from typing import Any

import base58
import pytest

from lms.certs.core.jsonld import CREDENTIALS_V2
from tests.certs.vcapi.conftest import CONTENT, RESOURCE, Post

EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
SUBJECT = "did:example:subject"
STATUS = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "94567",
    "statusListCredential": "https://university.example/status/3",
}
HOME = {"home": {"@id": "https://a.example/home", "@type": "@id"}}
HASH = hashlib.sha256(CONTENT).digest()
OTHER = hashlib.sha256(b"other rules").digest()


def unpadded(raw: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def sri(raw: bytes, name: str = "sha256") -> str:
    return f"{name}-{base64.b64encode(raw).decode()}"


def related(**changes: Any) -> dict[str, Any]:
    return {"relatedResource": [{"id": RESOURCE, "mediaType": "text/plain", **changes}]}


GOOD: dict[str, dict[str, Any]] = {
    "4.3 two addresses": {"@context": [CREDENTIALS_V2, EXAMPLES]},
    "4.3 an address and an object": {"@context": [CREDENTIALS_V2, {"extra": "https://a.example/extra"}]},
    "4.3 the examples' vocabulary": {"@context": [CREDENTIALS_V2, EXAMPLES], "anything": "goes"},
    "4.4 an id that is an address": {"id": "https://university.example/credentials/1"},
    "4.4 an id that is a urn": {"id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"},
    "4.4 no id": {},
    "4.4 a subject without id": {"credentialSubject": {"name": "Kim Haneul"}},
    "4.5 one type": {"type": "VerifiableCredential"},
    "4.5 a type that is an address": {"type": ["VerifiableCredential", "https://a.example/Diploma"]},
    "4.5 a type that a context maps": {
        "@context": [CREDENTIALS_V2, {"Diploma": "https://a.example/Diploma"}],
        "type": ["VerifiableCredential", "Diploma"],
    },
    "4.5 types in another order": {
        "type": ["https://a.example/A", "VerifiableCredential", "https://a.example/B"]
    },
    "4.5 the needed type last": {"type": ["https://a.example/A", "VerifiableCredential"]},
    "4.6 a name": {"name": "Diploma", "description": "Of deep learning."},
    "4.6 a name in a language": {"name": {"@value": "수료증", "@language": "ko"}},
    "4.6 a name with its direction": {"name": {"@value": "شهادة", "@language": "ar", "@direction": "rtl"}},
    "4.6 names in several languages": {
        "name": [{"@value": "수료증", "@language": "ko"}, {"@value": "Diploma", "@language": "en"}]
    },
    "4.6 a description in a language": {"description": {"@value": "딥러닝", "@language": "ko"}},
    "4.6 an issuer with a name": {"issuer": {"id": "https://u.example/", "name": "Hangang University"}},
    "4.6 an issuer named in languages": {
        "issuer": {
            "id": "https://u.example/",
            "name": [{"@value": "한강대학교", "@language": "ko"}, {"@value": "Hangang", "@language": "en"}],
            "description": {"@value": "대학", "@language": "ko", "@direction": "ltr"},
        }
    },
    "4.7 an issuer that is an address": {"issuer": "https://university.example/issuers/14"},
    "4.7 an issuer that is an object": {"issuer": {"id": "did:example:issuer"}},
    "4.8 several subjects": {"credentialSubject": [{"id": SUBJECT}, {"id": "did:example:other"}]},
    "4.9 validFrom": {"validFrom": "2026-01-01T00:00:00Z"},
    "4.9 validFrom in milliseconds": {"validFrom": "2026-01-01T00:00:00.123Z"},
    "4.9 validFrom with an offset": {"validFrom": "2026-01-01T00:00:00-05:00"},
    "4.9 validFrom far in the future": {"validFrom": "2999-01-01T00:00:00Z"},
    "4.9 validUntil": {"validUntil": "2029-01-01T00:00:00Z"},
    "4.9 validUntil in milliseconds": {"validUntil": "2029-01-01T00:00:00.123Z"},
    "4.9 validUntil with an offset": {"validUntil": "2029-01-01T09:00:00+09:00"},
    "4.9 validUntil in the past": {"validUntil": "2020-01-01T00:00:00Z"},
    "4.9 both dates, the same moment": {
        "validFrom": "2026-01-01T09:00:00+09:00",
        "validUntil": "2026-01-01T00:00:00Z",
    },
    "4.10 a status with an id": {"credentialStatus": {**STATUS, "id": "https://u.example/status/3#94567"}},
    "4.10 a status without an id": {"credentialStatus": STATUS},
    "4.10 several statuses": {"credentialStatus": [STATUS, {**STATUS, "statusPurpose": "suspension"}]},
    "4.11 a schema": {"credentialSchema": {"id": "https://a.example/s.json", "type": "JsonSchema"}},
    "4.11 several schemas": {
        "credentialSchema": [
            {"id": "https://a.example/s.json", "type": "JsonSchema"},
            {"id": "https://a.example/t.json", "type": "JsonSchema"},
        ]
    },
    "5.3 a digestSRI": related(digestSRI=sri(HASH)),
    "5.3 a digestSRI of 384 bits": related(digestSRI=sri(hashlib.sha384(CONTENT).digest(), "sha384")),
    "5.3 the strongest digestSRI counts": related(
        digestSRI=f"{sri(OTHER)} {sri(hashlib.sha512(CONTENT).digest(), 'sha512')}"
    ),
    "5.3 a digestMultibase": related(digestMultibase=unpadded(b"\x12\x20" + HASH)),
    "5.3 a digestMultibase in base 58": related(
        digestMultibase="z" + base58.b58encode(b"\x12\x20" + HASH).decode()
    ),
    "5.3 a digestMultibase without its header": related(digestMultibase=unpadded(HASH)),
    "5.3 both digests": related(digestSRI=sri(HASH), digestMultibase=unpadded(b"\x12\x20" + HASH)),
    "5.3 a file that is not at hand": {
        "relatedResource": {"id": "https://files.example/unseen", "digestSRI": sri(OTHER)}
    },
    "5.4 a refresh service": {"refreshService": {"type": "https://a.example/Refresh"}},
    "5.4 several refresh services": {
        "refreshService": [
            {"id": "https://a.example/r", "type": "https://a.example/Refresh"},
            {"type": "https://a.example/Other"},
        ]
    },
    "5.5 terms of use": {"termsOfUse": {"type": "https://a.example/Policy"}},
    "5.5 terms of use with an id": {
        "termsOfUse": {"id": "https://a.example/p/1", "type": "https://a.example/Policy"}
    },
    "5.5 several terms of use": {
        "termsOfUse": [{"type": "https://a.example/Policy"}, {"type": "https://a.example/Other"}]
    },
    "5.6 evidence": {"evidence": {"id": "https://a.example/e/1", "type": "https://a.example/Evidence"}},
    "5.6 several pieces of evidence": {
        "evidence": [{"type": "https://a.example/Evidence"}, {"type": ["https://a.example/Other"]}]
    },
}

ABSENT = object()
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "4.3 no context": ({"@context": ABSENT}, "vc.first_context"),
    "4.3 an empty context": ({"@context": []}, "vc.first_context"),
    "4.3 no list": ({"@context": CREDENTIALS_V2}, "vc.first_context"),
    "4.3 another context first": ({"@context": [EXAMPLES, CREDENTIALS_V2]}, "vc.first_context"),
    "4.3 the base context missing": ({"@context": [EXAMPLES]}, "vc.first_context"),
    "4.3 no address": ({"@context": [CREDENTIALS_V2, "https ://not-an-address/v1"]}, "vc.malformed"),
    "4.3 a number": ({"@context": [CREDENTIALS_V2, 192875]}, "vc.malformed"),
    "4.3 nothing": ({"@context": [CREDENTIALS_V2, None]}, "vc.malformed"),
    "4.3 a context that is not at hand": (
        {"@context": [CREDENTIALS_V2, "https://evil.example/v1"]},
        "vc.unknown_context",
    ),
    "4.3 one within an object": (
        {
            "@context": [
                CREDENTIALS_V2,
                {"a": {"@id": "https://a.example/a", "@context": "https://evil.example/"}},
            ]
        },
        "vc.unknown_context",
    ),
    "4.4 an id that is no address": ({"id": "not-an-address"}, "vc.malformed"),
    "4.4 an id with a space": ({"id": "https ://not-an-address/1"}, "vc.malformed"),
    "4.4 two ids": ({"id": ["did:example:1", "did:example:2"]}, "vc.malformed"),
    "4.4 no id at all behind the name": ({"id": None}, "vc.malformed"),
    "4.4 a subject with two ids": ({"credentialSubject": {"id": [SUBJECT, "did:example:2"]}}, "vc.malformed"),
    "4.4 a subject whose id is no address": ({"credentialSubject": {"id": "haneul"}}, "vc.malformed"),
    "4.4 a relative address that a context asks for": (
        {"@context": [CREDENTIALS_V2, HOME], "credentialSubject": {"id": SUBJECT, "home": "../x"}},
        "jsonld.relative_id",
    ),
    "4.4 a misspelt address that a context asks for": (
        {"@context": [CREDENTIALS_V2, HOME], "credentialSubject": {"id": SUBJECT, "home": "https ://x"}},
        "jsonld.strange_address",
    ),
    "4.4 a misspelt id further down": (
        {
            "@context": [CREDENTIALS_V2, HOME],
            "credentialSubject": {"home": {"id": "https ://x", "name": "a"}},
        },
        "jsonld.strange_address",
    ),
    "4.5 no type": ({"type": ABSENT}, "vc.malformed"),
    "4.5 an empty list of types": ({"type": []}, "vc.malformed"),
    "4.5 a type that is a number": ({"type": ["VerifiableCredential", 1]}, "vc.malformed"),
    "4.5 the needed type missing": ({"type": ["https://a.example/A"]}, "vc.malformed"),
    "4.5 a type that nothing maps": ({"type": ["VerifiableCredential", "Diploma"]}, "jsonld.relative_id"),
    "4.5 a type that is no address": (
        {"type": ["VerifiableCredential", "https ://x"]},
        "jsonld.strange_address",
    ),
    "4.5 a type mapped to no address": (
        {
            "@context": [CREDENTIALS_V2, {"Diploma": "https ://not-an-address/Diploma"}],
            "type": ["VerifiableCredential", "Diploma"],
        },
        "",
    ),
    "4.5 a type mapped to a word": (
        {
            "@context": [CREDENTIALS_V2, {"Diploma": "diploma"}],
            "type": ["VerifiableCredential", "Diploma"],
        },
        "",
    ),
    "4.6 a name with more than a language": (
        {"name": {"@value": "Diploma", "@language": "en", "url": "did:example:1"}},
        "vc.malformed",
    ),
    "4.6 a name that is a number": ({"name": 1}, "vc.malformed"),
    "4.6 a name without a value": ({"name": {"@language": "en"}}, "vc.malformed"),
    "4.6 a direction that is none": ({"name": {"@value": "a", "@direction": "up"}}, "vc.malformed"),
    "4.6 a description with more": (
        {"description": {"@value": "a", "@language": "en", "extra": "b"}},
        "vc.malformed",
    ),
    "4.6 an issuer's name with more": (
        {"issuer": {"id": "https://u.example/", "name": {"@value": "a", "extra": "b"}}},
        "vc.malformed",
    ),
    "4.6 an issuer's description with more": (
        {"issuer": {"id": "https://u.example/", "description": {"@value": "a", "extra": "b"}}},
        "vc.malformed",
    ),
    "4.7 no issuer": ({"issuer": ABSENT}, "vc.malformed"),
    "4.7 an issuer that is nothing": ({"issuer": None}, "vc.malformed"),
    "4.7 an issuer that is no address": ({"issuer": "university"}, "vc.malformed"),
    "4.7 an issuer object without id": ({"issuer": {"name": "Hangang"}}, "vc.malformed"),
    "4.7 an issuer object whose id is nothing": ({"issuer": {"id": None}}, "vc.malformed"),
    "4.7 an issuer object whose id is no address": ({"issuer": {"id": "university"}}, "vc.malformed"),
    "4.7 two issuers": ({"issuer": ["https://u.example/", "https://c.example/"]}, "vc.malformed"),
    "4.8 no subject": ({"credentialSubject": ABSENT}, "vc.malformed"),
    "4.8 a subject without claims": ({"credentialSubject": {}}, "vc.malformed"),
    "4.8 no subjects": ({"credentialSubject": []}, "vc.malformed"),
    "4.8 one of several without claims": ({"credentialSubject": [{"id": SUBJECT}, {}]}, "vc.malformed"),
    "4.8 a subject that is a text": ({"credentialSubject": SUBJECT}, "vc.malformed"),
    "4.9 validFrom without a time": ({"validFrom": "2026-01-01"}, "vc.malformed"),
    "4.9 validFrom without an offset": ({"validFrom": "2026-01-01T00:00:00"}, "vc.malformed"),
    "4.9 validFrom in words": ({"validFrom": "1 March 2026"}, "vc.malformed"),
    "4.9 validFrom on no day": ({"validFrom": "2026-02-30T00:00:00Z"}, "vc.malformed"),
    "4.9 validFrom that is a number": ({"validFrom": 1767225600}, "vc.malformed"),
    "4.9 validFrom with an offset that is none": ({"validFrom": "2026-01-01T00:00:00+15:00"}, "vc.malformed"),
    "4.9 validUntil without a time": ({"validUntil": "2029-01-01"}, "vc.malformed"),
    "4.9 validUntil without an offset": ({"validUntil": "2029-01-01T00:00:00"}, "vc.malformed"),
    "4.9 validUntil before validFrom": (
        {"validFrom": "2026-01-02T00:00:00Z", "validUntil": "2026-01-01T00:00:00Z"},
        "vc.malformed",
    ),
    "4.9 validUntil before validFrom by its offset": (
        {"validFrom": "2026-01-01T00:00:00Z", "validUntil": "2026-01-01T08:00:00+09:00"},
        "vc.malformed",
    ),
    "4.10 a status without type": ({"credentialStatus": {"id": "https://u.example/s#1"}}, "vc.malformed"),
    "4.10 a status with two ids": (
        {"credentialStatus": {**STATUS, "id": ["https://u.example/s#1", "https://u.example/s#2"]}},
        "vc.malformed",
    ),
    "4.10 a status whose id is no address": (
        {"credentialStatus": {**STATUS, "id": "https ://not-an-address/4"}},
        "vc.malformed",
    ),
    "4.10 a status of a type that nothing maps": (
        {"credentialStatus": {"id": "https://u.example/s#1", "type": "StatusList2017"}},
        "jsonld.relative_id",
    ),
    "4.11 a schema without id": ({"credentialSchema": {"type": "JsonSchema"}}, "vc.malformed"),
    "4.11 a schema without type": ({"credentialSchema": {"id": "https://a.example/s"}}, "vc.malformed"),
    "4.11 a schema whose id is no address": (
        {"credentialSchema": {"id": "schema.json", "type": "JsonSchema"}},
        "vc.malformed",
    ),
    "5.2 a context that redefines a term": (
        {
            "@context": [
                CREDENTIALS_V2,
                {"VerifiableCredential": "https://evil.example/VerifiableCredential"},
            ],
        },
        "jsonld.broken",
    ),
    "5.2 a context that redefines another's protected term": (
        {
            "@context": [
                CREDENTIALS_V2,
                {"@protected": True, "Diploma": "https://a.example/Diploma"},
                {"Diploma": "https://evil.example/Diploma"},
            ],
            "type": ["VerifiableCredential", "Diploma"],
        },
        "jsonld.broken",
    ),
    "5.2 a word that no context defines": ({"honours": "summa cum laude"}, "jsonld.undefined_term"),
    "5.2 one within the subject": (
        {"credentialSubject": {"id": SUBJECT, "honours": "summa"}},
        "jsonld.undefined_term",
    ),
    "5.3 a resource without id": ({"relatedResource": {"digestSRI": sri(HASH)}}, "vc.malformed"),
    "5.3 a resource that is a text": ({"relatedResource": RESOURCE}, "vc.malformed"),
    "5.3 a resource without a digest": (related(), "vc.malformed"),
    "5.3 one resource twice": (
        {
            "relatedResource": [
                {"id": RESOURCE, "digestSRI": sri(HASH)},
                {"id": RESOURCE, "digestSRI": sri(HASH)},
            ]
        },
        "vc.malformed",
    ),
    "5.3 a digestSRI of another file": (related(digestSRI=sri(OTHER)), "vc.other_digest"),
    "5.3 a digestMultibase of another file": (
        related(digestMultibase=unpadded(b"\x12\x20" + OTHER)),
        "vc.other_digest",
    ),
    "5.3 another file, without the header": (related(digestMultibase=unpadded(OTHER)), "vc.other_digest"),
    "5.3 one digest right and one wrong": (
        related(digestSRI=sri(HASH), digestMultibase=unpadded(OTHER)),
        "vc.other_digest",
    ),
    "5.3 a weak right digestSRI beside a strong wrong one": (
        related(digestSRI=f"{sri(HASH)} {sri(hashlib.sha512(b'x').digest(), 'sha512')}"),
        "vc.other_digest",
    ),
    "5.3 a digestSRI that is none": (related(digestSRI="md5-AAAA"), "vc.malformed"),
    "5.3 a digestMultibase that is none": (related(digestMultibase="u!!!"), "vc.malformed"),
    "5.3 a digestMultibase of another length": (related(digestMultibase=unpadded(b"abc")), "vc.malformed"),
    "5.4 a refresh service without type": ({"refreshService": {"id": "https://a.example/r"}}, "vc.malformed"),
    "5.5 terms of use without type": ({"termsOfUse": {"id": "https://a.example/p"}}, "vc.malformed"),
    "5.5 no terms of use": ({"termsOfUse": []}, "vc.malformed"),
    "5.6 evidence without type": ({"evidence": {"id": "https://a.example/e"}}, "vc.malformed"),
    "5.6 evidence that is a text": ({"evidence": "https://a.example/e"}, "vc.malformed"),
    "5.10 a reserved part without type": ({"renderMethod": {"id": "https://a.example/r"}}, "vc.malformed"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_the_data_model_allows_is_issued_unchanged(post: Post, plain: dict[str, Any], case: str) -> None:
    credential = {**plain, **GOOD[case]}
    status, body = post("/credentials/issue", credential=credential)
    assert (status, body.get("title")) == (201, None)
    assert {name: value for name, value in body.items() if name != "proof"} == credential


@pytest.mark.parametrize("case", BAD)
def test_what_the_data_model_forbids_is_refused_with_its_reason(
    post: Post, plain: dict[str, Any], case: str
) -> None:
    changes, code = BAD[case]
    credential = {name: value for name, value in {**plain, **changes}.items() if value is not ABSENT}
    status, body = post("/credentials/issue", credential=credential)
    assert status == 400
    assert body["title"].startswith(code)
    assert body["errors"][0]["type"].startswith("https://")


OUTDATED = {
    "an expired one": ({"validUntil": "2026-03-02T08:59:59Z"}, "vc.expired"),
    "one that is not valid yet": ({"validFrom": "2026-03-02T09:00:01Z"}, "vc.not_yet_valid"),
    "one not valid yet by its offset": ({"validFrom": "2026-03-02T05:00:00-05:00"}, "vc.not_yet_valid"),
}


@pytest.mark.parametrize("case", OUTDATED)
def test_a_credential_outside_its_dates_is_not_verified(post: Post, plain: dict[str, Any], case: str) -> None:
    changes, code = OUTDATED[case]
    issued = post("/credentials/issue", credential={**plain, **changes})[1]
    status, body = post("/credentials/verify", verifiableCredential=issued)
    assert (status, body["title"]) == (400, code)


def test_a_credential_of_the_data_model_1_1_gets_the_vocabulary_of_its_proof(post: Post, desk: Any) -> None:
    old = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "issuer": desk.did,
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": SUBJECT},
    }
    status, issued = post("/credentials/issue", credential=old)
    assert (status, issued["@context"][1:]) == (201, ["https://w3id.org/security/data-integrity/v2"])
    assert post("/credentials/verify", verifiableCredential=issued)[1]["verified"] is True
    assert post("/credentials/issue", credential={**old, "validFrom": "2026-01-01T00:00:00Z"})[0] == 400


def test_a_file_that_is_not_at_hand_leaves_the_answer_open(post: Post, plain: dict[str, Any]) -> None:
    issued = post("/credentials/issue", credential={**plain, **GOOD["5.3 a file that is not at hand"]})[1]
    status, body = post("/credentials/verify", verifiableCredential=issued)
    assert (status, body["verified"], body["warnings"][0]["title"]) == (200, False, "vc.resource_unseen")
