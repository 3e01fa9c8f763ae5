import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.rank import Direction, places
from lms.leaderboards.core.selection import Candidate, chosen, final_entries

scores = st.one_of(st.none(), st.sampled_from([0.1, 0.5, 0.9, math.nan, math.inf]))
candidates = st.lists(
    st.builds(
        Candidate,
        competitor=st.integers(1, 3),
        sequence=st.integers(0, 1000),
        public=scores,
        private=scores,
        selected=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: one.sequence,
)
directions = st.sampled_from(["max", "min"])


def sequences(
    entries: list[Candidate], direction: Direction = "max", most: int = 2, automatic: int = 2
) -> list[int]:
    return [one.sequence for one in chosen(entries, direction, most=most, automatic=automatic)]


def test_what_a_team_chose_counts() -> None:
    entries = [Candidate(1, 1, 0.9, 0.1), Candidate(1, 2, 0.5, 0.8, selected=True)]
    assert sequences(entries) == [2]


def test_for_a_team_that_chose_none_its_best_public_ones_are_chosen() -> None:
    entries = [
        Candidate(1, number, score, 0.0) for number, score in enumerate([0.3, 0.9, 0.5, None, math.nan])
    ]
    assert sequences(entries) == [1, 2]
    assert sequences(entries, "min") == [0, 2]
    assert sequences(entries, automatic=1) == [1]


def test_of_equal_public_scores_the_earlier_is_chosen() -> None:
    assert sequences([Candidate(1, 8, 0.5, 0.1), Candidate(1, 3, 0.5, 0.2)], automatic=1) == [3]


def test_a_chosen_entry_counts_even_if_its_public_score_is_missing() -> None:
    assert sequences([Candidate(1, 1, None, 0.9, selected=True), Candidate(1, 2, 0.9, 0.5)]) == [1]


def test_the_best_private_score_of_the_chosen_ones_ranks() -> None:
    entries = [Candidate(1, 1, 0.9, 0.2, selected=True), Candidate(1, 2, 0.5, 0.8, selected=True)]
    assert [row.score for row in places(final_entries(entries, "max", most=2), "max")] == [0.8]


def test_reference_rows_are_there_without_being_chosen() -> None:
    entries = [Candidate(None, 1, 0.9, 0.2), Candidate(None, 2, 0.5, None)]
    assert [(one.competitor, one.score) for one in final_entries(entries, "max", most=2)] == [(None, 0.2)]


@given(candidates, directions, st.integers(1, 3), st.randoms())
def test_the_order_of_rows_does_not_matter(
    entries: list[Candidate], direction: Direction, most: int, chance: Random
) -> None:
    shuffled = entries[:]
    chance.shuffle(shuffled)
    before, after = (
        places(final_entries(rows, direction, most=most, automatic=most), direction)
        for rows in (entries, shuffled)
    )
    assert before == after


@given(candidates, directions, st.integers(1, 3))
def test_whoever_has_a_finite_pair_of_scores_and_chose_none_is_on_the_private_board(
    entries: list[Candidate], direction: Direction, most: int
) -> None:
    whole = [one for one in entries if one.public is not None and one.private is not None]
    finite = [one for one in whole if math.isfinite(one.public or 0) and math.isfinite(one.private or 0)]
    chose = {one.competitor for one in entries if one.selected}
    board = {row.competitor for row in places(final_entries(finite, direction, most=most), direction)}
    assert {one.competitor for one in finite} - chose <= board


@pytest.mark.parametrize("private", [None, math.nan, math.inf])
def test_a_chosen_entry_without_a_private_score_does_not_rank(private: float | None) -> None:
    assert final_entries([Candidate(1, 1, 0.9, private, selected=True)], "max", most=1) == []
