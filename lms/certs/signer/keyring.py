"""The keys of one organisation, each for one use; retired ones stay known for ever.

`keys.json` names them. Every private key lies sealed in a file of its own, or in a token (PKCS #11); the
issuing key can lie in a person's browser instead (`enrolment.py`), and then only its public half is here.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lms.certs.core.envelope import Lock
from lms.certs.core.keys import (
    KeyUse,
    PublicKey,
    SigningKey,
    encode_p256,
    encode_public,
    generate,
    open_key,
    seal_key,
)
from lms.certs.core.mandate import NotYet
from lms.certs.core.problems import MISSHAPEN, KeyProblem
from lms.certs.core.strict_json import Document, read_object
from lms.certs.core.times import read_time, write_time
from lms.certs.signer.authority import Identity, make_leaf, make_root, pem
from lms.certs.signer.files import replace_private, stamp, write_private
from lms.certs.signer.tokens import TokenKey, make_token_key, read_pin

ENROLMENT = "enrolment.json"
"""Where it is, the issuing key is to be registered from a browser."""
_ROOT, _ROOT_KEY = "pdf-root.pem", "pdf-root.json"


@dataclass(frozen=True, kw_only=True)
class KeyEntry:
    """Name one key: its use, its public half (Multikey), since and until when, and where it lies."""

    use: KeyUse
    multibase: str
    created_at: datetime
    retired_at: datetime | None = None
    file: str = ""
    certificate: str = ""
    """Of a PDF key: the file with its certificate."""
    token: Document = field(default_factory=dict)
    """Of a key in a PKCS #11 token: `module`, `token`, `label`."""
    browser: Document = field(default_factory=dict)
    """Of a key in a person's browser: `by`, who registered it."""


def make_keys(folder: Path, lock: Lock, name: str, now: datetime) -> None:
    """Make what is missing: one key for each use; a key of a folder's first form is for issuing.

    Where the issuing key is to be registered from a browser, none is made for it.
    """
    entries = list(read_register(folder))
    if not entries and (folder / "key.json").exists():
        known = read_object((folder / "key.json").read_bytes())["publicKeyMultibase"]
        entries.append(KeyEntry(use=KeyUse.ISSUING, multibase=known, created_at=now, file="key.json"))
    for use in KeyUse:
        elsewhere = use is KeyUse.ISSUING and (folder / ENROLMENT).exists()
        if not elsewhere and not any(entry.use is use and entry.retired_at is None for entry in entries):
            entries.append(_make(folder, lock, use, (name, now)))
    write_register(folder, entries)


def rotate(folder: Path, lock: Lock, use: KeyUse, *, name: str, now: datetime) -> KeyEntry:
    """Make a new key for a use; the one before is retired and stays listed."""
    fresh = _make(folder, lock, use, (name, now))
    replace_current(folder, fresh, now)
    return fresh


def rotate_into_token(folder: Path, use: KeyUse, place: Document, now: datetime) -> KeyEntry:
    """Let a key in a PKCS #11 token take over: the one of this label, made there if there is none.

    Raises:
        KeyProblem: a PDF key, which lies in a file, or a token that cannot be used.
    """
    if use is KeyUse.PDF:
        raise KeyProblem("key.none_for", use=str(use))
    made = make_token_key(place, read_pin(folder))
    fresh = KeyEntry(use=use, multibase=encode_public(made.public_key()), created_at=now, token=place)
    if any(entry.multibase == fresh.multibase for entry in read_register(folder)):
        raise KeyProblem("key.used_before", label=str(place["label"])[:80])
    replace_current(folder, fresh, now)
    return fresh


def replace_current(folder: Path, fresh: KeyEntry, now: datetime) -> None:
    """Let a key take over from the current one of its use; it ends what was begun with a browser's key."""
    entries = [
        replace(entry, retired_at=now) if entry.use is fresh.use and entry.retired_at is None else entry
        for entry in read_register(folder)
    ]
    write_register(folder, [*entries, fresh])
    if fresh.use is KeyUse.ISSUING:
        (folder / ENROLMENT).unlink(missing_ok=True)


def read_register(folder: Path) -> tuple[KeyEntry, ...]:
    """Read which keys the organisation has and had.

    Raises:
        KeyProblem: the file is damaged.
    """
    path = folder / "keys.json"
    if not path.exists():
        return ()
    try:
        return tuple(_entry(known) for known in read_object(path.read_bytes())["keys"])
    except MISSHAPEN:
        raise KeyProblem("key.broken_envelope") from None


def write_register(folder: Path, entries: list[KeyEntry]) -> None:
    """Write which keys the organisation has and had."""
    content = {"keys": [_written(entry) for entry in entries]}
    replace_private(folder / "keys.json", json.dumps(content, indent=1).encode("ascii") + b"\n")


def public_keys(folder: Path, did: str) -> tuple[PublicKey, ...]:
    """Return all keys, retired ones too, as trust files and the DID document name them."""
    return tuple(
        PublicKey(f"{did}#{entry.multibase}", entry.multibase, retired_at=entry.retired_at, use=entry.use)
        for entry in read_register(folder)
    )


def pdf_root(folder: Path) -> str:
    """Return the root of the organisation's PDF signatures (PEM)."""
    return (folder / _ROOT).read_text(encoding="ascii")


