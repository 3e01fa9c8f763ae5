"""A real server and a real browser: for journeys and for looking at pages."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from lms.accounts.models import User
from lms.app import create_app
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.migrate import upgrade


@pytest.fixture
def live_address() -> str:
    """Return the address at which the live server will answer, and which its letters name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def live_app(tmp_path: Path, live_address: str) -> Iterator[Flask]:
    """Build an application of its own, on a real database file."""
    settings = Settings(
        instance=tmp_path / "live", secret_key="not secret in a test", demo=True, public_url=live_address
    )
    settings.instance.mkdir()
    engine = make_engine(settings.database)
    upgrade(settings.database)
    yield create_app(settings, sessions=make_sessions(engine))
    engine.dispose()


@pytest.fixture
def live_sessions(live_app: Flask) -> sessionmaker[Session]:
    """Return the sessions of the live server: commit what pages are to see."""
    factory: sessionmaker[Session] = live_app.extensions["sessions"]
    return factory


@pytest.fixture
def live_server(live_app: Flask, live_address: str) -> Iterator[str]:
    """Serve `live_app`; return its address."""
    server = make_server("127.0.0.1", int(live_address.rsplit(":", 1)[1]), live_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield live_address
    server.shutdown()
    thread.join()
    server.server_close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, live_server: str) -> Iterator[Open]:
    """Return a function that opens a page: `open_page("/", language="ko", theme="dark", width=390)`.

    It fails the test when the page breaks the content security policy or throws.
    """
    contexts = []
    faults: list[str] = []

    def open_page(
        path: str = "/", *, language: str = "ko", theme: str = "light", width: int = 1200, height: int = 900
    ) -> Page:
        context = browser.new_context(
            base_url=live_server,
            locale={"ko": "ko-KR", "en": "en-GB"}[language],
            timezone_id="Asia/Seoul",
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda note: faults.append(note.text) if "Content Security" in note.text else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(open_page: Open) -> Page:
    """Open the home page in Korean, light, on a desktop."""
    return open_page("/")


@pytest.fixture
def sign_in_page(live_app: Flask, live_server: str) -> Callable[[Page, User], None]:
    """Return a function that gives a page the cookie of a user who has signed in."""

    def sign_in_page(page: Page, user: User) -> None:
        client = live_app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = user.session_token
            cookie["_fresh"] = True
        kept = client.get_cookie("session")
        assert kept is not None
        page.context.add_cookies([{"name": "session", "value": kept.value, "url": live_server}])

    return sign_in_page
