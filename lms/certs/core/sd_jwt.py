"""The part of a certificate that its holder chooses to show: an SD-JWT with a signature of each organisation.

One payload, two signatures (general JWS JSON). What may be hidden stands in it as digests of salted
disclosures, with decoys among them, so that a reader cannot count what is hidden. A signer writes the payload
itself, out of a certificate that it has signed before, and so knows what is behind every digest.

Source: RFC 9901 (SD-JWT); RFC 7515, section 7.2.1; RFC 8037 and RFC 9864 (Ed25519).
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature

from lms.certs.core.document import NAMESPACE, Claim
from lms.certs.core.joint import CLOCK_SKEW, Finding, Signature
from lms.certs.core.keys import KeyUse, SigningKey, decode_public
from lms.certs.core.mandate import Mandate, Refusal
from lms.certs.core.problems import MISSHAPEN, DocumentProblem, Unreadable
from lms.certs.core.reading import read_claim
from lms.certs.core.shown import CERTIFICATE, open_parts, parts, shown_claim
from lms.certs.core.strict_json import Document, canonical, read_object, sha256_of, without_proof
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role, Trust, TrustedParty

TYPE = "dc+sd-jwt"
ALGORITHM = "Ed25519"
HASH = "sha-256"
CERTIFICATE_TYPE = f"{NAMESPACE}JointCertificate"
MOST_DISCLOSURES = 600
MOST_DECOYS = 64

_BASE64 = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SALT = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)
_SALT_BYTES, _DECOY_BYTES = 16, 32
_NO_TEXT = b"\xff"
"""Begins every decoy: no UTF-8 text does, so that a decoy can never be a disclosure."""
_HEADER = {"alg", "iat", "kid", "typ"}


@dataclass(frozen=True, slots=True)
class Made:
    """Hold one organisation's signature: when it says it was made, with which key, and over what."""

    key_id: str
    created: datetime
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Presentation:
    """Hold what is shown of a certificate, and both signatures; unproven. What is hidden is empty."""

    claim: Claim
    sha256: str
    made: tuple[Made, Made]


def ask_for_form(certificate: Document) -> Document:
    """Return what both signers are asked to sign: a certificate, and the random parts of its other form.

    Two results for one certificate differ.
    """
    told = parts(certificate).items()
    salted = [[secrets.token_urlsafe(_SALT_BYTES), name, value] for name, value in told]
    decoys = [_write(_NO_TEXT + secrets.token_bytes(_DECOY_BYTES)) for _ in range(4 + secrets.randbelow(5))]
    return {
        "id": certificate["id"],
        "certificate": without_proof(certificate),
        "disclosures": [_write(json.dumps(one, ensure_ascii=False).encode("utf-8")) for one in salted],
        "decoys": decoys,
    }


def review_sd_jwt(request: Document, mandate: Mandate, own: Collection[str]) -> bytes:
    """Judge what is asked and return the payload to sign: of a certificate of one's own, no word more.

    Args:
        request: as `ask_for_form` writes it.
        mandate: this signer's settings.
        own: the hashes of the certificates that this signer signed.

    Raises:
        Refusal: with the first thing against it.
        DocumentProblem: the certificate has not the one form that is signed.
    """
    if set(request) != {"id", "certificate", "disclosures", "decoys"}:
        raise Refusal("signer.sd_jwt")
    certificate = request["certificate"]
    if not isinstance(certificate, dict) or "proof" in certificate or sha256_of(certificate) not in own:
        raise Refusal("signer.form_not_ours")
    claim = read_claim(certificate)
    if (claim.university.did, claim.company.did) != (mandate.university, mandate.company):
        raise Refusal("signer.not_the_pair")
    if request["id"] != claim.credential_id:
        raise Refusal("signer.sd_jwt")
    try:
        return write_payload(request)
    except DocumentProblem:
        raise Refusal("signer.sd_jwt") from None


