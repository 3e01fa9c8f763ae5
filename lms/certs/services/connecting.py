"""Applications that read certificates for their holder: registered, let in, kept in, ended."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from lms.accounts.core.secrets import secret_hash
from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.core.open_badges import OFFLINE
from lms.certs.core.registration import split_scope
from lms.certs.core.strict_json import Document
from lms.certs.models import Application, Connection, ConnectionToken
from lms.certs.queries import connections as queries
from lms.errors import NotFound

CODE = timedelta(minutes=2)
ACCESS_SECONDS = 3600
ONCE = timedelta(seconds=ACCESS_SECONDS) + CODE
LASTING = timedelta(days=90)
"""How long an application goes on without the holder's being asked again."""
UNUSED = timedelta(days=7)
"""After this an application that nobody ever connected is forgotten."""
MOST_UNCONNECTED = 2_000
"""So many of them are kept at most; the oldest go first."""
REMEMBERED = timedelta(days=7)
"""How long a replaced token is recognised as one."""
BETWEEN_NOTES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an application asks of a holder: which scopes, answered where, proved by which challenge."""

    scope: str
    redirect_uri: str
    challenge: str


def register(
    session: Session, registered: Document, *, client_id: str, secret: str, at: datetime
) -> Application:
    """Keep an application that registered itself; of those that nobody connected the oldest are forgotten."""
    _forget_unconnected(session, at)
    made = Application(
        client_id=client_id, secret_hash=secret_hash(secret), registered=registered, created_at=at
    )
    session.add(made)
    session.flush()
    return made


def _forget_unconnected(session: Session, at: datetime) -> None:
    one = aliased(Application)
    unconnected = select(one.id).where(~exists().where(Connection.application_id == one.id))
    newest = unconnected.order_by(one.created_at.desc(), one.id.desc())
    too_many = newest.offset(MOST_UNCONNECTED - 1)
    too_old = unconnected.where(one.created_at < at - UNUSED)
    for gone in (too_old, too_many):
        session.execute(
            delete(Application).where(Application.id.in_(gone)),
            execution_options={"synchronize_session": False},
        )


def has_secret(application: Application, secret: str) -> bool:
    """Say whether this is the application's secret."""
    return secrets.compare_digest(application.secret_hash, secret_hash(secret))


def ends_at(scope: str, at: datetime) -> datetime:
    """Return until when an application may read that is let in now."""
    return at + (LASTING if OFFLINE in split_scope(scope) else ONCE)


def approve(
    session: Session, actor: User, application: Application, wish: Wish, *, code: str, at: datetime
) -> Connection:
    """Let an application in, as its holder just agreed; the code is good for one exchange.

    What this holder agreed to before, and no application ever fetched, is forgotten.
    """
    idle = (Connection.code_used_at.is_(None), Connection.code_ends_at < at)
    session.execute(delete(Connection).where(Connection.user_id == actor.id, *idle))
    made = Connection(
        application_id=application.id,
        user_id=actor.id,
        subject=queries.subject_of(session, application, actor) or str(uuid4()),
        scope=wish.scope,
        redirect_uri=wish.redirect_uri,
        challenge=wish.challenge,
        code_hash=secret_hash(code),
        code_ends_at=at + CODE,
        session_hash=secret_hash(actor.session_token),
        created_at=at,
        ends_at=ends_at(wish.scope, at),
    )
    session.add(made)
    session.flush()
    record(session, actor, "certificate.connected", f"connection:{made.id}", application=application.id)
    return made


def use_code(session: Session, connection: Connection, *, at: datetime) -> bool:
    """Use up a code; says whether it was still there to be used."""
    unused = (Connection.id == connection.id, Connection.code_used_at.is_(None))
    done = update(Connection).where(*unused).values(code_used_at=at).returning(Connection.id)
    return session.scalar(done.execution_options(synchronize_session="fetch")) is not None


def keep_tokens(
    session: Session, connection: Connection, *, access: str, refresh: str | None, scope: str, at: datetime
) -> ConnectionToken:
    """Keep the hashes of what an application was just given."""
    made = ConnectionToken(
        connection_id=connection.id,
        access_hash=secret_hash(access),
        refresh_hash=None if refresh is None else secret_hash(refresh),
        scope=scope,
        created_at=at,
        ends_at=min(at + timedelta(seconds=ACCESS_SECONDS), connection.ends_at),
    )
    session.add(made)
    session.flush()
    return made


def replace(session: Session, token: ConnectionToken, *, at: datetime) -> bool:
    """Put a token out of use, as the next one is there; says whether it was still in use."""
    long_ago = (
        ConnectionToken.connection_id == token.connection_id,
        ConnectionToken.replaced_at < at - REMEMBERED,
    )
    session.execute(delete(ConnectionToken).where(*long_ago))
    in_use = (ConnectionToken.id == token.id, ConnectionToken.replaced_at.is_(None))
    done = update(ConnectionToken).where(*in_use).values(replaced_at=at).returning(ConnectionToken.id)
    return session.scalar(done.execution_options(synchronize_session="fetch")) is not None


def end(session: Session, actor: User, connection_id: int, *, at: datetime) -> Connection:
    """Withdraw what a holder let an application do; withdrawing it again changes nothing.

    Raises:
        NotFound: there is none.
        NotAllowed: it is another holder's.
    """
    connection = session.get(Connection, connection_id)
    if connection is None:
        raise NotFound
    policy.check_can_end_connection(actor, connection)
    _end(session, connection_id, actor, "certificate.disconnected", at)
    return connection


def end_by_application(session: Session, token: ConnectionToken, *, whole: bool, at: datetime) -> None:
    """Let an application give back what it was given: all of it, or the one token to read with."""
    if whole:
        _end(session, token.connection_id, None, "certificate.connection_returned", at)
    elif token.ends_at > at:
        token.ends_at = at


def end_misused(session: Session, connection_id: int, *, at: datetime) -> None:
    """End a connection of which a code or token was shown twice: somebody else may have it."""
    _end(session, connection_id, None, "certificate.connection_misused", at)


def note_use(session: Session, connection_id: int, *, at: datetime) -> None:
    """Note that an application read something."""
    lately = or_(Connection.last_used_at.is_(None), Connection.last_used_at <= at - BETWEEN_NOTES)
    session.execute(update(Connection).where(Connection.id == connection_id, lately).values(last_used_at=at))


def _end(session: Session, connection_id: int, actor: User | None, action: str, at: datetime) -> None:
    """End it once. The first statement writes: who only reads first may not write any more on SQLite."""
    lasting = (Connection.id == connection_id, Connection.withdrawn_at.is_(None))
    ending = update(Connection).where(*lasting).values(withdrawn_at=at).returning(Connection.application_id)
    application_id = session.scalar(ending.execution_options(synchronize_session="fetch"))
    if application_id is not None:
        record(session, actor, action, f"connection:{connection_id}", application=application_id)
