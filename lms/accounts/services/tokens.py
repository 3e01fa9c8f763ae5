"""Tokens with which a program acts in somebody's name, each for one purpose only.

A token is not kept: it is signed with the installation's key and names an account and its present password's
session. It ends after its time, with a new password, and when the account is disabled.
"""

import hashlib
from enum import StrEnum

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import N_, NotKnown

DAYS = 90
_SECONDS = DAYS * 24 * 3600


class Purpose(StrEnum):
    """What a token is good for."""

    VERIFY_MANY = "certs.verify-many"
    BOARDS = "leaderboards.boards"


def make_token(user: User, purpose: Purpose, key: str) -> str:
    """Return a token for a person; nothing but this answer holds it.

    Args:
        user: in whose name the program asks.
        purpose: what it may do then.
        key: of this installation.
    """
    return URLSafeTimedSerializer(key, salt=purpose.value).dumps([user.id, _session(user)])


def person_of(session: Session, token: str, purpose: Purpose, key: str) -> User:
    """Return whose token this is.

    Raises:
        NotKnown: it is none, too old, of a closed account, or from before the present password.
    """
    try:
        user_id, token_session = URLSafeTimedSerializer(key, salt=purpose.value).loads(
            token, max_age=_SECONDS
        )
    except (BadData, TypeError, ValueError):
        user_id, token_session = 0, ""
    user = session.get(User, user_id)
    if user is None or not user.is_active or token_session != _session(user):
        raise NotKnown(
            N_("The token is missing, wrong or too old. Make a new one on the page where this one came from.")
        )
    return user


def _session(user: User) -> str:
    return hashlib.sha256(user.session_token.encode()).hexdigest()[:16]
