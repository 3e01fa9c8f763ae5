from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Share, Team, TieGroup
from lms.leaderboards.queries.boards import boards_for
from lms.leaderboards.queries.entries import entries_of, history
from lms.leaderboards.queries.finding import Sought, found
from lms.leaderboards.queries.shown import climbs, csv_lines
from lms.leaderboards.queries.standings import around, own_place, standings
from lms.leaderboards.services.boards import keep_baselines
from lms.leaderboards.services.standing import note_ranks
from lms.leaderboards.services.teams import show_member
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from tests.factories.leaderboards import NOW, Contest, make_contest

AFTER = NOW + timedelta(days=60)


@pytest.fixture
def crowd(contest: Contest) -> list[Team]:
    """Twelve teams, the best first."""
    teams = [contest.team(f"Team {number:02}") for number in range(12)]
    for number, team in enumerate(teams):
        contest.enter(team, 0.9 - number / 100, number / 100)
    return teams


def ranks(contest: Contest, **page: int) -> list[tuple[int | None, str]]:
    table = standings(contest.session, contest.board, None, NOW, **page)
    return [(row.rank, row.name) for row in table.rows]


def test_pages_follow_each_other_without_gap_or_repeat(contest: Contest, crowd: list[Team]) -> None:
    pages = [row for offset in (0, 5, 10) for row in ranks(contest, offset=offset, limit=5)]
    assert pages == [(number + 1, team.name) for number, team in enumerate(crowd)]
    assert ranks(contest, offset=20, limit=5) == []


def test_every_baseline_stands_on_one_page_below_a_team_of_its_score(
    contest: Contest, crowd: list[Team]
) -> None:
    rows = [
        {"key": key, "public_score": score, "private_score": score}
        for key, score in (("top", 0.95), ("fifth", 0.9 - 4 / 100), ("low", 0.1))
    ]
    keep_baselines(contest.session, contest.board, rows, at=NOW)
    pages = [ranks(contest, offset=offset, limit=5) for offset in (0, 5, 10)]
    assert [page.index((None, "")) for page in pages if (None, "") in page] == [0, 2]
    assert [sum(rank is None for rank, _ in page) for page in pages] == [2, 0, 1]
    assert pages[0][-2:] == [(5, crowd[4].name), (None, "")]
    table = standings(contest.session, contest.board, None, NOW)
    assert table.ranked == 12


def test_my_own_row_is_there_wherever_i_stand(contest: Contest, crowd: list[Team]) -> None:
    viewer = contest.leader(crowd[10])
    table = standings(contest.session, contest.board, viewer, NOW, limit=5)
    assert table.mine is not None
    assert (table.mine.rank, table.mine.name, table.mine.mine) == (11, "Team 10", True)
    near = around(contest.session, contest.board, viewer, NOW, neighbours=2)
    assert [row.rank for row in near.rows] == [9, 10, 11, 12]
    stranger = contest.person()
    assert standings(contest.session, contest.board, stranger, NOW).mine is None
    assert own_place(contest.session, contest.board, Share.PUBLIC, contest.team()) is None


def test_a_page_takes_the_same_statements_for_few_and_for_many_entries(
    session: Session, statements: list[str]
) -> None:
    contest = make_contest(session, per_day=1000)
    board, viewer = contest.board, contest.leader(contest.team())
    numbers = []
    for _ in range(2):
        for team in [contest.team() for _ in range(8)]:
            for score in (0.1, 0.2, 0.3):
                contest.enter(team, score)
        session.flush()
        del statements[:]
        standings(session, board, viewer, NOW)
        numbers.append(len(statements))
    assert numbers[0] == numbers[1] <= 8


def test_before_the_end_no_statement_touches_a_private_score(
    contest: Contest, crowd: list[Team], statements: list[str]
) -> None:
    session, board, viewer = contest.session, contest.board, contest.leader(crowd[0])
    session.flush()
    session.expunge_all()
    board, viewer = session.get_one(Board, board.id), session.merge(viewer)
    del statements[:]
    standings(session, board, viewer, NOW)
    around(session, board, viewer, NOW)
    found(session, board, viewer, NOW, Sought("Team"))
    entries_of(session, board, session.merge(crowd[0]), NOW)
    history(session, board, NOW)
    boards_for(session, viewer)
    assert statements
    for sent in statements:
        assert "private_scores" not in sent
        assert "rescores" not in sent
        assert "'private'" not in sent
        assert "entry_losses" not in sent
        assert "public_score" not in sent.split(" FROM ")[0]
    del statements[:]
    standings(session, board, viewer, AFTER)
    assert any("'private'" in sent for sent in statements)


@pytest.mark.usefixtures("crowd")
def test_names_are_found_whatever_they_hold(contest: Contest) -> None:
    session, board = contest.session, contest.board
    odd = contest.team("100%_\\'; DROP TABLE teams")
    contest.enter(odd, 0.895)
    [row] = found(session, board, None, NOW, Sought("100%_\\'")).rows
    assert (row.rank, row.team_id) == (2, odd.id)
    assert [row.rank for row in found(session, board, None, NOW, Sought("team 0")).rows][:3] == [1, 3, 4]
    for text in ("", "  ", "nobody", "__", "%%"):
        assert found(session, board, None, NOW, Sought(text)).rows == []


