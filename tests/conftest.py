"""Fixtures that all tests share: a migrated database, a savepoint per test, a fixed installation."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import make_engine
from lms.migrate import upgrade

pytest_plugins = ["tests.postgres", "tests.broker", "tests.chromium", "tests.stage"]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'duri.db'}"
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Iterator[sessionmaker[Session]]:
    """Sessions whose commits end at a savepoint; everything is undone after the test."""
    with engine.connect() as connection:
        outer = connection.begin()
        yield sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        outer.rollback()


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", secret_key="not secret in a test", demo=True)


@pytest.fixture
def app(settings: Settings, sessions: sessionmaker[Session], blobs: FolderBlobs) -> Flask:
    app = create_app(settings, sessions=sessions, blobs=blobs)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sign_in(client: FlaskClient, session: Session) -> Callable[[User], None]:
    """Sign a user in on `client` without the form; commits `session` first, as a page sees committed rows."""

    def sign_in(user: User) -> None:
        session.commit()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = user.session_token
            cookie["_fresh"] = True

    return sign_in
