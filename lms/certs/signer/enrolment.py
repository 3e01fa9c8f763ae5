"""An issuing key that lives in a signatory's browser: begun by a command, registered from the page.

The private half is made by the browser, which lends it to nobody, and never comes here. `enrolment.json`
holds the hash of the one-time code and until when it is good; it goes once a key is registered with it.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature

from lms.certs.core.keys import KeyUse, decode_base58, decode_public
from lms.certs.core.mandate import Mandate, Refusal
from lms.certs.core.problems import MISSHAPEN, KeyProblem
from lms.certs.core.strict_json import canonical, read_object
from lms.certs.core.times import read_time, write_time
from lms.certs.core.trust import Role
from lms.certs.signer.files import replace_private
from lms.certs.signer.keyring import ENROLMENT, KeyEntry, read_register, replace_current

CODE_LASTS = timedelta(hours=24)
STATEMENT = "BrowserKeyEnrolment"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is taken for another
_CODE_LETTERS, _GROUP = 20, 5


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """Hold what a browser sends to register its key."""

    code: str
    multibase: str
    token: str
    """Of the session in which it is sent: part of what is signed, so that it is of no use elsewhere."""
    signature: str
    """Over the statement, by the new key: who registers it has it."""


def check_may_sign_in_browser(role: Role) -> None:
    """Refuse what a page cannot sign: the university's proof is over RDF.

    Raises:
        Refusal: the organisation is the university.
    """
    if role is not Role.COMPANY:
        raise Refusal("signer.browser_university")


def begin_enrolment(folder: Path, role: Role, now: datetime) -> str:
    """Let one browser register a key; return the one-time code. A code given out before ends.

    Raises:
        Refusal: the organisation is the university.
    """
    check_may_sign_in_browser(role)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
    content = {"code": _hash(letters), "until": write_time(now + CODE_LASTS)}
    replace_private(folder / ENROLMENT, json.dumps(content).encode("ascii") + b"\n")
    return "-".join(letters[at : at + _GROUP] for at in range(0, _CODE_LETTERS, _GROUP))


def is_open(folder: Path, now: datetime) -> bool:
    """Tell whether there is a code with which a key can be registered now."""
    return bool(_wanted(folder, now))


def register(folder: Path, mandate: Mandate, asked: Enrolment, by: str, now: datetime) -> KeyEntry:
    """Let a browser's key take over as issuing key; the code is used up, the key before it retired.

    Raises:
        Refusal: the university's, a wrong or old code, or a signature that is not the key's.
        KeyProblem: no Ed25519 key, or one that was in use before.
    """
    check_may_sign_in_browser(mandate.role)
    wanted = _wanted(folder, now)
    if not wanted or not hmac.compare_digest(_hash(asked.code), wanted):
        raise Refusal("signer.enrolment_code")
    _check_possession(mandate.did, asked)
    if any(entry.multibase == asked.multibase for entry in read_register(folder)):
        raise KeyProblem("key.used_before", label=asked.multibase)
    fresh = KeyEntry(use=KeyUse.ISSUING, multibase=asked.multibase, created_at=now, browser={"by": by})
    replace_current(folder, fresh, now)
    return fresh


def statement(did: str, multibase: str, token: str) -> bytes:
    """Return what a browser signs with a new key; it begins like no proof's input, and is longer."""
    said = {"type": STATEMENT, "did": did, "publicKeyMultibase": multibase, "token": token}
    return canonical(said)


def _check_possession(did: str, asked: Enrolment) -> None:
    key, signature = decode_public(asked.multibase), decode_base58(asked.signature)
    try:
        key.verify(signature or b"", statement(did, asked.multibase, asked.token))
    except InvalidSignature:
        raise Refusal("signer.enrolment_signature") from None


def _wanted(folder: Path, now: datetime) -> str:
    """Return the hash of the code that is good now; empty: there is none."""
    path = folder / ENROLMENT
    try:
        known = read_object(path.read_bytes()) if path.exists() else {}
        return str(known["code"]) if known and now < read_time(known["until"]) else ""
    except MISSHAPEN:
        raise KeyProblem("key.broken_envelope") from None


def _hash(code: str) -> str:
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()
