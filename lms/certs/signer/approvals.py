"""Documents that wait for a person: what was asked, who decided, and how they sign in.

A person's approval lets the signer sign; where the issuing key is in a browser, the person signs there.

`waiting/` holds one file per document, under its hash; it goes once the signature stands in the journal.
`approvers.json` holds the names of those who may decide, with their passphrases stretched.
"""

import base64
import hmac
import json
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lms.certs.core.mandate import NotYet, Refusal
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.strict_json import MAX_BYTES, Document, read_object
from lms.certs.core.times import read_time, write_time
from lms.certs.signer.files import replace_private, stamp

_log = logging.getLogger(__name__)

MOST_WAITING = 5_000
_MOST_KEPT_BYTES = 2 * MAX_BYTES  # a document is spelt out more widely here than where it is measured
LONGEST_REASON = 200
LEAST_PASSPHRASE = 12
_LONGEST_PASSPHRASE = 1_000
_NAME = re.compile(r"[^\s\x00-\x1f]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SCRYPT_N = 2**15


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Hold one document that waits, and what was decided about it."""

    digest: str
    document: Document
    asked_at: datetime
    by: str = ""
    """Who decided; empty: nobody yet."""
    reason: str = ""
    """Why it was declined; empty: it was approved, or nobody decided yet."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Hold what a list needs to know of a document, as long as its file is the same."""

    stamp: tuple[int, int, int]
    asked_at: datetime
    decided: bool
    declined: bool


class Desk:
    """Keep what waits for a person."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "waiting"
        self._known: dict[str, _Listed] = {}

    def approver(self, document: Document, digest: str, now: datetime) -> str:
        """Return who has approved a document; one that is new is put up for approval.

        Raises:
            NotYet: nobody has decided.
            Refusal: a person declined.
        """
        found = self._read(digest)
        if found is None:
            self._put(Asked(digest=digest, document=document, asked_at=now))
        if found is None or not found.by:
            raise NotYet("signer.pending")
        if found.reason:
            raise Refusal("signer.declined", reason=found.reason)
        return found.by

    def hold(self, document: Document, digest: str, now: datetime) -> None:
        """Put a document up for a signature in a browser.

        Raises:
            Refusal: a person declined.
        """
        self.check_not_declined(digest)
        if self._read(digest) is None:
            self._put(Asked(digest=digest, document=document, asked_at=now))

    def check_not_declined(self, digest: str) -> None:
        """Refuse what a person declined, whoever is to sign it by now.

        Raises:
            Refusal: a person declined.
        """
        found = self._read(digest)
        if found is not None and found.reason:
            raise Refusal("signer.declined", reason=found.reason)

    def waiting(self) -> list[str]:
        """Return the hashes of what nobody has decided about, the oldest first."""
        return [digest for digest, known in self._listed() if not known.decided]

    def to_sign(self) -> list[str]:
        """Return the hashes of what nobody declined, the oldest first: all that a browser can sign."""
        return [digest for digest, known in self._listed() if not known.declined]

    def asked(self, digest: str) -> Asked | None:
        """Return what waits under this hash; None where nothing does, or a person declined it."""
        found = self._read(digest)
        return None if found is None or found.reason else found

    def decide(self, digests: Iterable[str], by: str, reason: str = "") -> int:
        """Note that a person approved these documents or, with a reason, declined them; return how many."""
        decided = 0
        for digest in set(digests):
            found = self._read(digest)
            if found is not None and not found.reason and (reason or not found.by):
                self._put(replace(found, by=by, reason=reason))
                decided += 1
        return decided

    def forget_undecided(self, digest: str) -> None:
        """Let go of a document that will not be signed, unless a person said something about it."""
        found = self._read(digest)
        if found is not None and not found.by:
            self.forget([digest])

    def forget(self, digests: Iterable[str]) -> None:
        """Let go of documents that are signed."""
        if not self._folder.exists():
            return
        for digest in digests:
            (self._folder / f"{digest}.json").unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json")) if self._folder.exists() else []

    def _listed(self) -> list[tuple[str, _Listed]]:
        """Return what lies there, the oldest first; a file is read once, and again when it has changed."""
        before, found = self._known, {}
        for path in self._files():
            mark, known = stamp(path), before.get(path.stem)
            if known is None or known.stamp != mark:
                asked = self._read(path.stem)
                if asked is None:
                    continue
                known = _Listed(mark, asked.asked_at, decided=bool(asked.by), declined=bool(asked.reason))
            found[path.stem] = known
        self._known = found
        return sorted(found.items(), key=lambda each: each[1].asked_at)

    def _read(self, digest: str) -> Asked | None:
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            content = (self._folder / f"{digest}.json").read_bytes()
        except FileNotFoundError:  # there is none, or it was signed a moment ago
            return None
        known: dict[str, Any] = read_object(content, _MOST_KEPT_BYTES)
        return Asked(
            digest=digest,
            document=known["document"],
            asked_at=read_time(known["asked_at"]),
            by=known["by"],
            reason=known["reason"],
        )

    def _put(self, asked: Asked) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{asked.digest}.json"
        if not path.exists() and len(self._files()) >= MOST_WAITING:
            _log.warning("%s holds %d documents: no more are put up for approval", self._folder, MOST_WAITING)
            return
        content = {
            "document": asked.document,
            "asked_at": write_time(asked.asked_at),
            "by": asked.by,
            "reason": asked.reason,
        }
        replace_private(path, json.dumps(content, ensure_ascii=False).encode("utf-8"))


def add_approver(folder: Path, name: str, passphrase: str) -> None:
    """Let a person decide; one of this name gets the new passphrase.

    Raises:
        DocumentProblem: a name with spaces, or a passphrase that is too short.
    """
    if not _NAME.fullmatch(name) or len(passphrase) < LEAST_PASSPHRASE:
        raise DocumentProblem("signer.approver", limit=LEAST_PASSPHRASE)
    salt = secrets.token_bytes(16)
    known = {**_approvers(folder), name: [_text(salt), _text(_stretch(passphrase, salt))]}
    _write(folder, known)


def remove_approver(folder: Path, name: str) -> bool:
    """Let a person decide no more; say whether there was one of this name."""
    known = _approvers(folder)
    gone = known.pop(name, None)
    _write(folder, known)
    return gone is not None


def approvers(folder: Path) -> list[str]:
    """Return the names of those who may decide."""
    return sorted(_approvers(folder))


def kept_of(folder: Path, name: str) -> str:
    """Return what is kept of a person's passphrase: another one with a new passphrase, none once removed."""
    return _approvers(folder).get(name, ["", ""])[1]


def knows(folder: Path, name: str, passphrase: str) -> bool:
    """Tell whether a person may decide; it takes as long for a name that nobody has."""
    salt, wanted = _approvers(folder).get(name, [_text(b"0" * 16), ""])
    stretched = _stretch(passphrase, base64.b64decode(salt))
    return hmac.compare_digest(_text(stretched), wanted)


def _approvers(folder: Path) -> dict[str, list[str]]:
    path = folder / "approvers.json"
    try:
        known: dict[str, list[str]] = read_object(path.read_bytes()) if path.exists() else {}
    except CertificateProblem:
        raise DocumentProblem("document.bad_value", field="approvers.json") from None
    return known


def _write(folder: Path, known: dict[str, list[str]]) -> None:
    replace_private(
        folder / "approvers.json", json.dumps(known, ensure_ascii=False, indent=1).encode("utf-8")
    )


def _stretch(passphrase: str, salt: bytes) -> bytes:
    scrypt = Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1)
    return scrypt.derive(passphrase[:_LONGEST_PASSPHRASE].encode("utf-8"))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
