from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

import lms.certs.models  # noqa: F401 - brings every table in
from lms.db import Base, make_engine
from lms.migrate import upgrade
from tests.factories.leaderboards import Contest, make_contest


@pytest.fixture
def contest(session: Session) -> Contest:
    """A challenge of five entries a day, one of which counts at the end."""
    return make_contest(session)


@pytest.fixture
def memory() -> Iterator[Session]:
    """A session on a database in memory, for what repeats thousands of times."""
    engine = make_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as session:
        yield session
    engine.dispose()


@pytest.fixture
def statements(session: Session) -> Iterator[list[str]]:
    """Every statement that is sent from now on, with its parameters."""
    sent: list[str] = []

    def listen(*told: object) -> None:
        sent.append(f"{told[2]} {told[3]}")

    bind = session.get_bind()
    event.listen(bind, "before_cursor_execute", listen)
    yield sent
    event.remove(bind, "before_cursor_execute", listen)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def crossing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database on which connections really meet."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_engine")
        return
    url = f"sqlite:///{tmp_path / 'meeting.db'}"
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()
