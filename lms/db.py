"""The database: base class, naming convention, column types, engine, clock."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary, finalize

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    MetaData,
    String,
    create_engine,
    event,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

BUSY_TIMEOUT_MS = 10_000  # how long a writer waits for SQLite's single writer before it gives up
QUIET = "duri.quiet"  # in `Session.info`: nothing that it commits changes what others are shown
MOST_KEPT = 20  # connections of one process: more than its threads, as opening one costs more than a page


class Base(DeclarativeBase):
    """Parent of all tables; names every constraint so that migrations can name it too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored as UTC on every database; naive times are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; convert an aware one to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware UTC time."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Document = JSON  # a JSON document that is read and written whole


def enum_column(enum: type[StrEnum]) -> Enum:
    """Store a StrEnum by value, with a CHECK constraint instead of a database type."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda kind: [member.value for member in kind],
        length=40,
        name=_snake(enum.__name__),
    )


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


Sha256 = String(64)  # lower-case hexadecimal

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def make_engine(url: str) -> Engine:
    """Open the database at `url`; SQLite gets WAL, foreign keys and real transactions.

    The driver's own transaction handling on Python 3.11 begins too late for savepoints and read
    consistency, so two listeners switch it off and emit BEGIN.
    """
    engine = create_engine(url, pool_size=MOST_KEPT)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        turns = _Turns()
        event.listen(engine, "begin", turns.begin)
        event.listen(engine, "commit", turns.end)
        event.listen(engine, "rollback", turns.end)
    return engine


def _prepare_sqlite(connection: Any, record: ConnectionPoolEntry) -> None:
    del record
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a receipt given is a receipt kept, also through a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


class _Turns:
    """Begins transactions on SQLite; writers of one process wait for each other here and not at the file.

    SQLite lets them look again after ever longer pauses, up to a tenth of a second: eight threads of a web
    server would spend more time in those than in writing. Other processes are still waited for at the file.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._giving_back: WeakKeyDictionary[Connection, finalize[..., Connection]] = WeakKeyDictionary()

    def begin(self, connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "")
        if mode:
            if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
                raise OperationalError(f"BEGIN {mode}", None, sqlite3.OperationalError("database is locked"))
            # Given back also if the connection is forgotten.
            self._giving_back[connection] = finalize(connection, self._turn.release)
        try:
            connection.exec_driver_sql(f"BEGIN {mode}".strip())
        except BaseException:
            self.end(connection)
            raise

    def end(self, connection: Connection) -> None:
        """Let the next one begin: it may look at the file a moment before this one has left it."""
        give_back = self._giving_back.pop(connection, None)
        if give_back is not None:
            give_back()


def make_sessions(engine: Engine, *, writing: bool = False) -> sessionmaker[Session]:
    """Return the factory of sessions; rows stay readable after a commit.

    With `writing` a transaction on SQLite begins as a writer's: one that has read and then wants to write
    is refused at once if another wrote meanwhile, while a writer waits for its turn.
    """
    bound = engine.execution_options(sqlite_begin="IMMEDIATE") if writing else engine
    return sessionmaker(bound, expire_on_commit=False)


def reading(sessions: sessionmaker[Session]) -> Session:
    """Return a session that only reads: on SQLite it leaves the one writer's place to others."""
    return sessions(bind=sessions.kw["bind"].execution_options(sqlite_begin=""))


def learn_sizes(session: Session, *tables: type[Base]) -> None:
    """Let PostgreSQL look at tables that have just been filled.

    It does so by itself a minute later; until then it plans as if they were empty, and reads a whole table
    where an index has the row. Who does the same meanwhile waits until this transaction ends.
    """
    if session.get_bind().dialect.name == "postgresql":
        names = ", ".join(table.__tablename__ for table in tables)
        session.connection().exec_driver_sql(f"ANALYZE {names}")
