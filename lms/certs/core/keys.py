"""Ed25519 keys: their public form, the sealed file that keeps them, and the DID document that shows them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import base58
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lms.certs.core.problems import KeyProblem
from lms.certs.core.strict_json import Document
from lms.certs.core.times import write_time

if TYPE_CHECKING:
    from lms.certs.core.envelope import Lock

_BASE58 = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{0,127}")
_PUBLIC_PREFIX = b"\xed\x01"
_SECRET_PREFIX = b"\x80\x26"
_P256_PREFIX = b"\x80\x24"  # multicodec p256-pub
_P256_BYTES = 33
_KEY_BYTES = 32


class KeyUse(StrEnum):
    """Say what a party's key is for; one in another's place is refused."""

    ISSUING = "issuing"
    """Certificates and endorsements."""
    OPERATIONAL = "operational"
    """Status lists, tree heads, revocation notices: always online."""
    PDF = "pdf"
    """Signatures of the paper twin; P-256."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Name one verification method of a party.

    `retired_at` ends its use for new proofs in good order; from `compromised_at` on others may have had it.
    """

    id: str
    multibase: str
    retired_at: datetime | None = None
    use: KeyUse = KeyUse.ISSUING
    compromised_at: datetime | None = None


class SigningKey(Protocol):
    """Sign bytes with Ed25519, wherever the private key lies."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature: 64 bytes."""

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half."""


def generate() -> Ed25519PrivateKey:
    """Make a new private key."""
    return Ed25519PrivateKey.generate()


def encode_public(key: Ed25519PublicKey) -> str:
    """Write a public key as a Multikey.

    Source: W3C Controlled Identifiers 1.0, Multikey.
    """
    return "z" + base58.b58encode(_PUBLIC_PREFIX + key.public_bytes_raw()).decode("ascii")


@lru_cache(maxsize=64)
def decode_public(multibase: str) -> Ed25519PublicKey:
    """Read a Multikey.

    Raises:
        KeyProblem: it is not the one canonical spelling of an Ed25519 public key.
    """
    raw = decode_base58(multibase)
    if raw is None or len(raw) != len(_PUBLIC_PREFIX) + _KEY_BYTES or not raw.startswith(_PUBLIC_PREFIX):
        raise KeyProblem("key.not_a_multikey", key=multibase[:80])
    return Ed25519PublicKey.from_public_bytes(raw.removeprefix(_PUBLIC_PREFIX))


def encode_p256(key: EllipticCurvePublicKey) -> str:
    """Write a P-256 key as a Multikey: `z`, base58btc of the two-byte prefix and the compressed point."""
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return "z" + base58.b58encode(_P256_PREFIX + point).decode("ascii")


def decode_p256(multibase: str) -> EllipticCurvePublicKey:
    """Read a P-256 key as a Multikey: its compressed point.

    Raises:
        KeyProblem: it is not the one canonical spelling of such a key.
    """
    raw = decode_base58(multibase)
    if raw is None or len(raw) != len(_P256_PREFIX) + _P256_BYTES or not raw.startswith(_P256_PREFIX):
        raise KeyProblem("key.not_a_p256_multikey", key=multibase[:80])
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw.removeprefix(_P256_PREFIX))
    except ValueError:
        raise KeyProblem("key.not_a_p256_multikey", key=multibase[:80]) from None


def decode_secret(multibase: str) -> Ed25519PrivateKey:
    """Read a secret Multikey, as the vectors of the standards carry them."""
    raw = decode_base58(multibase)
    if raw is None or len(raw) != len(_SECRET_PREFIX) + _KEY_BYTES or not raw.startswith(_SECRET_PREFIX):
        raise KeyProblem("key.not_a_multikey", key="…")
    return Ed25519PrivateKey.from_private_bytes(raw.removeprefix(_SECRET_PREFIX))


def decode_base58(multibase: str) -> bytes | None:
    """Read `z` + base58btc; None where it is not the canonical spelling of any bytes."""
    # Every text of these letters is the one spelling of its bytes.
    return base58.b58decode(multibase[1:]) if _BASE58.fullmatch(multibase) else None


def seal_key(key: Ed25519PrivateKey, passphrase: "str | Lock") -> bytes:
    """Lock a private key into a file's content.

    The file is JSON; its open fields are bound to the locked ones.
    """
    lock = _lock(passphrase)
    return lock.seal(key.private_bytes_raw(), {"publicKeyMultibase": encode_public(key.public_key())})


def open_key(content: bytes, passphrase: "str | Lock") -> Ed25519PrivateKey:
    """Unlock a private key.

    Raises:
        KeyProblem: no key file, an altered one, or the wrong passphrase.
    """
    lock = _lock(passphrase)
    try:
        return Ed25519PrivateKey.from_private_bytes(lock.open(content))
    except ValueError:
        raise KeyProblem("key.broken_envelope") from None


def _lock(passphrase: "str | Lock") -> "Lock":
    from lms.certs.core.envelope import Lock  # noqa: PLC0415 - slow to load, and no verifier has a private key

    return passphrase if isinstance(passphrase, Lock) else Lock(passphrase)


def did_document(did: str, keys: Iterable[PublicKey]) -> Document:
    """Write a party's DID document; retired keys stay listed, or old certificates would break elsewhere."""
    known = list(keys)
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [_method(did, key) for key in known],
        "assertionMethod": [key.id for key in known if key.use is not KeyUse.PDF],
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
