"""Which neighbours on a board are really apart, and which differ by no more than chance.

Groups run down the board. The first team leads the first one; every team below is compared with that leader
on the same items, two-sided, and Holm's step-down keeps the error over all of them together at alpha; the
first one that is separable leads the next group. So each team of a group is tied with its leader, a team
that stands between is never apart from it, and teams of two groups may still be tied with each other. Alpha
is the error for a leader named beforehand; being first on a board of equals is itself luck, so a large field
of equals is split more often than that.

Where each item is right or wrong the comparison is McNemar's exact test. Elsewhere the difference is measured
by its standard deviation over a paired bootstrap and the normal tail: counting resamples on the other side of
zero could show no probability below 2 / (B + 1), and Holm over 10,000 teams asks for 0.000005.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lms.leaderboards.core.losses import MOST_LOSS, Losses
from lms.leaderboards.core.resampling import (
    LEAST_RESAMPLES,
    RESAMPLES,
    SEED,
    Floats,
    Rows,
    means,
    middle,
    wilson,
)
from lms.leaderboards.core.significance import differing, exceeding, holm, mcnemar, of_signs

ALPHA = 0.05
_CELLS = 1_000_000  # of a table that is ranked at once
_BELOW_ONE = math.nextafter(1.0, 0.0)
_NO_LOSSES = "losses are finite numbers: a row for each team, a column for each item"


@dataclass(frozen=True)
class Tie:
    """What chance leaves open about one team.

    `best` and `worst` bound its rank and `low` and `high` its mean loss (or metric) on 95 % of resamples.
    """

    group: int  # 1, 2, 3 … down the board
    best: int
    worst: int
    low: float
    high: float


def tie_groups(
    losses: ArrayLike, *, alpha: float = ALPHA, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Tie]:
    """Return the groups of a board whose metric is a mean over items.

    Neither the order of the items nor that of equal teams changes the answer; teams with the same losses are
    always tied.

    Args:
        losses: of each team in the order of the board, on each item; the lower the better.
        alpha: how often at most a group may be split by chance alone.
        resamples: 1,000 or more.
        seed: of the resamples.

    Shape:
        losses (teams, items)

    Raises:
        ValueError: losses are no finite numbers, or resamples are too few.

    Complexity: O(resamples * items * teams) for the intervals, O(items * teams) for each group.
    """
    table = _table(losses)
    if not len(table):
        return []
    _check(resamples)
    different, same_as = _unique(table)
    evidence: _Evidence
    if different.dtype == np.uint8:
        evidence = _Counted(different.astype(np.float32), resamples, seed)
    else:
        evidence = _Averaged(different, resamples, seed)
    groups = _groups(lambda leader: evidence.p_values(int(same_as[leader]))[same_as], len(table), alpha)
    return _ties(groups, evidence.values[:, same_as], evidence.ends(same_as))


def tie_groups_on_resamples(
    observed: ArrayLike, values: ArrayLike, *, items: int, largest: bool = False, alpha: float = ALPHA
) -> list[Tie]:
    """Return the groups of a board from what its teams lost on all items and on resamples of them.

    Args:
        observed: the loss of each team in the order of the board, on all items; the lower the better.
        values: likewise on each resample.
        items: how many there are.
        largest: whether a loss is the largest one of the items. No resample has a larger one, so they are
            too sure; then the items count on which a team lost more than the leader did on any.
        alpha: how often at most a group may be split by chance alone.

    Shape:
        observed (teams,), values (resamples, teams)

    Raises:
        ValueError: losses are no finite numbers, or resamples are too few.

    Complexity: O(resamples * teams) for the ranges, and for each group.
    """
    whole, table = (np.asarray(each, dtype=np.float64) + 0.0 for each in (observed, values))
    if not whole.size:
        return []
    if table.shape[1:] != whole.shape or not (np.isfinite(whole).all() and np.isfinite(table).all()):
        raise ValueError(_NO_LOSSES)
    _check(len(table))
    spread = _Spread(table)

    def p_values(leader: int) -> Floats:
        telling = exceeding(table, whole[leader], items) if largest else differing(table, leader, items)
        found: Floats = np.maximum(_p_values(whole, spread, leader), of_signs(telling))
        return found

    return _ties(_groups(p_values, len(whole), alpha), table, {})


def tie_groups_of(losses: Sequence[Losses], *, largest: bool = False, alpha: float = ALPHA) -> list[Tie]:
    """Return the groups of a board from what is kept of its entries, all on the same rows or resamples.

    Args:
        losses: of the entry that stands of each team, in the order of the board.
        largest: as in `tie_groups_on_resamples`.
        alpha: how often at most a group may be split by chance alone.

    Raises:
        ValueError: they are not on the same rows or resamples, or resamples are too few.
    """
    if not losses:
        return []
    if len({each.extent for each in losses}) > 1:
        raise ValueError("losses on other rows cannot be compared")
    table = np.stack([each.values for each in losses])
    if not losses[0].extent.resampled:
        return tie_groups(table, alpha=alpha)
    whole = np.clip([each.loss for each in losses], -MOST_LOSS, MOST_LOSS)
    return tie_groups_on_resamples(whole, table.T, items=losses[0].items, largest=largest, alpha=alpha)


def equal_groups(scores: Sequence[float]) -> list[int]:
    """Return the groups of exactly equal scores down a board: all that can be told without losses."""
    groups: list[int] = []
    for number, score in enumerate(scores):
        apart = number > 0 and score != scores[number - 1]
        groups.append(groups[-1] + apart if groups else 1)
    return groups


class _Evidence(Protocol):
    """What is known about teams with different losses."""

    @property
    def values(self) -> Floats:
        """Return the mean loss on each resample."""

    def p_values(self, leader: int) -> Floats:
        """Return how likely the difference between each team and one of them is by chance."""

    def ends(self, same_as: Rows) -> dict[int, tuple[float, float]]:
        """Return the intervals of teams of the board for whose loss resamples tell nothing."""


class _Averaged:
    """Losses of any size.

    They are compared as shares of a power of two that all are below, so that neither sums of huge ones nor
    squares of tiny ones leave what a number can hold. That changes no digit, and so no group.
    """

    def __init__(self, losses: Floats, resamples: int, seed: int) -> None:
        self._losses = losses
        exponent = int(np.frexp(np.abs(losses).max())[1])
        scaled = np.ldexp(losses, -exponent)
        self._observed: Floats = scaled.mean(axis=1)
        self.values = means(scaled, resamples, seed)
        self._spread = _Spread(self.values)
        np.clip(self.values, -_BELOW_ONE, _BELOW_ONE, out=self.values)  # no mean is larger than what it is of
        np.ldexp(self.values, exponent, out=self.values)

    def p_values(self, leader: int) -> Floats:
        """Take the bootstrap's, but never less than signs alone could show."""
        least = of_signs((self._losses != self._losses[leader]).sum(axis=1))
        found: Floats = np.maximum(_p_values(self._observed, self._spread, leader), least)
        return found

    def ends(self, same_as: Rows) -> dict[int, tuple[float, float]]:
        """Return none: a mean of such losses has no end."""
        del same_as
        return {}


