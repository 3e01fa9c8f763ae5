"""The cases of vc-di-eddsa-test-suite, written anew from the specification, and the W3C's vectors."""

import json
import re
from pathlib import Path
from typing import Any

import base58
import pytest

from lms.certs.core.chains import Wish, add_proof
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.keys import decode_secret, generate
from lms.certs.core.proofs import Suite
from lms.certs.core.times import read_time
from lms.certs.vcapi.contexts import known_contexts
from lms.certs.vcapi.desk import Desk
from tests.certs.vcapi.conftest import Post

SUITES = {"/credentials/issue": "eddsa-rdfc-2022", "/jcs/credentials/issue": "eddsa-jcs-2022"}
VECTORS = [
    "eddsa-rdfc-2022/signedDataInt.json",
    "eddsa-jcs-2022/signedJCS.json",
    *(f"proof-set-chain/signedProof{name}.json" for name in ("Set1", "Set2", "Chain1", "Chain2")),
]


def vector(standards: Path, name: str) -> Any:
    return json.loads((standards / "w3c-vc-di-eddsa" / "TestVectors" / name).read_text())


@pytest.mark.parametrize("path", SUITES)
def test_a_proof_has_the_form_that_the_standard_gives_it(
    post: Post, desk: Desk, plain: dict[str, Any], path: str
) -> None:
    status, body = post(path, credential=plain)
    proof = body["proof"]
    assert (status, proof["type"], proof["cryptosuite"]) == (201, "DataIntegrityProof", SUITES[path])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", proof["created"])
    assert proof["proofPurpose"] == "assertionMethod"
    assert proof["id"].startswith("urn:uuid:")
    assert proof["verificationMethod"].partition("#")[0] == desk.did
    assert base58.b58decode(proof["verificationMethod"].partition("#z")[2])[:2] == b"\xed\x01"
    assert len(base58.b58decode(proof["proofValue"].removeprefix("z"))) == 64
    verdict = post("/credentials/verify", verifiableCredential=body)[1]
    assert verdict == {"verified": True, "checks": ["proof"], "warnings": [], "errors": []}


@pytest.mark.parametrize("path", SUITES)
@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"type": "Ed25519Signature2020"}, "options.type"),
        ({"cryptosuite": "ecdsa-rdfc-2019"}, "options.cryptosuite"),
        ({"created": "yesterday"}, "options.created"),
        ({"created": "2026-03-02T09:00:00"}, "options.created"),
        ({"previousProof": 7}, "options.previousProof"),
        ({"previousProof": "urn:uuid:nowhere"}, "urn:uuid:nowhere"),
        ({"expires": "2026-03-02T09:00:00"}, "expires"),
        ({"domain": 7}, "domain"),
        ({"challenge": ["a"]}, "challenge"),
    ],
)
def test_no_proof_is_made_with_strange_options(
    post: Post, plain: dict[str, Any], path: str, options: dict[str, Any], part: str
) -> None:
    status, body = post(path, credential=plain, options=options)
    assert status == 400
    assert part in body["detail"]


ABSENT = object()
BAD_PROOFS: dict[str, tuple[dict[str, Any], str]] = {
    "no type": ({"type": ABSENT}, "vc.proof_form"),
    "another type": ({"type": "UnknownProofType"}, "vc.proof_form"),
    "no cryptosuite": ({"cryptosuite": ABSENT}, "vc.proof_form"),
    "another cryptosuite": ({"cryptosuite": "UnknownCryptosuite"}, "vc.unknown_suite"),
    "a cryptosuite that is no text": ({"cryptosuite": ["eddsa-rdfc-2022"]}, "vc.proof_form"),
    "the other cryptosuite": ({"cryptosuite": "swap"}, "vc."),
    "no key": ({"verificationMethod": ABSENT}, "vc.proof_form"),
    "a key that is none": ({"verificationMethod": "did:key:invalidVm"}, "vc.unknown_method"),
    "a key of another method": ({"verificationMethod": "did:web:u.example#1"}, "vc.unknown_method"),
    "a key without its fragment": ({"verificationMethod": "bare"}, "vc.unknown_method"),
    "no purpose": ({"proofPurpose": ABSENT}, "vc.proof_form"),
    "a purpose that is none": ({"proofPurpose": "invalidPurpose"}, "vc.other_purpose"),
    "another purpose": ({"proofPurpose": "authentication"}, "vc.other_purpose"),
    "no value": ({"proofValue": ABSENT}, "vc.proof_form"),
    "a value that is nothing": ({"proofValue": None}, "vc.proof_form"),
    "a value without its base": ({"proofValue": "cut"}, "vc.proof_form"),
    "a value of another length": ({"proofValue": "z3"}, "vc.proof_form"),
    "a value of another base": ({"proofValue": "uAAAA"}, "vc.proof_form"),
    "an altered value": ({"proofValue": "z" + "1" * 64}, "vc.other_signature"),
    "a time that is none": ({"created": "invalidDate"}, "vc.proof_form"),
    "a time without an offset": ({"created": "2026-03-02T09:00:00"}, "vc.proof_form"),
    "another time": ({"created": "2026-03-02T08:00:00Z"}, "vc.other_signature"),
    "an end without an offset": ({"expires": "2999-01-01T00:00:00"}, "vc.proof_form"),
    "an end that was added": ({"expires": "2999-01-01T00:00:00Z"}, "vc.other_signature"),
    "an end in the past": ({"expires": "2026-03-02T08:00:00Z"}, "vc.proof_expired"),
    "an id that is no address": ({"id": "first"}, "vc.proof_form"),
    "a previous proof that is missing": ({"previousProof": "urn:uuid:nowhere"}, "vc.no_previous_proof"),
    "several, one of them missing": ({"previousProof": ["urn:uuid:nowhere"]}, "vc.no_previous_proof"),
    "a previous proof that is no text": ({"previousProof": {"id": "urn:uuid:nowhere"}}, "vc.proof_form"),
    "itself as previous proof": ({"id": "urn:uuid:self", "previousProof": "urn:uuid:self"}, "vc.no_previous"),
    "a domain that is a number": ({"domain": 1}, "vc.proof_form"),
    "a challenge that is no text": ({"challenge": 1}, "vc.proof_form"),
    "a part that nobody knows": ({"jws": "eyJ"}, "vc.proof_form"),
}


