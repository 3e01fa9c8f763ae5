"""Independent work is hardly ever flagged; copies with small changes always are."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.leaderboards.core.suspicion import (
    BURST_SECONDS,
    CROWD,
    LEAST_BURST,
    LEAST_MEETINGS,
    MOST_BEHIND_ADDRESS,
    alike,
    behind_one_address,
    burst,
    days_over_quota,
    in_step,
    tail,
)

BOARDS = 200
DAY = 86_400.0


def wrong_rows(generator: np.random.Generator, teams: int, rows: int) -> np.ndarray:
    """Files that err independently of each other, on rows that are hard for all alike."""
    hard = generator.beta(0.5, 2.0, size=rows)
    able = generator.uniform(0.6, 1.4, size=(teams, 1))
    return (generator.random((teams, rows)) < np.minimum(hard * able, 1)).astype(float)


def errors(generator: np.random.Generator, teams: int, rows: int) -> np.ndarray:
    """Squared errors of models that differ, on values whose noise is the same for all."""
    noise = generator.normal(0, 1, size=rows)
    return (noise + generator.normal(0, 0.3, size=(teams, rows))) ** 2


@pytest.mark.parametrize("kind", [wrong_rows, errors])
def test_independent_files_are_hardly_ever_flagged(kind: Callable[..., np.ndarray]) -> None:
    generator = np.random.default_rng(5)
    flagged = 0
    for _ in range(BOARDS):
        teams, rows = int(generator.integers(2, 25)), int(generator.integers(30, 400))
        flagged += len(alike(kind(generator, teams, rows), range(teams)))
    assert flagged == 0


@given(st.integers(0, 2**32), st.integers(8, 25), st.integers(300, 800), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_copy_with_a_few_rows_changed_is_always_flagged(seed: int, teams: int, rows: int, few: int) -> None:
    generator = np.random.default_rng(seed)
    losses = wrong_rows(generator, teams, rows)
    losses[-1] = losses[0]
    changed = generator.choice(rows, size=few, replace=False)
    losses[-1, changed] = 1 - losses[-1, changed]
    found = alike(losses, [teams - 1])
    assert [(one.first, one.second) for one in found] == [(teams - 1, 0)]
    assert found[0].shared <= min(found[0].mistakes)
    assert found[0].expected < found[0].shared


@given(st.integers(0, 2**32), st.integers(8, 25), st.integers(60, 400))
@settings(max_examples=30, deadline=None)
def test_a_copy_of_numbers_with_a_little_noise_is_always_flagged(seed: int, teams: int, rows: int) -> None:
    generator = np.random.default_rng(seed)
    noise = generator.normal(0, 1, size=rows)
    off = noise + generator.normal(0, 0.3, size=(teams, rows))
    off[-1] = off[0] + generator.normal(0, 0.01, size=rows)
    found = alike(np.abs(off), [0])
    assert [(one.first, one.second, one.measure) for one in found] == [(0, teams - 1, "correlation")]


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_rows_nor_that_of_teams_matters(seed: int) -> None:
    generator = np.random.default_rng(seed)
    losses = wrong_rows(generator, 9, 300)
    losses[4] = losses[2]
    teams, rows = generator.permutation(9), generator.permutation(300)
    told = {frozenset((one.first, one.second)): one.shared for one in alike(losses, range(9))}
    again = alike(losses[teams][:, rows], range(9))
    assert {frozenset((teams[one.first], teams[one.second])): one.shared for one in again} == told
    assert set(told) == {frozenset((2, 4))}


def test_what_is_hard_for_everyone_ties_nobody_together() -> None:
    generator = np.random.default_rng(1)
    losses = np.zeros((20, 400))
    losses[:, :60] = generator.random((20, 60)) < 0.95
    assert alike(losses, range(20)) == []


def test_only_pairs_with_something_new_in_them_are_looked_at() -> None:
    losses = wrong_rows(np.random.default_rng(2), 10, 400)
    losses[1], losses[9] = losses[0], losses[8]
    assert [(one.first, one.second) for one in alike(losses, [9])] == [(9, 8)]
    assert alike(losses, [5]) == []
    assert alike(losses[:, :20], range(10)) == []


def test_two_teams_alone_are_flagged_only_where_hardly_a_mistake_differs() -> None:
    losses = np.zeros((2, 500))
    losses[:, :50] = 1
    assert len(alike(losses, [0])) == 1
    losses[1, 46:54] = 1 - losses[1, 46:54]
    assert alike(losses, [0]) == []


@given(st.integers(1, 200), st.floats(0.001, 1), st.data())
def test_a_tail_is_no_larger_for_more_successes(trials: int, share: float, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, trials - 1))
    assert tail(trials, trials * share, found + 1) <= tail(trials, trials * share, found) <= 0


def test_the_tail_bounds_what_independent_trials_do() -> None:
    generator = np.random.default_rng(3)
    chances = generator.random(40) * 0.5
    counts = (generator.random((20_000, 40)) < chances).sum(axis=1)
    for found in range(int(chances.sum()) + 1, 20):
        assert (counts >= found).mean() <= 10 ** tail(40, float(chances.sum()), found) + 0.01


def test_teams_that_enter_within_seconds_at_the_turn_of_each_day_are_in_step() -> None:
    entries = [(team, day * DAY + team) for day in range(LEAST_MEETINGS + 1) for team in (1, 2)]
    entries += [(3, day * DAY + 9 * 3600 + day * 100) for day in range(6)]
    (found,) = in_step(entries)
    assert (found.first, found.second, found.meetings, found.days) == (1, 2, 6, 6)
    assert found.expected < 0.1


def test_a_lecture_and_a_deadline_put_nobody_in_step() -> None:
    lecture = [(team, 100.0 * number + team % 7) for team in range(30) for number in range(20)]
    deadline = [(team, day * DAY + team / 10) for day in range(2) for team in range(60)]
    assert in_step(lecture) == []
    assert in_step(deadline) == []


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_teams_that_enter_when_they_like_are_not_in_step(seed: int) -> None:
    generator = np.random.default_rng(seed)
    evening = generator.integers(0, 14, size=600) * DAY + generator.normal(20 * 3600, 2 * 3600, size=600)
    assert in_step(zip(generator.integers(0, 12, size=600).tolist(), evening.tolist(), strict=True)) == []


def test_a_crowd_at_one_moment_costs_no_square() -> None:
    assert in_step((team, 0.0) for team in range(40 * CROWD)) == []


def test_a_burst_is_many_entries_in_a_minute() -> None:
    spread = [number * BURST_SECONDS / (LEAST_BURST - 1) for number in range(LEAST_BURST)]
    assert burst([*spread, 1e6]) == LEAST_BURST
    assert burst([moment * 1.01 for moment in spread]) == 0
    assert burst([]) == 0


def test_an_address_of_two_teams_counts_and_one_of_a_campus_does_not() -> None:
    campus = [("campus", team, 50) for team in range(MOST_BEHIND_ADDRESS + 1)]
    home = [("home", 1, 3), ("home", 2, 2), ("cafe", 1, 9), ("cafe", 3, 1), ("phone", 1, 4), ("phone", 2, 4)]
    assert behind_one_address(campus + home) == {(1, 2): 2}


def test_a_quota_is_evaded_on_several_days_only() -> None:
    assert days_over_quota([{"a": 5, "b": 5}, {"a": 1, "b": 1}], 5) == ["a", "b"]
    assert days_over_quota([{"a": 5, "b": 2}, {"a": 1, "b": 1}], 5) == []
