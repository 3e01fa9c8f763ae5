import csv
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.loss_tables import read_losses
from lms.leaderboards.core.rank import Direction
from lms.leaderboards.core.table_ranks import RankedRow, rank_table
from lms.leaderboards.core.tables import Row, Table, TableProblem, read_table

START = datetime(2026, 3, 2, tzinfo=UTC)
HEAD = "team,score,received_at,private_score,baseline,selected\n"


def ranked(text: str, direction: Direction = "max", losses: str | None = None) -> dict[str, RankedRow]:
    found = rank_table(
        read_table((HEAD + text).encode()), direction, read_losses(losses.encode()) if losses else None
    )
    return {row.team: row for row in found.rows}


def ranks(text: str, direction: Direction = "max") -> list[tuple[str, int | None]]:
    return [(team, row.rank) for team, row in ranked(text, direction).items()]


tables = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.sampled_from([0.1, 0.5, 0.50000001, 0.9, math.nan, math.inf]),
        st.integers(0, 4),
        st.sampled_from([0.2, 0.6, 0.6, math.nan]),
        st.booleans(),
    ),
    max_size=12,
)


def table(rows: list[tuple[str, float, int, float, bool]], *, has_private: bool = True) -> Table:
    return Table(
        [
            Row(line, team, score, START + timedelta(minutes=minute), private, team == "e", selected)
            for line, (team, score, minute, private, selected) in enumerate(rows)
        ],
        has_private,
    )


def test_a_team_stands_once_with_its_best_public_entry() -> None:
    rows = "a,0.4,2026-01-01,,,\na,0.9,2026-01-03,,,\nb,0.9,2026-01-02,,,\nc,0.1,2026-01-01,,,\n"
    assert ranks(rows) == [("b", 1), ("a", 2), ("c", 3)]
    assert ranks(rows, "min") == [("c", 1), ("a", 2), ("b", 3)]


def test_equal_scores_rank_by_receipt_and_then_by_team() -> None:
    rows = "c,0.9,2026-01-01 09:00,,,\nb,0.9,2026-01-01 09:00,,,\na,0.9,2026-01-01T18:00:01+09:00,,,\n"
    assert ranks(rows) == [("b", 1), ("c", 2), ("a", 3)]


def test_times_order_however_many_decimals_they_have() -> None:
    head = "2026-01-01 09:00:00.123456"
    rows = f"a,0.9,{head}1,,,\nb,0.9,{head}09,,,\nc,0.9,{head},,,\nd,0.9,{head}10,,,\ne,0.9,{head}101,,,\n"
    assert [team for team, _ in ranks(rows)] == ["c", "b", "a", "d", "e"]


def test_a_name_is_one_team_however_it_is_composed_and_spaced() -> None:
    apart = "Cafe\N{COMBINING ACUTE ACCENT}"
    rows = "".join(f"{team},0.9,2026-01-01,,,\n" for team in ("Café", f"{apart} ", "\N{NO-BREAK SPACE}b"))
    found = ranked(rows, losses=f"team,losses\n{apart},01\nb ,11\n")
    assert [(team, row.rank) for team, row in found.items()] == [("Café", 1), ("b", 2)]


def test_without_private_scores_nothing_private_is_said() -> None:
    row = ranked("a,0.4,2026-01-01,,,\n")["a"]
    assert (row.rank, row.public_rank, row.private_rank, row.change) == (1, 1, None, None)
    assert rank_table(read_table((HEAD + "a,0.4,2026-01-01,,,\n").encode()), "max").shake_up is None


def test_the_private_score_of_the_best_public_entry_ranks() -> None:
    found = ranked("a,0.9,2026-01-01,0.1,,\na,0.5,2026-01-01,0.99,,\nb,0.6,2026-01-01,0.5,,\n")
    assert [(row.team, row.rank, row.public_rank, row.change) for row in found.values()] == [
        ("b", 1, 2, 1),
        ("a", 2, 1, -1),
    ]


def test_the_best_private_score_of_the_selected_entries_ranks() -> None:
    found = ranked(
        "a,0.9,2026-01-01,0.1,,1\na,0.5,2026-01-01,0.7,,1\na,0.4,2026-01-01,0.99,,0\nb,0.6,2026-01-01,0.5,,\n"
    )
    assert [(row.team, row.rank, row.public_rank) for row in found.values()] == [("a", 1, 1), ("b", 2, 2)]


def test_an_equal_private_score_ranks_by_the_receipt_of_the_entry_that_counts() -> None:
    found = ranks("a,0.9,2026-01-05,0.5,,\na,0.1,2026-01-01,0.2,,\nb,0.6,2026-01-02,0.5,,\n")
    assert found == [("b", 1), ("a", 2)]


def test_of_two_entries_at_one_time_with_one_score_the_better_private_one_counts() -> None:
    worse, better = "a,0.9,2026-01-01,0.1,,\n", "a,0.9,2026-01-01,0.9,,\n"
    for rows in (worse + better, better + worse):
        assert ranks(f"{rows}b,0.8,2026-01-01,0.5,,\n") == [("a", 1), ("b", 2)]
        assert ranks(f"{rows}b,0.8,2026-01-01,0.5,,\n", "min") == [("a", 1), ("b", 2)]


def test_baselines_stand_at_their_score_and_take_no_rank_and_no_medal() -> None:
    teams = "".join(f"t{number},0.{9 - number},2026-01-02,,0,\n" for number in range(4))
    found = ranked(f"{teams}base,0.9,2026-01-01,,1,\nbase,0.2,2026-01-01,,1,\n")
    assert list(found) == ["t0", "base", "t1", "t2", "t3"]
    assert found["base"] == RankedRow("base", None, None, None, None, None, None)
    assert [row.medal for row in found.values()] == ["bronze", None, None, None, None]


