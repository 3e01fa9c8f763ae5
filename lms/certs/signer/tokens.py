"""Keys that never leave a PKCS #11 token: a smart card, a hardware security module, or SoftHSM for tests.

The extra `[signer-hsm]` brings the library; the token's own module comes from its maker.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lms.certs.core.problems import KeyProblem
from lms.certs.core.strict_json import Document

_ED25519 = b"\x06\x03\x2b\x65\x70"  # the object identifier 1.3.101.112
_KEY_BYTES = 32


class TokenKey:
    """Sign with an Ed25519 key in a token; a session that was lost is opened again once."""

    def __init__(self, place: Document, pin: str) -> None:
        self._place = place
        self._pin = pin
        self._turn = threading.Lock()
        self._key: Any = None
        with _problems():
            self._public = self._open()

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature: 64 bytes.

        Raises:
            KeyProblem: the token does not sign.
        """
        pkcs11 = _library()
        with self._turn, _problems():
            try:
                return bytes(self._key.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
            except pkcs11.PKCS11Error:
                self._open()
                return bytes(self._key.sign(data, mechanism=pkcs11.Mechanism.EDDSA))

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half."""
        return self._public

    def _open(self) -> Ed25519PublicKey:
        pkcs11 = _library()
        session = _session(self._place, self._pin)
        label = self._place["label"]
        self._key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        return _public(session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label))


def make_token_key(place: Document, pin: str) -> TokenKey:
    """Make an Ed25519 key pair in a token, unless one of this label is there.

    Raises:
        KeyProblem: the token cannot be used.
    """
    pkcs11 = _library()
    with _problems(), _session(place, pin, rw=True) as session:
        kind, label = pkcs11.Attribute.CLASS, pkcs11.Attribute.LABEL
        wanted = {kind: pkcs11.ObjectClass.PRIVATE_KEY, label: place["label"]}
        if not list(session.get_objects(wanted)):
            curve = session.create_domain_parameters(
                pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: _ED25519}, local=True
            )
            curve.generate_keypair(
                mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=place["label"]
            )
    return TokenKey(place, pin)


def read_pin(folder: Path) -> str:
    """Return the token's PIN: the file `pin` in the folder, or the service's own credential.

    Raises:
        KeyProblem: there is none.
    """
    places = [folder / "pin"]
    if "CREDENTIALS_DIRECTORY" in os.environ:  # systemd's LoadCredential=pin:…
        places.append(Path(os.environ["CREDENTIALS_DIRECTORY"]) / "pin")
    for place in places:
        if place.exists():
            return place.read_text(encoding="utf-8").strip()
    raise KeyProblem("key.no_pin")


@contextmanager
def _problems() -> Iterator[None]:
    """Say whatever a token complains of as a problem of the key."""
    try:
        yield
    except (_library().PKCS11Error, OSError, RuntimeError) as problem:
        raise KeyProblem("key.token", reason=type(problem).__name__) from None


def _library() -> Any:
    try:
        return import_module("pkcs11")
    except ImportError:
        raise KeyProblem("key.token", reason="pip install '.[signer-hsm]'") from None


def _session(place: Document, pin: str, *, rw: bool = False) -> Any:
    """Open a session; a process is signed in to a token once, whatever sessions it has."""
    pkcs11 = _library()
    token = pkcs11.lib(place["module"]).get_token(token_label=place["token"])
    try:
        return token.open(rw=rw, user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=rw)


def _public(key: Any) -> Ed25519PublicKey:
    point = bytes(key[_library().Attribute.EC_POINT])
    return Ed25519PublicKey.from_public_bytes(point[-_KEY_BYTES:])  # some wrap it as an octet string
