"""The key that signs an installation's grade records, and the secret of its commitments, as files."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.grading.core.record import (
    KEYS_FORMAT,
    GradeRecord,
    RecordKey,
    RecordKeys,
    Statement,
    key_id,
    moment,
    signed,
    signing_input,
    written,
)
from lms.grading.core.record_reading import read_keys

KEY_BYTES = 32


class FolderKeys:
    """`grade-record.key` and `.secret` for the workers alone; `duri-grade-keys.json` for everyone.

    The public list is a file of its own, so that the web server never opens the key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = folder / "grade-record.key"
        self._secret = folder / "grade-record.secret"
        self._list = folder / "duri-grade-keys.json"
        self._listed: set[str] = set()

    def published(self) -> tuple[RecordKey, ...]:
        """Return all public keys, the newest last; none before the first record."""
        return read_keys(self._list.read_bytes()) if self._list.exists() else ()

    def secret(self) -> bytes:
        """Return the secret of the commitments, made on first use; it is never changed."""
        return self._kept(self._secret)

    def sign(self, statement: Statement, *, at: datetime) -> GradeRecord:
        """Sign with the newest key, made and published on first use."""
        private = self._private(at)
        key = _name(private)
        return signed(statement, key=key, signature=private.sign(signing_input(statement, key=key)))

    def rotate(self, *, at: datetime) -> RecordKey:
        """Make a new key; the old ones stay listed, retired, and the old private key is gone."""
        with self._alone():
            scratch = self._written(self._key, secrets.token_bytes(KEY_BYTES))
            scratch.replace(self._key)
            new = _name(self._loaded())
            self._publish(new, at)
        return RecordKey(key=new, retired_at=None)

    def _private(self, at: datetime) -> Ed25519PrivateKey:
        """Return the newest key, published before it signs anything."""
        private = self._loaded()
        if _name(private) not in self._listed:
            with self._alone():
                private = self._loaded()  # it may have been changed before the lock was had
                self._publish(_name(private), at)
            self._listed.add(_name(private))
        return private

    def _loaded(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._kept(self._key))

    def _publish(self, newest: str, at: datetime) -> None:
        known = self.published()
        if [one.key for one in known if one.retired_at is None] == [newest]:
            return
        old = [
            one if one.retired_at else RecordKey(key=one.key, retired_at=moment(at))
            for one in known
            if one.key != newest
        ]
        keys = RecordKeys(format=KEYS_FORMAT, keys=(*old, RecordKey(key=newest, retired_at=None)))
        self._written(self._list, written(keys), hexadecimal=False).replace(self._list)

    def _kept(self, path: Path) -> bytes:
        """Return a file's secret bytes; the first of several processes makes them."""
        if not path.exists():
            self._make_folder()
            scratch = self._written(path, secrets.token_bytes(KEY_BYTES))
            try:
                os.link(scratch, path)
            except FileExistsError:
                pass
            finally:
                scratch.unlink()
        return bytes.fromhex(path.read_text(encoding="ascii").strip())

    def _written(self, path: Path, content: bytes, *, hexadecimal: bool = True) -> Path:
        """Write aside and sync, readable by nobody else; return where."""
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        scratch.touch(mode=0o600)
        with scratch.open("wb") as file:
            file.write(content.hex().encode("ascii") + b"\n" if hexadecimal else content)
            file.flush()
            os.fsync(file.fileno())
        return scratch

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._make_folder()
        opened = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)


def _name(private: Ed25519PrivateKey) -> str:
    return key_id(private.public_key().public_bytes_raw())
