"""Scores as pages write them: in the digits that their board shows, with the separators of the reader."""

from lms.leaderboards.core.digits import rounded
from lms.web.formats import number


def score(value: float | None, decimals: int) -> str:
    """Write a score; a dash where there is none."""
    return number(None if value is None else rounded(value, decimals), decimals)
