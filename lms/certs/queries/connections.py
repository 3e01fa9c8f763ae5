"""Reads of applications, of what holders let them do, and of what they may have."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, contains_eager

from lms.accounts.core.secrets import secret_hash
from lms.accounts.models import User
from lms.certs.models import Application, Connection, ConnectionToken, Credential
from lms.courses.models import Enrolment


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


def connections_of(session: Session, user: User) -> Sequence[Connection]:
    """Return the applications that a holder connected, the newest first; a code nobody used is none."""
    used = (Connection.user_id == user.id, Connection.code_used_at.is_not(None))
    return session.scalars(select(Connection).where(*used).order_by(Connection.id.desc())).all()


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