def test_what_is_no_finite_number_stands_last_without_a_rank() -> None:
    found = ranked(
        "a,nan,2026-01-01,,,\nb,0.1,2026-01-01,,,\nc,-inf,2026-01-01,,,\nb,inf,2026-01-01,,,\n", "min"
    )
    assert [(row.team, row.rank, row.tie_group) for row in found.values()] == [
        ("b", 1, 1),
        ("a", None, None),
        ("c", None, None),
    ]


def test_a_team_without_a_private_score_is_not_ranked_by_its_public_one() -> None:
    found = ranked("a,0.9,2026-01-01,,,\nb,0.1,2026-01-01,0.3,,\n")
    assert [(row.team, row.rank, row.public_rank, row.change) for row in found.values()] == [
        ("b", 1, 2, 1),
        ("a", None, 1, None),
    ]


@pytest.mark.parametrize("private", ["nan", "inf", ""])
def test_a_private_score_that_is_none_takes_nobodys_rank(private: str) -> None:
    found = ranked(
        f"a,0.9,2026-01-01,,,\nb,0.1,2026-01-01,{private},,\nbase,0.5,2026-01-01,0.5,1,\n",
    )
    assert [(row.team, row.rank, row.medal, row.private_rank, row.change) for row in found.values()] == [
        ("a", 1, None, None, None),
        ("base", None, None, None, None),
        ("b", 2, None, None, None),
    ]


def test_the_field_of_the_shake_up_is_every_team_that_ranks_on_either_board() -> None:
    rows = "a,0.9,2026-01-01,,,\nb,0.8,2026-01-01,,,\nbase,0.7,2026-01-01,0.9,1,\nc,0.1,2026-01-01,0.3,,\n"
    found = rank_table(read_table((HEAD + rows).encode()), "max")
    assert found.shake_up == pytest.approx(2 / 3)


def test_without_losses_exactly_equal_ranking_scores_are_one_group() -> None:
    found = ranked("a,0.9,2026-01-01,,,\nb,0.9,2026-01-02,,,\nc,0.89999999999,2026-01-01,,,\n")
    assert [row.tie_group for row in found.values()] == [1, 1, 2]


def test_with_losses_groups_are_statistical_and_leave_baselines_out() -> None:
    scores = {"a": "0.9", "b": "0.8", "base": "0.7", "c": "0.2", "d": ""}
    rows = "".join(f"{team},{score},2026-01-01,,{team == 'base':d},\n" for team, score in scores.items())
    mistakes = {"a": 10, "b": 14, "c": 80, "base": 100}
    losses = "".join(f"{team},{'1' * wrong}{'0' * (100 - wrong)}\n" for team, wrong in mistakes.items())
    found = ranked(rows, losses=f"team,losses\n{losses}")
    assert [(row.team, row.tie_group) for row in found.values()] == [
        ("a", 1),
        ("b", 1),
        ("base", None),
        ("c", 2),
        ("d", None),
    ]


def test_losses_that_do_not_fit_the_table_are_refused() -> None:
    with pytest.raises(TableProblem, match='"b" are missing'):
        ranked("a,0.9,2026-01-01,,,\nb,0.8,2026-01-01,,,\n", losses="team,losses\na,01\n")


@given(tables, st.sampled_from(["max", "min"]), st.sampled_from(["", "given"]), st.randoms())
def test_the_order_of_rows_does_not_matter(
    rows: list[tuple[str, float, int, float, bool]],
    direction: Direction,
    private: str,
    chance: Random,
) -> None:
    before = rank_table(table(rows, has_private=bool(private)), direction)
    shuffled = rows[:]
    chance.shuffle(shuffled)
    after = rank_table(table(shuffled, has_private=bool(private)), direction)
    assert after.to_dict() == before.to_dict()
    assert {row.team for row in after.rows} == {row[0] for row in rows}
    given_ranks = [row.rank for row in after.rows if row.rank is not None]
    assert given_ranks == list(range(1, len(given_ranks) + 1))
    assert all(row.rank is None for row in after.rows if row.team == "e")


@pytest.mark.parametrize("assignment", ["a0", "a1", "a2", "a3"])
def test_the_boards_of_a_real_course_come_out_as_they_were(real_boards: Path, assignment: str) -> None:
    expected = json.loads((real_boards / "expected.json").read_text())[assignment]
    shares = {}
    for share in ("public", "private"):
        with (real_boards / f"aist4010_{assignment}-{share}.csv").open() as file:
            shares[share] = list(csv.DictReader(file))
    private = {row["team"]: row["score"] for row in shares["private"]}
    text = "".join(
        f"{row['team']},{row['score']},{row['date']},{private[row['team']]},{row['benchmark']},\n"
        for row in sorted(shares["public"], key=lambda row: row["team"])
    )
    found = rank_table(read_table((HEAD + text).encode()), expected["public"]["direction"])
    rows = [row for row in found.rows if row.rank is not None]
    assert {row.team: row.public_rank for row in rows} == expected["public_rank"]
    assert {row.team: row.private_rank for row in rows} == expected["private_rank"]
    assert {row.team: row.rank for row in rows} == expected["private_rank"]
    assert {row.team: row.change for row in rows} == expected["rank_change"]
    assert max(abs(row.change or 0) for row in rows) == expected["largest_move"]
    assert found.shake_up is not None
    assert round(found.shake_up, 4) == expected["shake_up"]
    assert len(rows) == expected["private"]["ranked"]
    assert len(found.rows) == expected["private"]["rows"]
    printed = sorted(shares["private"], key=lambda row: int(row["file_order"]))
    assert [row.team for row in rows] == [row["team"] for row in printed if row["benchmark"] == "0"]
