"""Passwords, addresses and the secrets of single-use links."""

import hashlib
import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

ADDRESS = re.compile(r"[\x21-\x3f\x41-\x7e]{1,64}@[a-z0-9.\-]{1,189}")
HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106, second choice (64 MiB)
NOBODY = HASHER.hash(secrets.token_urlsafe(32))
"""Verified against when there is no such account, so that the answer takes as long."""


def fold_email(email: str) -> str:
    """Return the one spelling under which an address is kept."""
    return email.strip().casefold()


def is_address(email: str) -> bool:
    """Say whether mail could be sent there: one @, something around it, nothing that cannot be typed."""
    return ADDRESS.fullmatch(fold_email(email)) is not None


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters."""
    return HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password is right; takes as long without an account or a hash."""
    try:
        HASHER.verify(password_hash or NOBODY, password)
    except InvalidHashError:
        is_password(password, NOBODY)
        return False
    except VerificationError:
        return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Say whether a hash was made with weaker parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


def new_secret() -> str:
    """Return a secret that cannot be guessed and fits in an address."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Return what is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