def test_an_anonymous_board_shows_aliases_until_its_end(session: Session) -> None:
    contest = make_contest(session, anonymous=True)
    mine, other = contest.team("mine"), contest.team("other")
    for team in (mine, other):
        contest.enter(team, 0.5)
    viewer = contest.leader(mine)
    rows = standings(session, contest.board, viewer, NOW).rows
    assert [(row.name, row.members) for row in rows] == [("mine", (viewer.name,)), (other.alias, ())]
    assert found(session, contest.board, viewer, NOW, Sought("other")).rows == []
    for reader, names in ((None, {mine.alias, other.alias}), (viewer, {"mine", other.alias})):
        assert {row.name for row, _ in climbs(session, contest.board, reader, NOW)} == names
    assert [row.name for row in standings(session, contest.board, viewer, AFTER).rows] == ["mine", "other"]


def test_a_person_who_wants_it_is_not_named(contest: Contest) -> None:
    team = contest.team("quiet")
    contest.enter(team, 0.5)
    show_member(contest.session, contest.leader(team), team, shown=False)
    [row] = standings(contest.session, contest.board, None, NOW).rows
    assert (row.name, row.members) == ("quiet", ())
    assert found(contest.session, contest.board, None, NOW, Sought(contest.leader(team).name)).rows == []


def test_from_the_freeze_to_the_end_the_board_shows_what_came_before(session: Session) -> None:
    contest = make_contest(session, freeze={"after_days": 10})
    board = contest.board
    assert board.freezes_at is not None
    early, late = contest.team(), contest.team()
    contest.enter(early, 0.5, 0.1)
    pending = contest.take(late, at=board.freezes_at)
    contest.enter(early, 0.9, at=board.freezes_at + timedelta(seconds=1))
    contest.score(pending, 0.7)
    during, after = board.freezes_at + timedelta(hours=1), AFTER
    assert [row.score for row in standings(session, board, None, NOW).rows] == [0.9, 0.7]
    assert [row.score for row in standings(session, board, None, during).rows] == [0.7, 0.5]
    assert standings(session, board, None, during).share is Share.FROZEN
    assert [row.score for row in standings(session, board, None, after).rows] == [0.9, 0.7]
    (steps,) = [climb.steps for climb in history(session, board, during) if climb.team_id == early.id]
    assert [step.score for step in steps] == [0.5]


def test_a_move_since_the_last_nightly_look_is_shown(contest: Contest, crowd: list[Team]) -> None:
    note_ranks(contest.session, contest.board)
    contest.enter(crowd[5], 0.99)
    rows = standings(contest.session, contest.board, None, NOW).rows
    assert [(row.team_id, row.movement) for row in rows[:3]] == [
        (crowd[5].id, 5),
        (crowd[0].id, -1),
        (crowd[1].id, -1),
    ]
    newcomer = contest.team()
    contest.enter(newcomer, 1.0)
    assert standings(contest.session, contest.board, None, NOW).rows[0].movement is None


@pytest.mark.parametrize("ladder", [False, True])
def test_tie_groups_are_shown_unless_a_ladder_hides_what_they_come_from(
    contest: Contest, crowd: list[Team], *, ladder: bool
) -> None:
    session, board = contest.session, contest.board
    standing = contest.standing(crowd[0])
    assert standing is not None
    keep_tie_groups(session, board, Share.PUBLIC, [Tied(crowd[0].id, standing.entry_id, 1, 1, 3)], at=NOW)
    board.ladder = ladder
    row = standings(session, board, None, NOW).rows[0]
    assert (row.tie_group, row.best_rank, row.worst_rank) == ((None,) * 3 if ladder else (1, 1, 3))
    assert board.tied_at == NOW
    keep_tie_groups(session, board, Share.PUBLIC, [], at=NOW)
    assert session.scalars(select(TieGroup)).all() == []


def test_the_history_of_the_first_holds_the_moments_of_a_better_score(contest: Contest) -> None:
    team, other = contest.team("a"), contest.team("b")
    for score in (0.3, 0.2, 0.5, 0.5):
        contest.enter(team, score)
    contest.enter(other, 0.4)
    first, second = history(contest.session, contest.board, NOW)
    assert [step.score for step in first.steps] == [0.3, 0.5]
    assert (first.team_id, second.team_id, len(second.steps)) == (team.id, other.id, 1)
    one, mine = history(contest.session, contest.board, NOW, teams=1, team_id=other.id)
    assert (one.team_id, mine.team_id) == (team.id, other.id)


def test_the_final_board_counts_the_entries_of_a_team_as_the_board_did_before(
    contest: Contest, statements: list[str]
) -> None:
    session, board = contest.session, contest.board
    team, other = contest.team("three of three"), contest.team("one")
    for public in (0.5, 0.75, 0.25):
        contest.enter(team, public, public)
    contest.enter(other, 0.1, 0.1)
    contest.take(team)  # waits for its score
    kept = contest.standing(team, "private")
    assert kept is not None
    assert (board.selections, kept.entries) == (1, 1)  # the best of one, as a team selects one
    viewer, sought = contest.leader(team), Sought("three")
    for at in (NOW, AFTER):
        shown = standings(session, board, viewer, at)
        assert [row.entries for row in shown.rows] == [3, 1]
        assert shown.mine is not None
        assert shown.mine.entries == 3
        assert [row.entries for row in found(session, board, None, at, sought).rows] == [3]
        assert [line.entries for line in csv_lines(session, board, at, "en")] == [3, 1]
    statements.clear()
    standings(session, board, viewer, NOW)
    before = len(statements)
    standings(session, board, viewer, AFTER)
    assert len(statements) == 2 * before + 2  # one for the page, one for the own row
