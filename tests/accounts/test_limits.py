from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import RateWindow
from lms.accounts.services.limits import SIGN_IN_PER_PLACE, Limit, check_tries, count_try, forget_tries
from lms.db import now
from lms.errors import TooSoon
from tests.factories.accounts import make_user

THREE = Limit(name="three", tries=3, seconds=60)
GOOD = "a sentence to remember"


def test_the_fourth_try_is_too_soon_and_says_when_again(session: Session) -> None:
    start = now()
    for _ in range(3):
        count_try(session, THREE, "sky@example.org", at=start)
    count_try(session, THREE, "sea@example.org", at=start)
    with pytest.raises(TooSoon) as refused:
        count_try(session, THREE, "sky@example.org", at=start + timedelta(seconds=20))
    assert refused.value.retry_after_seconds == 40
    count_try(session, THREE, "sky@example.org", at=start + timedelta(seconds=60))


def test_who_has_no_try_left_is_told_without_being_counted(session: Session) -> None:
    start = now()
    for _ in range(3):
        check_tries(session, THREE, "sky@example.org", at=start)
        count_try(session, THREE, "sky@example.org", at=start)
    with pytest.raises(TooSoon) as refused:
        check_tries(session, THREE, "sky@example.org", at=start + timedelta(seconds=20))
    assert refused.value.retry_after_seconds == 40
    assert session.scalars(select(RateWindow.hits)).one() == 3
    check_tries(session, THREE, "sea@example.org", at=start)
    check_tries(session, THREE, "sky@example.org", at=start + timedelta(seconds=60))


def test_success_begins_again_at_zero(session: Session) -> None:
    for _ in range(3):
        count_try(session, THREE, "sky@example.org")
    forget_tries(session, THREE, "sky@example.org")
    count_try(session, THREE, "sky@example.org")


def test_no_address_is_kept_in_a_window(session: Session) -> None:
    count_try(session, THREE, "sky@example.org")
    assert "sky" not in session.scalars(select(RateWindow.key)).one()


def test_tries_at_the_same_time_are_all_counted(file_sessions: sessionmaker[Session]) -> None:
    def one_try(_: int) -> bool:
        with file_sessions() as own:
            try:
                count_try(own, THREE, "sky@example.org")
            except TooSoon:
                return False
            finally:
                own.commit()
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one_try, range(24))) == 3


def test_guessing_ends_across_server_processes(
    start_app: Callable[[], Flask], file_sessions: sessionmaker[Session]
) -> None:
    with file_sessions.begin() as own:
        make_user(own, email="sky@example.org", password=GOOD)
    clients = [start_app().test_client(), start_app().test_client()]
    wrong = {"email": "sky@example.org", "password": "a wrong sentence"}
    for number in range(SIGN_IN_PER_PLACE.tries):
        assert clients[number % 2].post("/sign-in", data=wrong).status_code == 422
    refused = clients[0].post("/sign-in", data={"email": "SKY@example.org ", "password": GOOD})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    assert (
        clients[1].post("/sign-in", data={**wrong, "password": GOOD}, environ_base=elsewhere).status_code
        == 302
    )


def test_letters_to_one_address_end_across_server_processes(start_app: Callable[[], Flask]) -> None:
    clients = [start_app().test_client(), start_app().test_client()]
    statuses = [
        clients[number % 2].post("/reset", data={"email": "sky@example.org"}).status_code
        for number in range(6)
    ]
    assert statuses == [302, 302, 302, 302, 302, 429]
