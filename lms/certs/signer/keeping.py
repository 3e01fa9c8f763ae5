"""A signer's folder and what it does with one document: judge, sign, write down.

Its folder holds `signer.json` (what may be signed), `key.json` (sealed), `passphrase`, `token` (for the LMS)
and `journal.jsonl` (every signature made).
"""

import fcntl
import os
import secrets
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.joint import SUITES
from lms.certs.core.journal import Chain, read_journal
from lms.certs.core.keys import PublicKey, generate, key_id, seal_key
from lms.certs.core.keys import open_key as unseal_key
from lms.certs.core.mandate import (
    Mandate,
    Refusal,
    read_mandate,
    review_credential,
    review_status_list,
    write_mandate,
)
from lms.certs.core.proofs import create_proof
from lms.certs.core.protocols import Kind
from lms.certs.core.status import StatusList, read_status_list
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import TrustedParty


def create(folder: Path, mandate: Mandate) -> None:
    """Make a signer's folder with a new key, a random passphrase and a random token.

    Raises:
        FileExistsError: the folder is there already; keys are never overwritten.
    """
    folder.mkdir(mode=0o700, parents=True)
    passphrase = secrets.token_urlsafe(32)
    _write_private(folder / "passphrase", passphrase.encode("ascii"))
    _write_private(folder / "token", secrets.token_urlsafe(32).encode("ascii"))
    _write_private(folder / "key.json", seal_key(generate(), passphrase))
    _write_private(folder / "journal.jsonl", b"")
    _write_private(folder / "signer.json", write_mandate(mandate))


def approve(folder: Path, *, achievement: str | None = None, course: str | None = None) -> None:
    """Let the signer sign for one more achievement, or for a course (an address that ends with a slash)."""
    path = folder / "signer.json"
    content = write_mandate(read_mandate(path.read_bytes()).approve(achievement=achievement, course=course))
    read_mandate(content)
    fresh = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    _write_private(fresh, content)
    fresh.replace(path)


def trusted_party(folder: Path) -> TrustedParty:
    """Return the organisation's entry for trust files; needs no passphrase."""
    mandate = read_mandate((folder / "signer.json").read_bytes())
    multibase = read_object((folder / "key.json").read_bytes())["publicKeyMultibase"]
    return TrustedParty(
        mandate.role, mandate.name, mandate.did, (PublicKey(f"{mandate.did}#{multibase}", multibase),)
    )


@dataclass
class Signer:
    """Judge, sign and write down, one document at a time."""

    folder: Path
    key: Ed25519PrivateKey
    journal: BinaryIO
    chain: Chain = field(default_factory=Chain)
    signed: dict[str, tuple[str, Document]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    lists: dict[str, StatusList] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path) -> "Signer":
        """Unlock the key and read the journal.

        Raises:
            CertificateProblem: the key or the journal cannot be used.
            BlockingIOError: another process holds this signer.
        """
        passphrase = (folder / "passphrase").read_text(encoding="utf-8").strip()
        key = unseal_key((folder / "key.json").read_bytes(), passphrase)
        journal = (folder / "journal.jsonl").open("r+b")
        with ExitStack() as on_failure:
            on_failure.enter_context(journal)
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _cut_torn_line(journal)
            signer = cls(folder, key, journal)
            for entry, chain in read_journal(journal):
                signer.chain = chain
                signer._remember(entry)
            on_failure.pop_all()
        return signer

    @property
    def mandate(self) -> Mandate:
        """Return the settings as they are now, so that an approval counts at once."""
        return read_mandate((self.folder / "signer.json").read_bytes())

    def sign(self, document: Document, kind: Kind, now: datetime) -> Document:
        """Return the organisation's proof; the same document gets the same proof again.

        Raises:
            CertificateProblem: the organisation does not sign this.
        """
        with self.turn:
            mandate = self.mandate
            digest = sha256_of(document)
            known = self.signed.get(f"{kind}:{document.get('id')}")
            if known is not None and known[0] == digest and "proof" not in document:
                return known[1]
            if kind is Kind.CREDENTIAL:
                entry = self._judge_credential(document, mandate, now, taken=known is not None)
            else:
                entry = self._judge_list(document, mandate, now)
            proof = create_proof(
                document, self.key, key_id(mandate.did, self.key.public_key()), SUITES[mandate.role], now
            )
            entry |= {"at": write_time(now), "kind": str(kind), "sha256": digest, "proof": proof}
            self._write(entry)
            return proof

    def _judge_credential(
        self, document: Document, mandate: Mandate, now: datetime, *, taken: bool
    ) -> Document:
        claim = review_credential(document, mandate, now)
        place = f"{claim.status.url}#{claim.status.index}"
        if taken:
            raise Refusal("signer.id_taken", id=claim.credential_id)
        if place in self.places:
            raise Refusal("signer.place_taken", place=place[:200])
        return {"id": claim.credential_id, "achievement": claim.achievement.id, "place": place}

    def _judge_list(self, document: Document, mandate: Mandate, now: datetime) -> Document:
        edition = review_status_list(document, mandate, now, self.lists.get(str(document.get("id"))))
        return {"id": edition.url, "document": document}

    def _write(self, entry: Document) -> None:
        line, chain = self.chain.append(entry)
        end = self.journal.seek(0, os.SEEK_END)
        try:
            self.journal.write(line)
            self.journal.flush()
            os.fsync(self.journal.fileno())
        except OSError:
            with suppress(OSError):
                self.journal.truncate(end)
            raise
        self.chain = chain
        self._remember(entry)

    def _remember(self, entry: Document) -> None:
        self.signed[f"{entry['kind']}:{entry['id']}"] = (entry["sha256"], entry["proof"])
        if entry["kind"] == Kind.CREDENTIAL:
            self.places[entry["place"]] = entry["id"]
        else:
            self.lists[entry["id"]] = read_status_list(entry["document"])


def _cut_torn_line(journal: BinaryIO) -> None:
    """Drop a last line that a crash cut short: its proof was never handed out."""
    content = journal.read()
    journal.truncate(content.rfind(b"\n") + 1)
    journal.seek(0)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