@pytest.mark.parametrize("path", SUITES)
@pytest.mark.parametrize("case", BAD_PROOFS)
def test_a_proof_with_anything_wrong_is_refused(
    post: Post, plain: dict[str, Any], path: str, case: str
) -> None:
    issued = post(path, credential=plain)[1]
    changes, code = BAD_PROOFS[case]
    proof = {**issued["proof"], **changes}
    if proof["proofValue"] == "cut":
        proof["proofValue"] = issued["proof"]["proofValue"][1:]
    if proof["cryptosuite"] == "swap":
        proof["cryptosuite"] = next(suite for suite in SUITES.values() if suite != SUITES[path])
    if proof["verificationMethod"] == "bare":
        proof["verificationMethod"] = issued["proof"]["verificationMethod"].partition("#")[0]
    kept = {name: value for name, value in proof.items() if value is not ABSENT}
    status, body = post("/credentials/verify", verifiableCredential={**issued, "proof": kept})
    assert status == 400
    assert body["title"].startswith(code)


@pytest.mark.parametrize("proof", [None, [], "proof", [None], {}])
def test_a_credential_without_a_proof_is_refused(post: Post, issued: dict[str, Any], proof: Any) -> None:
    assert post("/credentials/verify", verifiableCredential={**issued, "proof": proof})[0] == 400
    del issued["proof"]
    assert post("/credentials/verify", verifiableCredential=issued)[1]["title"] == "vc.no_proof"


@pytest.mark.parametrize("path", SUITES)
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"expectedProofPurpose": "authentication"}, "vc.other_purpose"),
        ({"domain": "domain.example"}, "vc.other_domain"),
        ({"challenge": "1235abcd6789"}, "vc.other_challenge"),
        ({"domain": 7}, "vc.bad_request"),
    ],
)
def test_a_proof_that_was_made_for_something_else_is_refused(
    post: Post, plain: dict[str, Any], path: str, options: dict[str, Any], code: str
) -> None:
    signed = {"domain": "other.example", "challenge": "other"}
    issued = post(path, credential=plain, options=signed)[1]
    assert post("/credentials/verify", verifiableCredential=issued, options=signed)[0] == 200
    status, body = post("/credentials/verify", verifiableCredential=issued, options=options)
    assert (status, body["title"]) == (400, code)


@pytest.mark.parametrize("path", SUITES)
@pytest.mark.parametrize(
    "changes",
    [
        {"credentialSubject": {"id": "did:example:someone-else"}},
        {"issuer": "did:example:someone-else"},
        {"name": "Diploma"},
        {"@context": [CREDENTIALS_V2, CREDENTIALS_V2, {"name": "https://evil.example/name"}]},
    ],
)
def test_a_changed_credential_is_refused(
    post: Post, plain: dict[str, Any], path: str, changes: dict[str, Any]
) -> None:
    issued = post(path, credential=plain)[1]
    assert post("/credentials/verify", verifiableCredential={**issued, **changes})[0] == 400


def test_an_added_word_that_no_context_defines_is_refused(post: Post, issued: dict[str, Any]) -> None:
    body = post("/credentials/verify", verifiableCredential={**issued, "honours": "summa"})[1]
    assert body["title"] == "jsonld.undefined_term"


