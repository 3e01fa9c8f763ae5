import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.moves import movement, rank_changes, shake_up, shake_up_of_top

fields = st.permutations(range(1, 9))


def test_a_change_is_public_minus_private_rank() -> None:
    assert rank_changes({"a": 3, "b": 1, "c": 2}, {"a": 1, "b": 2}) == {"a": 2, "b": -1}


def test_shake_up_is_the_mean_distance_as_a_share_of_the_field() -> None:
    assert shake_up({"a": 3, "b": 1, "c": 2, "d": 4}, {"a": 1, "b": 2, "c": 3, "d": 4}) == pytest.approx(
        1 / 4
    )
    assert shake_up({}, {}) is None
    assert shake_up({"a": 1}, {"b": 1}) is None


def test_a_team_on_one_board_only_is_in_the_field_and_does_not_move() -> None:
    public = {team: team for team in range(1, 101)}
    assert shake_up(public, {100: 1}) == pytest.approx(99 / 100)
    assert shake_up_of_top(public, {100: 1}) == pytest.approx(99 / 100)
    assert shake_up({"a": 1, "b": 2}, {"b": 1, "late": 2}) == pytest.approx(1 / 3)


def test_the_shake_up_of_the_top_is_that_of_those_who_won() -> None:
    public = {team: team for team in range(1, 21)}
    private = {**public, 1: 2, 2: 1, 19: 20, 20: 19}
    assert shake_up_of_top(public, private) == pytest.approx(1 / 20)
    assert shake_up_of_top(public, private, share=0.01) == pytest.approx(1 / 20)
    assert shake_up_of_top({}, {}) is None


def test_movement_is_positive_for_who_rose_and_unknown_for_who_is_new() -> None:
    assert movement({"a": 5, "b": 1}, {"a": 2, "b": 3, "new": 1}) == {"a": 3, "b": -2, "new": None}


@given(fields)
def test_what_some_win_others_lose(private: list[int]) -> None:
    public = dict(enumerate(range(1, 9)))
    changes = rank_changes(public, dict(enumerate(private)))
    assert sum(changes.values()) == 0
    assert 0 <= (shake_up(public, dict(enumerate(private))) or 0) <= 0.5


@given(fields, fields, st.integers(0, 8), st.integers(0, 8))
def test_nobody_moves_farther_than_the_field_is_long(
    one: list[int], other: list[int], of_one: int, of_other: int
) -> None:
    public, private = (
        {team: rank for rank, team in enumerate(ranks, 1)} for ranks in (one[:of_one], other[:of_other])
    )
    for moved in (shake_up(public, private), shake_up_of_top(public, private)):
        assert moved is None or 0 <= moved < 1


@given(fields)
def test_nothing_is_shaken_where_both_boards_agree(ranks: list[int]) -> None:
    board = dict(enumerate(ranks))
    assert shake_up(board, board) == 0
    assert shake_up_of_top(board, board) == 0
