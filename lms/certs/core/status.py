"""Bitstring status lists: who has been revoked, signed by both organisations and short-lived."""

import base64
import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lms.certs.core.document import DEMO_CUSTODY, REQUIRED_SIGNER, joint_policy
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.problems import MISSHAPEN, StatusProblem
from lms.certs.core.strict_json import Document, is_same, without_proof
from lms.certs.core.times import read_time, write_time

REVOCATION, SUSPENSION = PURPOSES = ("revocation", "suspension")
LEAST_BITS = 131_072
MOST_BYTES = 1_048_576
_MOST_ENCODED = 2_000_000
_GZIP = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """Hold one edition of a status list; `encoded` is the compressed bit string.

    `purpose` says what a place that is set means: a revocation, for good, or a suspension, which can end.
    """

    url: str
    university_did: str
    company_did: str
    valid_from: datetime
    valid_until: datetime
    encoded: str
    demo_custody: bool
    purpose: str = REVOCATION


def build_status_list(edition: StatusList) -> Document:
    """Write an edition of a status list as a credential without proofs.

    Source: W3C Bitstring Status List 1.0.
    """
    return {
        "@context": [CREDENTIALS_V2],
        "id": edition.url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": edition.university_did,
        "validFrom": write_time(edition.valid_from),
        "validUntil": write_time(edition.valid_until),
        "credentialSubject": {
            "id": f"{edition.url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": edition.purpose,
            "encodedList": edition.encoded,
        },
        "termsOfUse": joint_policy(
            edition.url,
            (edition.university_did, edition.company_did),
            demo_custody=edition.demo_custody,
        ),
    }


def read_status_list(document: Document) -> StatusList:
    """Read an edition; building it again gives exactly this document.

    Raises:
        StatusProblem: anything missing, added or of another type.
    """
    unsecured = without_proof(document)
    try:
        terms = unsecured["termsOfUse"]
        edition = StatusList(
            url=unsecured["id"],
            university_did=unsecured["issuer"],
            company_did=terms[0][REQUIRED_SIGNER][1]["id"],
            valid_from=read_time(unsecured["validFrom"]),
            valid_until=read_time(unsecured["validUntil"]),
            encoded=unsecured["credentialSubject"]["encodedList"],
            demo_custody=terms[-1]["type"] == DEMO_CUSTODY,
            purpose=unsecured["credentialSubject"]["statusPurpose"],
        )
        same = is_same(build_status_list(edition), unsecured)
    except MISSHAPEN:
        raise StatusProblem("status.shape") from None
    texts = (edition.url, edition.encoded, edition.university_did, edition.company_did)
    if not same or not all(isinstance(text, str) for text in texts) or edition.purpose not in PURPOSES:
        raise StatusProblem("status.shape")
    return edition


def encode_bits(revoked: Iterable[int], size_bits: int = LEAST_BITS) -> str:
    """Write a bit string with these places set, the first place leftmost.

    Raises:
        StatusProblem: a place outside the list, or a list shorter than the standard allows.
    """
    if size_bits < LEAST_BITS or size_bits % 8 or size_bits > MOST_BYTES * 8:
        raise StatusProblem("status.bad_length")
    bits = bytearray(size_bits // 8)
    for index in revoked:
        if not 0 <= index < size_bits:
            raise StatusProblem("status.index_outside", index=index)
        bits[index // 8] |= 0x80 >> (index % 8)
    packed = gzip.compress(bytes(bits), mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def decode_bits(encoded: str) -> bytes:
    """Unpack a bit string, however large it claims to be, into at most 1 MiB.

    Raises:
        StatusProblem: no such encoding, too short, too long, or bytes left over.
    """
    if not encoded.startswith("u") or len(encoded) > _MOST_ENCODED:
        raise StatusProblem("status.bad_encoding")
    try:
        packed = base64.b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj(wbits=_GZIP)
        bits = stream.decompress(packed, MOST_BYTES + 1)
    except (ValueError, zlib.error):
        raise StatusProblem("status.bad_encoding") from None
    if not stream.eof or stream.unused_data:
        raise StatusProblem("status.bad_encoding")
    if not LEAST_BITS // 8 <= len(bits) <= MOST_BYTES:
        raise StatusProblem("status.bad_length")
    return bits


def is_set(encoded: str, index: int) -> bool:
    """Tell whether the place is set.

    Raises:
        StatusProblem: the list cannot be unpacked or has no such place.
    """
    bits = decode_bits(encoded)
    if not 0 <= index < len(bits) * 8:
        raise StatusProblem("status.index_outside", index=index)
    return bool(bits[index // 8] & (0x80 >> (index % 8)))


def places_in(encoded: str) -> set[int]:
    """Return every place that is set.

    Raises:
        StatusProblem: the list cannot be unpacked.
    """
    bits = decode_bits(encoded)
    set_bytes = (at for at, byte in enumerate(bits) if byte)
    return {at * 8 + place for at in set_bytes for place in range(8) if bits[at] & (0x80 >> place)}


def contains(later: str, earlier: str) -> bool:
    """Tell whether every place set in the earlier list is still set in the later one."""
    new, old = decode_bits(later), decode_bits(earlier)
    return len(new) >= len(old) and all(b & ~a & 0xFF == 0 for a, b in zip(new, old, strict=False))
