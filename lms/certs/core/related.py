"""Related resources: a credential names files by their hashes, and whoever has the file compares."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

from lms.certs.core.data_model import check_identifier, objects
from lms.certs.core.keys import decode_base58
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.strict_json import Document

_HASHES = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_STRENGTHS = ("sha512", "sha384", "sha256")
_SRI = re.compile(r"(sha256|sha384|sha512)-([A-Za-z0-9+/]+={0,2})(\?[\x21-\x7e]*)?")
_MULTIHASH = {b"\x12\x20": "sha256", b"\x20\x30": "sha384", b"\x13\x40": "sha512"}
_BARE = {32: "sha256", 48: "sha384", 64: "sha512"}


def check_related(document: Document, at_hand: Mapping[str, bytes]) -> list[str]:
    """Compare each related resource that is at hand with the hashes named for it; return those that are not.

    Raises:
        DocumentProblem: a wrong form, an address named twice, or another hash.

    Source: W3C Verifiable Credentials Data Model 2.0, section 5.3; Subresource Integrity; Multihash, or
        the bare hash, as the W3C's own test fixture has it.
    """
    unseen: list[str] = []
    seen: set[str] = set()
    if "relatedResource" not in document:
        return unseen
    for resource in objects(document["relatedResource"], "relatedResource", "5.3"):
        check_identifier(resource, "relatedResource.id", required=True)
        address = resource["id"]
        if address in seen or not {"digestSRI", "digestMultibase"} & resource.keys():
            raise DocumentProblem("vc.malformed", part="relatedResource", section="5.3")
        seen.add(address)
        expected = _digests(resource)
        if address not in at_hand:
            unseen.append(address)
        elif not all(_has(at_hand[address], name, digest) for name, digest in expected):
            raise DocumentProblem("vc.other_digest", url=address[:200])
    return unseen


def _digests(resource: Document) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    if "digestSRI" in resource:
        found.append(_read_sri(resource["digestSRI"]))
    if "digestMultibase" in resource:
        found.append(_read_multibase(resource["digestMultibase"]))
    return found


def _read_sri(value: object) -> tuple[str, bytes]:
    matches = [_SRI.fullmatch(word) for word in value.split()] if isinstance(value, str) else []
    named = {match[1]: match[2] for match in matches if match is not None}
    strongest = next((name for name in _STRENGTHS if name in named), None)
    if strongest is None or None in matches:
        raise DocumentProblem("vc.malformed", part="relatedResource.digestSRI", section="5.3")
    return strongest, _decode64(named[strongest], b"+/")


def _read_multibase(value: object) -> tuple[str, bytes]:
    raw: bytes | None = None
    if isinstance(value, str) and value.startswith("u"):
        raw = _decode64(value[1:], b"-_")
    elif isinstance(value, str) and value.startswith("z"):
        raw = decode_base58(value)
    if raw is not None and raw[:2] in _MULTIHASH and len(raw) == 2 + raw[1]:
        return _MULTIHASH[raw[:2]], raw[2:]
    if raw is None or len(raw) not in _BARE:
        raise DocumentProblem("vc.malformed", part="relatedResource.digestMultibase", section="5.3")
    return _BARE[len(raw)], raw


def _decode64(text: str, others: bytes) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=others, validate=True)
    except ValueError:
        return b""


def _has(content: bytes, name: str, digest: bytes) -> bool:
    return hmac.compare_digest(_HASHES[name](content).digest(), digest)
