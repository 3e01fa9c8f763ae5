"""Reads of accounts."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.core.secrets import fold_email
from lms.accounts.models import Organisation, User
from lms.errors import N_, NotFound


def user_by_session_token(session: Session, token: str) -> User | None:
    """Return the user whose sessions carry `token`, unless the account is disabled."""
    return session.scalar(select(User).where(User.session_token == token, User.disabled_at.is_(None)))


def user_by_email(session: Session, email: str) -> User | None:
    """Return the user with this address."""
    return session.scalar(select(User).where(User.email == fold_email(email)))


def organisation_by_slug(session: Session, slug: str) -> Organisation:
    """Return the organisation with this short name.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(Organisation).where(Organisation.slug == slug))
    if found is None:
        raise NotFound(N_("There is no such organisation. Check the address."))
    return found
