"""Share links: made and withdrawn by the holder, used by whoever was given one."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.models import ShareLink
from lms.certs.queries import credentials as queries
from lms.certs.queries import share_links
from lms.errors import N_, Conflict, Invalid, NotFound

DAYS = (1, 7, 30, 90)
MOST_OPEN = 50
LONGEST_LABEL = 80
BETWEEN_NOTES = timedelta(minutes=1)
"""How exactly it is noted when a link was last used: not every visit is worth a write."""
_SECRET_BYTES = 16  # 128 random bits


def share(session: Session, actor: User, uuid: str, *, days: int, label: str, at: datetime) -> ShareLink:
    """Make a link that shows a certificate for so many days; only its holder can.

    Raises:
        Invalid: a time or a note that is not offered.
        Conflict: too many links are open.
    """
    credential = queries.credential(session, uuid)
    policy.check_can_share(actor, credential)
    if days not in DAYS:
        raise Invalid(N_("Choose one of the times that are offered."), field="days")
    label = " ".join(label.split())
    if len(label) > LONGEST_LABEL:
        raise Invalid(N_("Note it in at most %(limit)d characters."), field="label", limit=LONGEST_LABEL)
    if share_links.count_open(session, credential, at) >= MOST_OPEN:
        raise Conflict(N_("%(limit)d links are open. End some of them first."), limit=MOST_OPEN)
    link = ShareLink(
        credential_id=credential.id,
        secret=secrets.token_urlsafe(_SECRET_BYTES),
        label=label,
        created_at=at,
        ends_at=at + timedelta(days=days),
    )
    session.add(link)
    session.flush()
    record(session, actor, "certificate.shared", f"credential:{credential.id}", link=link.id, days=days)
    return link


def end(session: Session, actor: User, link_id: int, *, at: datetime) -> ShareLink:
    """Withdraw a link; withdrawing it again changes nothing.

    Raises:
        NotFound: there is none.
        NotAllowed: it is another holder's.
    """
    link = session.get(ShareLink, link_id)
    if link is None:
        raise NotFound
    policy.check_can_share(actor, link.credential)
    if link.withdrawn_at is None:
        link.withdrawn_at = at
        record(session, actor, "certificate.share_ended", f"credential:{link.credential_id}", link=link.id)
    return link


def note_use(session: Session, link_id: int, *, at: datetime) -> None:
    """Note that somebody opened a link."""
    lately = or_(ShareLink.last_used_at.is_(None), ShareLink.last_used_at <= at - BETWEEN_NOTES)
    session.execute(update(ShareLink).where(ShareLink.id == link_id, lately).values(last_used_at=at))
