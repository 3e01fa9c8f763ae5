"""How long tie groups and rank intervals take, and how that grows with teams and items.

`python -m benchmarks.tie_groups [TEAMS [ITEMS]]`: simulated boards, from 100 teams up to TEAMS (10,000), on
ITEMS rows (1,000 and 4,000), right or wrong (McNemar) and with losses of any size (bootstrap). Beside it, of
the same run, what the bare product of matrices costs that no paired bootstrap can go without.

`python -m benchmarks.tie_groups --metrics`: what the losses of one entry on 1,000 resamples cost, by each
metric that is no mean over rows, beside what asking scikit-learn for every resample would (measured on some).
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.machine import tell_machine
from lms.leaderboards.core.metrics import METRICS, Compared, Metric, evaluate
from lms.leaderboards.core.metrics_on_resamples import ON_RESAMPLES, losses_on_resamples
from lms.leaderboards.core.predictions import Kind
from lms.leaderboards.core.resampling import LEAST_RESAMPLES, RESAMPLES, draws, weights
from lms.leaderboards.core.ties import tie_groups

FIELDS = (100, 1_000, 10_000)
ITEMS = (1_000, 4_000)
RUNS = 3
ROWS = (1_000, 10_000)
ASKED = 50  # resamples for which scikit-learn is asked
LABELS = 10
GOOD = 0.8  # of predicted labels


def board(teams: int, items: int, *, counted: bool) -> np.ndarray:
    """Return losses in the order of the board: hard items are hard for all, skill spreads as in a course."""
    generator = np.random.default_rng(teams + items)
    hard = generator.random(items, dtype=np.float32)
    skill = np.sort(generator.beta(4, 9, size=teams)).astype(np.float32)
    losses = np.empty((teams, items), dtype=np.uint8 if counted else np.float64)
    for team in range(teams):
        luck = generator.random(items, dtype=np.float32)
        losses[team] = (hard + luck) / 2 < skill[team] if counted else np.square(hard + luck) * skill[team]
    return losses[np.argsort(losses.mean(axis=1), kind="stable")]


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of some runs."""
    taken = []
    for _ in range(RUNS):
        before = time.perf_counter()
        work()
        taken.append(time.perf_counter() - before)
    return sorted(taken)[RUNS // 2]


def rows(fields: list[int], sizes: list[int]) -> Iterator[str]:
    """Measure each size, and yield a line of figures."""
    yield "| teams | items | losses | groups | seconds | matrix product alone | ratio |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for items in sizes:
        drawn = np.concatenate(list(weights(items)))
        for teams in fields:
            for counted in (True, False):
                losses = board(teams, items, counted=counted)
                numbers = losses.astype(np.float32 if counted else np.float64)
                draws = drawn.astype(numbers.dtype)
                floor = seconds(lambda draws=draws, numbers=numbers: draws @ numbers.T)  # type: ignore[misc]
                del numbers, draws
                groups = tie_groups(losses)[-1].group
                whole = seconds(lambda losses=losses: tie_groups(losses))  # type: ignore[misc]
                kind = "0 or 1" if counted else "any"
                figures = f"{groups} | {whole:.2f} | {floor:.2f} | {whole / floor:.1f} ×"
                yield f"| {teams:,} | {items:,} | {kind} | {figures} |"


def predictions(kind: Kind, items: int) -> Compared:
    """Return a truth and predictions of which most are good ones."""
    generator = np.random.default_rng(items)
    if kind is Kind.LABEL:
        labels, others = generator.integers(0, LABELS, (2, items))
        return Compared(labels, np.where(generator.random(items) < GOOD, labels, others))
    if kind is Kind.PROBABILITY:
        ones = generator.integers(0, 2, items).astype(float)
        return Compared(ones, 0.3 * ones + 0.7 * generator.random(items))
    numbers = generator.normal(0, 1, items)
    return Compared(numbers, numbers + generator.normal(0, 0.5, items))


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the median processor time of some runs."""
    taken = []
    for _ in range(RUNS):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return sorted(taken)[RUNS // 2]


def metric_rows(sizes: tuple[int, ...]) -> Iterator[str]:
    """Measure each metric that is no mean over rows, and yield a line of figures."""
    yield "| rows | metric | milliseconds of processor time | by scikit-learn | ratio |"
    yield "| --- | --- | --- | --- | --- |"
    for items in sizes:
        for name in ON_RESAMPLES:
            found = METRICS[name]
            compared = predictions(found.kind, items)
            score = evaluate(found, compared).score
            whole = processor_seconds(
                lambda found=found, compared=compared, score=score: losses_on_resamples(
                    found, compared, score
                )  # type: ignore[misc]
            )
            asked = processor_seconds(lambda found=found, compared=compared: one_by_one(found, compared))  # type: ignore[misc]
            before = asked * LEAST_RESAMPLES / ASKED
            figures = f"{whole * 1000:.0f} | {before * 1000:,.0f} | {before / whole:.0f} ×"
            yield f"| {items:,} | {name} | {figures} |"


def one_by_one(found: Metric, compared: Compared) -> list[float]:
    """Score some resamples as a file is scored."""
    return [evaluate(found, compared.at(rows)).score for rows in draws(len(compared.actual), ASKED)]


def main() -> None:
    """Print the figures with the machine that they were measured on."""
    parser = argparse.ArgumentParser(description="Time tie groups.")
    parser.add_argument("teams", nargs="?", type=int, default=FIELDS[-1])
    parser.add_argument("items", nargs="?", type=int, default=0)
    parser.add_argument("--metrics", action="store_true", help="time the losses of one entry instead")
    chosen = parser.parse_args()
    tell_machine()
    print(f"{LEAST_RESAMPLES if chosen.metrics else RESAMPLES} resamples, medians of {RUNS}")
    fields = sorted({*(field for field in FIELDS if field < chosen.teams), chosen.teams})
    lines = (
        metric_rows(ROWS) if chosen.metrics else rows(fields, [chosen.items] if chosen.items else list(ITEMS))
    )
    for line in lines:
        print(line, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nmost memory held: {peak:.0f} MB")


if __name__ == "__main__":
    main()
