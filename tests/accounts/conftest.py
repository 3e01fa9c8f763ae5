"""A database file of its own, where several connections meet: for limits, races and refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from lms.app import create_app
from lms.config import Settings
from lms.db import Base, make_engine, make_sessions


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def file_sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    if request.param == "postgres":
        server: Engine = request.getfixturevalue("postgres_engine")
        with server.begin() as connection:
            connection.execute(text("TRUNCATE users, organisations, audit_events, rate_windows CASCADE"))
        yield make_sessions(server)
        return
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def start_app(settings: Settings, file_sessions: sessionmaker[Session]) -> Callable[[], Flask]:
    """Start one more server process's application on the same database."""

    def start() -> Flask:
        app = create_app(settings, sessions=file_sessions)
        app.config["WTF_CSRF_ENABLED"] = False
        return app

    return start
