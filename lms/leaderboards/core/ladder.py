"""The Ladder: tell a team a new score only if it is really better than the last one told.

A small test set is learnt by heart by asking it often. The parameter-free Ladder answers a submission only if
its loss undercuts the released one by more than the noise of their difference, so a team gains little by
asking again. Each team climbs its own; what it was told is a pure replay of its entries in the order of
receipt, whatever order they were scored in.

Source: Blum & Hardt, "The Ladder: A Reliable Leaderboard for Machine Learning Competitions", ICML 2015,
Algorithm 2, with the paper's rounding to a multiple of 1/n.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Climb:
    """One scored entry as the Ladder sees it; made by `of_losses` or `of_resamples`.

    Shape:
        values (n,) losses of the items, or (B,) losses on resamples of them.
    """

    sequence: int
    loss: float
    values: Floats = field(repr=False)
    items: int
    resampled: bool = False

    @property
    def released(self) -> float:
        """Return the loss as it is told: the nearest multiple of 1/n."""
        return round(self.loss * self.items) / self.items

    @property
    def is_counting(self) -> bool:
        """Say whether each item was plainly right or wrong."""
        return not self.resampled and bool(((self.values == 0) | (self.values == 1)).all())


@dataclass(frozen=True)
class Unscored:
    """An entry that was received and has no score yet; what came after it waits."""

    sequence: int


@dataclass(frozen=True)
class Release:
    """What a team has been told: the loss, and the entry that earned it."""

    score: float
    climb: Climb


@dataclass(frozen=True)
class History:
    """A team's entries, and the histories of the teams that it was merged from, up to the merge."""

    entries: Sequence[Climb | Unscored]
    merged: Sequence["History"] = ()


@dataclass(frozen=True)
class Replay:
    """What came of a history; `told` is the answer to each entry of the team itself, None while it waits."""

    best: Release | None
    told: dict[int, float | None]
    waits: bool  # for an entry that is still being scored


def of_losses(sequence: int, losses: ArrayLike) -> Climb:
    """Return an entry of an additive metric, from what each item lost.

    Raises:
        ValueError: there is no item, or a loss is no finite number.
    """
    values = _finite(losses)
    return Climb(sequence, math.fsum(values.tolist()) / len(values), values, len(values))


def of_resamples(sequence: int, loss: float, resampled: ArrayLike, items: int) -> Climb:
    """Return an entry of any other metric, from its loss on the items and on resamples of them.

    Every entry of a board must be resampled on the same rows (`resampling.draws`): the spread
    of the paired differences is what the Ladder compares with.

    Raises:
        ValueError: a loss is no finite number, or there are fewer than two resamples.
    """
    values = _finite(resampled)
    if not math.isfinite(loss) or len(values) < 2 or items < 1:  # noqa: PLR2004  # no spread of one
        raise ValueError("a finite loss, two resamples and one item are the least")
    return Climb(sequence, float(loss), values, items, resampled=True)


def step(told: Release | None, climb: Climb) -> Release:
    """Return what the team is told after one more entry.

    Raises:
        ValueError: the entry was scored on other items than the one told of.

    Complexity: O(n).
    """
    if told is None or undercuts(climb, told):
        return Release(climb.released, climb)
    return told


def undercuts(climb: Climb, told: Release) -> bool:
    """Say whether an entry is better than the released loss by more than the noise of the difference.

    Where every item is right or wrong, loss < R - s/sqrt(n) is the same as (b - a)² > m in whole numbers,
    b > a: a and b are the mistakes of the new and of the released entry, m the items on which they differ.
    So no rounding of a square root decides who is told what.
    """
    best = told.climb
    if (climb.items, climb.resampled, climb.values.shape) != (best.items, best.resampled, best.values.shape):
        raise ValueError("two entries of one Ladder must be scored on the same items")
    if climb.is_counting and best.is_counting:
        gained = int(best.values.sum()) - int(climb.values.sum())
        return gained > 0 and gained * gained > int((climb.values != best.values).sum())
    return climb.loss < told.score - standard_error(climb, best)


def standard_error(climb: Climb, best: Climb) -> float:
    """Return the standard error of the difference between two entries' losses.

    On one item alone there is no spread to know, so it is infinite.
    """
    count = len(climb.values)
    if count == 1:
        return math.inf
    differences: list[float] = (climb.values - best.values).tolist()
    mean = math.fsum(differences) / count
    variance = math.fsum((one - mean) ** 2 for one in differences) / (count - 1)
    return math.sqrt(variance if climb.resampled else variance / count)


def better(releases: Iterable[Release | None]) -> Release | None:
    """Return the best of several releases, with its losses; of equal ones the earlier received."""
    return min(
        (one for one in releases if one is not None),
        key=lambda one: (one.score, one.climb.sequence),
        default=None,
    )


def replay(history: History) -> Replay:
    """Return what a team was told, from its entries alone.

    Entries count in the order of receipt. One that is still being scored holds back the answers to those
    after it: an answer given too early and taken back would tell more than the Ladder allows. A merged
    team goes on from the better release of the teams that it was made of.

    Complexity: O(n) an entry.
    """
    before = [replay(one) for one in history.merged]
    best = better(one.best for one in before)
    waits = any(one.waits for one in before)
    told: dict[int, float | None] = {}
    for entry in sorted(history.entries, key=lambda entry: entry.sequence):
        if waits or isinstance(entry, Unscored):
            waits = True
            told[entry.sequence] = None
        else:
            best = step(best, entry)
            told[entry.sequence] = best.score
    return Replay(best, told, waits)


def _finite(values: ArrayLike) -> Floats:
    found: Floats = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ValueError("losses are finite numbers, one for each item")
    return found
