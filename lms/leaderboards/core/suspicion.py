"""What is too much alike to have come about apart: mistakes, and moments. Reasons to look, never verdicts.

Every statistic is held against what honest work has in common too: rows that are hard for everyone are wrong
for everyone, and a deadline brings everyone at once. A chance is an upper bound for one pair, and is asked to
be small for all pairs of the board together.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.metrics import LEAST_PROBABILITY, METRICS

Floats = NDArray[np.float64]

ALPHA = 1e-4
"""The most that all pairs of a board together may come about by chance, for one of them to be flagged."""
LEAST_SHARED = 10
LEAST_OVERLAP = 0.8
"""Mistakes in common as a share of the mistakes of either."""
LEAST_CORRELATION = 0.95
LEAST_ROWS = 30
LEAST_OTHERS = 5
"""So many other teams are needed to know which rows are hard."""
FEW_OVERLAP = 0.95
FEW_CORRELATION = 0.9999
"""What is asked for where there are fewer others."""
MOST_CANDIDATES = 2000

WITHIN_SECONDS = 10
CROWD = 20
"""Entries after one entry that are looked at: more at once are a deadline."""
LEAST_MEETINGS = 5
LEAST_DAYS = 3
BURST_SECONDS = 60
LEAST_BURST = 10

LEAST_FROM_ADDRESS = 2
MOST_BEHIND_ADDRESS = 4
"""More teams behind one address are a campus, a company or a proxy."""
LEAST_QUOTA_DAYS = 2

_HOUR, _DAY = 3600, 86_400
_TILTS = 60
_SMOOTHING = 1.0
_BLOCK = 256  # new files that are compared at once


@dataclass(frozen=True)
class Alike:
    """Two files that are alike; `first` and `second` are rows of what was compared."""

    first: int
    second: int
    measure: str  # "mistakes" or "correlation"
    rows: int
    share: float  # of the mistakes in common, or the correlation
    chance: float  # log10 of an upper bound
    shared: int = 0
    expected: float = 0.0
    mistakes: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class InStep:
    """Two teams whose entries come together."""

    first: int
    second: int
    meetings: int  # hours in which they entered within seconds of each other
    days: int
    expected: float
    chance: float  # log10 of an upper bound


def alike(losses: Floats, new: Sequence[int]) -> list[Alike]:
    """Return the pairs that are too much alike, each with at least one row of `new`.

    Right or wrong rows are compared by mistakes in common; given how hard each row is for the others, their
    number has the bound of Hoeffding (1956) for independent trials. Numbers are compared by the correlation
    of the ranks of their losses, after what is usual for each row was taken off.

    Shape:
        losses (teams, rows): of whole rows, one file for each team

    Complexity: O(new * teams * rows), as one product of matrices; the tests proper only for
    `MOST_CANDIDATES` pairs at most.
    """
    teams, rows = losses.shape
    if teams < 2 or rows < LEAST_ROWS or not len(new):  # noqa: PLR2004 - a pair
        return []
    binary = bool(((losses == 0) | (losses == 1)).all())
    values = losses if binary else np.stack([_ranks(row) for row in losses])
    limit = math.log10(ALPHA) - math.log10(teams * (teams - 1) / 2)
    judge = _in_mistakes if binary else _in_ranks
    found = [judge(values, one, other) for one, other in _candidates(values, new, binary=binary)]
    return [each for each in found if each is not None and each.chance < limit]


def _candidates(values: Floats, new: Sequence[int], *, binary: bool) -> list[tuple[int, int]]:
    """Return the pairs that are worth a closer look, the closest first."""
    chosen = np.unique(np.asarray(new, dtype=np.int64))
    is_new = np.zeros(len(values), dtype=bool)
    is_new[chosen] = True
    # The mean still has the pair in it, which keeps copies close; it is asked again without.
    compared = (values if binary else _unit(values - _usual(values, ()))).astype(np.float32)
    least = LEAST_OVERLAP - 1e-6 if binary else LEAST_CORRELATION - 0.35
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        closeness = _closeness(compared, block, binary=binary)
        at, second = np.nonzero(closeness >= least)
        first = block[at]
        keep = (first != second) & (~is_new[second] | (first < second))
        near, first, second = closeness[at, second][keep], first[keep], second[keep]
        best = np.argsort(-near, kind="stable")[:MOST_CANDIDATES]
        found += [(-float(near[one]), int(first[one]), int(second[one])) for one in best]
        found = sorted(found)[:MOST_CANDIDATES]
    return [(first, second) for _, first, second in found]


def _closeness(compared: NDArray[np.float32], block: NDArray[np.int64], *, binary: bool) -> Floats:
    """Return how close some rows are to all: mistakes in common as a share, or the correlation."""
    together = compared[block] @ compared.T
    if not binary:
        return together.astype(np.float64)
    counts = compared.sum(axis=1)
    union = counts[block, None] + counts[None, :] - together
    found: Floats = np.where(together >= LEAST_SHARED, together / np.maximum(union, 1), 0).astype(np.float64)
    return found


def _in_mistakes(wrong: Floats, one: int, other: int) -> Alike | None:
    counts = int(wrong[one].sum()), int(wrong[other].sum())
    shared = int((wrong[one] * wrong[other]).sum())
    overlap = shared / max(1, sum(counts) - shared)
    few = len(wrong) - 2 < LEAST_OTHERS
    if shared < LEAST_SHARED or overlap < (FEW_OVERLAP if few else LEAST_OVERLAP):
        return None
    hard, both = _hardness(wrong, one, other, few=few), ((one, other), (other, one))
    expected, chance = max(
        (_in_common(wrong[a], _tilted(hard, wrong[b].sum()), shared) for a, b in both),
        key=lambda each: each[1],
    )
    rows = wrong.shape[1]
    return Alike(one, other, "mistakes", rows, overlap, chance, shared, expected, counts)


def _hardness(wrong: Floats, one: int, other: int, *, few: bool) -> Floats:
    """Return how often each row is wrong for all but these two, drawn a little towards the mean."""
    rate = float((wrong[one] + wrong[other]).mean() / 2)
    if few:
        return np.full(wrong.shape[1], rate)
    others = wrong.sum(axis=0) - wrong[one] - wrong[other]
    found: Floats = (others + _SMOOTHING * rate) / (len(wrong) - 2 + _SMOOTHING)
    return found


def _tilted(hard: Floats, count: float) -> Floats:
    """Return chances that sum to `count`, in the order of how hard rows are: a file as able as this one."""
    safe = np.clip(hard, 1e-6, 1 - 1e-6)
    odds = np.log(safe / (1 - safe))
    low, high = -40.0, 40.0
    for _ in range(_TILTS):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-(odds + middle)))).sum() > count:
            high = middle
        else:
            low = middle
    found: Floats = 1 / (1 + np.exp(-(odds + low)))
    return found


def _in_common(wrong: Floats, chances: Floats, shared: int) -> tuple[float, float]:
    trials = int(wrong.sum())
    expected = float((wrong * chances).sum())
    return expected, tail(trials, expected, shared)


def tail(trials: int, expected: float, found: int) -> float:
    """Return log10 of an upper bound for so many successes or more, in independent trials of any chances.

    Source: Hoeffding 1956; the bound of Chernoff with the mean chance.
    """
    if not 0 < found <= trials or found <= expected:
        return 0.0
    share, mean = found / trials, max(expected / trials, 1e-12)
    nats = share * math.log(share / mean)
    if share < 1:
        nats += (1 - share) * math.log((1 - share) / (1 - mean))
    return -trials * nats / math.log(10)


def _in_ranks(ranks: Floats, one: int, other: int) -> Alike | None:
    few = len(ranks) - 2 < LEAST_OTHERS
    usual = np.full(ranks.shape[1], ranks.mean()) if few else _usual(ranks, (one, other))
    first, second = _unit(ranks[[one, other]] - usual)
    correlation = float(first @ second)
    if correlation < (FEW_CORRELATION if few else LEAST_CORRELATION):
        return None
    rows = ranks.shape[1]
    score = math.atanh(min(correlation, 1 - 1e-12)) * math.sqrt(rows - 3)
    return Alike(one, other, "correlation", rows, min(correlation, 1.0), -(score**2) / 2 / math.log(10))


def _usual(ranks: Floats, without: Sequence[int]) -> Floats:
    if len(ranks) - 2 < LEAST_OTHERS:
        return np.full(ranks.shape[1], ranks.mean())
    total = ranks.sum(axis=0) - ranks[list(without)].sum(axis=0)
    found: Floats = total / (len(ranks) - len(without))
    return found


def _unit(rows: Floats) -> Floats:
    """Return each row around its mean, with length 1; a constant one becomes 0."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    found: Floats = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return found


