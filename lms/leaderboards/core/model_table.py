"""The tables that a challenge gives to models: they have to be as its author says, or every model fails.

What is wrong is said with its row, as these sentences are for the author alone.
"""

import csv
import io
from collections.abc import Sequence

from lms.leaderboards.core.challenge_file import ModelPart
from lms.leaderboards.core.scoring import ChallengeFailed, ModelInputs

SHOWN_CHARACTERS = 40


def check_inputs(asked: ModelPart, id_column: str, given: ModelInputs, ids: Sequence[str]) -> None:
    """Refuse tables that no model can be given.

    Args:
        ids: of the truth.

    Raises:
        ChallengeFailed: a column is missing, a cell is neither empty nor a number, there are no rows, or the
            hidden table has other ids than the truth.
    """
    _ids(asked, id_column, given.sample, f"{asked.file} of files")
    hidden = _ids(asked, id_column, given.hidden, f"{asked.file} of hidden")
    if sorted(hidden) != sorted(ids):
        raise ChallengeFailed(f"{asked.file} of hidden has to have each id of the truth once, and no others")


def _ids(asked: ModelPart, id_column: str, content: bytes, name: str) -> list[str]:
    """Return the ids of a table that was looked through."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise ChallengeFailed(f"{name} cannot be read as CSV in UTF-8") from None
    missing = [each for each in (id_column, *asked.columns) if each not in (reader.fieldnames or ())]
    if missing:
        raise ChallengeFailed(f"{name} lacks the columns {', '.join(missing)}")
    if not rows:
        raise ChallengeFailed(f"{name} has no rows")
    for number, row in enumerate(rows, 1):
        for column in asked.columns:
            if not _is_number(row[column] or "nan"):
                cell = row[column][:SHOWN_CHARACTERS]
                raise ChallengeFailed(f"row {number} of {name} has no number in {column}: {cell!r}")
    return [row[id_column] or "" for row in rows]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
