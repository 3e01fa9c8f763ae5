"""Proofs that a signatory's browser makes: what it is to sign, and whether it did."""

from dataclasses import dataclass
from datetime import datetime

from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.keys import decode_public
from lms.certs.core.mandate import Refusal
from lms.certs.core.problems import MISSHAPEN
from lms.certs.core.proofs import Suite, verify_proof
from lms.certs.core.strict_json import Document
from lms.certs.core.times import read_time, write_time


@dataclass(frozen=True)
class Given:
    """Hold a proof that a browser made, and who was signed in there."""

    by: str
    proof: Document


def proof_options(document: Document, method: str, now: datetime) -> Document:
    """Return the settings of a proof: the browser signs their hash, and that of the document it shows."""
    return {
        "@context": document["@context"],
        "type": "DataIntegrityProof",
        "cryptosuite": str(Suite.JCS),
        "created": write_time(now),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }


def check_given(document: Document, proof: Document, method: str, now: datetime) -> None:
    """Refuse a proof with other settings than this process gave a moment ago, or by another key.

    Args:
        method: the issuing key of now, by its full name.

    Raises:
        Refusal: with the first thing against it.
    """
    if proof.get("verificationMethod") != method:
        raise Refusal("signer.other_browser_key")
    try:
        created = read_time(proof["created"])
        wanted = proof_options(document, method, created)
        same = {name: value for name, value in proof.items() if name != "proofValue"} == wanted
        verify_proof(document, proof, decode_public(method.partition("#")[2]))
    except MISSHAPEN:
        raise Refusal("signer.browser_signature") from None
    if not same:
        raise Refusal("signer.browser_signature")
    if abs(created - now) > CLOCK_SKEW:
        raise Refusal("signer.browser_late")