class _Counted:
    """Items that are right (0) or wrong (1)."""

    def __init__(self, losses: NDArray[np.float32], resamples: int, seed: int) -> None:
        self._losses = losses
        self._mistakes = losses.sum(axis=1, dtype=np.float64).astype(np.int64)
        self.values = means(losses, resamples, seed)

    def p_values(self, leader: int) -> Floats:
        """Compare by McNemar's exact test."""
        shared = np.rint(self._losses @ self._losses[leader]).astype(np.int64)
        return mcnemar(self._mistakes[leader] - shared, self._mistakes - shared)

    def ends(self, same_as: Rows) -> dict[int, tuple[float, float]]:
        """Return Wilson's interval of teams that got everything right, or everything wrong.

        Every resample of such a team is the same, which would claim that its loss is certain.
        """
        items = self._losses.shape[1]
        mistakes = self._mistakes[same_as]
        at_ends = np.flatnonzero((mistakes == 0) | (mistakes == items))
        return {int(team): wilson(int(mistakes[team]), items) for team in at_ends}


class _Spread:
    """How much the differences between teams vary from resample to resample."""

    def __init__(self, values: Floats) -> None:
        self._centred = values - values.mean(axis=0)
        self._squares = np.square(self._centred).sum(axis=0)

    def around(self, leader: int) -> Floats:
        """Return the standard deviation of the difference of each team from one of them."""
        shared = self._centred[:, leader] @ self._centred
        sums = self._squares + self._squares[leader]
        squares = sums - 2 * shared
        # Subtracting loses the digits of nearly equal teams; theirs are added up one by one.
        close = np.flatnonzero(squares < 1e-6 * sums)
        apart = self._centred[:, close] - self._centred[:, [leader]]
        squares[close] = np.square(apart).sum(axis=0)
        found: Floats = np.sqrt(squares / (len(self._centred) - 1))
        return found


