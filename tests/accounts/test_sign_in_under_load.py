from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from lms.accounts.models import User
from lms.accounts.services import people
from lms.app import create_app
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import make_engine, make_sessions
from lms.migrate import upgrade
from tests.factories.accounts import make_user

PASSWORD = "a long enough password"


@pytest.fixture
def installed(tmp_path: Path) -> Flask:
    url = f"sqlite:///{tmp_path / 'duri.db'}"
    upgrade(url)
    settings = Settings(instance=tmp_path, secret_key="not secret in a test", database_url=url)
    app = create_app(settings, blobs=FolderBlobs(tmp_path / "blobs"))
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    return app


def test_somebody_elses_write_while_a_password_is_hashed_does_not_refuse_the_sign_in(
    installed: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(installed.extensions["settings"].database)
    with make_sessions(engine)() as session:
        make_user(session, email="somebody@example.org", password=PASSWORD)
        session.commit()
    check = people.is_password

    def hash_slowly(password: str, stored: str | None) -> bool:
        with make_sessions(engine, writing=True).begin() as other:
            other.scalars(select(User)).one().name = "이바다"
        return check(password, stored)

    monkeypatch.setattr(people, "is_password", hash_slowly)
    answer = installed.test_client().post(
        "/sign-in", data={"email": "somebody@example.org", "password": PASSWORD}
    )
    engine.dispose()
    installed.extensions["sessions"].kw["bind"].dispose()
    assert answer.status_code == 302
