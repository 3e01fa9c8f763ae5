"""Ed25519 keys: their public form, the sealed file that keeps them, and the DID document that shows them."""

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import base58
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from lms.certs.core.problems import CertificateProblem, KeyProblem
from lms.certs.core.strict_json import Document, canonical, read_object
from lms.certs.core.times import write_time

_PUBLIC_PREFIX = b"\xed\x01"
_SECRET_PREFIX = b"\x80\x26"
_KEY_BYTES = 32
_SCRYPT_N = 2**15
_SCRYPT_MOST = 2**20
_ENVELOPE = "duri-key-1"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Name one verification method of a party; `retired_at` ends its use for new proofs."""

    id: str
    multibase: str
    retired_at: datetime | None = None


def generate() -> Ed25519PrivateKey:
    """Make a new private key."""
    return Ed25519PrivateKey.generate()


def encode_public(key: Ed25519PublicKey) -> str:
    """Write a public key as a Multikey.

    Source: W3C Controlled Identifiers 1.0, Multikey.
    """
    return "z" + base58.b58encode(_PUBLIC_PREFIX + key.public_bytes_raw()).decode("ascii")


def decode_public(multibase: str) -> Ed25519PublicKey:
    """Read a Multikey.

    Raises:
        KeyProblem: it is not the one canonical spelling of an Ed25519 public key.
    """
    raw = decode_base58(multibase)
    if raw is None or len(raw) != len(_PUBLIC_PREFIX) + _KEY_BYTES or not raw.startswith(_PUBLIC_PREFIX):
        raise KeyProblem("key.not_a_multikey", key=multibase[:80])
    return Ed25519PublicKey.from_public_bytes(raw.removeprefix(_PUBLIC_PREFIX))


def decode_secret(multibase: str) -> Ed25519PrivateKey:
    """Read a secret Multikey, as the vectors of the standards carry them."""
    raw = decode_base58(multibase)
    if raw is None or len(raw) != len(_SECRET_PREFIX) + _KEY_BYTES or not raw.startswith(_SECRET_PREFIX):
        raise KeyProblem("key.not_a_multikey", key="…")
    return Ed25519PrivateKey.from_private_bytes(raw.removeprefix(_SECRET_PREFIX))


def decode_base58(multibase: str) -> bytes | None:
    """Read `z` + base58btc; None where it is not the canonical spelling of any bytes."""
    most = 128
    if not multibase.startswith("z") or len(multibase) > most or not multibase.isascii():
        return None
    try:
        raw = base58.b58decode(multibase[1:])
    except ValueError:
        return None
    return raw if base58.b58encode(raw).decode("ascii") == multibase[1:] else None


def seal_key(key: Ed25519PrivateKey, passphrase: str) -> bytes:
    """Lock a private key into a file's content.

    The file is JSON; its open fields are bound to the locked ones.
    """
    nonce = secrets.token_bytes(12)
    header = {
        "version": _ENVELOPE,
        "kdf": "scrypt",
        "n": _SCRYPT_N,
        "r": 8,
        "p": 1,
        "salt": _b64(secrets.token_bytes(16)),
        "nonce": _b64(nonce),
        "publicKeyMultibase": encode_public(key.public_key()),
    }
    cipher = ChaCha20Poly1305(_derive(header, passphrase))
    locked = cipher.encrypt(nonce, key.private_bytes_raw(), canonical(header))
    return json.dumps({**header, "ciphertext": _b64(locked)}, indent=1).encode("ascii") + b"\n"


def open_key(content: bytes, passphrase: str) -> Ed25519PrivateKey:
    """Unlock a private key.

    Raises:
        KeyProblem: no key file, an altered one, or the wrong passphrase.
    """
    try:
        envelope = read_object(content, max_bytes=10_000)
        locked = _unb64(envelope.pop("ciphertext"))
        cipher = ChaCha20Poly1305(_derive(envelope, passphrase))
        raw = cipher.decrypt(_unb64(envelope["nonce"]), locked, canonical(envelope))
        key = Ed25519PrivateKey.from_private_bytes(raw)
    except InvalidTag:
        raise KeyProblem("key.wrong_passphrase") from None
    except (CertificateProblem, KeyError, TypeError, ValueError, AttributeError):
        raise KeyProblem("key.broken_envelope") from None
    return key


def did_document(did: str, keys: Iterable[PublicKey]) -> Document:
    """Write a party's DID document; retired keys stay listed, or old certificates would break elsewhere."""
    known = list(keys)
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [_method(did, key) for key in known],
        "assertionMethod": [key.id for key in known],
    }


def did_web(host: str, port: int | None = None) -> str:
    """Return the `did:web` of a host.

    Source: did:web method, "percent encode the port's colon".
    """
    return f"did:web:{host}" if port is None else f"did:web:{host}%3A{port}"


def key_id(did: str, key: Ed25519PublicKey) -> str:
    """Return the identifier under which a party shows a key: its DID and the key itself as fragment."""
    return f"{did}#{encode_public(key)}"


def _method(did: str, key: PublicKey) -> Document:
    method = {"id": key.id, "type": "Multikey", "controller": did, "publicKeyMultibase": key.multibase}
    return method if key.retired_at is None else {**method, "retiredAt": write_time(key.retired_at)}


def _derive(header: Document, passphrase: str) -> bytes:
    n, r, p = header["n"], header["r"], header["p"]
    if header["version"] != _ENVELOPE or header["kdf"] != "scrypt":
        raise KeyProblem("key.broken_envelope")
    if not _SCRYPT_N <= n <= _SCRYPT_MOST or (r, p) != (8, 1):
        raise KeyProblem("key.broken_envelope")
    scrypt = Scrypt(salt=_unb64(header["salt"]), length=_KEY_BYTES, n=n, r=r, p=p)
    return scrypt.derive(passphrase.encode("utf-8"))


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
