"""Data Integrity proofs of two suites over one document.

`eddsa-rdfc-2022` signs the meaning (RDF), `eddsa-jcs-2022` the very JSON: they cover each other's gaps.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lms.certs.core.jsonld import Contexts, to_nquads
from lms.certs.core.keys import SigningKey, decode_base58
from lms.certs.core.problems import DocumentProblem, ProofProblem
from lms.certs.core.strict_json import Document, canonical, without_proof
from lms.certs.core.times import read_time, write_time

_SIGNATURE_BYTES = 64
_FIELDS = {"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}


class Suite(StrEnum):
    """Name a cryptosuite."""

    RDFC = "eddsa-rdfc-2022"
    JCS = "eddsa-jcs-2022"


def create_proof(
    document: Document,
    key: SigningKey,
    verification_method: str,
    suite: Suite,
    created: datetime,
) -> Document:
    """Sign a document, leaving any proofs that it carries out of account.

    Raises:
        ProofProblem: a part of the document would not be covered by the signature.

    Source: W3C vc-di-eddsa 1.0, sections 3.2 and 3.3.
    """
    proof: Document = {
        "type": "DataIntegrityProof",
        "cryptosuite": str(suite),
        "created": write_time(created),
        "verificationMethod": verification_method,
        "proofPurpose": "assertionMethod",
    }
    if suite is Suite.JCS:
        proof["@context"] = document["@context"]
    signature = key.sign(signing_input(document, proof))
    return {**proof, "proofValue": "z" + base58.b58encode(signature).decode("ascii")}


def verify_proof(
    document: Document,
    proof: Mapping[str, Any],
    public_key: Ed25519PublicKey,
    contexts: Contexts | None = None,
) -> None:
    """Check that one proof was made over this document with this key.

    Raises:
        ProofProblem: it was not, or the proof has another form than `create_proof` gives it.
    """
    check_form(proof)
    if "@context" in proof and not _starts_with(document.get("@context"), proof["@context"]):
        raise ProofProblem("proof.other_context")
    signature = decode_base58(proof["proofValue"])
    if signature is None or len(signature) != _SIGNATURE_BYTES:
        raise ProofProblem("proof.value_broken")
    config = {key: value for key, value in proof.items() if key != "proofValue"}
    try:
        public_key.verify(signature, signing_input(document, config, contexts))
    except InvalidSignature:
        raise ProofProblem("proof.does_not_match") from None


def check_form(proof: Mapping[str, Any]) -> None:
    """Refuse a proof with missing, unknown or misspelt parts.

    Raises:
        ProofProblem: with the part that is wrong.
    """
    suite = proof.get("cryptosuite")
    if proof.get("type") != "DataIntegrityProof" or suite not in list(Suite):
        raise ProofProblem("proof.unknown_suite", suite=str(suite)[:40])
    expected = _FIELDS | ({"@context"} if suite == Suite.JCS else set())
    if set(proof) != expected:
        raise ProofProblem("proof.unexpected_part", part=min(set(proof) ^ expected)[:40])
    if proof["proofPurpose"] != "assertionMethod":
        raise ProofProblem("proof.other_purpose", purpose=str(proof["proofPurpose"])[:40])
    if not all(isinstance(proof[name], str) for name in _FIELDS):
        raise ProofProblem("proof.value_broken")
    try:
        read_time(proof["created"])
    except DocumentProblem:
        raise ProofProblem("proof.created_broken") from None


def signing_input(document: Document, config: Document, contexts: Contexts | None = None) -> bytes:
    """Return the 64 bytes that a proof signs: the hash of its own settings, then that of the document."""
    unsecured = without_proof(document)
    if config["cryptosuite"] == Suite.JCS:
        body = {**unsecured, "@context": config["@context"]}
        return _sha256(canonical(config)) + _sha256(canonical(body))
    settings = {**config, "@context": document.get("@context")}
    return _sha256(to_nquads(settings, contexts)) + _sha256(to_nquads(unsecured, contexts))


def attach(document: Document, university: Document, company: Document) -> Document:
    """Return the document with its two proofs, the university's first: some verifiers read only that one."""
    return {**without_proof(document), "proof": [university, company]}


def _starts_with(whole: object, start: object) -> bool:
    if isinstance(whole, list) and isinstance(start, list):
        return whole[: len(start)] == start
    return whole == start


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
