from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.app import create_app
from lms.config import Settings
from tests.factories.accounts import make_user


@pytest.mark.parametrize("path", ["/", "/not-here", "/sign-in", "/static/duri.css", "/sign-out"])
def test_every_answer_forbids_foreign_code(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    for rule in ("default-src 'self'", "script-src 'self'", "object-src 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_hold_no_inline_script_or_style(client: FlaskClient) -> None:
    for path in ("/", "/sign-up", "/outbox", "/not-here"):
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert "<script>" not in page
        assert " onclick=" not in page
        assert "//cdn" not in page


def test_the_pages_of_a_person_are_not_stored(
    client: FlaskClient, session: Session, sign_in: Callable[[User], None]
) -> None:
    sign_in(make_user(session))
    assert client.get("/profile").headers["Cache-Control"] == "no-store"


def test_over_https_cookies_are_secure_and_https_is_kept(
    settings: Settings, sessions: sessionmaker[Session]
) -> None:
    app = create_app(replace(settings, public_url="https://duri.example"), sessions=sessions)
    answer = app.test_client().get("/sign-in", base_url="https://duri.example")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert word in cookie
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_over_http_https_is_not_promised(client: FlaskClient) -> None:
    answer = client.get("/sign-in")
    assert "Strict-Transport-Security" not in answer.headers
    assert "HttpOnly" in client.get("/?lang=en").headers["Set-Cookie"]


@pytest.mark.parametrize("file", ["/static/bootstrap/css/bootstrap.min.css", "/static/htmx/htmx.min.js"])
def test_what_pages_need_comes_from_here(client: FlaskClient, file: str) -> None:
    with client.get(file) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/htmx/../views.py"])
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404
