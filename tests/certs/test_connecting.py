"""Codes and tokens that several show at once, on databases whose connections really meet."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.certs.models import Connection
from lms.config import Settings
from lms.db import Base, make_engine, make_sessions
from tests.factories.accounts import make_user
from tests.factories.applications import Wallet

AT_ONCE = 4


@pytest.fixture
def file_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'duri.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["file_engine", pytest.param("postgres_engine", marks=pytest.mark.postgres)])
def sessions(request: pytest.FixtureRequest) -> sessionmaker[Session]:
    return make_sessions(request.getfixturevalue(request.param))


@pytest.fixture
def wallet(settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs) -> Wallet:
    app = create_app(settings, sessions=sessions, blobs=blobs)
    app.config.update(WTF_CSRF_ENABLED=False)
    browser = app.test_client()
    with sessions.begin() as session:
        token = make_user(session).session_token
    with browser.session_transaction() as cookie:
        cookie["_user_id"] = token
    return Wallet(app, browser).register()


def at_once(work: Callable[[], int]) -> list[int]:
    gate = threading.Barrier(AT_ONCE)

    def one(_number: int) -> int:
        gate.wait()
        return work()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(one, range(AT_ONCE)))


def test_of_many_who_show_one_code_at_most_one_gets_tokens_and_all_of_it_ends(
    wallet: Wallet, sessions: sessionmaker[Session]
) -> None:
    code = wallet.code()
    assert at_once(lambda: wallet.exchange(code).status_code) == [200, 400, 400, 400]
    with sessions() as session:
        assert session.scalars(select(Connection)).one().withdrawn_at is not None


def test_of_many_who_go_on_with_one_token_at_most_one_does_and_all_of_it_ends(
    wallet: Wallet, sessions: sessionmaker[Session]
) -> None:
    token = wallet.tokens()["refresh_token"]
    assert at_once(lambda: wallet.refresh(token).status_code) == [200, 400, 400, 400]
    with sessions() as session:
        assert session.scalars(select(Connection)).one().withdrawn_at is not None
