import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from lms.app import create_app
from lms.config import Settings
from lms.db import Base, make_engine, make_sessions
from lms.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound, TooLarge, TooSoon
from lms.web.guard import public
from lms.web.session import own_session, session
from tests.factories.accounts import make_user

ENGLISH = {"Accept-Language": "en"}


def raising(app: Flask, error: Exception, path: str = "/broken") -> FlaskClient:
    @public
    def broken() -> str:
        raise error

    app.add_url_rule(path, path, broken)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app.test_client()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound(), 404),
        (NotAllowed("Ask an admin."), 403),
        (Conflict("It is closed."), 409),
        (Invalid("Choose a number."), 422),
        (TooLarge("Make it smaller."), 413),
        (TooSoon("Wait.", retry_after_seconds=40), 429),
    ],
)
def test_a_domain_error_becomes_a_page_with_its_sentence(app: Flask, error: DomainError, status: int) -> None:
    answer = raising(app, error).get("/broken", headers=ENGLISH)
    assert answer.status_code == status
    assert str(error) in answer.text
    assert answer.headers.get("Retry-After") == ("40" if status == 429 else None)


def test_programs_get_problem_json(app: Flask) -> None:
    answer = raising(app, Conflict("It is closed."), "/api/broken").get("/api/broken", headers=ENGLISH)
    assert answer.mimetype == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Not possible right now",
        "status": 409,
        "detail": "It is closed.",
    }


def test_who_prefers_json_gets_it_on_any_address(client: FlaskClient) -> None:
    answer = client.get("/not-here", headers={"Accept": "application/json"})
    assert answer.mimetype == "application/problem+json"


def test_a_sentence_with_parameters_is_translated(app: Flask) -> None:
    error = TooSoon("That was too many tries. Try again in %(minutes)d min.", minutes=3)
    answer = raising(app, error).get("/broken", headers={"Accept-Language": "ko"})
    assert "3분 뒤에 다시 해 보세요." in answer.text


def test_an_unforeseen_error_tells_nothing_of_the_inside(app: Flask) -> None:
    answer = raising(app, RuntimeError("secret detail")).get("/broken", headers=ENGLISH)
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Nothing of yours was changed" in answer.text


def test_a_full_disk_says_that_nothing_was_changed(app: Flask) -> None:
    answer = raising(app, OSError(errno.ENOSPC, "no space")).get("/broken", headers=ENGLISH)
    assert answer.status_code == 507
    assert "no room left" in answer.text


def test_other_trouble_with_files_is_our_mistake(app: Flask) -> None:
    assert raising(app, OSError(errno.EIO, "io")).get("/broken").status_code == 500


def test_a_form_without_its_token_is_explained(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    answer = app.test_client().post("/sign-in", data={"email": "a@example.org"}, headers=ENGLISH)
    assert answer.status_code == 400
    assert "Reload the page and send it again" in answer.text


def test_a_form_with_the_token_of_its_page_is_taken(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    token = client.get("/sign-in").text.split('name="csrf_token" value="')[1].split('"')[0]
    assert client.post("/sign-in", data={"csrf_token": token}).status_code == 422
    other = app.test_client()
    other.get("/sign-in")
    assert other.post("/sign-in", data={"csrf_token": token}).status_code == 400


def test_too_much_is_refused_before_it_is_read(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    answer = app.test_client().post("/sign-in", data={"email": "x" * 1_100_000}, headers=ENGLISH)
    assert answer.status_code == 413
    assert "(1 MB)" in answer.text


@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 500, b"--x\r\nContent-Disposition: form-data"])
def test_a_broken_body_is_no_crash(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/sign-in", data=body, content_type="multipart/form-data; boundary=x")
    assert 400 <= answer.status_code < 500


@pytest.fixture
def engine_with_short_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("lms.db.BUSY_TIMEOUT_MS", 50)
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def hasty_app(settings: Settings, engine_with_short_patience: Engine) -> Flask:
    app = create_app(settings, sessions=make_sessions(engine_with_short_patience))
    app.config.update(WTF_CSRF_ENABLED=False)
    return app


@pytest.fixture
def sign_up(hasty_app: Flask) -> Callable[[], tuple[int, str]]:
    app = hasty_app

    def sign_up() -> tuple[int, str]:
        form = {"name": "A", "email": "a@example.org", "password": "a sentence to remember"}
        answer = app.test_client().post("/sign-up", data=form, headers=ENGLISH)
        return answer.status_code, answer.headers.get("Retry-After", "")

    return sign_up


def test_a_locked_database_is_busy_and_nothing_is_lost(
    engine_with_short_patience: Engine, sign_up: Callable[[], tuple[int, str]]
) -> None:
    with engine_with_short_patience.execution_options(sqlite_begin="IMMEDIATE").begin():
        assert sign_up() == (503, "3")
    assert sign_up() == (302, "")


def test_a_locked_database_is_busy_for_people_who_signed_in_too(
    engine_with_short_patience: Engine, hasty_app: Flask
) -> None:
    client = hasty_app.test_client()
    with make_sessions(engine_with_short_patience).begin() as own:
        user = make_user(own, name="이바다")
    with client.session_transaction() as cookie:
        cookie["_user_id"] = user.session_token
    form = {"name": "이산", "language": "ko", "timezone": "UTC"}
    with engine_with_short_patience.execution_options(sqlite_begin="IMMEDIATE").begin():
        answer = client.post("/profile", data=form)
        assert answer.status_code == 503
        assert "이바다" in answer.text
    assert client.post("/profile", data=form).status_code == 302
    assert "이산" in client.get("/profile").text


def test_a_database_that_is_gone_still_gives_a_page(hasty_app: Flask, tmp_path: Path) -> None:
    hasty_app.extensions["sessions"] = make_sessions(make_engine(f"sqlite:///{tmp_path / 'no' / 'such.db'}"))
    client = hasty_app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "somebody"
    answer = client.get("/profile", headers=ENGLISH)
    assert answer.status_code == 503
    assert "try again in a few seconds" in answer.text


def test_a_refusal_keeps_nothing_but_its_own_record(app: Flask, sessions: sessionmaker[Session]) -> None:
    with sessions() as own:
        own.execute(text("CREATE TABLE scratch (word TEXT)"))
        own.commit()

    @public
    def refuse() -> str:
        with own_session() as own:
            own.execute(text("INSERT INTO scratch VALUES ('tried')"))
            own.commit()
        session().execute(text("INSERT INTO scratch VALUES ('lost')"))
        raise Conflict("It is closed.")

    app.add_url_rule("/refuse", "refuse", refuse, methods=["POST"])
    assert app.test_client().post("/refuse").status_code == 409
    with sessions() as own:
        assert own.execute(text("SELECT word FROM scratch")).scalars().all() == ["tried"]
        own.execute(text("DROP TABLE scratch"))
        own.commit()
