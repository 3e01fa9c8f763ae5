"""Presentations: sections 4.3, 4.5 and 4.13 of the data model, and authentication by Data Integrity."""

import base64
import json
from typing import Any

import pytest

from lms.certs.core.chains import AUTHENTICATION, Wish, add_proof
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.keys import encode_public, generate
from lms.certs.core.proofs import Suite
from lms.certs.vcapi.contexts import known_contexts
from lms.certs.vcapi.desk import Desk
from tests.certs.vcapi.conftest import NOW, Post

ASKED = {"challenge": "uqK3Lg4mYzQ", "domain": "employer.example"}
ABSENT = object()
HOLDER = generate()
HOLDER_DID = f"did:key:{encode_public(HOLDER.public_key())}"
METHOD = f"{HOLDER_DID}#{HOLDER_DID.removeprefix('did:key:')}"


def present(document: dict[str, Any], purpose: str = AUTHENTICATION) -> dict[str, Any]:
    wish = Wish(created=NOW, purpose=purpose, more=ASKED)
    return add_proof(document, (HOLDER, METHOD), Suite.RDFC, wish, known_contexts())


def encode(part: Any) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def envelope(credential: Any, algorithm: str = "EdDSA", kid: str = METHOD) -> dict[str, Any]:
    signed = f"{encode({'alg': algorithm, 'kid': kid, 'typ': 'vc+jwt'})}.{encode(credential)}"
    return {
        "@context": CREDENTIALS_V2,
        "id": f"data:application/vc+jwt,{signed}.{encode(HOLDER.sign(signed.encode()))}",
        "type": "EnvelopedVerifiableCredential",
    }


@pytest.fixture
def unsigned(issued: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": HOLDER_DID,
        "verifiableCredential": [issued],
    }


def verify(post: Post, document: Any, **options: Any) -> tuple[int, list[str]]:
    status, body = post("/presentations/verify", verifiablePresentation=document, options=options)
    found = body["errors"] or body["warnings"]
    assert body["verified"] is (not found)
    return status, [one["title"] for one in found]


GOOD: dict[str, dict[str, Any]] = {
    "as it is": {},
    "4.13 several credentials": {"verifiableCredential": 2},
    "4.13 one credential without a list": {"verifiableCredential": 1},
    "4.13 no credential": {"verifiableCredential": ABSENT},
    "4.13 an id": {"id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"},
    "4.13 a holder that is an object": {"holder": {"id": HOLDER_DID}},
    "4.13 no holder": {"holder": ABSENT},
    "4.5 another type": {"type": ["VerifiablePresentation", "https://a.example/Application"]},
    "4.3 another address": {"@context": [CREDENTIALS_V2, "https://www.w3.org/ns/credentials/examples/v2"]},
    "4.3 an object": {"@context": [CREDENTIALS_V2, {"extra": "https://a.example/extra"}]},
    "5.5 terms of use": {"termsOfUse": {"type": "https://a.example/Policy"}},
}


