"""A score in the digits that its board shows: the same on every page, in every file and for every program."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

WIDE = Context(prec=400, rounding=ROUND_HALF_EVEN)
"""Room for every number that a score can be, with all decimals that a board can have."""


@lru_cache(maxsize=4096, typed=True)  # a busy board tells the same scores again and again
def rounded(score: float | Fraction, decimals: int) -> Decimal:
    """Return a finite score with so many decimals; a half goes to the even digit, and no zero has a sign.

    A float is taken as people read and write it, by the shortest decimal that stands for it. So 0.855 is a
    half and becomes 0.86, although the binary number behind it is a little less.
    """
    if isinstance(score, Fraction):
        found = Decimal(round(score * 10**decimals)).scaleb(-decimals, WIDE)
    else:
        found = Decimal(repr(float(score))).quantize(Decimal(1).scaleb(-decimals), context=WIDE)
    return found or found.copy_abs()


def in_digits(score: float, decimals: int) -> str:
    """Return a finite score as a text with so many decimals, for programs and terminals."""
    return f"{rounded(score, decimals):f}"
