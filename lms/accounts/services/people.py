"""Verbs of accounts: sign up, confirm, authenticate, change."""

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.core.secrets import fold_email, hash_password
from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.db import now
from lms.errors import N_, Conflict

NO_PASSWORD = "!"  # noqa: S105 - no argon2 hash: nothing verifies against it


def create_user(
    session: Session,
    actor: User | None,
    *,
    email: str,
    name: str,
    password: str | None = None,
    language: str = "ko",
    confirmed_at: datetime | None = None,
) -> User:
    """Make an account; without a password its owner sets one by the reset link.

    Raises:
        Conflict: the address has an account already.
    """
    address = fold_email(email)
    if session.scalar(select(User.id).where(User.email == address)):
        raise Conflict(N_("This address has an account already. Use another one."))
    user = User(
        email=address,
        password_hash=hash_password(password) if password else NO_PASSWORD,
        name=name.strip(),
        language=language,
        timezone="Asia/Seoul",
        session_token=secrets.token_urlsafe(32),
        created_at=now(),
        confirmed_at=confirmed_at,
        memberships=[],
    )
    session.add(user)
    session.flush()
    record(session, actor, "accounts.create", f"user:{user.id}")
    return user
