"""How likely a difference between two teams is by chance, and which of many differences are too unlikely."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.resampling import Floats

_TERMS = 16  # of a tail that are added before it is looked whether that is enough
_CELLS = 1_000_000  # of a table of resamples by teams that is compared at once
_LAST_DIGITS = 1e-12  # of a metric, that sums in another order may change


def mcnemar(one: NDArray[np.int64], other: NDArray[np.int64]) -> Floats:
    """Return McNemar's exact two-sided p values.

    Args:
        one: items that only the first team of each pair got wrong.
        other: items that only the second one got wrong.

    Complexity: O(pairs * sqrt(items)).
    """
    less, both = np.minimum(one, other), one + other
    factorials = np.array([math.lgamma(number + 1) for number in range(int(both.max(initial=0)) + 1)])
    largest = np.exp(factorials[both] - factorials[less] - factorials[both - less] - both * math.log(2))
    found: Floats = np.minimum(1.0, 2 * largest * _tail(less.astype(np.float64), both.astype(np.float64)))
    return found


def _tail(less: Floats, both: Floats) -> Floats:
    """Return a binomial's lower tail as a multiple of its last and largest term."""
    tail = np.ones(len(less))
    open_ = np.arange(len(less))
    at, term, share = less.copy(), tail.copy(), tail.copy()
    while open_.size:
        for _ in range(_TERMS):
            term *= at / (both[open_] - at + 1)  # the next smaller one; 0 below none
            share += term
            at = np.maximum(at - 1, 0)
        tail[open_] = share
        going = term > share * 1e-17
        open_, at, term, share = open_[going], at[going], term[going], share[going]
    return tail


def holm(p_values: Floats, alpha: float) -> NDArray[np.bool_]:
    """Return which of several hypotheses fall, with the error over all of them together at alpha.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    holds = p_values[order] > alpha / np.arange(count, 0, -1)
    falling = int(np.argmax(holds)) if holds.any() else count
    fallen = np.zeros(count, dtype=np.bool_)
    fallen[order[:falling]] = True
    return fallen


def of_signs(items: NDArray[Any]) -> Floats:
    """Return the probability that a difference on k items only has one sign by chance, 2 / 2^k.

    A bootstrap of few differing items knows no better and is far too sure.
    """
    found: Floats = np.exp2(1.0 - np.clip(items, 1, 1000))
    return found


def differing(values: Floats, leader: int, items: int) -> Floats:
    """Estimate on how many of the items each team did otherwise than one of them.

    On a resample that has none of these items a metric is the same for both.

    Shape:
        values (resamples, teams), result (teams,)
    """
    same, step = np.zeros(values.shape[1]), max(1, _CELLS // values.shape[1])
    for start in range(0, len(values), step):
        part = values[start : start + step]
        of_leader = part[:, [leader]]
        same += (np.abs(part - of_leader) <= _LAST_DIGITS * np.abs(of_leader)).sum(axis=0)
    return _of_missed(same / len(values), items)


def exceeding(values: Floats, largest: float, items: int) -> Floats:
    """Estimate on how many of the items each team lost more than another one did on any.

    Shape:
        values (resamples, teams), the largest loss on each resample; result (teams,)
    """
    return _of_missed((values <= largest).mean(axis=0), items)


def _of_missed(share: Floats, items: int) -> Floats:
    """Return of how many items a share of resamples has none; where none has none, of all of them.

    A resample has none of k items with a probability of (1 - k / items)^items.
    """
    found: Floats = items * (1 - share ** (1 / items))
    return found
