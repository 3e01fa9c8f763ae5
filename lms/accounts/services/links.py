"""Links that work once: made here, used here."""

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from lms.accounts import queries
from lms.accounts.core.secrets import new_secret, secret_hash
from lms.accounts.models import LinkPurpose, Organisation, Role, SingleUseLink, User
from lms.db import now
from lms.errors import NotFound

LIFETIMES = {
    LinkPurpose.CONFIRM: timedelta(days=3),
    LinkPurpose.RESET: timedelta(hours=1),
    LinkPurpose.INVITE: timedelta(days=14),
}


def make_link(
    session: Session,
    purpose: LinkPurpose,
    email: str,
    *,
    user: User | None = None,
    invited_to: tuple[Organisation, Role] | None = None,
    actor: User | None = None,
) -> str:
    """Make a link for an address; return its secret, which is kept nowhere."""
    secret = new_secret()
    organisation, role = invited_to or (None, None)
    session.add(
        SingleUseLink(
            token_hash=secret_hash(secret),
            purpose=purpose,
            user_id=user.id if user else None,
            email=email,
            organisation_id=organisation.id if organisation else None,
            role=role,
            created_by_id=actor.id if actor else None,
            created_at=now(),
            expires_at=now() + LIFETIMES[purpose],
        )
    )
    session.flush()
    return secret


def use_link(session: Session, secret: str, purpose: LinkPurpose) -> SingleUseLink:
    """Use a link up; of two who try at the same time one succeeds.

    Raises:
        NotFound: there is no such link, it was used, or it is too old.
    """
    link = queries.open_link(session, secret, purpose)
    using = update(SingleUseLink).where(SingleUseLink.id == link.id, SingleUseLink.used_at.is_(None))
    if session.execute(using.values(used_at=now()).returning(SingleUseLink.id)).first() is None:
        raise NotFound(queries.LINK_GONE)
    return link


def end_links(session: Session, user: User, purpose: LinkPurpose) -> None:
    """End all open links of a purpose that a user has."""
    session.execute(
        update(SingleUseLink)
        .where(
            SingleUseLink.user_id == user.id,
            SingleUseLink.purpose == purpose,
            SingleUseLink.used_at.is_(None),
        )
        .values(used_at=now())
    )
