"""Reads of applications, of what holders let them do, and of what they may have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from lms.accounts.core.secrets import secret_hash
from lms.accounts.models import User
from lms.certs.models import Application, Connection, ConnectionToken, Credential
from lms.courses.models import Enrolment

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """One page of what a holder connected."""

    rows: Sequence[Connection]
    number: int
    count: int


def application(session: Session, client_id: str) -> Application | None:
    """Return the application of this identifier."""
    return session.scalars(select(Application).where(Application.client_id == client_id)).one_or_none()


def connection_of_code(session: Session, code: str) -> Connection | None:
    """Return for what a code was given out, used or not."""
    return session.scalars(select(Connection).where(Connection.code_hash == secret_hash(code))).one_or_none()


def token_of_access(session: Session, secret: str) -> ConnectionToken | None:
    """Return the token that an application reads with, over or not."""
    return _token(session, secret, ConnectionToken.access_hash == secret_hash(secret))


def token_of_refresh(session: Session, secret: str) -> ConnectionToken | None:
    """Return the token that an application goes on with, replaced or not."""
    return _token(session, secret, ConnectionToken.refresh_hash == secret_hash(secret))


def connections_of(session: Session, user: User, number: int = 1) -> ConnectionPage:
    """Return one page of what a holder connected, the newest first; a code nobody used is no connection."""
    used = (Connection.user_id == user.id, Connection.code_used_at.is_not(None))
    total = session.scalar(select(func.count(Connection.id)).where(*used)) or 0
    count = max(1, -(-total // PER_PAGE))
    number = min(max(number, 1), count)
    page = select(Connection).where(*used).order_by(Connection.id.desc())
    page = page.offset((number - 1) * PER_PAGE).limit(PER_PAGE)
    along = (joinedload(Connection.application), joinedload(Connection.user))
    return ConnectionPage(session.scalars(page.options(*along)).all(), number, count)


def subject_of(session: Session, application: Application, user: User) -> str | None:
    """Return how an application knows a holder, if they have met."""
    met = (Connection.application_id == application.id, Connection.user_id == user.id)
    return session.scalars(select(Connection.subject).where(*met).order_by(Connection.id).limit(1)).first()


def credentials_of(session: Session, user_id: int, since: datetime | None) -> list[Credential]:
    """Return a holder's certificates issued after a moment, the oldest first.

    Withdrawn ones are among them, as their status list tells; erased ones are not.
    """
    found = session.scalars(
        select(Credential)
        .join(Credential.enrolment)
        .options(contains_eager(Credential.enrolment))
        .where(Enrolment.user_id == user_id)
        .order_by(Credential.issued_at, Credential.id)
    )
    return [one for one in found if "id" in one.document and (since is None or one.issued_at > since)]


def _token(session: Session, secret: str, named: ColumnElement[bool]) -> ConnectionToken | None:
    return session.scalars(select(ConnectionToken).where(named)).one_or_none() if secret else None
