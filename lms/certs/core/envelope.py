"""Sealed files: a secret locked with a passphrase, its open fields bound to the locked ones."""

import base64
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lms.certs.core.problems import MISSHAPEN, KeyProblem
from lms.certs.core.strict_json import Document, canonical, read_object

_KEY_BYTES = 32
_SCRYPT_N = 2**15
_SCRYPT_MOST = 2**20
_ENVELOPE = "duri-key-1"


class Lock:
    """Seal and open with one passphrase, stretched once for each salt; what one lock seals shares a salt."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase.encode("utf-8")
        self._salt = _b64(secrets.token_bytes(16))
        self._stretched: dict[tuple[str, int], bytes] = {}

    def seal(self, secret: bytes, fields: Mapping[str, str]) -> bytes:
        """Lock a secret into a file's content: JSON that shows `fields`."""
        nonce = secrets.token_bytes(12)
        header = {
            "version": _ENVELOPE,
            "kdf": "scrypt",
            "n": _SCRYPT_N,
            "r": 8,
            "p": 1,
            "salt": self._salt,
            "nonce": _b64(nonce),
            **fields,
        }
        locked = ChaCha20Poly1305(self._derive(header)).encrypt(nonce, secret, canonical(header))
        return json.dumps({**header, "ciphertext": _b64(locked)}, indent=1).encode("ascii") + b"\n"

    def open(self, content: bytes) -> bytes:
        """Unlock a file's content and return the secret.

        Raises:
            KeyProblem: no such file, an altered one, or the wrong passphrase.
        """
        try:
            header = read_object(content, max_bytes=10_000)
            locked = _unb64(header.pop("ciphertext"))
            cipher = ChaCha20Poly1305(self._derive(header))
            secret = cipher.decrypt(_unb64(header["nonce"]), locked, canonical(header))
        except InvalidTag:
            raise KeyProblem("key.wrong_passphrase") from None
        except MISSHAPEN:
            raise KeyProblem("key.broken_envelope") from None
        return secret

    def _derive(self, header: Document) -> bytes:
        n, r, p = header["n"], header["r"], header["p"]
        if header["version"] != _ENVELOPE or header["kdf"] != "scrypt":
            raise KeyProblem("key.broken_envelope")
        if not _SCRYPT_N <= n <= _SCRYPT_MOST or (r, p) != (8, 1):
            raise KeyProblem("key.broken_envelope")
        known = (header["salt"], n)
        if known not in self._stretched:
            scrypt = Scrypt(salt=_unb64(header["salt"]), length=_KEY_BYTES, n=n, r=r, p=p)
            self._stretched[known] = scrypt.derive(self._passphrase)
        return self._stretched[known]


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
