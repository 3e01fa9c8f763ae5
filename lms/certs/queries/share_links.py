"""Reads of share links: a certificate's own, and the one behind an address."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from lms.certs.models import Credential, ShareLink
from lms.errors import N_, NotFound

_ADDRESS = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


def links_of(session: Session, credential: Credential) -> Sequence[ShareLink]:
    """Return a certificate's links, the newest first."""
    mine = ShareLink.credential_id == credential.id
    return session.scalars(select(ShareLink).where(mine).order_by(ShareLink.id.desc())).all()


def count_open(session: Session, credential: Credential, at: datetime) -> int:
    """Return how many links of a certificate lead somewhere now."""
    is_open = (ShareLink.credential_id == credential.id, *_open(at))
    return session.scalars(select(func.count()).select_from(ShareLink).where(*is_open)).one()


def shared(session: Session, secret: str, at: datetime) -> ShareLink:
    """Return the link of this address.

    Raises:
        NotFound: there is none, or it has ended: which of both is not told.
    """
    found = None
    if _ADDRESS.fullmatch(secret):
        wanted = (ShareLink.secret == secret, *_open(at))
        found = session.scalars(select(ShareLink).where(*wanted)).one_or_none()
    if found is None:
        raise NotFound(N_("This link leads nowhere, or its time is over. Ask the holder for a new one."))
    return found


def _open(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (ShareLink.ends_at > at, ShareLink.withdrawn_at.is_(None))
