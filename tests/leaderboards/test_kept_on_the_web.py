"""What another process decides while this one keeps pages: what is one's own, and the truth, are not late."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Challenge, Entry, Team, Truth
from lms.leaderboards.services import rescoring, teams
from lms.leaderboards.services.challenges import publish_challenge
from tests.factories.leaderboards import Contest, make_contest

OLD, NEW = ("0.8125", "0.3125"), ("0.4375", "0.6875")
KEPT = ("/board", "/board?page=1", "/board?share=public", "/board?seen=x", "/board/frame")


@dataclass
class Web:
    """A board of two teams and those who look at it, while the clock of the kept pages stands still."""

    app: Flask
    contest: Contest
    one: Team
    two: Team
    opened: datetime
    sessions: sessionmaker[Session]

    def reader(self, user: User | None) -> FlaskClient:
        """Return the browser of somebody, without anything being written."""
        client = self.app.test_client()
        client.set_cookie("language", "en")
        if user is not None:
            with client.session_transaction() as cookie:
                cookie["_user_id"] = user.session_token
        return client

    def ask(self, client: FlaskClient, rest: str = "/board") -> str:
        answer = client.get(f"/challenges/{self.contest.challenge.slug}{rest}")
        assert answer.status_code == 200
        return answer.text

    @contextmanager
    def elsewhere(self) -> Iterator[Session]:
        """Let another process write: no session of this one knows of it."""
        with Session(self.sessions.kw["bind"], join_transaction_mode="create_savepoint") as session:
            yield session
            session.commit()


@pytest.fixture
def web(app: Flask, session: Session, sessions: sessionmaker[Session]) -> Web:
    app.extensions["board_pages"].clock = lambda: 0.0
    opened = now() - timedelta(days=3)
    contest = make_contest(session, opens_at=opened)
    one, two = (contest.team(name, at=opened) for name in ("Team one", "Team two"))
    contest.enter(one, float(OLD[0]), at=opened + timedelta(hours=1))
    session.commit()
    return Web(app, contest, one, two, opened, sessions)


def own_row(page: str) -> str:
    (found,) = re.findall(r'<tr(?=[^>]* class="me").*?</tr>', page, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
def test_no_page_shows_a_score_of_a_truth_that_another_process_replaced(web: Web, *, ended: bool) -> None:
    contest = web.contest
    contest.enter(web.two, float(OLD[1]), at=web.opened + timedelta(hours=2))
    entries = contest.session.scalars(select(Entry.id).order_by(Entry.sequence)).all()
    if ended:
        contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(minutes=1)
    contest.session.commit()
    people = (None, contest.leader(web.one), contest.leader(web.two), contest.organiser)
    readers = [web.reader(user) for user in people]

    def look() -> list[str]:
        return [web.ask(client, rest) for client in readers for rest in KEPT]

    assert all(number in page for page in look() for number in OLD)
    with web.elsewhere() as session:
        board = session.get_one(Board, contest.board.id)
        truth = rescoring.prepare_rescore(session, None, board, "wrong rows", blob=None, at=now())
        for entry_id, score in zip(entries, NEW, strict=True):
            rescoring.rescore_entry(session, truth, entry_id, Scores(float(score), float(score)))
        version = truth.id
    assert all(number in page for page in look() for number in OLD), "prepared only"
    with web.elsewhere() as session:
        rescoring.publish_rescore(session, None, session.get_one(Truth, version), at=now())
    for page in look():
        assert not [number for number in OLD if number in page]
        assert all(number in page for number in NEW)
        assert page.index("Team two") < page.index("Team one")


@pytest.mark.parametrize("moved", [timedelta(days=7), None], ids=["later", "so that it is over"])
def test_no_page_shows_an_end_that_another_process_moved(web: Web, *, moved: timedelta | None) -> None:
    contest, before = web.contest, web.contest.challenge.ends_at
    contest.enter(web.two, *map(float, OLD), at=web.opened + timedelta(hours=2))
    contest.session.commit()
    readers = [web.reader(user) for user in (None, contest.leader(web.one), contest.organiser)]
    for client in readers:
        assert all(before.isoformat() in web.ask(client, rest) for rest in KEPT)
    with web.elsewhere() as session:
        challenge = session.get_one(Challenge, contest.challenge.id)
        ends = {"moment": (before + moved if moved else now() - timedelta(minutes=1)).isoformat()}
        publish_challenge(session, None, contest.document | {"dates": {"ends": ends}}, at=now())
        after = challenge.ends_at
    contest.session.expire_all()
    for client in readers:
        for rest in KEPT:
            page = web.ask(client, rest)
            assert before.isoformat() not in page
            assert after.isoformat() in page
            assert (OLD[1] in page) == (moved is None and "public" not in rest), "the private score"


def test_whose_team_was_renamed_sees_it_at_once(web: Web) -> None:
    fellow = web.contest.add(web.one)
    web.contest.session.commit()
    visitor, *members = (web.reader(user) for user in (None, web.contest.leader(web.one), fellow))
    for client in (visitor, *members):
        assert "Team one" in web.ask(client)
    with web.elsewhere() as session:
        team = session.get_one(Team, web.one.id)
        teams.rename(session, session.get_one(User, team.leader_id), team, "Renamed", at=now())
    assert "Team one" in web.ask(visitor), "a page that is kept"
    for client in members:
        assert "Renamed" in own_row(web.ask(client))
        assert "Team one" not in web.ask(client)


@pytest.mark.parametrize("entered", [False, True], ids=["without entries", "with an entry"])
def test_who_was_just_merged_sees_it_at_once(web: Web, *, entered: bool) -> None:
    contest = web.contest
    if entered:
        contest.enter(web.two, float(OLD[1]), at=web.opened + timedelta(hours=2))
    comer, leader = contest.leader(web.two), contest.leader(web.one)
    comer.name, leader.name = "Kim Bada", "Lee Haneul"
    contest.session.commit()
    visitor, *members = (web.reader(user) for user in (None, leader, comer))
    for client in (visitor, *members):
        assert ("Team two" in web.ask(client)) == entered
    with web.elsewhere() as session:
        there = session.get_one(User, leader.id)
        into, other = (session.get_one(Team, team.id) for team in (web.one, web.two))
        teams.merge(session, there, into, other, at=now())
        number = len(session.scalars(select(Entry.id).where(Entry.team_id == into.id)).all())
    known = web.ask(visitor)
    assert ("Team two" in known, "Kim Bada" in known) == (entered, entered), "a page that is kept"
    for client in members:
        page = web.ask(client)
        assert all(word in own_row(page) for word in ("Team one", "Kim Bada", "Lee Haneul"))
        assert re.search(rf">\s*{number}\s*<", own_row(page))
        assert "Team two" not in page
