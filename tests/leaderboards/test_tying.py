"""Tie groups follow what stands, whatever changed it."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.losses import Losses
from lms.leaderboards.core.metrics import Metric
from lms.leaderboards.core.resampling import LEAST_RESAMPLES, draws
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, EntryLosses, Share, Team, TieGroup
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services import judging, rescoring, teams, tying, upkeep
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.services.ties import FORGET_AFTER, Tied
from lms.leaderboards.tables.grades import GradeRule
from tests.factories.leaderboards import NOW, Contest, make_contest

LATER = NOW + timedelta(hours=1)


def scores(wrong: int) -> Scores:
    losses = np.array([1.0] * wrong + [0.0] * (100 - wrong))
    return Scores(1 - wrong / 100, 1 - wrong / 100, public_losses=losses, private_losses=losses)


def scores_on_resamples(wrong: int) -> Scores:
    values = np.array([(rows < wrong).mean() for rows in draws(100, LEAST_RESAMPLES)])
    losses = Losses(values, 100, whole=wrong / 100)
    return Scores(1 - wrong / 100, 1 - wrong / 100, public_losses=losses, private_losses=losses)


@pytest.fixture(params=[scores, scores_on_resamples], autouse=True, ids=["rows", "resamples"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep losses of rows, or those on resamples: what stands decides in the same way."""
    monkeypatch.setitem(globals(), "scores", request.param)


def enter(contest: Contest, team: Team, wrong: int) -> Entry:
    return score_entry(contest.session, contest.take(team).id, scores(wrong), at=NOW)


def groups(contest: Contest, share: Share = Share.PUBLIC) -> dict[int, int]:
    contest.session.expire_all()
    rows = select(TieGroup.team_id, TieGroup.number).where(
        TieGroup.board_id == contest.board.id, TieGroup.share == share
    )
    return {row.team_id: row.number for row in contest.session.execute(rows)}


@pytest.fixture
def three(contest: Contest, sessions: sessionmaker[Session]) -> list[Team]:
    """Three teams that can be told apart, and are."""
    found = [contest.team() for _ in range(3)]
    for team, wrong in zip(found, (0, 30, 60), strict=True):
        enter(contest, team, wrong)
    contest.session.commit()
    assert tying.tie_boards(sessions, LATER) == 1
    assert groups(contest) == {team.id: number for number, team in enumerate(found, 1)}
    assert tying.tie_boards(sessions, LATER + timedelta(days=1)) == 0  # nothing changed
    return found


def again(contest: Contest, sessions: sessionmaker[Session]) -> int:
    contest.session.commit()
    return tying.tie_boards(sessions, LATER + timedelta(days=1))


