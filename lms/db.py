"""The database: base class, naming convention, column types, engine, clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Engine, Enum, MetaData, String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

BUSY_TIMEOUT_MS = 10_000  # how long a writer waits for SQLite's single writer before it gives up


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


def make_engine(url: str, **options: Any) -> Engine:
    """Open the database at `url`; SQLite gets WAL, foreign keys and real transactions.

    The driver's own transaction handling on Python 3.11 begins too late for savepoints and read
    consistency, so two listeners switch it off and emit BEGIN.
    """
    engine = create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
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


def _begin_sqlite(connection: Any) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "")
    connection.exec_driver_sql(f"BEGIN {mode}".strip())


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