def write_payload(request: Document) -> bytes:
    """Return the bytes that both sign: every digest is made here, from what it is the digest of.

    Raises:
        DocumentProblem: a disclosure that is missing, doubled or says something else than the certificate,
            or a decoy that could be one.
    """
    certificate, disclosures, decoys = (request[name] for name in ("certificate", "disclosures", "decoys"))
    if not _texts(disclosures, MOST_DISCLOSURES) or not _texts(decoys, MOST_DECOYS):
        raise DocumentProblem("presentation.shape")
    told = _told(disclosures)
    if canonical(told) != canonical(parts(certificate)) or not all(map(_is_decoy, decoys)):
        raise DocumentProblem("presentation.shape")
    payload = {
        **open_parts(certificate),
        "vct": CERTIFICATE_TYPE,
        "_sd": sorted(digest(text) for text in (*disclosures, *decoys)),
        "_sd_alg": HASH,
    }
    return canonical(payload)


def sign_payload(payload: bytes, key: SigningKey, method: str, at: datetime) -> Document:
    """Return one organisation's signature over the payload, as it stands in the file."""
    header = {"alg": ALGORITHM, "iat": int(at.timestamp()), "kid": method, "typ": TYPE}
    protected = _write(canonical(header))
    signature = key.sign(f"{protected}.{_write(payload)}".encode("ascii"))
    return {"protected": protected, "signature": _write(signature)}


def present(request: Document, signatures: tuple[Document, Document], names: Collection[str]) -> Document:
    """Return the file that shows these parts, the university's signature first.

    Raises:
        DocumentProblem: the certificate has no such part.
    """
    named = {_read_disclosure(text)[0]: text for text in request["disclosures"]}
    if not set(names) <= named.keys():
        raise DocumentProblem("presentation.shape")
    chosen = [text for name, text in named.items() if name in names]
    university, company = signatures
    return {
        "payload": _write(write_payload(request)),
        "signatures": [{**university, "header": {"disclosures": chosen}}, company],
    }


def read_presentation(document: Document) -> Presentation:
    """Read a presentation, recomputing every digest; its signatures are checked elsewhere.

    Raises:
        DocumentProblem: not the one form, a disclosure whose digest is not signed, or anything doubled.
    """
    try:
        return _presentation(document)
    except DocumentProblem:
        raise
    except MISSHAPEN:
        raise DocumentProblem("presentation.shape") from None


def examine_makers(presented: Presentation, trust: Trust, at: datetime) -> tuple[Signature, Signature]:
    """Check each organisation's signature alone, with its pinned issuing key.

    A key that was compromised counts no more, whatever time stands beside the signature: no log shows it.
    """
    claim = presented.claim
    university, company = presented.made
    return (
        _examine(university, claim.university.did, Role.UNIVERSITY, trust, at),
        _examine(company, claim.company.did, Role.COMPANY, trust, at),
    )


def digest(disclosure: str) -> str:
    """Return what stands in the payload for a disclosure.

    Source: RFC 9901, section 4.2.3: over the characters as they are sent.
    """
    return _write(hashlib.sha256(disclosure.encode("ascii")).digest())


def _presentation(document: Document) -> Presentation:
    first, second = document["signatures"]
    header = first["header"]
    if set(document) != {"payload", "signatures"} or set(header) != {"disclosures"}:
        raise DocumentProblem("presentation.shape")
    payload = read_object(_read(document["payload"]))
    shown = _disclosed(payload, header["disclosures"])
    claim = shown_claim(payload, shown)
    bare = {name: value for name, value in first.items() if name != "header"}
    made = (_made(document["payload"], bare), _made(document["payload"], second))
    return Presentation(claim, shown.get(CERTIFICATE, {}).get("sha256", ""), made)


def _disclosed(payload: Document, disclosures: Any) -> Document:
    """Take the digests out of a payload and return what was disclosed."""
    digests, kind = payload.pop("_sd"), payload.pop("_sd_alg")
    if kind != HASH or payload.pop("vct") != CERTIFICATE_TYPE:
        raise DocumentProblem("presentation.shape")
    if not _texts(digests, MOST_DISCLOSURES + MOST_DECOYS) or not _texts(disclosures, MOST_DISCLOSURES):
        raise DocumentProblem("presentation.shape")
    for text in disclosures:
        if digest(text) not in digests:
            raise DocumentProblem("presentation.digest")
    return _told(disclosures)


