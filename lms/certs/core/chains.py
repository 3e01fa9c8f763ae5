"""Data Integrity proofs as the standard allows them: sets, chains, other purposes, challenges.

Certificates have exactly two proofs of one form (`proofs.py`, `joint.py`). This is for the VC-API in test
mode, which meets credentials of other issuers; nothing here says that a certificate is valid.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lms.certs.core.addresses import is_address
from lms.certs.core.data_model import read_stamp
from lms.certs.core.jsonld import Contexts
from lms.certs.core.keys import SigningKey, decode_base58, decode_public
from lms.certs.core.meaning import meaning
from lms.certs.core.problems import CertificateProblem, KeyProblem, ProofProblem
from lms.certs.core.proofs import Suite
from lms.certs.core.strict_json import Document, canonical, without_proof
from lms.certs.core.times import write_time

ASSERTION = "assertionMethod"
AUTHENTICATION = "authentication"
_SIGNATURE_BYTES = 64
_MOST_PROOFS = 20
_NEEDED = {"type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"}
_ALLOWED = _NEEDED | {
    "@context",
    "id",
    "created",
    "expires",
    "domain",
    "challenge",
    "nonce",
    "previousProof",
}
_TEXTS = {*_NEEDED, "id", "challenge", "nonce"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Say what a new proof is to carry beside what every proof carries."""

    created: datetime
    purpose: str = ASSERTION
    previous: tuple[str, ...] = ()
    more: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Say what the proofs of a document must have been made for."""

    now: datetime
    purpose: str = ASSERTION
    domain: str | None = None
    challenge: str | None = None


def add_proof(
    document: Document,
    signer: tuple[SigningKey, str],
    suite: Suite,
    wish: Wish,
    contexts: Contexts,
) -> Document:
    """Return the document with one more proof: of a chain where it names previous ones, otherwise of a set.

    `signer` is a key and its verification method.

    Raises:
        ProofProblem: a previous proof is not there, or the document cannot be signed whole.

    Source: W3C Verifiable Credential Data Integrity 1.0, section 4.3.
    """
    key, method = signer
    existing = read_proofs(document) if "proof" in document else []
    proof: Document = {
        "type": "DataIntegrityProof",
        "cryptosuite": str(suite),
        "created": write_time(wish.created),
        "verificationMethod": method,
        "proofPurpose": wish.purpose,
        **(wish.more or {}),
    }
    if wish.previous:
        proof["previousProof"] = wish.previous[0] if len(wish.previous) == 1 else list(wish.previous)
    if suite is Suite.JCS:
        proof["@context"] = document["@context"]
    signature = key.sign(_signed_bytes(document, proof, existing, contexts))
    proof["proofValue"] = "z" + base58.b58encode(signature).decode("ascii")
    _check_form(proof)
    return {**without_proof(document), "proof": [*existing, proof] if existing else proof}


def check_proofs(document: Document, expected: Expected, contexts: Contexts) -> list[str]:
    """Check every proof of a document and return their controllers; one bad proof is enough to refuse.

    Raises:
        ProofProblem: with what is wrong.

    Source: W3C Verifiable Credential Data Integrity 1.0, sections 4.4 and 4.5.
    """
    proofs = read_proofs(document)
    return [_check_one(document, proof, proofs, expected, contexts) for proof in proofs]


def read_proofs(document: Document) -> list[Document]:
    """Return the proofs of a document, each of a form that can be checked.

    Raises:
        ProofProblem: none, too many, two of one name, or one of another form.
    """
    proofs = document.get("proof")
    listed: list[Any] = proofs if isinstance(proofs, list) else [proofs]
    if not 0 < len(listed) <= _MOST_PROOFS or not all(isinstance(proof, dict) for proof in listed):
        raise ProofProblem("vc.no_proof")
    for proof in listed:
        _check_form(proof)
    names = [proof["id"] for proof in listed if "id" in proof]
    if len(set(names)) != len(names):
        raise ProofProblem("vc.proof_form", part="id")
    return listed


def method_key(method: str) -> tuple[str, Ed25519PublicKey]:
    """Return the controller and the key of a `did:key` verification method; no other is resolved.

    Raises:
        ProofProblem: another method, or one that does not name its own key.
    """
    did, _, fragment = method.partition("#")
    multibase = did.removeprefix("did:key:")
    if not did.startswith("did:key:") or fragment != multibase:
        raise ProofProblem("vc.unknown_method", method=method[:100])
    try:
        return did, decode_public(multibase)
    except KeyProblem:
        raise ProofProblem("vc.unknown_method", method=method[:100]) from None


def _check_one(
    document: Document, proof: Document, proofs: list[Document], expected: Expected, contexts: Contexts
) -> str:
    if proof["proofPurpose"] != expected.purpose:
        raise ProofProblem("vc.other_purpose", purpose=proof["proofPurpose"][:40], expected=expected.purpose)
    if "expires" in proof and _stamp(proof, "expires") < expected.now:
        raise ProofProblem("vc.proof_expired")
    _check_audience(proof, expected)
    controller, key = method_key(proof["verificationMethod"])
    signature = decode_base58(proof["proofValue"])
    if signature is None or len(signature) != _SIGNATURE_BYTES:
        raise ProofProblem("vc.proof_form", part="proofValue")
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        key.verify(signature, _signed_bytes(document, config, proofs, contexts))
    except InvalidSignature:
        raise ProofProblem("vc.other_signature") from None
    return controller


def _check_audience(proof: Document, expected: Expected) -> None:
    domain = proof.get("domain", [])
    domains = domain if isinstance(domain, list) else [domain]
    if expected.domain is not None and expected.domain not in domains:
        raise ProofProblem("vc.other_domain")
    if expected.challenge is not None and proof.get("challenge") != expected.challenge:
        raise ProofProblem("vc.other_challenge")


def _check_form(proof: Document) -> None:
    if proof.get("type") != "DataIntegrityProof":
        raise ProofProblem("vc.proof_form", part="type")
    strange = (_NEEDED - proof.keys()) | (proof.keys() - _ALLOWED)
    strange |= {part for part in _TEXTS & proof.keys() if not isinstance(proof[part], str)}
    if strange:
        raise ProofProblem("vc.proof_form", part=min(strange)[:40])
    if proof["cryptosuite"] not in list(Suite):
        raise ProofProblem("vc.unknown_suite", suite=proof["cryptosuite"][:40])
    for part in {"created", "expires"} & proof.keys():
        _stamp(proof, part)
    for part in ("domain", "previousProof"):
        _texts(proof, part)
    if not is_address(proof.get("id", "urn:none")):
        raise ProofProblem("vc.proof_form", part="id")


def _stamp(proof: Document, part: str) -> datetime:
    try:
        return read_stamp(proof[part], part)
    except CertificateProblem:
        raise ProofProblem("vc.proof_form", part=part) from None


def _texts(proof: Document, part: str) -> list[str]:
    value = proof.get(part, [])
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in listed) or (part in proof and not listed):
        raise ProofProblem("vc.proof_form", part=part)
    return listed


def _signed_bytes(document: Document, config: Document, proofs: list[Document], contexts: Contexts) -> bytes:
    """Return the 64 bytes that a proof signs; the previous proofs that it names are part of the document."""
    by_name = {proof["id"]: proof for proof in proofs if "id" in proof}
    previous = _texts(config, "previousProof")
    for name in previous:
        if name not in by_name or name == config.get("id"):
            raise ProofProblem("vc.no_previous_proof", id=name[:80])
    body = without_proof(document)
    if previous:
        body["proof"] = [by_name[name] for name in previous]
    if config["cryptosuite"] == Suite.JCS:
        if body.get("@context") != config.get("@context"):
            meaning(body, contexts)  # vocabularies may be appended after signing, but may redefine nothing
        return _jcs_bytes(body, config)
    settings = {**config, "@context": document.get("@context")}
    return _sha256(meaning(settings, contexts)) + _sha256(meaning(body, contexts))


def _jcs_bytes(body: Document, config: Document) -> bytes:
    if "@context" in config:
        whole, start = body.get("@context"), config["@context"]
        if isinstance(whole, list) and isinstance(start, list):
            whole = whole[: len(start)]
        if whole != start:
            raise ProofProblem("vc.proof_form", part="@context")
        body = {**body, "@context": start}
    return _sha256(canonical(config)) + _sha256(canonical(body))


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
