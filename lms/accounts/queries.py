"""Reads of accounts."""

from collections.abc import Iterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from lms.accounts.core.chain import Entry
from lms.accounts.core.secrets import fold_email, secret_hash
from lms.accounts.models import (
    AuditEvent,
    LinkPurpose,
    Membership,
    Organisation,
    OutgoingMail,
    SingleUseLink,
    User,
)
from lms.accounts.policy import can_administer
from lms.db import now
from lms.errors import N_, NotFound

LINK_GONE = N_("This link was used already or is too old. Ask for a new one.")


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


def administered_organisations(session: Session, user: User) -> list[Organisation]:
    """Return the organisations whose members a user may see and change."""
    found = session.scalars(select(Organisation).order_by(Organisation.kind, Organisation.slug))
    return [organisation for organisation in found if can_administer(user, organisation)]


def members(session: Session, organisation: Organisation, *, words: str = "") -> Sequence[Membership]:
    """Return who belongs to an organisation now, by role and name; `words` narrows to names or addresses."""
    query = (
        select(Membership)
        .join(Membership.user)
        .where(Membership.organisation_id == organisation.id, Membership.ended_at.is_(None))
        .options(joinedload(Membership.user))
        .order_by(Membership.role, User.name, User.id)
    )
    if words:
        query = query.where(
            User.name.icontains(words, autoescape=True) | User.email.icontains(words, autoescape=True)
        )
    return session.scalars(query).all()


def membership_of(session: Session, organisation: Organisation, membership_id: int) -> Membership:
    """Return a membership of this organisation.

    Raises:
        NotFound: it is none of this organisation.
    """
    found = session.get(Membership, membership_id)
    if found is None or found.organisation_id != organisation.id:
        raise NotFound(N_("There is no such member here. Reload the page."))
    return found


def open_link(session: Session, secret: str, purpose: LinkPurpose) -> SingleUseLink:
    """Return a link that can still be used.

    Raises:
        NotFound: there is no such link, it was used, or it is too old.
    """
    link = session.scalar(
        select(SingleUseLink).where(
            SingleUseLink.token_hash == secret_hash(secret), SingleUseLink.purpose == purpose
        )
    )
    if link is None or link.used_at is not None or link.expires_at <= now():
        raise NotFound(LINK_GONE)
    return link


def open_invitations(session: Session, organisation: Organisation) -> Sequence[SingleUseLink]:
    """Return the invitations of an organisation that nobody has accepted yet, newest first."""
    return session.scalars(
        select(SingleUseLink)
        .where(
            SingleUseLink.organisation_id == organisation.id,
            SingleUseLink.used_at.is_(None),
            SingleUseLink.expires_at > now(),
        )
        .order_by(SingleUseLink.id.desc())
    ).all()


def invitation_parties(session: Session, link: SingleUseLink) -> tuple[Organisation, User | None]:
    """Return the organisation of an invitation and who sent it.

    Raises:
        NotFound: the link is no invitation.
    """
    organisation = session.get(Organisation, link.organisation_id) if link.organisation_id else None
    if organisation is None:
        raise NotFound(LINK_GONE)
    return organisation, session.get(User, link.created_by_id) if link.created_by_id else None


def audit_entries(session: Session) -> Iterator[tuple[Entry, str]]:
    """Yield the audit log from its beginning, each entry with the hash stored beside it."""
    for event in session.scalars(select(AuditEvent).order_by(AuditEvent.id).execution_options(yield_per=500)):
        yield (
            Entry(
                number=event.id,
                at=event.at,
                actor_id=event.actor_id,
                action=event.action,
                subject=event.subject,
                details=event.details,
                previous_hash=event.previous_hash,
            ),
            event.hash,
        )


def audit_head(session: Session) -> AuditEvent | None:
    """Return the last row of the audit log."""
    return session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).first()


def audit_page(
    session: Session, *, page: int, page_rows: int, words: str = ""
) -> tuple[Sequence[AuditEvent], int]:
    """Return one page of the audit log, newest first, and how many rows fit `words` (action or subject)."""
    query = select(AuditEvent)
    if words:
        query = query.where(
            AuditEvent.action.icontains(words, autoescape=True)
            | AuditEvent.subject.icontains(words, autoescape=True)
        )
    count = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    rows = query.order_by(AuditEvent.id.desc()).limit(page_rows).offset((page - 1) * page_rows)
    return session.scalars(rows).all(), count


def recent_mails(session: Session, *, limit: int = 50) -> Sequence[OutgoingMail]:
    """Return the mails queued last, newest first."""
    return session.scalars(select(OutgoingMail).order_by(OutgoingMail.id.desc()).limit(limit)).all()
