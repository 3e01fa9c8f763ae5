"""Any metric on resamples, asked once for each: slow, and plain enough to check the fast way by."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lms.leaderboards.core.rank import Direction
from lms.leaderboards.core.resampling import PATIENCE, RESAMPLES, SEED, Floats, Rows, draws
from lms.leaderboards.core.ties import ALPHA, Tie, tie_groups_on_resamples


def values_on_resamples(
    score_on: Callable[[Rows], ArrayLike], items: int, resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """Return what a metric that is no mean over items gives on each resample.

    Args:
        score_on: the metric on the items of these numbers: one value, or one for each team.
        items: how many there are.
        resamples: how many times they are drawn.
        seed: of the draws; the same for all whose values are to be compared.

    A resample on which the metric has no value (one class only, say) is skipped and another one drawn.

    Shape:
        (resamples,) or (resamples, teams)

    Raises:
        ValueError: the metric has no value on hardly any resample.
    """
    found: list[Floats] = []
    for rows in draws(items, resamples * PATIENCE, seed):
        values = np.asarray(score_on(rows), dtype=np.float64)
        if np.isfinite(values).all():
            found.append(values)
        if len(found) == resamples:
            return np.array(found)
    raise ValueError("the metric has no finite value on nine of ten resamples")


def tie_groups_of_metric(
    score_on: Callable[[Rows], ArrayLike],
    *,
    items: int,
    direction: Direction,
    alpha: float = ALPHA,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Tie]:
    """Return the groups of a board with any other metric, computed anew on every resample.

    Args:
        score_on: the score of each team, in the order of the board, on the items of these numbers.
        items: how many there are.
        direction: which end of the scores is the better one.
        alpha: how often at most a group may be split by chance alone.
        resamples: 1,000 or more.
        seed: of the resamples.

    Raises:
        ValueError: the metric has no value on the items, or resamples are too few.

    Complexity: O(resamples) calls of `score_on`, O(resamples * teams) for each group.
    """
    observed = np.asarray(score_on(np.arange(items)), dtype=np.float64)
    if not np.isfinite(observed).all():
        raise ValueError("the metric has no finite value on all items")
    if not observed.size:
        return []
    values = values_on_resamples(score_on, items, resamples, seed)
    if direction == "min":
        return tie_groups_on_resamples(observed, values, items=items, alpha=alpha)
    ties = tie_groups_on_resamples(-observed, -values, items=items, alpha=alpha)
    return [Tie(tie.group, tie.best, tie.worst, -tie.high, -tie.low) for tie in ties]