class Keyring:
    """Open each key when it is first needed; a rotation counts from the next signature on."""

    def __init__(self, folder: Path, lock: Lock) -> None:
        self._folder = folder
        self._lock = lock
        self._opened: dict[str, SigningKey] = {}
        self._entries: tuple[KeyEntry, ...] = ()
        self._stamp = (0, 0, 0)

    def current(self, use: KeyUse) -> KeyEntry:
        """Return the key that signs for a use now.

        Raises:
            KeyProblem: there is none.
            NotYet: it is to be made in a browser first.
        """
        fresh = stamp(self._folder / "keys.json")
        if fresh != self._stamp:
            self._entries, self._stamp = read_register(self._folder), fresh
        for entry in self._entries:
            if entry.use is use and entry.retired_at is None:
                return entry
        if use is KeyUse.ISSUING and (self._folder / ENROLMENT).exists():
            raise NotYet("signer.no_browser_key")
        raise KeyProblem("key.none_for", use=str(use))

    def in_browser(self) -> bool:
        """Tell whether the issuing key lies in a person's browser, or is to be made there."""
        try:
            return bool(self.current(KeyUse.ISSUING).browser)
        except NotYet:
            return True

    def open(self, use: KeyUse) -> tuple[SigningKey, str]:
        """Return the key that signs certificates or lists now, and its public half (Multikey).

        Raises:
            KeyProblem: it cannot be opened, or is not the one that is listed.
        """
        entry = self.current(use)
        if entry.multibase not in self._opened:
            key = self._from_place(entry)
            if encode_public(key.public_key()) != entry.multibase:
                raise KeyProblem("key.broken_envelope")
            self._opened[entry.multibase] = key
        return self._opened[entry.multibase], entry.multibase

    def pdf(self) -> tuple[Identity, x509.Certificate]:
        """Return what signs PDF files now, key and certificate, and the root above it.

        Raises:
            KeyProblem: the key cannot be opened, or is not the one that is listed and certified.
        """
        entry = self.current(KeyUse.PDF)
        key = _open_p256(self._lock, self._folder / entry.file)
        certificate = x509.load_pem_x509_certificate((self._folder / entry.certificate).read_bytes())
        root = x509.load_pem_x509_certificate((self._folder / _ROOT).read_bytes())
        if encode_p256(key.public_key()) != entry.multibase or certificate.public_key() != key.public_key():
            raise KeyProblem("key.broken_envelope")
        return Identity(key, certificate), root

    def _from_place(self, entry: KeyEntry) -> SigningKey:
        if entry.token:
            return TokenKey(entry.token, read_pin(self._folder))
        return open_key((self._folder / entry.file).read_bytes(), self._lock)


def is_in_browser(folder: Path) -> bool:
    """Tell whether certificates are signed in a person's browser, or wait for a key there."""
    present = (each for each in read_register(folder) if each.use is KeyUse.ISSUING and not each.retired_at)
    return all(each.browser for each in present)


def _make(folder: Path, lock: Lock, use: KeyUse, of: tuple[str, datetime]) -> KeyEntry:
    name, now = of
    number = sum(1 for entry in read_register(folder) if entry.use is use) + 1
    while (folder / f"{use}-{number}.json").exists():  # of a rotation that was cut short
        number += 1
    stem = f"{use}-{number}"
    if use is KeyUse.PDF:
        made = make_leaf(_pdf_root(folder, lock, name, now), name, now)
        multibase = encode_p256(made.key.public_key())
        write_private(folder / f"{stem}.json", _seal_p256(lock, made.key))
        write_private(folder / f"{stem}.pem", pem(made.certificate))
        return KeyEntry(
            use=use, multibase=multibase, created_at=now, file=f"{stem}.json", certificate=f"{stem}.pem"
        )
    key = generate()
    write_private(folder / f"{stem}.json", seal_key(key, lock))
    return KeyEntry(use=use, multibase=encode_public(key.public_key()), created_at=now, file=f"{stem}.json")


def _pdf_root(folder: Path, lock: Lock, name: str, now: datetime) -> Identity:
    """Return the root of the PDF keys, made once: verifiers pin it."""
    if not (folder / _ROOT).exists():
        made = make_root(f"{name[:50]} PDF root", now)
        write_private(folder / _ROOT_KEY, _seal_p256(lock, made.key))
        write_private(folder / _ROOT, pem(made.certificate))
    certificate = x509.load_pem_x509_certificate((folder / _ROOT).read_bytes())
    return Identity(_open_p256(lock, folder / _ROOT_KEY), certificate)


def _seal_p256(lock: Lock, key: ec.EllipticCurvePrivateKey) -> bytes:
    raw = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return lock.seal(raw, {"publicKeyMultibase": encode_p256(key.public_key())})


def _open_p256(lock: Lock, path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_der_private_key(lock.open(path.read_bytes()), None)
    except ValueError:
        raise KeyProblem("key.broken_envelope") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyProblem("key.broken_envelope")
    return key


def _entry(known: dict[str, Any]) -> KeyEntry:
    retired = known.get("retiredAt")
    return KeyEntry(
        use=KeyUse(known["use"]),
        multibase=str(known["publicKeyMultibase"]),
        created_at=read_time(known["createdAt"]),
        retired_at=None if retired is None else read_time(retired),
        file=str(known.get("file", "")),
        certificate=str(known.get("certificate", "")),
        token=dict(known.get("token", {})),
        browser=dict(known.get("browser", {})),
    )


def _written(entry: KeyEntry) -> Document:
    places = {
        "file": entry.file, "certificate": entry.certificate, "token": entry.token, "browser": entry.browser,
    }  # fmt: skip
    return {
        "use": str(entry.use),
        "publicKeyMultibase": entry.multibase,
        "createdAt": write_time(entry.created_at),
        "retiredAt": None if entry.retired_at is None else write_time(entry.retired_at),
        **{name: value for name, value in places.items() if value},
    }
