"""A board page that stays open: it is told what it says no longer, and sent nothing that it shows already."""

import html
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.db import now
from lms.leaderboards.queries.shown import Wish, shown
from tests.factories.leaderboards import OPENS, Contest, make_contest

MINUTE = timedelta(minutes=1)


def asked_by(page: str) -> str:
    """Return what an open page asks for, again and again."""
    [address] = re.findall(r'<div id="standings" hx-get="([^"]+)"', page)
    return html.unescape(str(address))


def test_a_board_is_another_once_its_challenge_has_opened(contest: Contest) -> None:
    def mark(minutes: int) -> str:
        return shown(contest.session, contest.board, None, OPENS + minutes * MINUTE, Wish()).mark

    assert mark(-2) == mark(-1) != mark(0) == mark(1)


@pytest.mark.parametrize("rest", ["", "/frame"])
def test_an_open_page_is_told_when_the_challenge_opens_and_that_it_has(
    session: Session, client: FlaskClient, rest: str
) -> None:
    contest = make_contest(session, opens_at=now() + 60 * MINUTE)
    client.set_cookie("language", "en")

    def get(address: str) -> str:
        session.commit()
        return client.get(address).text

    page = get(f"/challenges/{contest.challenge.slug}/board{rest}")
    assert "Opens on" in page
    assert get(asked_by(page)) == ""
    contest.challenge.opens_at += MINUTE
    later = get(asked_by(page))
    assert "Opens on" in later
    contest.challenge.opens_at = now() - MINUTE
    opened = get(asked_by(later))
    assert "Open until" in opened
    assert "Opens on" not in opened
    assert get(asked_by(opened)) == ""


@pytest.mark.parametrize("query", [f"q={'a' * 99} b", f"q=  {'a' * 200}", "country=ßa", "country=kor"])
def test_whatever_is_sought_is_sent_once(session: Session, client: FlaskClient, query: str) -> None:
    contest = make_contest(session, opens_at=now() - 60 * MINUTE)
    contest.enter(contest.team(at=now()), 0.5, at=now())
    session.commit()
    page = client.get(f"/challenges/{contest.challenge.slug}/board?{quote(query, safe='=')}").text
    assert client.get(asked_by(page)).status_code == 204
