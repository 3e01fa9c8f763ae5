"""Tie groups do not depend on the unit in which losses are told, up to the largest numbers there are."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.leaderboards.core.ties import tie_groups

FEW = 1000
LARGEST = float(np.finfo(np.float64).max)


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), exponent=st.integers(-900, 1020))
def test_a_unit_of_another_power_of_two_changes_no_group(seed: int, exponent: int) -> None:
    generator = np.random.default_rng(seed)
    losses = generator.random(40) * generator.random((6, 1)) + generator.random((6, 40)) * 0.3
    losses = losses[np.argsort(losses.mean(axis=1), kind="stable")]
    with np.errstate(all="raise", under="ignore"):
        one, other = (tie_groups(each, resamples=FEW) for each in (losses, np.ldexp(losses, exponent)))
    assert [(tie.group, tie.best, tie.worst) for tie in one] == [
        (tie.group, tie.best, tie.worst) for tie in other
    ]
    assert [(math.ldexp(tie.low, exponent), math.ldexp(tie.high, exponent)) for tie in one] == [
        (tie.low, tie.high) for tie in other
    ]


def test_the_largest_losses_there_are_part_groups_without_a_warning() -> None:
    losses = np.zeros((4, 200))
    losses[1:, :60] = LARGEST
    losses[3, 60:] = -1e-300
    with np.errstate(all="raise", under="ignore"):
        ties = tie_groups(losses)
    assert [tie.group for tie in ties] == [1, 2, 2, 2]
    assert all(math.isfinite(tie.low) and math.isfinite(tie.high) for tie in ties)
    assert tie_groups([[LARGEST] * 3])[0].high == LARGEST
