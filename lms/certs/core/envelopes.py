"""Enveloped credentials: a `data:` address that holds a JWT."""

import base64
import re

from cryptography.exceptions import InvalidSignature

from lms.certs.core.chains import method_key
from lms.certs.core.data_model import check_contexts
from lms.certs.core.problems import CertificateProblem, DocumentProblem, ProofProblem
from lms.certs.core.strict_json import Document, read_object

ENVELOPE = "EnvelopedVerifiableCredential"
_MEDIA = "|".join(re.escape(name) for name in ("vc+jwt", "vc-ld+jwt", "vc+ld+json+jwt", "jwt"))
_PART = r"[A-Za-z0-9_-]+"
_DATA = re.compile(rf"data:application/(?:{_MEDIA})(?:;base64url)?,({_PART})\.({_PART})\.({_PART})")
_ALGORITHMS = ("EdDSA", "Ed25519")


def is_envelope(document: Document) -> bool:
    """Tell whether an object says that it envelops a credential."""
    types = document.get("type")
    return types == ENVELOPE or (isinstance(types, list) and ENVELOPE in types)


def open_envelope(document: Document) -> Document | None:
    """Return the credential within, once its signature was checked; None where that cannot be done here.

    Only Ed25519 with a `did:key` can: no key is ever fetched.

    Raises:
        DocumentProblem: the envelope is of another form.
        ProofProblem: the signature does not match.

    Source: W3C Verifiable Credentials Data Model 2.0, section 4.13.1; W3C VC-JOSE-COSE.
    """
    check_contexts(document, one=True)
    match = _DATA.fullmatch(document["id"]) if isinstance(document.get("id"), str) else None
    if match is None:
        raise DocumentProblem("vc.malformed", part="id", section="4.13.1")
    header, credential = _read(match[1]), _read(match[2])
    signature = _decode(match[3])
    method = header.get("kid", credential.get("iss"))
    if (
        header.get("alg") not in _ALGORITHMS
        or not isinstance(method, str)
        or not method.startswith("did:key:")
    ):
        return None
    _, key = method_key(method)
    try:
        key.verify(signature, f"{match[1]}.{match[2]}".encode("ascii"))
    except InvalidSignature:
        raise ProofProblem("vc.other_signature") from None
    return credential


def _read(part: str) -> Document:
    try:
        return read_object(_decode(part))
    except CertificateProblem:
        raise DocumentProblem("vc.malformed", part="id", section="4.13.1") from None


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise DocumentProblem("vc.malformed", part="id", section="4.13.1") from None