def _examine(made: Made, did: str, role: Role, trust: Trust, at: datetime) -> Signature:
    party = trust.party(did, role)
    if party is None:
        problem = Finding("party.not_trusted", {"role": str(role), "did": did})
        return Signature(role, did, "", good=False, findings=(problem,))
    named = {"role": str(role), "name": party.name}
    findings = tuple(Finding(code, {**named, **params}) for code, params in _problems(made, did, party, at))
    key = party.key(made.key_id)
    notices = (Finding("key.retired_since", named),) if key is not None and key.retired_at is not None else ()
    return Signature(
        role,
        did,
        party.name,
        good=not findings,
        suite=ALGORITHM,
        created=write_time(made.created),
        key_id=made.key_id,
        findings=findings,
        notices=() if findings else notices,
    )


def _problems(
    made: Made, did: str, party: TrustedParty, at: datetime
) -> Iterator[tuple[str, dict[str, Any]]]:
    key, created = party.key(made.key_id), write_time(made.created)
    if made.key_id.partition("#")[0] != did:
        yield "proof.missing", {}
        return
    if key is None:
        yield "proof.unknown_key", {"key": made.key_id[:160]}
        return
    if key.use is not KeyUse.ISSUING:
        yield "proof.key_of_other_use", {"use": str(key.use)}
        return
    if made.created > at + CLOCK_SKEW:
        yield "proof.from_the_future", {"created": created}
    if key.retired_at is not None and made.created >= key.retired_at:
        yield "proof.retired_key", {"created": created}
    if key.compromised_at is not None:
        yield "proof.compromised_key", {"since": write_time(key.compromised_at)}
    try:
        decode_public(key.multibase).verify(made.signature, made.signed)
    except InvalidSignature:
        yield "proof.does_not_match", {}


def _told(disclosures: Iterable[str]) -> Document:
    told: Document = {}
    for text in disclosures:
        name, value = _read_disclosure(text)
        if name in told:
            raise DocumentProblem("presentation.shape")
        told[name] = value
    return told


def _read_disclosure(text: str) -> tuple[str, Any]:
    """Read `[salt, name, value]` as strictly as any certificate: one meaning for every reader."""
    try:
        wrapped = read_object(b'{"one":' + _read(text) + b"}")
        (item,) = wrapped.values()
        salt, name, value = item
    except (Unreadable, TypeError, ValueError):
        raise DocumentProblem("presentation.shape") from None
    if not isinstance(item, list) or not isinstance(salt, str) or not isinstance(name, str):
        raise DocumentProblem("presentation.shape")
    if not _SALT.fullmatch(salt) or name in {"_sd", "..."}:
        raise DocumentProblem("presentation.shape")
    return name, value


def _made(payload: str, entry: Mapping[str, Any]) -> Made:
    if set(entry) != {"protected", "signature"}:
        raise DocumentProblem("presentation.shape")
    header = read_object(_read(entry["protected"]))
    issued, key_id = header.get("iat"), header.get("kid")
    if set(header) != _HEADER or header["alg"] != ALGORITHM or header["typ"] != TYPE:
        raise DocumentProblem("presentation.shape")
    if type(issued) is not int or not isinstance(key_id, str):
        raise DocumentProblem("presentation.shape")
    signed = f"{entry['protected']}.{payload}".encode("ascii")
    return Made(key_id, datetime.fromtimestamp(issued, UTC), signed, _read(entry["signature"]))


def _is_decoy(text: str) -> bool:
    raw = _read(text)
    return raw.startswith(_NO_TEXT) and len(raw) == len(_NO_TEXT) + _DECOY_BYTES


def _texts(value: Any, most: int) -> bool:
    """Tell whether this is a list of different texts, no longer than allowed."""
    if not isinstance(value, list) or len(value) > most:
        return False
    return all(isinstance(text, str) for text in value) and len(set(value)) == len(value)


def _write(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _read(text: Any) -> bytes:
    """Read base64url in its one canonical spelling."""
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        raise DocumentProblem("presentation.shape")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise DocumentProblem("presentation.shape") from None
    if _write(raw) != text:
        raise DocumentProblem("presentation.shape")
    return raw
