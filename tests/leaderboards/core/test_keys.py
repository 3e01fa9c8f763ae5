import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.keys import BYTES, LARGEST_SEQUENCE, key, read_key
from lms.leaderboards.core.rank import Direction

scores = st.floats(allow_nan=False, allow_infinity=False)
sequences = st.integers(0, LARGEST_SEQUENCE)
directions = st.sampled_from(["max", "min"])


def ahead(score: float, sequence: int, direction: Direction) -> tuple[float, int]:
    return (-score if direction == "max" else score), sequence


@given(scores, sequences, scores, sequences, directions)
def test_keys_order_as_score_and_then_receipt_do(
    one: float, first: int, other: float, second: int, direction: Direction
) -> None:
    by_key = key(one, first, direction) < key(other, second, direction)
    assert by_key == (ahead(one, first, direction) < ahead(other, second, direction))


@given(scores, scores, st.integers(0, 3), st.integers(0, 3))
def test_a_board_turned_round_is_the_other_way_up_among_different_scores(
    one: float, other: float, first: int, second: int
) -> None:
    if one != other:
        upright = key(one, first, "max") < key(other, second, "max")
        assert upright != (key(one, first, "min") < key(other, second, "min"))


@given(scores, sequences, directions)
def test_a_key_gives_back_what_it_was_made_of(score: float, sequence: int, direction: Direction) -> None:
    packed = key(score, sequence, direction)
    assert len(packed) == BYTES
    assert read_key(packed, direction) == (score, sequence)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_two_zeros_are_one_score(direction: Direction) -> None:
    assert key(-0.0, 7, direction) == key(0.0, 7, direction)
    assert math.copysign(1, read_key(key(-0.0, 7, direction), direction)[0]) == 1


@pytest.mark.parametrize("direction", ["max", "min"])
def test_neighbouring_numbers_have_different_keys(direction: Direction) -> None:
    close = math.nextafter(0.9, 1)
    better, worse = (close, 0.9) if direction == "max" else (0.9, close)
    assert key(better, 9, direction) < key(worse, 1, direction)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_finite_number_has_no_key(score: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        key(score, 1, "max")


@pytest.mark.parametrize("sequence", [-1, LARGEST_SEQUENCE + 1])
def test_a_sequence_must_fit(sequence: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        key(0.5, sequence, "max")


@pytest.mark.parametrize("packed", [b"", b"short", bytes(17), bytes(16), struct.pack(">QQ", 2**64 - 1, 0)])
def test_bytes_that_are_no_key_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"sixteen|finite"):
        read_key(packed, "min")