def test_a_disqualified_team_is_in_no_group_and_is_again_when_that_is_lifted(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    made = judging.disqualify_team(contest.session, contest.organiser, three[0], "copied", at=NOW)
    assert again(contest, sessions) == 1
    assert groups(contest) == {three[1].id: 1, three[2].id: 2}
    judging.lift(contest.session, contest.organiser, made, "a mistake", at=NOW)
    contest.session.commit()
    assert tying.tie_boards(sessions, LATER + timedelta(days=2)) == 1
    assert groups(contest) == {three[0].id: 1, three[1].id: 2, three[2].id: 3}


def test_a_choice_for_the_end_moves_the_groups_of_the_end(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    worse = enter(contest, three[0], 90)
    again(contest, sessions)
    leader = contest.leader(three[0])
    select_entries(contest.session, leader, three[0], [worse.id], at=NOW)
    contest.session.commit()
    assert tying.tie_boards(sessions, LATER + timedelta(days=2)) == 1
    assert groups(contest, Share.PRIVATE) == {three[1].id: 1, three[2].id: 2, three[0].id: 3}
    assert groups(contest)[three[0].id] == 1


def test_a_merge_leaves_one_team_in_the_groups(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    leader = contest.leader(three[0])
    asked = teams.invite(contest.session, contest.leader(three[1]), three[1], leader, at=NOW)
    teams.accept(contest.session, leader, asked, at=NOW)
    assert again(contest, sessions) == 1
    assert groups(contest) == {three[1].id: 1, three[2].id: 2}


def test_a_score_that_was_stamped_before_the_groups_and_came_after_them_counts(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    """Its transaction was open while the board was tied."""
    late = contest.team()
    assert score_entry(contest.session, contest.take(late).id, scores(31), at=NOW).scored_at == NOW
    assert again(contest, sessions) == 1
    assert groups(contest) == {three[0].id: 1, three[1].id: 2, late.id: 2, three[2].id: 3}


def test_until_they_are_worked_out_anew_a_new_score_stands_without_the_groups_of_the_one_before(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    """Whoever is passed keeps the group, dated as it is, but no range of ranks that leaves its own out."""

    def shown() -> list[tuple[int, int | None, bool, bool]]:
        contest.session.expire_all()
        table = standings(contest.session, contest.board, None, NOW)
        return [
            (row.team_id or 0, row.tie_group, row.best_rank is not None, row.least_score is not None)
            for row in table.rows
        ]

    first, second, third = (team.id for team in three)
    assert shown() == [(first, 1, True, True), (second, 2, True, True), (third, 3, True, True)]
    enter(contest, three[2], 10)
    contest.session.commit()
    assert shown() == [(first, 1, True, True), (third, None, False, False), (second, 2, False, True)]
    again(contest, sessions)
    assert shown() == [(first, 1, True, True), (third, 2, True, True), (second, 3, True, True)]


def publish(contest: Contest, wrong: dict[int, int]) -> None:
    """Let another truth count, by which each team has so many rows wrong."""
    session = contest.session
    truth = rescoring.prepare_rescore(session, None, contest.board, "corrected", blob=None, at=NOW)
    for entry in session.scalars(select(Entry).where(Entry.board_id == contest.board.id)):
        rescoring.rescore_entry(session, truth, entry.id, scores(wrong[entry.team_id or 0]))
    rescoring.publish_rescore(session, None, truth, at=NOW)
    session.commit()


def test_another_truth_makes_other_groups(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    """The same entries stand, and what they lost is another."""
    publish(contest, dict(zip([team.id for team in three], (0, 1, 60), strict=True)))
    assert groups(contest) == {}  # not even for a minute are the old ones shown
    assert tying.tie_boards(sessions, LATER + timedelta(days=1)) == 1
    assert groups(contest) == {three[0].id: 1, three[1].id: 1, three[2].id: 2}


def test_groups_against_a_truth_that_was_replaced_meanwhile_are_thrown_away(
    contest: Contest,
    sessions: sessionmaker[Session],
    three: list[Team],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enter(contest, three[2], 50)
    contest.session.commit()
    compare = tying._tied

    def slow(rows: dict[int, tuple[int, bytes]], measured: Metric | None) -> list[Tied]:
        found = compare(rows, measured)
        if contest.board.truth_version == 1:
            publish(contest, dict(zip([team.id for team in three], (0, 1, 60), strict=True)))
        return found

    monkeypatch.setattr(tying, "_tied", slow)
    tying.tie_boards(sessions, LATER + timedelta(days=1))
    assert groups(contest) == {}
    tying.tie_boards(sessions, LATER + timedelta(days=2))
    assert groups(contest) == {three[0].id: 1, three[1].id: 1, three[2].id: 2}


def test_a_board_that_keeps_no_results_of_rows_is_not_looked_at_for_ever(
    contest: Contest, sessions: sessionmaker[Session]
) -> None:
    contest.enter(contest.team(), 0.5)
    contest.session.commit()
    assert tying.tie_boards(sessions, LATER) == 0


def test_a_board_too_large_to_compare_is_told_by_its_size_alone(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacking comes after the question: a table of 40 million numbers is 320 MB."""
    enter(contest, three[1], 0)
    monkeypatch.setattr(tying, "MOST_CELLS", 299)
    monkeypatch.setattr(tying, "losses_of_standings", None)
    assert again(contest, sessions) == 1
    assert groups(contest) == {}


def test_a_board_that_lost_the_results_of_one_entry_shows_no_groups(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    """Those of the others would claim ranks among fewer teams."""
    better = enter(contest, three[1], 0)
    contest.session.execute(delete(EntryLosses).where(EntryLosses.entry_id == better.id))
    assert again(contest, sessions) == 1
    assert groups(contest) == {}


def test_a_faulty_board_holds_no_other_up(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    other = make_contest(contest.session)
    enter(other, other.team(), 5)
    broken = enter(contest, three[1], 0)
    contest.session.get_one(EntryLosses, (broken.id, Share.PUBLIC)).packed = b"f" + bytes(3) + b"\x64" * 9
    contest.session.commit()
    assert tying.tie_boards(sessions, LATER + timedelta(days=1)) == 2
    assert len(groups(other)) == 1


def test_what_entries_lost_is_kept_until_nothing_else_can_come_to_stand(
    contest: Contest, three: list[Team]
) -> None:
    """A choice, or a disqualification, lets an entry stand that did not; its losses are needed then."""
    session, board = contest.session, contest.board
    worse = enter(contest, three[0], 90)
    assert board.ends_at is not None
    long_after = board.ends_at + FORGET_AFTER + timedelta(seconds=1)

    def is_kept(at: datetime) -> bool:
        upkeep.look_over(session, board, at)
        kept = select(EntryLosses).where(EntryLosses.entry_id == worse.id)
        return bool(session.scalars(kept).all())

    assert is_kept(LATER)
    assert is_kept(board.ends_at + timedelta(days=1))
    rule = GradeRule(
        board_id=board.id, version=1, rule={}, text="", objection_days=14,
        declared_by_id=contest.organiser.id, declared_at=NOW,
    )  # fmt: skip
    session.add(rule)
    session.flush()
    assert is_kept(long_after)  # nobody has let the points count yet
    session.delete(rule)
    session.flush()
    assert not is_kept(long_after)
    assert session.scalars(select(EntryLosses)).all()  # of those that stand


def test_tie_groups_that_were_changed_are_worked_out_anew_after_a_recompute(
    contest: Contest, sessions: sessionmaker[Session], three: list[Team]
) -> None:
    right = groups(contest)
    contest.session.execute(update(TieGroup).values(number=7))
    contest.session.commit()
    assert tying.tie_boards(sessions, NOW + timedelta(hours=1)) == 0
    tools = SimpleNamespace(sessions=sessions)
    CliRunner().invoke(boards, ["recompute"], obj=tools, catch_exceptions=False)
    assert set(groups(contest).values()) == {7}  # what is kept stays till then, and is dated by nothing
    assert tying.tie_boards(sessions, NOW + timedelta(hours=1)) == 1
    assert groups(contest) == right
    assert tying.tie_boards(sessions, NOW + timedelta(hours=3)) == 0
    assert [team.id for team in three] == list(right)
