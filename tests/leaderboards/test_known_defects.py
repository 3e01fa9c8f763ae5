"""What other boards got wrong, in storing, quotas, deletion and ties; each test fails on that behaviour."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, event, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.db import now
from lms.errors import Conflict
from lms.leaderboards.core.tables import Row, Table
from lms.leaderboards.models import Entry, Standing, Team, TeamMember
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services import teams
from lms.leaderboards.services.boards import keep_baselines, make_team_of_one
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.scoring import fail_entry
from lms.leaderboards.services.standing import note_ranks, rebuild, recompute
from tests.factories.leaderboards import NOW, Contest, make_contest


def names(contest: Contest) -> list[str]:
    return [row.name for row in standings(contest.session, contest.board, None, NOW).rows]


def test_the_best_early_entry_of_a_busy_phase_does_not_vanish(contest: Contest) -> None:
    """EvalAI cuts to the newest rows before it sorts by score."""
    contest.enter(contest.team("early"), 0.99)
    for number in range(60):
        contest.enter(contest.team(f"late {number}"), 0.5)
    assert names(contest)[0] == "early"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_failed_metric_is_not_first_where_lower_is_better(session: Session, bad: float) -> None:
    """EvalAI takes a missing score for 0; Codabench ranked "n/a" first."""
    contest = make_contest(
        session, metric="log_loss", form={"columns": [{"name": "p", "kind": "probability"}]}
    )
    assert contest.board.direction == "min"
    contest.enter(contest.team("honest"), 0.4)
    contest.enter(contest.team("broken"), bad)
    assert names(contest) == ["honest"]


def test_ties_go_to_the_earlier_entry(contest: Contest) -> None:
    """EvalAI gives them to the latest."""
    contest.enter(contest.team("first"), 0.5, at=NOW)
    contest.enter(contest.team("second"), 0.5, at=NOW + timedelta(microseconds=1))
    assert names(contest) == ["first", "second"]


def test_teams_are_told_apart_by_who_they_are_and_not_by_name(contest: Contest) -> None:
    """EvalAI keeps one row for each team name; a class may have two people of one name."""
    board = contest.board
    for _ in range(2):
        team = make_team_of_one(contest.session, board, contest.person(), name="김하늘", at=NOW)
        contest.enter(team, 0.5)
    assert len(names(contest)) == 2


def test_a_slot_that_a_failure_used_comes_back(contest: Contest) -> None:
    """Codabench's cancelled runs cost quota."""
    team = contest.team()
    for _ in range(2):
        fail_entry(contest.session, contest.take(team).id, "cancelled")
    for _ in range(5):
        contest.take(team)
    assert contest.session.get_one(Team, team.id).taken == 5


def test_a_participant_cannot_remove_evidence(contest: Contest) -> None:
    """A delete on Codabench removes the person from the board and destroys the file."""
    team = contest.team()
    entry = contest.enter(team, 0.5)
    with pytest.raises(Conflict):
        teams.leave(contest.session, contest.leader(team), team, at=NOW)
    session, gone = contest.session, delete(Entry).where(Entry.id == entry.id)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(gone)
    assert len(names(contest)) == 1


def test_no_entry_of_ten_thousand_is_cut_off_before_they_are_sorted(
    session: Session, client: FlaskClient
) -> None:
    """EvalAI takes ten thousand entries and sorts those."""
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    board, begin = contest.board, contest.challenge.opens_at
    best = {0: ("came first", 0.75), 10_001: ("came last", 0.875)}
    rows = [
        Row(place, *best.get(place, (f"team {place}", place / 100_000)), begin + timedelta(seconds=place))
        for place in range(10_002)
    ]

    def look() -> list[str]:
        session.commit()
        page = client.get(f"/challenges/{contest.challenge.slug}/board").text
        assert page.index("came last") < page.index("came first") < page.index("team 10000")
        assert "team 9950" not in page
        return names(contest)

    import_table(session, None, board, Table(rows, has_private=False), at=now())
    assert look()[:3] == ["came last", "came first", "team 10000"]
    table = standings(session, board, None, now(), offset=10_000)
    assert (table.ranked, [row.name for row in table.rows]) == (10_002, ["team 2", "team 1"])
    session.execute(
        delete(Standing).where(Standing.team_id.in_(select(Team.id).where(Team.name == "came last")))
    )
    assert [each.counts is not None for each in recompute(session, board)] == [True]
    assert look()[:2] == ["came last", "came first"]
    session.execute(delete(Standing).where(Standing.board_id == board.id))
    assert rebuild(session, board) == 10_002
    assert look()[:2] == ["came last", "came first"]


