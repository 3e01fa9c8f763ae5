"""Tokens with which a program checks many certificates in somebody's name.

A token is not kept: it is signed with the installation's key and names an account and its present password's
session. It ends after its time, with a new password, and when the account is disabled.
"""

import hashlib

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import N_, NotAllowed

DAYS = 90
_SECONDS = DAYS * 24 * 3600
_SALT = "certs.verify-many"


def make_token(user: User, key: str) -> str:
    """Return a token for a person; nothing but this answer holds it.

    Args:
        user: in whose name the program asks.
        key: of this installation.
    """
    return URLSafeTimedSerializer(key, salt=_SALT).dumps([user.id, _session(user)])


def person_of(session: Session, token: str, key: str) -> User:
    """Return whose token this is.

    Raises:
        NotAllowed: it is none, too old, of a closed account, or from before the present password.
    """
    try:
        user_id, token_session = URLSafeTimedSerializer(key, salt=_SALT).loads(token, max_age=_SECONDS)
    except (BadData, TypeError, ValueError):
        user_id, token_session = 0, ""
    user = session.get(User, user_id)
    if user is None or not user.is_active or token_session != _session(user):
        raise NotAllowed(
            N_("The token is missing, wrong or too old. Make a new one on the page for many certificates.")
        )
    return user


def _session(user: User) -> str:
    return hashlib.sha256(user.session_token.encode()).hexdigest()[:16]
