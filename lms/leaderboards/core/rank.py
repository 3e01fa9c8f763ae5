"""Who stands where on a board.

The rule, in one sentence: the best entry of each competitor counts, the better score stands ahead, of equal
scores the earlier one stands ahead, and places run 1, 2, 3 … without gaps or shares. Reference rows stand
where their score puts them and take no place.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Direction = Literal["max", "min"]
UNTIMED = datetime.min.replace(tzinfo=UTC)
"""The time of every entry where the ordinals alone tell the order of receipt."""


@dataclass(frozen=True)
class Scored:
    """One entry as the ranking sees it."""

    competitor: int | None  # None: a reference row
    entry: int  # ordinal of receipt; the smaller came first where two times are equal
    score: float  # unrounded
    received_at: datetime = UNTIMED


@dataclass(frozen=True)
class Place:
    """One row of a board."""

    rank: int | None  # None: a reference row
    entry: int
    competitor: int | None
    score: float
    entries: int  # how many ranked entries the competitor has


def places(entries: Iterable[Scored], direction: Direction) -> list[Place]:
    """Return the rows of the board from first to last.

    An entry whose score is not a finite number never ranks. A reference row with the same score as a
    competitor stands below: to reach a baseline is to have passed it.

    Complexity: O(n log n).
    """
    finite = [entry for entry in entries if math.isfinite(entry.score)]
    best: dict[int, Scored] = {}
    counts: dict[int, int] = {}
    for entry in finite:
        if entry.competitor is None:
            continue
        counts[entry.competitor] = counts.get(entry.competitor, 0) + 1
        known = best.get(entry.competitor)
        if known is None or _key(entry, direction) < _key(known, direction):
            best[entry.competitor] = entry
    rows = [*best.values(), *(entry for entry in finite if entry.competitor is None)]
    rows.sort(key=lambda entry: _key(entry, direction))
    board: list[Place] = []
    ahead = 0
    for entry in rows:
        ranked = entry.competitor is not None
        ahead += ranked
        board.append(
            Place(
                rank=ahead if ranked else None,
                entry=entry.entry,
                competitor=entry.competitor,
                score=entry.score,
                entries=counts[entry.competitor] if entry.competitor is not None else 0,
            )
        )
    return board


def _key(entry: Scored, direction: Direction) -> tuple[float, bool, datetime, int]:
    ahead = -entry.score if direction == "max" else entry.score
    return (ahead, entry.competitor is None, entry.received_at, entry.entry)
