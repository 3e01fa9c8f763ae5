import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.grading.core.contracts import CellKind, CheckStatus
from lms.grading.core.score import Ran, RanStatus, check_of, points_of
from tests.grading.core.making import LAB, entry

TEST = entry("t", CellKind.TEST, "assert True", 5)
HIDDEN = LAB.cells[3]
STDERR = {"output_type": "stream", "name": "stderr", "text": "RuntimeWarning"}
ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (None, 5),
        ("None", 5),
        ("True", 5),
        ("2.5", 2.5),
        ("np.float64(2.5)", 2.5),
        ("np.int64(3)", 3),
        ("5", 5),
        ("0", 0),
    ],
)
def test_a_number_is_partial_credit_and_no_result_is_full(text: str | None, score: float) -> None:
    points = points_of(TEST, Ran(RanStatus.OK, result=text))
    assert (points.score, points.notice) == (score, None)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "-1", "'5'", "5.0000001", "<Figure>", "False", "np.float64(nan)"]
)
def test_what_is_no_number_of_points_is_zero_and_staff_hear_of_it(text: str) -> None:
    points = points_of(TEST, Ran(RanStatus.OK, result=text))
    assert points.score == 0
    assert points.notice is not None
    assert points.notice.for_staff


def test_text_on_standard_error_is_no_failure() -> None:
    assert points_of(TEST, Ran(RanStatus.OK, (STDERR,))).score == 5


@pytest.mark.parametrize("status", [one for one in RanStatus if one is not RanStatus.OK])
def test_a_cell_that_did_not_come_to_rest_gets_nothing(status: RanStatus) -> None:
    assert points_of(TEST, Ran(status, result="5")).score == 0


def test_a_forged_result_before_an_error_gives_nothing() -> None:
    assert points_of(TEST, Ran(RanStatus.OK, (ERROR,), result="5")).score == 0


@given(st.text(), st.sampled_from(list(RanStatus)), st.floats(0, 1e6))
def test_points_are_always_within_the_cells_own(text: str, status: RanStatus, maximum: float) -> None:
    cell = entry("t", CellKind.TEST, "", maximum)
    score = points_of(cell, Ran(status, result=text)).score
    assert math.isfinite(score)
    assert 0 <= score <= maximum


@given(st.floats())
def test_any_float_is_either_its_own_points_or_none(number: float) -> None:
    score = points_of(TEST, Ran(RanStatus.OK, result=repr(number))).score
    assert score == (number if 0 <= number <= 5 else 0)


def failed(name: str, text: str) -> Ran:
    return Ran(RanStatus.ERROR, error=(name, text))


def test_a_visible_test_says_what_the_program_said() -> None:
    ran = failed("AssertionError", "두 배가 아니에요. | Not the double.")
    assert check_of(TEST, ran, None, clean=True).message == "두 배가 아니에요. | Not the double."
    ran = failed("ValueError", "\x1b[31mbad\x1b[0m\u202e")
    assert check_of(TEST, ran, None, clean=True).message == "ValueError: bad"


@pytest.mark.parametrize("text", ["", "7", "double(7)", "got 13 for 7"])
def test_a_hidden_test_says_nothing_that_its_author_did_not_write(text: str) -> None:
    check = check_of(HIDDEN, failed("AssertionError", text), None)
    assert (check.status, check.message, check.hidden) == (CheckStatus.FAILED, "", True)
    assert check_of(HIDDEN, failed("ValueError", "try again"), None).message == ""


def test_a_hidden_test_says_what_its_author_wrote() -> None:
    assert check_of(HIDDEN, failed("AssertionError", "try again"), None).message == "try again"


def test_a_sentence_of_the_author_that_student_code_raised_is_not_shown() -> None:
    ran = replace(failed("AssertionError", "try again"), by_student=True)
    assert check_of(HIDDEN, ran, None).message == ""


def test_a_visible_test_after_a_hidden_one_says_nothing_of_the_programs_own() -> None:
    assert check_of(TEST, failed("ValueError", "stolen 7"), None).message == ""


@pytest.mark.parametrize("text", [None, "YOUR ANSWER HERE", " YOUR ANSWER HERE\n", ""])
def test_an_answer_left_alone_is_zero(text: str | None) -> None:
    check = check_of(LAB.cells[4], None, text)
    assert (check.score, check.status) == (0, CheckStatus.FAILED)


def test_a_written_answer_waits_for_a_person() -> None:
    check = check_of(LAB.cells[4], None, "Because.")
    assert (check.score, check.status) == (None, CheckStatus.MANUAL)
