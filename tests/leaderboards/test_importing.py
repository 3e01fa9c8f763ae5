"""What is refused of a table that is brought onto a board, and that nothing of it is written then."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.tables import TableProblem, read_table
from lms.leaderboards.models import Entry, Team
from lms.leaderboards.services.importing import import_table
from tests.factories.leaderboards import NOW, Contest, make_contest

HEAD = "team,score,received_at,private_score,baseline,selected\n"
TIME = "2026-09-01T00:00:00"


def bring(contest: Contest, rows: str, *, days: int = 0) -> int:
    return import_table(
        contest.session,
        None,
        contest.board,
        read_table((HEAD + rows).encode()),
        at=NOW + timedelta(days=days),
    )


def refused(contest: Contest, rows: str, *, days: int = 0) -> list[tuple[int, str]]:
    """Return the faults of a table; it must have changed nothing."""
    session = contest.session
    counts = [
        select(func.count(table.id)).where(table.board_id == contest.board.id) for table in (Entry, Team)
    ]
    before = [session.scalar(count) for count in counts]
    with pytest.raises(TableProblem) as problem:
        bring(contest, rows, days=days)
    assert [session.scalar(count) for count in counts] == before
    assert problem.value.sentences("ko")
    return [(one.line, one.code) for one in problem.value.problems]


def test_a_time_that_is_still_to_come_is_refused(contest: Contest) -> None:
    late = (NOW + timedelta(seconds=1)).isoformat()
    assert refused(contest, f"a,0.5,{TIME},,,\nb,0.5,{late},,,\n") == [(3, "future")]
    assert bring(contest, f"a,0.5,{NOW.isoformat()},,,\n") == 1


def test_a_team_cannot_have_selected_more_than_the_board_takes(session: Session) -> None:
    contest = make_contest(session, selections=2)
    row = f"a,0.5,{TIME},0.5,0,1\n"
    assert refused(contest, f"{row}base,0.1,{TIME},,1,1\n{row}{row}{row}") == [(5, "too_many_selected")]
    assert bring(contest, row) == 1
    assert refused(contest, row.replace("0.5", "0.6") * 2) == [(3, "too_many_selected")]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x" * 61, "long_name"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "hidden_signs"),
        ("a\x1b[2J", "hidden_signs"),
        ("zero\N{ZERO WIDTH SPACE}width", "hidden_signs"),
    ],
)
def test_a_name_that_no_team_can_have_is_refused(contest: Contest, name: str, code: str) -> None:
    assert refused(contest, f"a,0.5,{TIME},,,\n{name},0.5,{TIME},,,\n{name},0.6,{TIME},,,\n") == [(3, code)]


def test_a_name_is_kept_with_single_spaces(contest: Contest) -> None:
    bring(contest, f"two   words ,0.5,{TIME},,,\n")
    assert contest.session.scalars(select(Team.name)).all() == ["two words"]
    assert refused(contest, f"b  c,0.5,{TIME},,,\nb c,0.5,{TIME},,,\n") == [(3, "same_name")]


def test_rows_that_are_there_already_are_refused_and_counted(contest: Contest) -> None:
    rows = f"a,0.5,{TIME},0.25,,\nb,nan,{TIME},0.5,,\nbase,0.1,{TIME},,1,\nc,0.5,{TIME},,,\n"
    bring(contest, rows)
    found = refused(contest, f"{rows}a,0.5,{TIME},0.75,,\nnew,0.5,{TIME},0.25,,\n")
    assert found == [(0, "rows_there"), *((line, "row_there") for line in (2, 3, 4, 5))]
    assert bring(contest, f"a,0.5,{TIME},0.75,,\nnew,0.5,{TIME},0.25,,\n") == 3


def test_a_board_that_has_ended_takes_a_table_only_while_it_is_empty(contest: Contest) -> None:
    rows = f"a,0.5,{TIME},0.25,,\nbase,0.1,{TIME},,1,\n"
    assert bring(contest, rows, days=300) == 1
    assert refused(contest, f"other,0.5,{TIME},0.25,,\n", days=300) == [(0, "board_ended")]
    assert bring(contest, f"other,0.5,{TIME},0.25,,\n") == 2


def test_the_largest_scores_are_taken_as_from_a_scorer(contest: Contest) -> None:
    assert bring(contest, f"a,1.7e308,{TIME},-1.7e308,,\nb,-1.7e308,{TIME},1e301,,\n") == 2


def test_rows_of_one_microsecond_are_received_in_the_order_of_their_decimals(contest: Contest) -> None:
    bring(contest, f"late,0.5,{TIME}.1234569,,,\nsoon,0.5,{TIME}.1234561,,,\n")
    order = select(Team.name).join(Entry, Entry.team_id == Team.id).order_by(Entry.sequence)
    assert contest.session.scalars(order).all() == ["soon", "late"]
