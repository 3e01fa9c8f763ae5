from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lms.grading.core.capping import capped, size_of
from lms.grading.core.score import Ran, RanStatus

TEXT: dict[str, Any] = {"output_type": "stream", "name": "stdout", "text": "가나다"}
ERROR: dict[str, Any] = {"output_type": "error", "ename": "E", "evalue": "why", "traceback": ["x" * 500]}
IMAGE: dict[str, Any] = {"output_type": "display_data", "data": {"image/png": "x" * 100}, "metadata": {}}


def test_what_fits_is_left_alone() -> None:
    ran = Ran(RanStatus.OK, (TEXT, IMAGE))
    assert capped(ran, 109) == (ran, 0)


def test_a_stream_is_cut_between_characters_and_said_to_be_cut() -> None:
    ran, room = capped(Ran(RanStatus.OK, (TEXT, IMAGE)), 7)
    assert [one["text"] for one in ran.outputs] == ["가나"]
    assert ran.truncated
    assert room == 1


def test_an_error_keeps_its_name_and_message() -> None:
    ran, room = capped(Ran(RanStatus.ERROR, (ERROR,)), 0)
    assert [(one["ename"], one["evalue"], one["traceback"]) for one in ran.outputs] == [("E", "why", [])]
    assert room == 0


@given(st.lists(st.sampled_from([TEXT, IMAGE])), st.integers(0, 1_000))
def test_streams_and_images_never_take_more_than_the_room(outputs: list[dict[str, Any]], room: int) -> None:
    ran, left = capped(Ran(RanStatus.OK, tuple(outputs)), room)
    assert sum(map(size_of, ran.outputs)) + left == room