@pytest.mark.parametrize("case", GOOD)
def test_a_presentation_that_its_holder_signed_is_verified(
    post: Post, unsigned: dict[str, Any], issued: dict[str, Any], case: str
) -> None:
    changed = {**unsigned, **GOOD[case]}
    count = changed["verifiableCredential"]
    if count in (1, 2):
        changed["verifiableCredential"] = issued if count == 1 else [issued, issued]
    signed = present({name: value for name, value in changed.items() if value is not ABSENT})
    assert verify(post, signed) == (200, [])
    assert verify(post, signed, **ASKED, checks=[]) == (200, [])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "4.3 no context": ({"@context": ABSENT}, "vc.first_context"),
    "4.3 another context first": ({"@context": ["https://a.example/"]}, "vc.first_context"),
    "4.3 a context that is no address": ({"@context": [CREDENTIALS_V2, "https ://x/v1"]}, "vc.malformed"),
    "4.3 a context that is a number": ({"@context": [CREDENTIALS_V2, 123192875]}, "vc.malformed"),
    "4.5 no type": ({"type": ABSENT}, "vc.malformed"),
    "4.5 the needed type missing": ({"type": ["https://a.example/Application"]}, "vc.malformed"),
    "4.13 an id that is no address": ({"id": "mine"}, "vc.malformed"),
    "4.13 a holder that is no address": ({"holder": "haneul"}, "vc.malformed"),
    "4.13 a holder without id": ({"holder": {"name": "Kim Haneul"}}, "vc.malformed"),
    "4.13 a credential that is a text": ({"verifiableCredential": ["https://a.example/1"]}, "vc.malformed"),
    "4.13 a credential that is a number": ({"verifiableCredential": 7}, "vc.malformed"),
    "4.13 too many credentials": ({"verifiableCredential": [{}] * 51}, "vc."),
    "4.13 a credential without type": (
        {"verifiableCredential": [{"@context": [CREDENTIALS_V2], "issuer": HOLDER_DID}]},
        "vc.",
    ),
    "5.5 terms of use without type": ({"termsOfUse": {"id": "https://a.example/p"}}, "vc.malformed"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_presentation_that_the_data_model_forbids_is_refused(
    post: Post, unsigned: dict[str, Any], case: str
) -> None:
    changes, code = BAD[case]
    changed = {name: value for name, value in {**unsigned, **changes}.items() if value is not ABSENT}
    status, found = verify(post, changed)
    assert status == 400
    assert found[0].startswith(code)


def test_a_presentation_answers_one_challenge_at_one_place(post: Post, unsigned: dict[str, Any]) -> None:
    signed = present(unsigned)
    assert verify(post, signed, challenge="another") == (400, ["vc.other_challenge"])
    assert verify(post, signed, domain="another.example") == (400, ["vc.other_domain"])
    other = {**signed, "proof": {**signed["proof"], "challenge": "another"}}
    assert verify(post, other, challenge="another") == (400, ["vc.other_signature"])
    assert verify(post, unsigned, **ASKED) == (400, ["vc.no_proof"])


def test_a_presentation_must_be_signed_to_authenticate(post: Post, unsigned: dict[str, Any]) -> None:
    assert verify(post, present(unsigned, "assertionMethod")) == (400, ["vc.other_purpose"])
    assert verify(post, unsigned) == (200, ["vc.nobody_presents", "vc.holder_unproved"])


def test_a_presentation_by_another_than_its_holder_is_not_verified(
    post: Post, desk: Desk, unsigned: dict[str, Any]
) -> None:
    assert verify(post, present({**unsigned, "holder": desk.did})) == (200, ["vc.holder_unproved"])


def test_a_bad_credential_spoils_the_presentation(post: Post, unsigned: dict[str, Any]) -> None:
    credential = unsigned["verifiableCredential"][0]
    changed = {**credential, "credentialSubject": {"id": "did:example:someone-else"}}
    assert verify(post, present({**unsigned, "verifiableCredential": [credential, changed]})) == (
        400,
        ["vc.other_signature"],
    )


def test_a_holder_may_say_something_of_itself(
    post: Post, plain: dict[str, Any], unsigned: dict[str, Any]
) -> None:
    own = {**plain, "issuer": HOLDER_DID}
    said = {**unsigned, "verifiableCredential": [own]}
    assert verify(post, present(said)) == (200, [])
    assert verify(post, said) == (400, ["vc.not_self_asserted"])
    assert verify(post, present({**said, "verifiableCredential": [plain]})) == (400, ["vc.not_self_asserted"])
    nobody = {name: value for name, value in said.items() if name != "holder"}
    assert verify(post, present(nobody)) == (400, ["vc.malformed"])


def test_an_enveloped_credential_is_opened_and_checked(
    post: Post, plain: dict[str, Any], unsigned: dict[str, Any]
) -> None:
    whole = envelope({**plain, "issuer": HOLDER_DID})
    assert post("/credentials/verify", verifiableCredential=whole)[1]["verified"] is True
    assert verify(post, present({**unsigned, "verifiableCredential": [whole]})) == (200, [])
    late = envelope({**plain, "validUntil": "2020-01-01T00:00:00Z"})
    assert post("/credentials/verify", verifiableCredential=late)[1]["title"] == "vc.expired"
    forged = {**whole, "id": whole["id"][:-90] + envelope(plain)["id"][-90:]}
    assert post("/credentials/verify", verifiableCredential=forged)[1]["title"] == "vc.other_signature"


def test_an_envelope_that_cannot_be_opened_here_leaves_the_answer_open(
    post: Post, plain: dict[str, Any], unsigned: dict[str, Any]
) -> None:
    for shut in (envelope(plain, "ES256"), envelope(plain, kid="https://university.example/keys/1")):
        assert verify(post, {**unsigned, "holder": HOLDER_DID, "verifiableCredential": [shut]}) == (
            200,
            ["vc.nobody_presents", "vc.holder_unproved", "vc.envelope_unchecked"],
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"@context": []},
        {"@context": "https://www.w3.org/ns/credentials/examples/v2"},
        {"type": ABSENT},
        {"type": "VerifiableCredential"},
        {"id": "eyJ.eyJ.AAAA"},
        {"id": "data:application/vc+jwt,eyJ.eyJ"},
        {"id": "data:application/vc+jwt,!.!.!"},
        {"id": "data:application/vc+jwt,AAAA.AAAA.AAAA"},
        {"id": "data:text/html,a.b.c"},
        {"id": 7},
    ],
)
def test_an_envelope_of_another_form_is_refused(
    post: Post, plain: dict[str, Any], unsigned: dict[str, Any], changes: dict[str, Any]
) -> None:
    whole = {**envelope(plain), **changes}
    kept = {name: value for name, value in whole.items() if value is not ABSENT}
    assert post("/credentials/verify", verifiableCredential=kept)[0] == 400
    assert verify(post, {**unsigned, "verifiableCredential": [kept]})[0] == 400