@pytest.mark.parametrize("path", SUITES)
def test_proofs_can_be_added_as_a_set_or_as_a_chain(post: Post, plain: dict[str, Any], path: str) -> None:
    first = post(path, credential=plain)[1]
    beside = post(path, credential=first)[1]
    names = [proof["id"] for proof in beside["proof"]]
    after = post(path, credential=beside, options={"previousProof": names})[1]
    last = post(path, credential=after, options={"previousProof": after["proof"][2]["id"]})[1]
    assert [proof.get("previousProof") for proof in last["proof"]] == [
        None,
        None,
        names,
        after["proof"][2]["id"],
    ]
    assert post("/credentials/verify", verifiableCredential=last)[1]["verified"] is True
    without_first = {**last, "proof": last["proof"][1:]}
    assert (
        post("/credentials/verify", verifiableCredential=without_first)[1]["title"] == "vc.no_previous_proof"
    )


def test_a_chain_signs_the_proofs_that_it_follows(
    post: Post, plain: dict[str, Any], issued: dict[str, Any]
) -> None:
    chained = post("/credentials/issue", credential=issued, options={"previousProof": issued["proof"]["id"]})[
        1
    ]
    other = post("/credentials/issue", credential=plain)[1]["proof"]
    swapped = {**chained, "proof": [{**other, "id": issued["proof"]["id"]}, chained["proof"][1]]}
    assert post("/credentials/verify", verifiableCredential=swapped)[1]["title"] == "vc.other_signature"
    twice = {**chained, "proof": [*chained["proof"], chained["proof"][0]]}
    assert post("/credentials/verify", verifiableCredential=twice)[1]["title"] == "vc.proof_form"


def test_one_bad_proof_of_a_set_is_enough_to_refuse(
    post: Post, plain: dict[str, Any], issued: dict[str, Any]
) -> None:
    stranger = post("/credentials/issue", credential={**plain, "name": "Other"})[1]["proof"]
    for proofs in ([issued["proof"], stranger], [stranger, issued["proof"]]):
        body = post("/credentials/verify", verifiableCredential={**issued, "proof": proofs})[1]
        assert body["title"] == "vc.other_signature"


def test_more_proofs_than_anybody_needs_are_not_looked_at(post: Post, issued: dict[str, Any]) -> None:
    proofs = [{**issued["proof"], "id": f"urn:uuid:{number}"} for number in range(21)]
    assert (
        post("/credentials/verify", verifiableCredential={**issued, "proof": proofs})[1]["title"]
        == "vc.no_proof"
    )


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_of_the_standard_verify(standards: Path, post: Post, name: str) -> None:
    status, body = post("/credentials/verify", verifiableCredential=vector(standards, name))
    assert (status, [notice["title"] for notice in body["warnings"]]) == (200, ["vc.issuer_unproved"])


@pytest.mark.parametrize(
    ("start", "goal", "pair"),
    [("Set1", "Set2", 2), ("Set2", "Chain1", 3), ("Chain1", "Chain2", 4)],
)
def test_sets_and_chains_of_the_standard_come_out_bit_for_bit(
    standards: Path, start: str, goal: str, pair: int
) -> None:
    before = vector(standards, f"proof-set-chain/signedProof{start}.json")
    after = vector(standards, f"proof-set-chain/signedProof{goal}.json")
    keys = vector(standards, "proof-set-chain/multiKeyPairs.json")[f"keyPair{pair}"]
    wanted = after["proof"][-1]
    previous = wanted.get("previousProof", [])
    wish = Wish(
        created=read_time(wanted["created"]),
        previous=tuple(previous) if isinstance(previous, list) else (previous,),
        more={"id": wanted["id"]} if "id" in wanted else {},
    )
    signer = decode_secret(keys["privateKeyMultibase"]), wanted["verificationMethod"]
    assert add_proof(before, signer, Suite.RDFC, wish, known_contexts()) == after


def test_a_chain_of_the_standard_with_one_link_changed_is_refused(standards: Path, post: Post) -> None:
    chain = vector(standards, "proof-set-chain/signedProofChain2.json")
    chain["proof"][0]["created"] = "2023-02-24T23:36:39Z"
    assert post("/credentials/verify", verifiableCredential=chain)[1]["title"] == "vc.other_signature"


def test_a_strangers_key_under_the_name_of_another_is_refused(
    post: Post, desk: Desk, plain: dict[str, Any]
) -> None:
    method = f"{desk.did}#{desk.did.removeprefix('did:key:')}"
    wish = Wish(created=read_time("2026-03-02T09:00:00Z"))
    forged = add_proof(plain, (generate(), method), Suite.RDFC, wish, known_contexts())
    assert post("/credentials/verify", verifiableCredential=forged)[1]["title"] == "vc.other_signature"
