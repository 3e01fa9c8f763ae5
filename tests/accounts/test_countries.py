"""The country of a profile: whose it is to say, and what cannot be said."""

from collections.abc import Callable
from importlib import resources

import pytest
from babel import Locale
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.core.countries import COUNTRIES
from lms.accounts.models import User
from lms.accounts.services.people import update_profile
from lms.errors import Invalid
from tests.factories.accounts import make_user

PROFILE = {"name": "김하늘", "language": "en", "timezone": "Asia/Seoul"}


def test_the_countries_are_those_of_the_standard() -> None:
    table = (resources.files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    assert {line[:2] for line in table.splitlines() if not line.startswith("#")} == COUNTRIES


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_country_has_a_name_of_its_own(language: str) -> None:
    names = Locale.parse(language).territories
    assert len({names[code] for code in COUNTRIES}) == len(COUNTRIES)


def test_a_person_names_a_country_or_none(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    user = make_user(session, language="en")
    session.commit()
    sign_in(user)
    assert [user.country] == [None]  # nothing was guessed
    assert "South Korea</option>" in client.get("/profile").text
    client.post("/profile", data=PROFILE | {"country": "KR"})
    session.refresh(user)
    assert [user.country] == ["KR"]
    assert '<option selected value="KR">' in client.get("/profile").text
    client.post("/profile", data=PROFILE | {"country": ""})
    session.refresh(user)
    assert [user.country] == [None]
    assert client.post("/profile", data=PROFILE | {"country": "XX"}).status_code == 422


def test_a_country_that_is_none_is_refused(session: Session) -> None:
    with pytest.raises(Invalid):
        update_profile(session, make_user(session), country="ZZ", **PROFILE)
