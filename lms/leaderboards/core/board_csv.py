"""A board as a table in Kaggle's format, which a spreadsheet may open without running anything in it.

Source: the columns of Kaggle's leaderboard downloads; OWASP, "CSV Injection".
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lms.leaderboards.core.digits import in_digits

COLUMNS = (
    "Rank", "TeamId", "TeamName", "LastSubmissionDate", "Score", "SubmissionCount", "TeamMemberUserNames",
)  # fmt: skip
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # without it a spreadsheet reads Hangul as something else
FORMULA = re.compile(r"(^|[,;|\s])([=+\-@\uFF1D\uFF0B\uFF0D\uFF20\u2212])")
"""What begins a formula, at the start or behind what some country's spreadsheet takes for a new cell."""


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    rank: int  # 0: a baseline
    team_id: int | None
    name: str
    last_at: datetime
    score: float
    entries: int
    members: tuple[str, ...] = ()


def defused(text: str) -> str:
    """Return a name that no spreadsheet takes for a formula, on one line."""
    flat = "".join(sign if sign.isprintable() else " " for sign in text).strip()
    return FORMULA.sub(r"\1'\2", flat)


def csv_text(lines: Iterable[Line], decimals: int) -> Iterator[str]:
    """Write the table piece by piece, the scores as precisely as the board shows them."""
    yield BOM + ",".join(COLUMNS) + "\r\n"
    for line in lines:
        written = io.StringIO()
        csv.writer(written).writerow(_cells(line, decimals))
        yield written.getvalue()


def _cells(line: Line, decimals: int) -> tuple[object, ...]:
    return (
        line.rank,
        "" if line.team_id is None else line.team_id,
        defused(line.name),
        f"{line.last_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        in_digits(line.score, decimals),
        line.entries,
        defused(",".join(line.members)),
    )
