"""A transparency log for tests, kept in memory, with honest co-signers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.heads import (
    EntryKind,
    LogEntry,
    TreeHead,
    hash_entry,
    log_key_id,
    sign_head,
    signed_sha256,
)
from lms.certs.core.keys import KeyUse, PublicKey, encode_public, generate, key_id
from lms.certs.core.log import inclusion_path, nodes_of, root_of
from lms.certs.core.log_proofs import LogProof, write_log_proof
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Trust, TrustedLog

LOG_ID = "https://duri.example/log"


def issued(credential: Document, at: datetime) -> LogEntry:
    return LogEntry(EntryKind.ISSUED, sha256_of(credential), signed_sha256(credential), at)


def filler(number: int, at: datetime, kind: EntryKind = EntryKind.ISSUED) -> LogEntry:
    return LogEntry(kind, f"{number:064x}", f"{number + 1:064x}", at)


@dataclass
class Ledger:
    """Entries, the log's own key, and an operational key of each organisation."""

    dids: tuple[str, ...]
    at: datetime
    entries: list[LogEntry] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=generate)
    cosigning: dict[str, Ed25519PrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cosigning = {did: generate() for did in self.dids}

    @property
    def own_id(self) -> str:
        return log_key_id(LOG_ID, encode_public(self.key.public_key()))

    def operational(self, did: str) -> PublicKey:
        public = self.cosigning[did].public_key()
        return PublicKey(key_id(did, public), encode_public(public), use=KeyUse.OPERATIONAL)

    def trust(self, before: Trust, change: Callable[[PublicKey], PublicKey] = lambda key: key) -> Trust:
        """Pin the log and everyone's operational key besides what is pinned."""
        parties = tuple(
            replace(party, keys=(*party.keys, change(self.operational(party.did))))
            if party.did in self.cosigning
            else party
            for party in before.parties
        )
        log = TrustedLog(LOG_ID, encode_public(self.key.public_key()), self.dids)
        return Trust(parties, (log,))

    def head(self, at: datetime | None = None) -> TreeHead:
        node = nodes_of([hash_entry(entry) for entry in self.entries])
        root = root_of(len(self.entries), node)
        return TreeHead(LOG_ID, len(self.entries), root.hex(), at or self.at)

    def signatures(self, head: TreeHead) -> tuple[Document, ...]:
        both = (sign_head(head, key, key_id(did, key.public_key())) for did, key in self.cosigning.items())
        return (sign_head(head, self.key, self.own_id), *both)

    def prove(self, entry: LogEntry, at: datetime | None = None) -> LogProof:
        node = nodes_of([hash_entry(one) for one in self.entries])
        index, head = self.entries.index(entry), self.head(at)
        path = tuple(inclusion_path(index, len(self.entries), node))
        return LogProof(entry, index, path, head, self.signatures(head))

    def proof_of(self, credential: Document, at: datetime | None = None) -> bytes:
        """Return the log proof of a certificate, entered first where it is not there."""
        entry = issued(credential, self.at)
        if entry not in self.entries:
            self.entries.append(entry)
        return write_log_proof(self.prove(entry, at))
