"""Resamples of a test set: the same items, drawn again with replacement, for every team alike.

Drawn once for all teams, so that what makes an item hard for everyone cancels out of a comparison (a paired
bootstrap). The seed is fixed: the same board gives the same answer whenever it is asked.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
SEED = 20260302
RESAMPLES = 2000
LEAST_RESAMPLES = 1000
CONFIDENCE = 0.95
_Z = 1.959963984540054  # leaves 2.5 % on either side of a normal distribution
_BLOCK = 256  # teams, or items, that are copied at once
_CELLS = 8_000_000  # of a table of resamples by items that is held at once
PATIENCE = 10  # draws a resample for which a metric has no value, before it is given up


def draws(items: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Rows]:
    """Yield the items of each resample, by number; any two callers draw the same."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield generator.integers(0, items, size=items)


def weights(items: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[NDArray[np.float32]]:
    """Yield how often each resample has each item, for some resamples at a time.

    Shape:
        (some resamples, items), of `_CELLS` cells at most
    """
    drawn = draws(items, resamples, seed)
    most = max(1, _CELLS // items)
    for start in range(0, resamples, most):
        counted = np.empty((min(most, resamples - start), items), dtype=np.float32)
        for row in counted:
            row[:] = np.bincount(next(drawn), minlength=items)
        yield counted


def means(losses: NDArray[Any], resamples: int = RESAMPLES, seed: int = SEED) -> Floats:
    """Return the mean loss of each team on each resample, whatever order the items stand in.

    Shape:
        losses (teams, items), result (resamples, teams)

    Complexity: O(resamples * items * teams), as one product of matrices.
    """
    teams, items = losses.shape
    order = _order_of_items(losses)
    found = np.empty((resamples, teams))
    done = 0
    for counted in weights(items, resamples, seed):
        drawn = counted.astype(losses.dtype, copy=False)
        for start in range(0, teams, _BLOCK):
            part = losses[start : start + _BLOCK, order]
            found[done : done + len(drawn), start : start + _BLOCK] = drawn @ part.T
        done += len(drawn)
    found /= items
    return found


def _order_of_items(losses: NDArray[Any]) -> Rows:
    """Return an order of the items that depends on what they hold only, not on where they stand."""
    digests = [
        hashlib.blake2b(column.tobytes(), digest_size=16).digest()
        for start in range(0, losses.shape[1], _BLOCK)
        for column in losses[:, start : start + _BLOCK].T
    ]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def middle(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return between which values the middle 95 % of each column lie, both of them values that occur.

    Shape:
        values (resamples, teams), results (teams,)
    """
    last = len(values) - 1
    low, high = math.floor(last * (1 - CONFIDENCE) / 2), math.ceil(last * (1 + CONFIDENCE) / 2)
    ordered = np.partition(values, (low, high), axis=0)
    return ordered[low], ordered[high]


def wilson(mistakes: int, items: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of mistakes; never a point, not even at none or all.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    share, square = mistakes / items, _Z * _Z
    centre = (share + square / (2 * items)) / (1 + square / items)
    reach = _Z / (1 + square / items) * math.sqrt(share * (1 - share) / items + square / (4 * items * items))
    low = 0.0 if mistakes == 0 else max(0.0, centre - reach)
    return low, 1.0 if mistakes == items else min(1.0, centre + reach)
