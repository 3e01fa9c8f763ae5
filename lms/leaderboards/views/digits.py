"""Scores as pages write them: in the digits that their board shows, with the separators of the reader."""

from lms.leaderboards.core.digits import LARGE, in_digits, rounded
from lms.web.formats import number


def score(value: float | None, decimals: int) -> str:
    """Write a score; a dash where there is none. One in scientific notation reads alike everywhere."""
    if value is None:
        return number(None)
    found = rounded(value, decimals)
    return in_digits(value, decimals) if abs(found) >= LARGE else number(found, decimals)
