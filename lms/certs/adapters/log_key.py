"""The key of the transparency log, sealed in the installation's folder."""

import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.envelope import Lock
from lms.certs.core.heads import TreeHead, log_key_id, sign_head
from lms.certs.core.keys import encode_public, generate, open_key, seal_key
from lms.certs.core.strict_json import Document, read_object


class FolderLogKey:
    """`log.json` (sealed) and `log.passphrase`, made on first use; the public half needs no unsealing."""

    def __init__(self, folder: Path, log: str) -> None:
        self._key = folder / "log.json"
        self._passphrase = folder / "log.passphrase"
        self.id = log

    def sign(self, head: TreeHead) -> Document:
        """Return the log's signature over a head."""
        return sign_head(head, self._opened, log_key_id(self.id, encode_public(self._opened.public_key())))

    @property
    def multibase(self) -> str:
        """Return the public half, for trust files; the key is made where there is none yet."""
        self._make()
        return str(read_object(self._key.read_bytes())["publicKeyMultibase"])

    @cached_property
    def _opened(self) -> Ed25519PrivateKey:
        self._make()
        passphrase = self._passphrase.read_text(encoding="ascii").strip()
        return open_key(self._key.read_bytes(), Lock(passphrase))

    def _make(self) -> None:
        """Make the key unless it is there; of several processes the first one's counts."""
        if self._key.exists():
            return
        self._key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(self._passphrase, secrets.token_urlsafe(32).encode("ascii"))
        passphrase = self._passphrase.read_text(encoding="ascii").strip()
        _put(self._key, seal_key(generate(), Lock(passphrase)))


def _put(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all, and never over another."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(scratch, path)
    scratch.unlink()
