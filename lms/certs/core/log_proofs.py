"""The proof that a certificate stands in the log: a file of its own beside the certificate."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lms.certs.core.heads import (
    EntryKind,
    LogEntry,
    TreeHead,
    check_head,
    hash_entry,
    read_entry,
    read_head,
    show_entry,
    show_head,
    signed_sha256,
)
from lms.certs.core.joint import CLOCK_SKEW, Finding, required_signers
from lms.certs.core.log import MOST_PATH, includes
from lms.certs.core.problems import MISSHAPEN, LogProblem
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Trust

PROOF_FORMAT = "duri-log-proof/1"
MOST_PROOF_BYTES = 100_000
_MOST_SIGNATURES = 20
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogProof:
    """An entry, its place, the hashes that lead to the root, and the head with its signatures."""

    entry: LogEntry
    index: int
    path: tuple[bytes, ...]
    head: TreeHead
    signatures: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """What a log proof says about a certificate.

    `proven` is when it was signed at the latest; `missing` is what would be needed for an answer.
    """

    findings: tuple[Finding, ...] = ()
    missing: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()
    proven: datetime | None = None


def write_log_proof(proof: LogProof) -> bytes:
    """Write a log proof as a file."""
    document = {
        "format": PROOF_FORMAT,
        "leaf": show_entry(proof.entry),
        "index": proof.index,
        "path": [one.hex() for one in proof.path],
        "head": show_head(proof.head),
        "signatures": list(proof.signatures),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def read_log_proof(content: bytes) -> LogProof:
    """Read a log proof.

    Raises:
        LogProblem: no such file.
    """
    try:
        document = read_object(content, max_bytes=MOST_PROOF_BYTES)
        if document.pop("format") != PROOF_FORMAT or len(document) != len(LogProof.__slots__):
            raise LogProblem("log.proof_unreadable")
        path, signatures = document["path"], document["signatures"]
        if len(path) > MOST_PATH or not all(_HASH.fullmatch(one) for one in path):
            raise LogProblem("log.proof_unreadable")
        return LogProof(
            read_entry(document["leaf"]),
            _index(document["index"]),
            tuple(bytes.fromhex(one) for one in path),
            read_head(document["head"]),
            tuple(_signatures(signatures)),
        )
    except MISSHAPEN:
        raise LogProblem("log.proof_unreadable") from None


def proof_address(log: str, document: str) -> str:
    """Return where a log serves the proof of a certificate (its hash)."""
    return f"{log}/proofs/{document}"


def proof_at_hand(resources: Mapping[str, bytes], credential: Document, trust: Trust) -> bytes | None:
    """Return the log proof among what is at hand under its address, where the trust file asks for one."""
    logs = trust.logs_of(required_signers(credential) or [""])
    sha256 = sha256_of(credential) if logs else ""
    found = (resources.get(proof_address(log.id, sha256)) for log in logs)
    return next((content for content in found if content is not None), None)


def examine_log_proof(content: bytes | None, credential: Document, trust: Trust, at: datetime) -> LogAnswer:
    """Ask whether a certificate stands in a log that must hold it, by the trust file.

    A log must hold what is signed by organisations that all co-sign its heads. Where the trust file names no
    such log, none is asked for.
    """
    signers = required_signers(credential) or []
    logs = trust.logs_of(signers) if signers else ()
    if not logs:
        return LogAnswer(notices=() if content is None else (Finding("log.not_pinned", {}),))
    if content is None:
        return LogAnswer(missing=(Finding("log.proof_missing", {"log": logs[0].id}),))
    try:
        proof = read_log_proof(content)
    except LogProblem as problem:
        return LogAnswer(findings=(Finding(problem.code, problem.params),))
    same = [log for log in logs if log.id == proof.head.log]
    if not same:
        return LogAnswer(findings=(Finding("log.other_log", {"log": proof.head.log[:200]}),))
    heads = (tuple(check_head(proof.head, list(proof.signatures), log, trust)) for log in same)
    findings = (*min(heads, key=len), *_against(proof, credential, at))
    return LogAnswer(findings=findings, proven=None if findings else proof.head.time)


def _against(proof: LogProof, credential: Document, at: datetime) -> Iterator[Finding]:
    entry, head = proof.entry, proof.head
    if (entry.kind, entry.document, entry.signed) != (
        EntryKind.ISSUED,
        sha256_of(credential),
        signed_sha256(credential),
    ):
        yield Finding("log.other_certificate", {})
    if not includes(hash_entry(entry), proof.index, head.size, proof.path, bytes.fromhex(head.root)):
        yield Finding("log.not_included", {"log": head.log})
    if head.time > at + CLOCK_SKEW or entry.time > head.time + CLOCK_SKEW:
        yield Finding("log.from_the_future", {"time": write_time(max(head.time, entry.time))})


def _index(value: Any) -> int:
    if type(value) is not int:
        raise LogProblem("log.proof_unreadable")
    return value


def _signatures(value: Any) -> list[Document]:
    if not isinstance(value, list) or len(value) > _MOST_SIGNATURES:
        raise LogProblem("log.proof_unreadable")
    if not all(isinstance(one, dict) for one in value):
        raise LogProblem("log.proof_unreadable")
    return value
