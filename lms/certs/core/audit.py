"""The whole log against both signers' journals: it holds all that both have signed, and nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lms.certs.core.heads import EntryKind, LogEntry, TreeHead, check_head, hash_entry, hash_whole
from lms.certs.core.joint import Finding
from lms.certs.core.journal import JournalProblem, read_journal
from lms.certs.core.log import EMPTY_ROOT, Frontier
from lms.certs.core.protocols import Kind
from lms.certs.core.status import REVOCATION, decode_bits, read_status_list
from lms.certs.core.strict_json import Document
from lms.certs.core.times import read_time
from lms.certs.core.trust import Role, Trust, TrustedLog

GRACE = timedelta(minutes=15)
"""So long what both have signed may take until it stands in the log."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a journal says about one certificate."""

    proof: Document
    place: str
    at: datetime


@dataclass(slots=True)
class Journal:
    """What a signer has signed: certificates by their hash, and the places it let be revoked."""

    role: Role
    credentials: dict[str, Signed] = field(default_factory=dict)
    revoked: dict[str, bytes] = field(default_factory=dict)


def read_signed(role: Role, lines: Iterable[bytes]) -> Journal:
    """Read a signer's journal.

    Raises:
        CertificateProblem: it does not hold together.
    """
    journal = Journal(role)
    for entry, chain in read_journal(lines):
        try:
            _note(journal, entry)
        except (KeyError, TypeError):
            raise JournalProblem("journal.broken", line=chain.length) from None
    return journal


def _note(journal: Journal, entry: Document) -> None:
    if entry["kind"] == Kind.CREDENTIAL:
        signed = Signed(entry["proof"], str(entry["place"]), read_time(entry["at"]))
        journal.credentials[entry["sha256"]] = signed
    elif entry["kind"] == Kind.STATUS_LIST:
        edition = read_status_list(entry["document"])
        if edition.purpose == REVOCATION:
            journal.revoked[edition.url] = decode_bits(edition.encoded)


def audit_entries(
    entries: Sequence[LogEntry], university: Journal, company: Journal, at: datetime
) -> Iterator[Finding]:
    """Yield everything in which the log and the two journals differ."""
    issued: dict[str, LogEntry] = {}
    for index, entry in enumerate(entries):
        if entry.kind is EntryKind.ISSUED:
            yield from _against_issue(index, entry, issued, (university, company))
            issued.setdefault(entry.document, entry)
        elif entry.document not in issued:
            yield Finding("audit.never_issued", {"index": index, "kind": str(entry.kind)})
    yield from _unlogged(issued, university, company, at)
    revoked = {entry.document for entry in entries if entry.kind is EntryKind.REVOKED}
    yield from _unlogged_withdrawals(revoked, university, company)


def audit_heads(
    entries: Sequence[LogEntry],
    heads: Iterable[tuple[TreeHead, Sequence[Document]]],
    log: TrustedLog,
    trust: Trust,
) -> Iterator[Finding]:
    """Yield what is wrong with the log's heads: a root that its entries do not have, a missing signature."""
    roots = [EMPTY_ROOT]
    frontier = Frontier()
    for entry in entries:
        frontier, _ = frontier.append(hash_entry(entry))
        roots.append(frontier.root())
    for head, signatures in heads:
        if head.size >= len(roots) or roots[head.size].hex() != head.root:
            yield Finding("audit.other_root", {"size": head.size})
        yield from check_head(head, list(signatures), log, trust)


def _against_issue(
    index: int, entry: LogEntry, issued: dict[str, LogEntry], journals: tuple[Journal, Journal]
) -> Iterator[Finding]:
    if entry.document in issued:
        yield Finding("audit.twice", {"index": index})
    known = [journal.credentials.get(entry.document) for journal in journals]
    for journal, signed in zip(journals, known, strict=True):
        if signed is None:
            yield Finding("audit.not_signed", {"index": index, "role": str(journal.role)})
    proofs = [signed.proof for signed in known if signed is not None]
    if len(proofs) == len(journals) and entry.signed != hash_whole(entry.document, proofs):
        yield Finding("audit.altered", {"index": index})


def _unlogged(
    issued: dict[str, LogEntry], university: Journal, company: Journal, at: datetime
) -> Iterator[Finding]:
    """What only one has signed was never issued; what both have, was."""
    for document in university.credentials.keys() & company.credentials.keys() - issued.keys():
        signed = max(journal.credentials[document].at for journal in (university, company))
        if signed < at - GRACE:
            yield Finding("audit.not_logged", {"sha256": document})


def _unlogged_withdrawals(logged: set[str], university: Journal, company: Journal) -> Iterator[Finding]:
    places = {signed.place: document for document, signed in university.credentials.items()}
    withdrawn = {
        places[f"{url}#{index}"]
        for url, bits in university.revoked.items()
        for index in _places(bits, company.revoked.get(url, b""))
        if f"{url}#{index}" in places
    }
    for document in sorted(withdrawn - logged):
        yield Finding("audit.withdrawal_not_logged", {"sha256": document})


def _places(one: bytes, other: bytes) -> Iterator[int]:
    """Yield the places that are set in both."""
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left & right:
            yield from (number * 8 + bit for bit in range(8) if left & right & (0x80 >> bit))
