"""What the log says and who vouches for it: entries, and tree heads with their signatures.

An entry holds hashes only. What it stands for cannot be guessed from them: every certificate carries a random
identifier of 122 bits and a salt.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import base58
from cryptography.exceptions import InvalidSignature

from lms.certs.core.joint import Finding
from lms.certs.core.keys import KeyUse, PublicKey, SigningKey, decode_base58, decode_public
from lms.certs.core.log import leaf_hash
from lms.certs.core.problems import MISSHAPEN, CertificateProblem, LogProblem
from lms.certs.core.strict_json import Document, canonical, sha256_of
from lms.certs.core.times import read_time, write_time
from lms.certs.core.trust import Trust, TrustedLog

HEAD_FORMAT = "duri-tree-head/1"
MOST_SIZE = 2**40
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SIGNATURE_BYTES = 64


class EntryKind(StrEnum):
    """Say what happened to a certificate."""

    ISSUED = "issued"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    `document` is the certificate's own hash (hex SHA-256, without proofs), `signed` that with both proofs.
    """

    kind: EntryKind
    document: str
    signed: str
    time: datetime


@dataclass(frozen=True, slots=True)
class TreeHead:
    """State of a log at a moment: how many entries, and the hash over all of them (hex)."""

    log: str
    size: int
    root: str
    time: datetime


class HeadSigner(Protocol):
    """Sign heads with the log's own key, wherever it lies."""

    @property
    def id(self) -> str:
        """Return the log's address."""

    @property
    def multibase(self) -> str:
        """Return the public half of its key, as trust files pin it."""

    def sign(self, head: TreeHead) -> Document:
        """Return the log's signature over a head."""


def signed_sha256(credential: Document) -> str:
    """Return the hash of a certificate with its proofs, as the log keeps it.

    It is made of the certificate's hash and the proofs, so that whoever keeps only these can recompute it.
    """
    return hash_whole(sha256_of(credential), credential.get("proof"))


def hash_whole(document: str, proofs: Any) -> str:
    """Return the hash of a certificate with its proofs, given its own."""
    return hashlib.sha256(canonical({"document": document, "proof": proofs})).hexdigest()


def show_entry(entry: LogEntry) -> Document:
    """Return an entry as JSON."""
    return {
        "kind": str(entry.kind),
        "document": entry.document,
        "signed": entry.signed,
        "time": write_time(entry.time),
    }


def read_entry(value: Any) -> LogEntry:
    """Read an entry.

    Raises:
        LogProblem: not exactly an entry.
    """
    try:
        entry = LogEntry(
            EntryKind(value["kind"]), value["document"], value["signed"], read_time(value["time"])
        )
        hashes = _SHA256.fullmatch(entry.document) and _SHA256.fullmatch(entry.signed)
        if not hashes or value != show_entry(entry):
            raise LogProblem("log.bad_entry")
    except MISSHAPEN:
        raise LogProblem("log.bad_entry") from None
    return entry


def hash_entry(entry: LogEntry) -> bytes:
    """Return the hash under which an entry stands in the tree."""
    return leaf_hash(canonical(show_entry(entry)))


def show_head(head: TreeHead) -> Document:
    """Return a tree head as JSON."""
    return {"log": head.log, "size": head.size, "root": head.root, "time": write_time(head.time)}


def read_head(value: Any) -> TreeHead:
    """Read a tree head.

    Raises:
        LogProblem: not exactly a tree head.
    """
    try:
        head = TreeHead(value["log"], value["size"], value["root"], read_time(value["time"]))
        sound = type(head.size) is int and 0 <= head.size <= MOST_SIZE and isinstance(head.log, str)
        if not sound or not _SHA256.fullmatch(head.root) or value != show_head(head):
            raise LogProblem("log.bad_head")
    except MISSHAPEN:
        raise LogProblem("log.bad_head") from None
    return head


def statement(head: TreeHead) -> bytes:
    """Return the bytes that a tree head's signatures sign."""
    return canonical({"format": HEAD_FORMAT, **show_head(head)})


def sign_head(head: TreeHead, key: SigningKey, key_id: str) -> Document:
    """Vouch for a tree head: that the log was so at that time."""
    return sign_bytes(statement(head), key, key_id)


def sign_bytes(content: bytes, key: SigningKey, key_id: str) -> Document:
    """Sign in the log's manner."""
    value = "z" + base58.b58encode(key.sign(content)).decode("ascii")
    return {"verificationMethod": key_id, "signatureValue": value}


def head_is_signed(head: TreeHead, signature: Any, multibase: str) -> bool:
    """Tell whether a signature over a tree head was made with this key."""
    return is_signed(statement(head), signature, multibase)


def is_signed(content: bytes, signature: Any, multibase: str) -> bool:
    """Tell whether a signature of the log's kind over some bytes was made with this key."""
    value = signature.get("signatureValue") if isinstance(signature, dict) else None
    raw = decode_base58(value) if isinstance(value, str) else None
    if raw is None or len(raw) != _SIGNATURE_BYTES:
        return False
    try:
        decode_public(multibase).verify(raw, content)
    except (InvalidSignature, CertificateProblem):
        return False
    return True


def log_key_id(log: str, multibase: str) -> str:
    """Return the name under which a log's own signature goes."""
    return f"{log}#{multibase}"


def check_head(head: TreeHead, signatures: list[Any], log: TrustedLog, trust: Trust) -> Iterator[Finding]:
    """Yield what is wrong with the signatures of a head: the log's own, and one of each co-signer."""
    own = _by(signatures, {log_key_id(log.id, log.multibase)})
    if head.log != log.id or not any(head_is_signed(head, one, log.multibase) for one in own):
        yield Finding("log.head_unsigned", {"log": log.id})
    for did in log.cosigners:
        keys = {key.id: key for key in operational_keys(trust, did) if is_usable(key, head.time)}
        found = _by(signatures, set(keys))
        if not any(head_is_signed(head, one, keys[one["verificationMethod"]].multibase) for one in found):
            yield Finding("log.not_cosigned", {"did": did[:120]})


def operational_keys(trust: Trust, did: str) -> list[PublicKey]:
    """Return the pinned keys with which an organisation vouches for what runs by itself."""
    return [
        key
        for party in trust.parties
        for key in party.keys
        if party.did == did and key.use is KeyUse.OPERATIONAL
    ]


def is_usable(key: PublicKey, moment: datetime) -> bool:
    """Tell whether a key counted at a moment: not retired, not in other hands."""
    ends = [end for end in (key.retired_at, key.compromised_at) if end is not None]
    return all(moment < end for end in ends)


def _by(signatures: list[Any], methods: set[str]) -> list[dict[str, Any]]:
    return [
        one for one in signatures if isinstance(one, dict) and str(one.get("verificationMethod")) in methods
    ]
