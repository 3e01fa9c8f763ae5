import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import base58
import pytest

from lms.certs.core.jsonld import CREDENTIALS_V2, pinned_contexts, to_nquads
from lms.certs.core.keys import decode_public, decode_secret, generate
from lms.certs.core.problems import DocumentProblem, ProofProblem
from lms.certs.core.proofs import Suite, create_proof, signing_input, verify_proof

EXAMPLES = {
    "https://www.w3.org/ns/credentials/examples/v2": {
        "@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}
    }
}
CONTEXTS = {**pinned_contexts(), **EXAMPLES}
CREATED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLAIN = {
    "@context": [CREDENTIALS_V2],
    "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential"],
    "issuer": "did:web:hangang-university.example",
    "credentialSubject": {"id": "did:example:abcdefgh"},
}
METHOD = "did:web:hangang-university.example#one"


def vector(standards: Path, name: str) -> Any:
    path = standards / "w3c-vc-di-eddsa" / "TestVectors" / name
    return json.loads(path.read_text()) if name.endswith(".json") else path.read_text().strip()


@pytest.mark.parametrize(("folder", "tail"), [("eddsa-rdfc-2022", "DataInt"), ("eddsa-jcs-2022", "JCS")])
def test_the_vectors_of_the_standard_come_out_bit_for_bit(standards: Path, folder: str, tail: str) -> None:
    key = decode_secret(vector(standards, "keyPair.json")["privateKeyMultibase"])
    signed = vector(standards, f"{folder}/signed{tail}.json")
    proof = signed["proof"]
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    data = signing_input(signed, config, CONTEXTS)
    assert data[:32].hex() == vector(standards, f"{folder}/proofHash{tail}.txt")
    assert data[32:].hex() == vector(standards, f"{folder}/docHash{tail}.txt")
    assert key.sign(data).hex() == vector(standards, f"{folder}/sigHex{tail}.txt")
    verify_proof(signed, proof, key.public_key(), CONTEXTS)


def test_the_canonical_quads_of_the_standard_come_out_byte_for_byte(standards: Path) -> None:
    signed = vector(standards, "eddsa-rdfc-2022/signedDataInt.json")
    del signed["proof"]
    expected = vector(standards, "eddsa-rdfc-2022/canonDocDataInt.txt")
    assert to_nquads(signed, CONTEXTS).decode().strip() == expected


def test_a_jcs_proof_of_ours_equals_the_vector(standards: Path) -> None:
    key = decode_secret(vector(standards, "keyPair.json")["privateKeyMultibase"])
    signed = vector(standards, "eddsa-jcs-2022/signedJCS.json")
    created = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
    proof = create_proof(signed, key, signed["proof"]["verificationMethod"], Suite.JCS, created)
    assert proof == signed["proof"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"honours": "summa cum laude"}, "jsonld.undefined_term"),
        ({"type": ["VerifiableCredential", "Diploma"]}, "jsonld.relative_id"),
        ({"id": "certificate-1"}, "jsonld.relative_id"),
        ({"issuer": {"id": "../../issuer"}}, "jsonld.relative_id"),
        ({"issuer": "//issuer.example"}, "jsonld.relative_id"),
        ({"issuer": "#issuer"}, "jsonld.relative_id"),
        ({"issuer": ""}, "jsonld.relative_id"),
        ({"issuer": "https ://issuer.example"}, "jsonld.strange_address"),
        ({"issuer": "@keyword"}, "jsonld.strange_address"),
        ({"issuer": "_: a"}, "jsonld.strange_address"),
        ({"type": ["VerifiableCredential", "https ://x"]}, "jsonld.strange_address"),
        ({"type": ["VerifiableCredential", "@json"]}, "jsonld.strange_address"),
        ({"_:property": "lost"}, "jsonld.strange_address"),
        ({"@context": [CREDENTIALS_V2, "https://evil.example/context"]}, "jsonld.broken"),
    ],
)
def test_what_the_meaning_would_lose_is_not_signed(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ProofProblem) as caught:
        create_proof({**PLAIN, **changes}, generate(), METHOD, Suite.RDFC, CREATED)
    assert caught.value.code == code


@pytest.mark.parametrize("suite", list(Suite))
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "Ed25519Signature2020"}, "proof.unknown_suite"),
        ({"cryptosuite": "ecdsa-rdfc-2019"}, "proof.unknown_suite"),
        ({"created": "2026-03-02T09:00:01Z"}, "proof.does_not_match"),
        ({"created": "2026-03-02T09:00:00.000Z"}, "proof.created_broken"),
        ({"created": "2026-02-30T09:00:00Z"}, "proof.created_broken"),
        ({"proofPurpose": "authentication"}, "proof.other_purpose"),
        ({"verificationMethod": METHOD + "2"}, "proof.does_not_match"),
        ({"verificationMethod": {"id": METHOD}}, "proof.value_broken"),
        ({"previousProof": "urn:1"}, "proof.unexpected_part"),
        ({"proofValue": "z" + "1" * 64}, "proof.does_not_match"),
        ({"proofValue": "u" + "A" * 86}, "proof.value_broken"),
        ({"proofValue": "z0OIl"}, "proof.value_broken"),
    ],
)
def test_a_proof_in_another_form_or_with_other_settings_is_refused(
    suite: Suite, changes: dict[str, Any], code: str
) -> None:
    key = generate()
    proof = create_proof(PLAIN, key, METHOD, suite, CREATED)
    verify_proof(PLAIN, proof, key.public_key())
    with pytest.raises(ProofProblem) as caught:
        verify_proof(PLAIN, {**proof, **changes}, key.public_key())
    assert caught.value.code == code


def test_a_proof_for_other_vocabularies_is_refused() -> None:
    key = generate()
    proof = create_proof(PLAIN, key, METHOD, Suite.JCS, CREATED)
    with pytest.raises(ProofProblem, match="other_context"):
        verify_proof(PLAIN, {**proof, "@context": ["https://evil.example"]}, key.public_key())


def test_a_time_without_a_zone_is_not_signed() -> None:
    with pytest.raises(DocumentProblem, match="no_zone"):
        create_proof(PLAIN, generate(), METHOD, Suite.JCS, datetime(2026, 3, 2))  # noqa: DTZ001 - the point


def test_every_proof_of_the_standards_proof_set_verifies_alone(standards: Path) -> None:
    signed = vector(standards, "proof-set-chain/signedProofSet2.json")
    pairs = vector(standards, "proof-set-chain/multiKeyPairs.json").values()
    keys = {pair["publicKeyMultibase"]: decode_public(pair["publicKeyMultibase"]) for pair in pairs}
    assert len(signed["proof"]) == 2
    for proof in signed["proof"]:
        multibase = proof["verificationMethod"].partition("#")[2]
        config = {name: value for name, value in proof.items() if name != "proofValue"}
        data = signing_input(signed, config, CONTEXTS)
        keys[multibase].verify(base58.b58decode(proof["proofValue"][1:]), data)
