import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from lms.db import make_sessions
from lms.errors import NotFound
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Entry, EntryState, PrivateScore, Standing, Team
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.services.boards import keep_baselines
from lms.leaderboards.services.scoring import begin_scoring, fail_entry, score_entry
from tests.factories.leaderboards import NOW, Contest, make_contest


@pytest.fixture
def team(contest: Contest) -> Team:
    return contest.team()


def best(contest: Contest, team: Team, share: str = "public") -> tuple[float, int] | None:
    standing = contest.standing(team, share)
    return None if standing is None else (standing.score, standing.entries)


def test_a_score_stands_in_the_transaction_that_brings_it(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    assert best(contest, team) is None
    contest.score(entry, 0.5, 0.25)
    assert best(contest, team) == (0.5, 1)
    assert best(contest, team, "private") == (0.25, 1)
    assert contest.session.get_one(PrivateScore, entry.id).score == 0.25


def test_a_worse_entry_is_counted_and_changes_no_place(contest: Contest, team: Team) -> None:
    entry = contest.enter(team, 0.5)
    contest.enter(team, 0.4)
    standing = contest.standing(team)
    assert standing is not None
    assert (standing.entry_id, standing.score, standing.entries) == (entry.id, 0.5, 2)


def test_of_equal_scores_the_earlier_received_stands_though_scored_last(contest: Contest, team: Team) -> None:
    early, late = contest.take(team), contest.take(team)
    contest.score(late, 0.5)
    contest.score(early, 0.5)
    standing = contest.standing(team)
    assert standing is not None
    assert standing.entry_id == early.id


def test_the_unrounded_value_is_kept(contest: Contest, team: Team) -> None:
    contest.enter(team, 0.123456789012345)
    assert best(contest, team) == (0.123456789012345, 1)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("share", ["public", "private"])
def test_what_is_no_finite_number_fails_and_gives_its_slot_back(
    contest: Contest, team: Team, score: float, share: str
) -> None:
    entry = contest.take(team)
    contest.score(entry, **{"public": 0.5, "private": 0.5, share: score})  # type: ignore[arg-type]
    assert (entry.state, entry.failure) == (EntryState.FAILED, "not_finite")
    assert best(contest, team) is None
    assert contest.session.get_one(Team, team.id).taken == 0


def test_scoring_twice_counts_once(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    for score in (0.5, 0.5, 0.3):
        contest.score(entry, score)
    assert best(contest, team) == (0.3, 1)


def test_a_score_against_an_old_truth_is_not_kept(contest: Contest, team: Team) -> None:
    entry = contest.take(team)
    assert begin_scoring(contest.session, entry.id) is entry
    assert begin_scoring(contest.session, entry.id) is entry  # its scorer died
    contest.board.truth_version = 2
    contest.session.flush()
    score_entry(contest.session, entry.id, Scores(0.5, 0.5), at=NOW, truth_version=1)
    assert (entry.state, entry.public_score) == (EntryState.RECEIVED, None)


def test_an_entry_that_loses_its_score_leaves_the_board_and_stays_in_the_records(
    contest: Contest, team: Team
) -> None:
    contest.enter(team, 0.4)
    entry = contest.enter(team, 0.5)
    fail_entry(contest.session, entry.id, "broken")
    assert best(contest, team) == (0.4, 1)
    assert contest.session.scalar(select(func.count(Entry.id))) == 2


def test_a_baseline_is_no_entry_to_be_scored(contest: Contest) -> None:
    row = {"key": "majority", "public_score": 0.5, "private_score": 0.5}
    keep_baselines(contest.session, contest.board, [row], at=NOW)
    number = contest.session.scalars(select(Entry.id)).one()
    with pytest.raises(NotFound):
        contest.score(contest.session.get_one(Entry, number), 0.9)


def test_scoring_sends_the_same_statements_whether_there_are_few_or_many_entries(
    session: Session, statements: list[str]
) -> None:
    contest = make_contest(session, per_day=1000, selections=1)
    contest.board.selections = 0
    team = contest.team()
    numbers = []
    for count in (1, 40):
        for _ in range(count):
            contest.enter(team, 0.5)
        entry = contest.take(team)
        del statements[:]
        contest.score(entry, 0.6)
        numbers.append(len(statements))
        assert not any("count(" in sent.lower() for sent in statements)
    assert numbers[0] == numbers[1]


@pytest.mark.postgres
def test_scores_of_one_team_that_come_at_once_are_all_counted(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine)
    with sessions.begin() as session:
        contest = make_contest(session, per_day=20)
        contest.board.selections = 0
        team = contest.team()
        entries = [contest.take(team).id for _ in range(6)]
    gate = threading.Barrier(len(entries))

    def score(number: int) -> None:
        gate.wait()
        for value in (0.1 * number, 0.1 * number + 0.05):
            with sessions.begin() as session:
                score_entry(session, entries[number], Scores(value, value), at=NOW + timedelta(hours=1))

    with ThreadPoolExecutor(len(entries)) as pool:
        list(pool.map(score, range(len(entries))))
    with sessions() as session:
        board = session.scalars(select(Board)).one()
        assert differences(session, board) == []
        found = session.scalars(select(Standing).where(Standing.share == "public")).one()
        assert (found.entries, round(found.score, 2)) == (6, 0.55)
