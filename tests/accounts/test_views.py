from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from tests.factories.accounts import make_user


def test_home_greets_the_person_who_is_signed_in(
    client: FlaskClient, session: Session, sign_in: Callable[[User], None]
) -> None:
    sign_in(make_user(session, name="이바다"))
    assert "이바다" in client.get("/").text
