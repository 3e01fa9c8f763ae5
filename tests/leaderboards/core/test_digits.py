import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lms.leaderboards
from lms.leaderboards.core.digits import LARGE, in_digits, rounded

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.integers(0, 10)
ELSEWHERE = re.compile(r"number\([\w.]*decimals\)|round\([^\n]*decimals\)|\.\{[\w.]*decimals\}f")
"""Any other way to write or round a score by the decimals of its board."""


@pytest.mark.parametrize(
    ("score", "decimals", "digits"),
    [
        (0.855, 2, "0.86"),  # a half as people write it, whatever its binary number is
        (0.845, 2, "0.84"),
        (2.675, 2, "2.68"),
        (0.125, 2, "0.12"),
        (0.5, 4, "0.5000"),
        (-0.00001, 4, "0.0000"),
        (-0.0, 0, "0"),
        (0.5, 0, "0"),
        (1.5, 0, "2"),
        (1e-7, 10, "0.0000001000"),
        (123456789012345.6, 1, "123456789012345.6"),
        (999999999999999.9, 0, "1e+15"),  # 16 digits before the point, when they are shown
        (1e15, 4, "1.0000e+15"),
        (-1.23456789e30, 4, "-1.2346e+30"),
        (1.5e30, 0, "2e+30"),
        (9.999e20, 1, "1.0e+21"),
        (1e300, 10, "1.0000000000e+300"),
        (1.7976931348623157e308, 10, "1.7976931348e+308"),  # rounded up no program could read it
    ],
)
def test_a_score_has_the_decimals_of_its_board_and_a_half_goes_to_the_even_digit(
    score: float, decimals: int, digits: str
) -> None:
    assert in_digits(score, decimals) == digits


@given(FINITE, DECIMALS)
def test_a_float_and_the_fraction_that_it_is_written_as_are_rounded_alike(
    score: float, decimals: int
) -> None:
    exact = Fraction(repr(score))
    assert rounded(score, decimals) == rounded(exact, decimals) == Decimal(in_digits(score, decimals))
    unit = Fraction(1, 10**decimals)
    if abs(rounded(score, decimals)) >= LARGE:
        unit *= abs(exact)  # so many decimals behind the first digit
    assert abs(Fraction(rounded(score, decimals)) - exact) <= unit / (2 if abs(exact) < 10**308 else 1)


@given(FINITE, FINITE, DECIMALS)
def test_what_is_better_is_never_shown_as_worse(one: float, other: float, decimals: int) -> None:
    low, high = sorted((one, other))
    assert rounded(low, decimals) <= rounded(high, decimals)


@given(FINITE, DECIMALS)
def test_what_was_rounded_stays_as_it_is_and_no_zero_has_a_sign(score: float, decimals: int) -> None:
    told = float(rounded(score, decimals))
    assert math.isfinite(told)
    assert float(rounded(told, decimals)) == told
    assert told != 0 or math.copysign(1, told) == 1


def test_nothing_else_rounds_a_score() -> None:
    folder = Path(lms.leaderboards.__file__).parent
    own = {"digits.py"}
    files = [path for kind in ("*.py", "*.html") for path in folder.rglob(kind) if path.name not in own]
    assert len(files) > 150
    found = [str(path) for path in files if ELSEWHERE.search(path.read_text(encoding="utf-8"))]
    assert found == []
