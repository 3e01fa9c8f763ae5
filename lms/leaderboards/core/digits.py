"""A score in the digits that its board shows: the same on every page, in every file and for every program."""

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

WIDE = Context(prec=400, rounding=ROUND_HALF_EVEN)
"""Room for every number that a score can be, with all decimals that a board can have."""


LARGE = Decimal(10) ** 15
"""From here on a score is told in scientific notation: it has 16 digits or more before the point."""


@lru_cache(maxsize=4096, typed=True)  # a busy board tells the same scores again and again
def rounded(score: float | Fraction, decimals: int) -> Decimal:
    """Return a finite score with so many decimals; a half goes to the even digit, and no zero has a sign.

    A float is taken as people read and write it, by the shortest decimal that stands for it. So 0.855 is a
    half and becomes 0.86, although the binary number behind it is a little less. A score from `LARGE` on
    has so many decimals behind its first digit.
    """
    exact = score if isinstance(score, Fraction) else Decimal(repr(float(score)))
    found = _at(exact, -decimals)
    if abs(found) >= LARGE:
        place = found.adjusted() - decimals
        found = _at(exact, place)
        if math.isinf(float(found)):  # what a program reads has to be a number
            found = WIDE.subtract(found, Decimal(1).scaleb(place).copy_sign(found))
    return found or found.copy_abs()


def _at(exact: Decimal | Fraction, place: int) -> Decimal:
    """Return a number without what it has below a power of ten."""
    if isinstance(exact, Fraction):
        return Decimal(round(exact / Fraction(10) ** place)).scaleb(place, WIDE)
    return exact.quantize(Decimal(1).scaleb(place), context=WIDE)


def in_digits(score: float, decimals: int) -> str:
    """Return a finite score as a text with so many decimals, for programs and terminals."""
    found = rounded(score, decimals)
    return f"{found:.{decimals}e}" if abs(found) >= LARGE else f"{found:f}"