def _ranks(row: Floats) -> Floats:
    """Return the ranks of values; equal ones share the mean of theirs."""
    _, which, counts = np.unique(row, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return found


def in_step(entries: Iterable[tuple[int, float]]) -> list[InStep]:
    """Return the pairs of teams that enter within seconds of each other, hour after hour and day after day.

    An hour counts once, however often they met in it; what two teams that are both active in an hour meet by
    chance is taken off.

    Args:
        entries: team and moment of receipt.

    Units:
        moments in seconds

    Complexity: O(n log n + n * `CROWD`) in the entries.
    """
    ordered = sorted(entries, key=lambda each: each[1])
    active: dict[int, Counter[int]] = defaultdict(Counter)
    for team, moment in ordered:
        active[team][int(moment // _HOUR)] += 1
    limit = math.log10(ALPHA) - math.log10(max(1, len(active) * (len(active) - 1) / 2))
    found = []
    for (one, other), hours in sorted(_meetings(ordered).items()):
        days = len({hour * _HOUR // _DAY for hour in hours})
        if len(hours) >= LEAST_MEETINGS and days >= LEAST_DAYS:
            expected, chance = _by_chance(active[one], active[other], len(hours))
            if chance < limit:
                found.append(InStep(one, other, len(hours), days, expected, chance))
    return found


def _meetings(ordered: Sequence[tuple[int, float]]) -> Mapping[tuple[int, int], set[int]]:
    met: dict[tuple[int, int], set[int]] = defaultdict(set)
    for at, (team, moment) in enumerate(ordered):
        for other, later in ordered[at + 1 : at + 1 + CROWD]:
            if later - moment > WITHIN_SECONDS:
                break
            if other != team:
                met[min(team, other), max(team, other)].add(int(moment // _HOUR))
    return met


def _by_chance(one: Counter[int], other: Counter[int], met: int) -> tuple[float, float]:
    hours = set(one) & set(other)
    share = 2 * WITHIN_SECONDS / _HOUR
    expected = sum(min(1.0, one[hour] * other[hour] * share) for hour in hours)
    return expected, tail(max(len(hours), met), expected, met)


def burst(moments: Sequence[float]) -> int:
    """Return the most entries of a team within `BURST_SECONDS`, if they are `LEAST_BURST` or more; else 0."""
    ordered = sorted(moments)
    most, start = 0, 0
    for at, moment in enumerate(ordered):
        while moment - ordered[start] > BURST_SECONDS:
            start += 1
        most = max(most, at - start + 1)
    return most if most >= LEAST_BURST else 0


def behind_one_address(counts: Iterable[tuple[str, int, int]]) -> dict[tuple[int, ...], int]:
    """Return teams -> number of addresses from which all of them, and hardly anybody else, enter.

    Args:
        counts: address, team, how many entries.
    """
    seen: dict[str, dict[int, int]] = defaultdict(dict)
    for address, team, number in counts:
        seen[address][team] = seen[address].get(team, 0) + number
    found: Counter[tuple[int, ...]] = Counter()
    for teams in seen.values():
        often = sorted(team for team, number in teams.items() if number >= LEAST_FROM_ADDRESS)
        if len(often) > 1 and len(teams) <= MOST_BEHIND_ADDRESS:
            found[tuple(often)] += 1
    return dict(found)


def is_perfect(name: str, score: float) -> bool:
    """Say whether a score of a known metric cannot be beaten; of an author's own scorer nobody knows."""
    found = METRICS.get(name)
    if found is None:
        return False
    if name == "log_loss":  # of probabilities that were moved away from 0 and 1
        return score <= -math.log(1 - LEAST_PROBABILITY) * (1 + 1e-9)
    return score == 0 if found.direction == "min" else score >= 1


def days_over_quota(used: Iterable[Mapping[str, int]], limit: int) -> list[str]:
    """Return the days on which teams together used more than one team may, if there are enough of them."""
    total: Counter[str] = Counter()
    for days in used:
        total.update(days)
    over = [day for day, number in total.items() if number > limit]
    return sorted(over) if len(over) >= LEAST_QUOTA_DAYS else []
