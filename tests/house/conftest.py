"""One campus for the tests that walk all addresses; what a test changes is undone after it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import sessionmaker
from werkzeug.routing import Rule

from lms.accounts.models import User
from lms.app import create_app
from tests.factories.campus import Campus, Place, make_place

COMMON = frozenset({"HEAD", "OPTIONS"})


class Route(NamedTuple):
    """One method of one rule, with the campus's own names filled in."""

    endpoint: str
    method: str
    address: str


class Answer(NamedTuple):
    """What came of a request."""

    status: int
    location: str


@dataclass(frozen=True)
class Visit:
    """The site as one test meets it, with every address that it has."""

    app: Flask
    connection: Connection
    campus: Campus

    def client(self, user: User | None = None) -> FlaskClient:
        client = self.app.test_client()
        if user is not None:
            with client.session_transaction() as cookie:
                cookie["_user_id"] = user.session_token
        return client

    def routes(self) -> Iterator[Route]:
        """Yield every rule, with the campus's own names filled in."""
        for rule in self.app.url_map.iter_rules():
            address = self.address(rule)
            for method in sorted((rule.methods or set()) - COMMON):
                yield Route(rule.endpoint, method, address)

    def address(self, rule: Rule) -> str:
        names: dict[str, Any] = {name: self.campus.names[name] for name in rule.arguments}
        names = {
            name: value[rule.endpoint] if isinstance(value, dict) else value for name, value in names.items()
        }
        if rule.endpoint.startswith("organisations."):
            names |= {name: self.campus.course.university.slug for name in names if name == "slug"}
        with self.app.test_request_context():
            return self.app.url_for(rule.endpoint, **names)

    def statuses(self, user: User | None, routes: Iterable[Route]) -> dict[tuple[str, str], Answer]:
        """Send each request once, undone after its answer."""
        found = {}
        client = self.client(user)
        with client.session_transaction() as cookie:
            fresh = dict(cookie)
        for endpoint, method, address in routes:
            point = self.connection.begin_nested()
            with client.open(address, method=method) as answer:
                found[endpoint, method] = Answer(answer.status_code, answer.location or "")
            point.rollback()
            with client.session_transaction() as cookie:
                cookie.clear()
                cookie.update(fresh)
        return found


@contextmanager
def visiting(place: Place) -> Iterator[Visit]:
    """Open a site whose changes are undone at the end."""
    with place.engine.connect() as connection:
        outer = connection.begin()
        sessions = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
        app = create_app(place.settings, sessions=sessions, blobs=place.blobs)
        app.config.update(WTF_CSRF_ENABLED=False)
        yield Visit(app, connection, place.campus)
        outer.rollback()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("campus")
    place = make_place(folder, f"sqlite:///{folder / 'campus.db'}")
    yield place
    place.engine.dispose()


@pytest.fixture(scope="session")
def postgres_place(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Place]:
    """The campus on PostgreSQL, in a database of its own that no other test empties."""
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE campus"))
    server.dispose()
    place = make_place(tmp_path_factory.mktemp("campus"), postgres_url.replace("/postgres?", "/campus?"))
    yield place
    place.engine.dispose()


@pytest.fixture
def visit(place: Place) -> Iterator[Visit]:
    with visiting(place) as visit:
        yield visit


@pytest.fixture
def postgres_visit(postgres_place: Place) -> Iterator[Visit]:
    with visiting(postgres_place) as visit:
        yield visit
