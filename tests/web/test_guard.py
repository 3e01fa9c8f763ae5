"""Who is let in, and under which name."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.config import Settings
from tests.factories.accounts import make_user


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("duri.example", 200), ("rebound.example", 403)],
)
def test_a_demonstration_shows_its_mail_under_its_own_names_only(
    app: Flask, client: FlaskClient, settings: Settings, host: str, status: int
) -> None:
    app.extensions["settings"] = replace(settings, public_url="https://duri.example")
    answer = client.get("/outbox", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert "https://duri.example" in answer.text


def test_elsewhere_any_name_may_lead_here_and_there_is_no_outbox(
    app: Flask, client: FlaskClient, settings: Settings
) -> None:
    app.extensions["settings"] = replace(settings, demo=False)
    assert client.get("/", headers={"Host": "inner.example"}).status_code == 200
    assert client.get("/outbox", headers={"Host": "inner.example"}).status_code == 404


def test_no_cache_keeps_what_programs_ask_for_a_person(
    client: FlaskClient, session: Session, sign_in: Callable[[User], None]
) -> None:
    user = make_user(session)
    session.commit()
    sign_in(user)
    answer = client.get("/api/submissions/1")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_nobody_else_on_the_machine_looks_into_an_installation(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        Settings(instance=tmp_path / "made" / "instance").session_key()
    finally:
        os.umask(before)
    assert (tmp_path / "made" / "instance").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("demo", [True, False])
def test_a_name_that_no_machine_can_have_is_refused_in_plain_words(
    app: Flask, client: FlaskClient, settings: Settings, *, demo: bool
) -> None:
    app.extensions["settings"] = replace(settings, demo=demo)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.get("/", headers={"Host": "x" * 3_000})
    assert answer.status_code == 400
    assert answer.mimetype == "text/plain"
