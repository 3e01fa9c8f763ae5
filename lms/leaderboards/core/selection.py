"""Which entries of a team count in the end: the ones it chose, or its best public ones.

Nobody falls off the private board for choosing too many or too few: of too many the best public ones count,
and for a team that chose none its best public ones are chosen.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lms.leaderboards.core.rank import Direction, Scored


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry with both its scores; None or no finite number: there is no such score."""

    competitor: int | None  # None: a reference row
    sequence: int  # of receipt
    public: float | None
    private: float | None
    selected: bool = False


def chosen(
    entries: Iterable[Candidate], direction: Direction, *, most: int | None, automatic: int = 1
) -> list[Candidate]:
    """Return the entries of one team that count in the end, the best public one first.

    Args:
        entries: all of the team's.
        direction: which end of the scores is the better one.
        most: how many a team may choose; None: as many as it likes.
        automatic: how many are taken of a team that chose none.
    """
    known = sorted(entries, key=lambda entry: _order(entry, direction))
    selected = [entry for entry in known if entry.selected]
    if selected:
        return selected[:most]
    return [entry for entry in known if _is_score(entry.public)][:automatic]


def final_entries(
    entries: Iterable[Candidate], direction: Direction, *, most: int | None, automatic: int = 1
) -> list[Scored]:
    """Return what the private board ranks: each team's chosen entries, and every reference row.

    `places` then takes the best private score of each team; a chosen entry without one does not rank.
    """
    teams: dict[int, list[Candidate]] = {}
    final: list[Candidate] = []
    for entry in entries:
        if entry.competitor is None:
            final.append(entry)
        else:
            teams.setdefault(entry.competitor, []).append(entry)
    for own in teams.values():
        final += chosen(own, direction, most=most, automatic=automatic)
    return _scored(final)


def _scored(entries: Sequence[Candidate]) -> list[Scored]:
    return [
        Scored(entry.competitor, entry.sequence, entry.private)
        for entry in entries
        if entry.private is not None and math.isfinite(entry.private)
    ]


def _is_score(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def _order(entry: Candidate, direction: Direction) -> tuple[bool, float, int]:
    if entry.public is None or not math.isfinite(entry.public):
        return True, 0.0, entry.sequence
    return False, -entry.public if direction == "max" else entry.public, entry.sequence
