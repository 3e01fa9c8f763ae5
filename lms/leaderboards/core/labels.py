"""What may stand in a column of classes: the same in CSV, where all is text, as in JSON and Parquet.

A class is text, a whole number or a truth value, which is the text that Python writes for it. A number with
a point is none: who means the class 1 and writes 1.0 would be wrong in every row, and not be told. Nor is a
mark for what is missing. An author who has such classes names them, and then no other text is one.

Without names, classes are compared with nothing: what is refused costs nothing, so that comparing with the
truth would tell everybody which classes hidden rows have.
"""

import re
import unicodedata
from collections.abc import Set as AbstractSet

LABEL_CHARACTERS = 1_000
NO_CLASS = re.compile(
    r"[+-]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf|infinity))|<NA>|NaT|None", re.ASCII
)
NOT_WRITTEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that no name has: control characters, halves of one, ends of lines."""


def label_of(cell: object, known: AbstractSet[str]) -> str | None:
    """Return the class that a cell says; None: it says none.

    Args:
        cell: text of CSV, or a value of JSON.
        known: the names of the classes; empty: any are.
    """
    if not isinstance(cell, str | int):
        return None
    label = str(cell).strip()
    is_one = label in known if known else 0 < len(label) <= LABEL_CHARACTERS and not NO_CLASS.fullmatch(label)
    return label if is_one and _can_be_written(label) else None


def _can_be_written(label: str) -> bool:
    return label.isprintable() or not any(unicodedata.category(one) in NOT_WRITTEN for one in label)
