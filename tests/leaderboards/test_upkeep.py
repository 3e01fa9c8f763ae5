from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.tables import TableProblem, read_table
from lms.leaderboards.models import Entry, PrivateScore, Standing, Team
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services import upkeep
from lms.leaderboards.services.honouring import count_results
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.tables.honours import Honours, TeamResult
from tests.factories.leaderboards import NOW, Contest, make_contest

TABLE = """\
team,score,received_at,private_score,baseline,selected
둘째,0.5,2026-09-02T00:00:00Z,0.7,0,0
first,0.9,2026-09-01T00:00:01,0.2,0,0
first,0.9,2026-09-01T00:00:01,0.8,0,0
north,0.6,2026-09-01T00:00:00Z,0.6,1,0
first,nan,2026-09-03T00:00:00Z,0.1,0,0
<b>,0.4,2026-09-02T00:00:00Z,,0,0
"""


@pytest.fixture
def run(
    sessions: sessionmaker[Session], session: Session, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run `lms boards …` on what was committed so far, two months after `NOW`."""
    monkeypatch.setattr("lms.leaderboards.cli.upkeep.now", lambda: NOW + timedelta(days=60))

    def run(*arguments: str) -> Result:
        session.commit()
        tools = SimpleNamespace(sessions=sessions)
        return CliRunner().invoke(boards, arguments, obj=tools, catch_exceptions=False)

    return run


def test_a_board_that_is_as_its_entries_say_has_no_difference(
    contest: Contest, run: Callable[..., Result]
) -> None:
    contest.enter(contest.team(), 0.5)
    done = run("diff", contest.challenge.slug)
    assert (done.exit_code, "what the entries say" in done.output) == (0, True)


def test_a_difference_is_told_by_status_and_mended_by_recompute(
    contest: Contest, run: Callable[..., Result]
) -> None:
    team = contest.team("evil\x1b[2J\u202e")
    contest.enter(team, 0.5)
    standing = contest.standing(team)
    assert standing is not None
    standing.score = 0.75
    done = run("diff")
    assert done.exit_code == 1
    assert "0.75" in done.output
    assert "0.5" in done.output
    assert "\x1b" not in done.output
    assert "differed and was mended" in run("recompute").output
    assert run("diff").exit_code == 0
    assert run("diff", "--language", "ko", str(contest.board.id)).output.startswith("리더보드")


def test_a_sort_key_that_differs_is_told_as_such(contest: Contest, run: Callable[..., Result]) -> None:
    team = contest.team()
    contest.enter(team, 0.5)
    standing = contest.standing(team)
    assert standing is not None
    right, standing.key = standing.key, bytes(16)
    done = run("diff")
    assert done.exit_code == 1
    assert f"only the sort key differs, kept {bytes(16).hex()}, entries say {right.hex()}" in done.output
    assert "정렬 키만 다름" in run("diff", "--language", "ko").output


def test_results_that_were_changed_are_told_and_mended(contest: Contest, run: Callable[..., Result]) -> None:
    session = contest.session
    teams = [contest.team("first\x1b[2J"), contest.team("second")]
    for team, score in zip(teams, (0.9, 0.5), strict=True):
        contest.enter(team, score)
    assert "results" not in run("diff").output
    contest.board.ends_at = NOW + timedelta(days=30)
    kept = count_results(session, contest.board, contest.board.ends_at + timedelta(seconds=1))
    assert kept is not None
    assert "kept results are what the standings give" in run("diff").output
    kept.shake_up = 0.75
    session.get_one(TeamResult, (contest.board.id, teams[0].id)).rank = 2
    session.get_one(Honours, teams[1].leader_id).gold = 7
    done = run("diff")
    assert done.exit_code == 1
    assert "shake_up: kept 0.75, standings give 0.0" in done.output
    assert "rank: kept 2, standings give 1" in done.output
    assert "not what the places give, people: 2" in done.output
    assert "\x1b" not in done.output
    mended = run("recompute")
    assert "were mended, values: 2" in mended.output
    assert run("diff").exit_code == 0
    session.expire_all()
    assert (kept.shake_up, session.get_one(Honours, teams[1].leader_id).gold) == (0.0, 0)
    assert "mended" not in run("recompute").output


def test_sums_of_people_that_were_changed_are_told_and_mended(
    contest: Contest, run: Callable[..., Result]
) -> None:
    team = contest.team()
    contest.enter(team, 0.9)
    contest.board.ends_at = NOW + timedelta(days=30)
    count_results(contest.session, contest.board, contest.board.ends_at + timedelta(seconds=1))
    contest.session.get_one(Honours, team.leader_id).gold = 7
    assert "people: 1" in run("diff").output
    assert "sums of points and medals were mended, people: 1" in run("recompute").output
    assert run("diff").exit_code == 0


def test_a_board_that_is_not_there_is_no_traceback(run: Callable[..., Result]) -> None:
    for name in ("nothing", "999999", "9" * 30, "²"):
        done = run("diff", name)
        assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert "no board here yet" in run("diff").output


def test_a_table_is_imported_whole(contest: Contest, run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    file.write_text(TABLE, encoding="utf-8")
    done = run("import", str(file), "--board", contest.challenge.slug)
    assert done.exit_code == 0, done.output
    assert f"Rows brought in: 6. Teams that stand on board {contest.board.id} now: 3." in done.output
    session, board = contest.session, contest.board
    rows = standings(session, board, None, NOW).rows
    assert [(row.rank, row.name or "baseline", row.score, row.entries) for row in rows] == [
        (1, "first", 0.9, 2),
        (None, "baseline", 0.6, 0),
        (2, "둘째", 0.5, 1),
        (3, "<b>", 0.4, 1),
    ]
    assert session.scalars(select(Team.taken).order_by(Team.id)).all() == [1, 2, 1]
    assert session.scalar(select(func.count(Entry.id))) == 6
    assert session.scalar(select(func.count(PrivateScore.entry_id))) == 4
    private = select(Standing.score).where(Standing.share == "private").order_by(Standing.score)
    assert session.scalars(private).all() == [0.2, 0.7]  # one selection: the earlier of the two best public
    assert run("diff").exit_code == 0
    again = run("import", str(file), "--board", str(board.id))
    assert (again.exit_code, "has ended" in again.output) == (2, True)
    assert session.scalar(select(func.count(Entry.id))) == 6


def test_a_table_with_a_fault_changes_nothing(
    contest: Contest, run: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "board.csv"
    file.write_text(TABLE + "late,0.3,tomorrow,,0,0\n", encoding="utf-8")
    done = run("import", str(file), "--board", contest.challenge.slug)
    assert done.exit_code == 2
    assert "8" in done.output
    assert contest.session.scalar(select(func.count(Entry.id))) == 0


def test_two_names_that_are_compared_as_one_are_not_one_team_without_a_word(contest: Contest) -> None:
    rows = ("Team One,0.5,2026-09-01T00:00:00Z", "ＴＥＡＭ ONE,0.6,2026-09-02T00:00:00Z")
    table = read_table("\n".join(["team,score,received_at", *rows]).encode())
    with pytest.raises(TableProblem, match=r"line 3: .*one name here"):
        import_table(contest.session, None, contest.board, table, at=NOW)


def test_an_older_table_does_not_turn_back_when_a_team_entered_last(contest: Contest) -> None:
    team = contest.team("first")
    contest.enter(team, 0.5, at=NOW)
    import_table(contest.session, None, contest.board, read_table(TABLE.encode()), at=NOW)
    assert team.last_received_at == NOW
    later = TABLE.replace("2026-09-0", "2026-10-0")
    contest.board.ends_at = None
    import_table(
        contest.session, None, contest.board, read_table(later.encode()), at=NOW + timedelta(days=60)
    )
    assert team.last_received_at == datetime(2026, 10, 3, tzinfo=UTC)


def test_a_board_with_a_ladder_needs_more_than_scores(session: Session) -> None:
    contest = make_contest(session, ladder=True)
    with pytest.raises(TableProblem, match="without a Ladder"):
        import_table(session, None, contest.board, read_table(TABLE.encode()), at=NOW)


def test_every_board_is_looked_over_once_a_night(contest: Contest) -> None:
    session, team = contest.session, contest.team()
    contest.enter(team, 0.5)
    evening = datetime(2026, 9, 4, 17, 59, tzinfo=UTC)
    board = contest.board
    assert board.id in upkeep.due_boards(session, evening)
    assert upkeep.look_over(session, board, evening) == []
    assert board.id not in upkeep.due_boards(session, evening)
    assert board.id in upkeep.due_boards(session, evening + timedelta(minutes=1))
    standing = contest.standing(team)
    assert standing is not None
    assert standing.rank_before == 1
    standing.entries = 7
    [difference] = upkeep.look_over(session, board, evening)
    assert difference.kept is not None
    assert difference.kept.entries == 7
    long_after = contest.challenge.ends_at + timedelta(days=61)
    assert board.id in upkeep.due_boards(session, long_after)  # what it gives was never counted
    upkeep.look_over(session, board, long_after)
    assert board.id not in upkeep.due_boards(session, long_after + timedelta(days=1))
