import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError, StatementError

from lms.accounts.models import User
from lms.db import make_engine, make_sessions
from lms.migrate import upgrade
from tests.factories.accounts import make_user


@pytest.fixture
def file(tmp_path: Path) -> Path:
    upgrade(f"sqlite:///{tmp_path / 'duri.db'}")
    return tmp_path / "duri.db"


def opened(file: Path) -> Engine:
    return make_engine(f"sqlite:///{file}")


def test_a_writer_has_its_turn_from_its_first_read_on(file: Path) -> None:
    engine = opened(file)
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    with make_sessions(engine, writing=True).begin() as session:
        assert session.scalars(select(User)).all() == []
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        make_user(session)
    with make_sessions(engine)() as session:
        session.scalars(select(User)).one()
        other.execute("BEGIN IMMEDIATE")  # a reader stands in nobody's way
        other.execute("ROLLBACK")
    other.close()
    engine.dispose()


def test_writers_of_one_process_take_turns_whatever_becomes_of_them(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.db.BUSY_TIMEOUT_MS", 50)
    engine = opened(file)
    writers = make_sessions(engine, writing=True)
    with pytest.raises(StatementError, match="naive"), writers.begin() as session:
        make_user(session).confirmed_at = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - must not get through
    with writers.begin() as session:
        make_user(session)
        with pytest.raises(OperationalError, match="locked"), writers.begin() as second:
            make_user(second)
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # another process
    with pytest.raises(OperationalError, match="locked"), writers.begin() as session:
        make_user(session)
    other.close()
    forgotten = writers()
    make_user(forgotten)
    del forgotten, session, second
    gc.collect()
    with writers.begin() as session:
        assert len(session.scalars(select(User)).all()) == 1
    engine.dispose()


def test_every_writer_of_many_threads_gets_its_turn(file: Path) -> None:
    engine = opened(file)
    writers = make_sessions(engine, writing=True)

    def write(number: int) -> None:
        with writers.begin() as session:
            make_user(session, email=f"p{number}@turns.example")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with make_sessions(engine)() as session:
        assert len(session.scalars(select(User)).all()) == 40
    engine.dispose()


def test_a_naive_time_is_refused_and_an_aware_one_comes_back_in_utc(file: Path) -> None:
    engine = opened(file)
    with make_sessions(engine)() as session:
        user = make_user(session)
        user.confirmed_at = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=9)))
        session.commit()
        session.expire_all()
        assert user.confirmed_at == datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
        user.confirmed_at = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - what must not get through
        with pytest.raises(StatementError, match="naive"):
            session.flush()
        session.rollback()
    engine.dispose()