def _p_values(observed: Floats, spread: _Spread, leader: int) -> Floats:
    apart = np.abs(observed - observed[leader])
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.where(apart == 0, 0.0, apart / spread.around(leader))
    return np.array([math.erfc(distance / math.sqrt(2)) for distance in distances.tolist()])


def _groups(p_values: Callable[[int], Floats], teams: int, alpha: float) -> list[int]:
    groups: list[int] = []
    group = 0
    while len(groups) < teams:
        leader, group = len(groups), group + 1
        apart = holm(p_values(leader)[leader + 1 :], alpha)
        length = 1 + int(np.argmax(apart)) if apart.any() else teams - leader
        groups += [group] * length
    return groups


def _ties(groups: Sequence[int], values: Floats, ends: Mapping[int, tuple[float, float]]) -> list[Tie]:
    best, worst = _rank_ranges(values)
    low, high = middle(values)
    for team, (least, most) in ends.items():
        low[team], high[team] = least, most
    columns = (groups, best.tolist(), worst.tolist(), low.tolist(), high.tolist())
    return [Tie(*tie) for tie in zip(*columns, strict=True)]


def _rank_ranges(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the range of each team's ranks over the resamples; equal ones take all that they share."""
    ahead, level = (np.empty(values.shape, dtype=np.int32) for _ in range(2))
    step = max(1, _CELLS // values.shape[1])
    for start in range(0, len(values), step):
        part = values[start : start + step]
        order = np.argsort(part, axis=1)
        ordered = np.take_along_axis(part, order, axis=1)
        places = np.arange(1, part.shape[1] + 1)
        differs = ordered[:, 1:] != ordered[:, :-1]
        edge = np.ones((len(part), 1), dtype=np.bool_)
        first = np.maximum.accumulate(np.where(np.hstack([edge, differs]), places, 0), axis=1)
        lasts = np.where(np.hstack([differs, edge]), places, places[-1])
        last = np.minimum.accumulate(lasts[:, ::-1], axis=1)[:, ::-1]
        np.put_along_axis(ahead[start : start + step], order, first, axis=1)
        np.put_along_axis(level[start : start + step], order, last, axis=1)
    return middle(ahead)[0], middle(level)[1]


def _unique(table: NDArray[Any]) -> tuple[NDArray[Any], Rows]:
    """Return the different rows, and for each row of the table which of them it is."""
    known: dict[bytes, int] = {}
    same_as = np.array([known.setdefault(row.tobytes(), len(known)) for row in table], dtype=np.int64)
    firsts = np.unique(same_as, return_index=True)[1]
    return table[firsts], same_as


def _table(losses: ArrayLike) -> NDArray[Any]:
    """Return the table in the smallest type that holds it: a byte for right or wrong, else eight."""
    table: NDArray[Any] = np.asarray(losses)
    if table.ndim == 1 and not table.size:
        return np.empty((0, 1))
    if table.ndim != 2 or not table.size or table.dtype.kind not in "buif":  # noqa: PLR2004  # a table
        raise ValueError(_NO_LOSSES)
    if not np.isfinite(table).all():
        raise ValueError(_NO_LOSSES)
    if bool(((table == 0) | (table == 1)).all()):
        return table.astype(np.uint8)
    return np.ascontiguousarray(table, dtype=np.float64) + 0.0  # -0.0 is no other loss than 0.0


def _check(resamples: int) -> None:
    if resamples < LEAST_RESAMPLES:
        raise ValueError(f"take at least {LEAST_RESAMPLES} resamples")