def test_ranks_are_noted_by_one_statement_that_counts_for_nobody_anew(session: Session) -> None:
    """AIcrowd looked the former rank of each row up by counting the rows before it."""
    sent: list[tuple[str, Any]] = []

    def listen(*told: Any) -> None:
        sent.append((told[2], told[3]))

    contest = make_contest(session)
    event.listen(session.get_bind(), "before_cursor_execute", listen)
    for number in (5, 45):
        for _ in range(number):
            contest.enter(contest.team(), 0.5)
        board = contest.board
        del sent[:]
        note_ranks(session, board)
        [(statement, parameters)] = sent
        assert "count(" not in statement.lower()
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        assert not [step for step in plan if "CORRELATED" in step.detail]
    event.remove(session.get_bind(), "before_cursor_execute", listen)
    rows = standings(session, contest.board, None, NOW).rows
    assert [row.rank_before for row in rows] == list(range(1, 51))


def test_a_row_of_no_value_breaks_no_tie(contest: Contest) -> None:
    """CTFd mixed the ids of two tables into the order of equals."""
    keep_baselines(
        contest.session,
        contest.board,
        [{"key": str(number), "public_score": 0.5, "private_score": 0.5} for number in range(5)],
        at=NOW - timedelta(days=1),
    )
    contest.enter(contest.team("first"), 0.5, at=NOW)
    contest.enter(contest.team("second"), 0.5, at=NOW + timedelta(seconds=1))
    found = standings(contest.session, contest.board, None, NOW).rows
    assert [row.rank for row in found] == [1, 2, None, None, None, None, None]


def test_a_score_is_on_the_board_at_once(contest: Contest) -> None:
    """CTFd's board is up to a minute old."""
    team = contest.team("now")
    contest.enter(team, 0.5)
    assert names(contest) == ["now"]
    contest.enter(team, 0.75)
    assert standings(contest.session, contest.board, None, NOW).rows[0].score == 0.75


def test_a_score_writes_no_other_teams_row(session: Session, statements: list[str]) -> None:
    """grand-challenge rewrites every evaluation of a phase, AIcrowd imports its whole board anew."""
    contest = make_contest(session)
    contest.board.selections = 0
    others = [contest.team() for _ in range(10)]
    for team in others:
        contest.enter(team, 0.5)
    entry = contest.take(others[3])
    del statements[:]
    contest.score(entry, 0.9)
    written = [sent for sent in statements if sent.startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len([sent for sent in written if "standings" in sent]) == 2
    assert len(written) <= 6


def test_scores_that_are_shown_alike_are_ranked_apart(contest: Contest) -> None:
    """AIcrowd rounded to the shown digits before it stored."""
    contest.enter(contest.team("worse"), 0.87654321, at=NOW)
    contest.enter(contest.team("better"), 0.87654322, at=NOW + timedelta(seconds=1))
    assert names(contest) == ["better", "worse"]


def test_a_team_with_more_selections_than_allowed_stays_on_the_private_board(session: Session) -> None:
    """HF competitions drops it without a word."""
    contest = make_contest(session, selections=1)
    team = contest.team("many")
    for score in (0.5, 0.6):
        contest.enter(team, score, score / 2).selected = True
    session.flush()
    contest.enter(team, 0.1)
    after = contest.challenge.ends_at + timedelta(seconds=1)
    rows = standings(session, contest.board, None, after).rows
    assert [(row.name, row.score) for row in rows] == [("many", 0.3)]


def test_the_time_that_breaks_a_tie_is_that_of_the_best_entry(contest: Contest) -> None:
    """MAX(score), MIN(time) GROUP BY team takes the time of another submission."""
    slow, quick = contest.team("slow"), contest.team("quick")
    contest.enter(slow, 0.1, at=NOW)
    contest.enter(quick, 0.9, at=NOW + timedelta(seconds=1))
    contest.enter(slow, 0.9, at=NOW + timedelta(seconds=2))
    assert names(contest) == ["quick", "slow"]
    first = standings(contest.session, contest.board, None, NOW).rows[1]
    assert first.received_at == NOW + timedelta(seconds=2)


def test_a_person_is_in_one_team_of_a_board(contest: Contest) -> None:
    """Whoever is in two has two quotas."""
    team, other = contest.team(), contest.team()
    both = {"board_id": other.board_id, "user_id": team.leader_id, "shown": True, "joined_at": NOW}
    with pytest.raises(IntegrityError), contest.session.begin_nested():
        contest.session.execute(insert(TeamMember).values(team_id=other.id, **both))


def test_late_scoring_of_an_entry_in_time_counts(contest: Contest) -> None:
    """Receipt decides and not the end of the run."""
    team = contest.team("in time")
    entry = contest.take(team, at=contest.challenge.ends_at)
    contest.score(entry, 0.9)
    assert contest.session.scalars(select(Standing.entry_id)).first() == entry.id
