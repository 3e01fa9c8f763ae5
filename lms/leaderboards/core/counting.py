"""Which entry of each team counts, for a whole board at once, from arrays of its entries.

Complexity: O(n log n) in the entries.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.rank import Direction

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Best:
    """The best entry of each team that has any.

    Shape:
        at (teams,) where it stands among the entries; of (teams,) of how many it is the best
    """

    at: Numbers
    of: Numbers


def best_of_teams(
    team: Numbers, score: Floats, sequence: Numbers, *, direction: Direction, counts: Mask
) -> Best:
    """Return the best entry of each team; of equal scores the earlier received.

    Args:
        team: of each entry.
        score: unrounded; what is no finite number never counts.
        sequence: receipt on the board.
        direction: which end of the scores is the better one.
        counts: the entries that may count.
    """
    (rows,) = np.nonzero(counts & np.isfinite(score))
    order = rows[np.lexsort((sequence[rows], _ahead(score[rows], direction), team[rows]))]
    first = _firsts(team[order])
    return Best(order[first], np.diff(np.append(first, len(order))))


def chosen_entries(
    team: Numbers, public: Floats, sequence: Numbers, selected: Mask, *, direction: Direction, most: int
) -> Mask:
    """Mark what counts in the end: what a team selected; of one that selected nothing, its best public ones.

    As `selection.chosen`, for all teams at once.
    """
    order = np.lexsort((sequence, _ahead(public, direction), ~selected, team))
    group = team[order] * 2 + selected[order]
    first = _firsts(group)
    size = np.diff(np.append(first, len(order)))
    place = np.arange(len(order)) - np.repeat(first, size)
    has_chosen = np.isin(team, team[selected])
    marked = np.zeros(len(team), dtype=bool)
    marked[order] = place < most
    marked &= selected | ~has_chosen
    return marked


def _ahead(score: Floats, direction: Direction) -> Floats:
    return -score if direction == "max" else score


def _firsts(groups: Numbers) -> Numbers:
    """Return where each group begins, in an array in which equal ones are neighbours."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.append(True, groups[1:] != groups[:-1])).astype(np.int64)
