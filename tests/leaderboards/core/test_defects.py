"""Faults that other platforms' boards have or had, each shown not to be here."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from lms.leaderboards.core.rank import Direction, Scored, places
from lms.leaderboards.core.selection import Candidate, final_entries

START = datetime(2026, 3, 2, tzinfo=UTC)


def entry(competitor: int, score: float, ordinal: int) -> Scored:
    return Scored(competitor, ordinal, score, START + timedelta(seconds=ordinal))


def first(entries: list[Scored], direction: Direction = "max") -> int | None:
    return places(entries, direction)[0].competitor


def test_an_early_best_entry_is_not_lost_behind_the_newest_ten_thousand() -> None:
    later = [entry(2 + number % 50, 0.5, 1 + number) for number in range(10_001)]
    board = places([entry(1, 0.9, 0), *later], "max")
    assert (board[0].competitor, board[0].rank, len(board)) == (1, 1, 51)


@pytest.mark.parametrize("missing", [math.nan, -math.inf, math.inf])
@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_missing_score_is_not_the_best_one(direction: Direction, missing: float) -> None:
    board = places([entry(1, missing, 0), entry(2, 0.7, 1)], direction)
    assert [row.competitor for row in board] == [2]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_tie_goes_to_the_earlier_entry_whatever_is_listed_first(direction: Direction) -> None:
    assert first([entry(2, 0.7, 9), entry(1, 0.7, 3)], direction) == 1
    assert first([entry(1, 0.7, 3), entry(2, 0.7, 9)], direction) == 1


def test_a_tie_is_broken_by_the_time_of_the_best_entry_and_of_no_other() -> None:
    early_but_worse = entry(1, 0.2, 0)
    assert first([early_but_worse, entry(1, 0.9, 50), entry(2, 0.9, 20)]) == 2


def test_scores_that_print_alike_are_not_equal() -> None:
    assert first([entry(1, 0.912341, 0), entry(2, 0.912342, 9)]) == 2


def test_removing_the_best_entry_leaves_the_team_with_its_next_best() -> None:
    entries = [entry(1, 0.9, 0), entry(1, 0.6, 1), entry(2, 0.7, 2)]
    assert [row.competitor for row in places(entries[1:], "max")] == [2, 1]


def test_a_team_that_chose_too_many_stays_on_the_private_board() -> None:
    many = [Candidate(1, number, 0.5 + number / 10, 0.1 * number, selected=True) for number in range(4)]
    board = places(final_entries([*many, Candidate(2, 9, 0.1, 0.25)], "max", most=2), "max")
    assert [(row.competitor, row.rank) for row in board] == [(1, 1), (2, 2)]


def test_the_private_score_of_a_team_that_chose_too_many_is_of_its_best_public_ones() -> None:
    many = [Candidate(1, 0, 0.9, 0.3, selected=True), Candidate(1, 1, 0.8, 0.9, selected=True)]
    (row,) = places(final_entries(many, "max", most=1), "max")
    assert row.score == 0.3
