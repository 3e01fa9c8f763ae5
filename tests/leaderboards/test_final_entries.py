"""What counts in the end of a team, as its own page and the final board tell it."""

import random
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.leaderboards.core.rank import Direction
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.core.selection import Candidate, chosen
from lms.leaderboards.models import Entry, Team
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.queries.counting import final_entries
from lms.leaderboards.queries.entries import entries_of
from lms.leaderboards.queries.organising import organised_entries
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.judging import disqualify_entry, disqualify_team
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.selecting import select_entries
from tests.factories.aftermath import make_ending
from tests.factories.leaderboards import NOW, Contest, make_contest

AUTOMATIC, WOULD = "counted automatically", "counts if none is chosen"


def marked(contest: Contest, team: Team, *, over: bool = False) -> set[int]:
    """The entries that the team's page marks as counting without having been chosen."""
    at = contest.challenge.ends_at + timedelta(seconds=1) if over else NOW
    return {each.id for each in entries_of(contest.session, contest.board, team, at) if each.automatic}


@pytest.fixture
def two(session: Session) -> Contest:
    """A challenge in which two entries of a team count in the end."""
    return make_contest(session, selections=2)


def test_a_team_that_chose_none_sees_what_counts_by_itself(two: Contest) -> None:
    team = two.team()
    entries = [two.enter(team, public, private) for public, private in ((0.5, 0.9), (0.7, 0.1), (0.6, 0.2))]
    best = {entries[1].id, entries[2].id}
    assert marked(two, team) == marked(two, team, over=True) == best
    shown = entries_of(two.session, two.board, team, two.challenge.ends_at + timedelta(seconds=1))
    assert [each.id for each in shown if each.counts] == [entries[2].id]  # the best of those two


def test_what_is_chosen_takes_the_place_of_what_would_count_by_itself(two: Contest) -> None:
    team = two.team()
    first, second, third = (two.enter(team, public) for public in (0.5, 0.7, 0.6))
    select_entries(two.session, two.leader(team), team, [first.id], at=NOW)
    assert marked(two, team) == marked(two, team, over=True) == set()
    assert final_entries(two.session, two.board, team.id) == {first.id}
    disqualify_entry(two.session, two.organiser, first, "copied", at=NOW)
    assert marked(two, team) == marked(two, team, over=True) == {second.id, third.id}
    disqualify_team(two.session, two.organiser, team, "two accounts", at=NOW)
    assert marked(two, team) == marked(two, team, over=True) == set()


def test_where_every_entry_counts_none_is_marked(session: Session) -> None:
    contest = make_contest(session)
    contest.board.selections = 0
    team = contest.team()
    contest.enter(team, 0.5)
    assert marked(contest, team) == marked(contest, team, over=True) == set()


def test_behind_a_ladder_nothing_is_told_before_the_end(session: Session) -> None:
    contest = make_contest(session, ladder=True)
    team = contest.team()
    worse, better = contest.take(team), contest.take(team)
    for entry, wrong in ((worse, 40), (better, 39)):  # one row better is noise: both show the same release
        losses = np.array([1.0] * wrong + [0.0] * (100 - wrong))
        score_entry(session, entry.id, Scores(1 - wrong / 100, 0.5, public_losses=losses), at=NOW)
    assert worse.released_score == better.released_score
    assert marked(contest, team) == set()
    assert marked(contest, team, over=True) == {better.id}


def test_before_the_end_no_private_score_is_read_for_it(two: Contest, statements: list[str]) -> None:
    team = two.team()
    two.enter(team, 0.5, 0.9)
    statements.clear()
    assert marked(two, team)
    assert not [one for one in statements if "private_scores" in one]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_what_is_marked_is_what_the_rule_says(session: Session, direction: Direction) -> None:
    chance = random.Random(5)
    contest = make_contest(session, selections=3, per_day=100, failures_per_day=100)
    contest.board.direction = type(contest.board.direction)(direction)
    for _ in range(20):
        team = contest.team()
        entries = [
            contest.enter(team, chance.choice((0.25, 0.5, 0.75)), chance.random())
            for _ in range(chance.randrange(1, 8))
        ]
        picked = [each for each in entries if chance.random() < 0.2][:3]
        select_entries(session, contest.leader(team), team, [each.id for each in picked], at=NOW)
        assert final_entries(session, contest.board, team.id) == by_rule(entries, direction)
        assert final_entries(session, contest.board, team.id, private=False) == by_rule(entries, direction)


def by_rule(entries: list[Entry], direction: Direction) -> set[int]:
    known = {entry.sequence: entry.id for entry in entries}
    candidates = [
        Candidate(entry.team_id, entry.sequence, entry.public_score, 0.5, entry.selected) for entry in entries
    ]
    return {known[each.sequence] for each in chosen(candidates, direction, most=3, automatic=3)}


def test_the_page_and_the_api_say_so(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    ending = make_ending(session, client)
    ending.last.language = "en"
    sign_in(ending.last)
    address = ending.path.replace("/board", "/entries")

    def page() -> str:
        session.commit()
        return client.get(address).text

    assert WOULD in page()
    assert AUTOMATIC not in page()
    (told,) = client.get(f"/api{address}").get_json()["entries"]
    assert (told["selected"], told["automatic"]) == (False, True)
    ending.end()
    assert AUTOMATIC in page()
    assert "None was chosen that can count, so your best public one counted." in page()
    assert WOULD not in page()


def test_who_chose_is_told_of_nothing_automatic(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    ending = make_ending(session, client)
    ending.last.language = "en"
    sign_in(ending.last)
    team = team_of(session, ending.contest.board, ending.last) or pytest.fail("has no team")
    (only,) = entries_of(session, ending.contest.board, team, NOW)
    select_entries(session, ending.last, team, [only.id], at=NOW)
    ending.end()
    session.commit()
    page = client.get(ending.path.replace("/board", "/entries")).text
    assert "chosen" in page
    assert AUTOMATIC not in page
    assert "None was chosen" not in page


@pytest.mark.postgres
def test_postgresql_tells_the_same(postgres_engine: Engine) -> None:
    with Session(postgres_engine, expire_on_commit=False) as session:
        contest = make_contest(session, selections=2)
        team, board = contest.team(), contest.board
        entries = [contest.enter(team, public, 1 - public) for public in (0.5, 0.7, 0.6)]
        assert marked(contest, team) == marked(contest, team, over=True) == {each.id for each in entries[1:]}
        assert [each.automatic for each in organised_entries(session, team)] == [True, True, False]
        after = contest.challenge.ends_at + timedelta(seconds=1)
        assert [row.entries for row in standings(session, board, None, after).rows] == [3]
