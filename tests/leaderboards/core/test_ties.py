import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.leaderboards.core.losses import MOST_LOSS, Losses, losses_of
from lms.leaderboards.core.metrics import METRICS, Compared, evaluate
from lms.leaderboards.core.metrics_on_resamples import losses_on_resamples
from lms.leaderboards.core.predictions import Kind
from lms.leaderboards.core.resampling import (
    Rows,
    draws,
    means,
    middle,
    weights,
    wilson,
)
from lms.leaderboards.core.significance import differing, exceeding, holm, mcnemar
from lms.leaderboards.core.ties import (
    Tie,
    _Averaged,
    equal_groups,
    tie_groups,
    tie_groups_of,
)
from tests.factories.resamples import tie_groups_of_metric

FEW = 1000
SHARES = (0.1, 0.12, 0.15, 0.5, 0.55)  # of guesses, among what some teams send
tables = st.integers(0, 10_000).map(np.random.default_rng)


def board(generator: np.random.Generator, *, counted: bool, teams: int = 6, items: int = 40) -> np.ndarray:
    """Return losses of teams in the order of their mean, hard items being hard for all."""
    hard, skill = generator.random(items), generator.random((teams, 1))
    losses = hard * skill * 2 + generator.random((teams, items)) * 0.3
    table = (losses > 0.7).astype(float) if counted else losses
    return table[np.argsort(table.mean(axis=1), kind="stable")]


def groups(ties: list[Tie]) -> list[int]:
    return [tie.group for tie in ties]


def test_a_clearly_better_leader_stands_alone() -> None:
    losses = np.zeros((4, 200))
    losses[1:, :60] = 1
    assert groups(tie_groups(losses)) == [1, 2, 2, 2]


@pytest.mark.parametrize("scale", [1, 0.37])
def test_the_same_losses_are_always_tied(scale: float) -> None:
    one = np.random.default_rng(1).integers(0, 2, 300) * scale
    ties = tie_groups([one] * 5, resamples=FEW)
    assert groups(ties) == [1] * 5
    assert {(tie.best, tie.worst) for tie in ties} == {(1, 5)}


def test_a_group_is_measured_from_its_leader_and_not_from_its_neighbour() -> None:
    """Ten steps too small to tell add up to one that is not."""
    losses = np.zeros((11, 400))
    for team, row in enumerate(losses):
        row[: 4 * team] = 1
    found = groups(tie_groups(losses))
    assert found[0] == found[1] == 1
    assert found[-1] > 1
    assert all(later - earlier in {0, 1} for earlier, later in pairwise(found))


def test_the_first_one_apart_starts_the_next_group_whatever_comes_below() -> None:
    """The third team is wrong on the leader's items and on others: not apart, but below one that is."""
    losses = np.zeros((3, 100))
    losses[0, :40] = 1
    losses[1, :52] = 1
    losses[2, 30:83] = 1
    assert groups(tie_groups(losses)) == [1, 2, 2]


@pytest.mark.parametrize("counted", [True, False])
@settings(max_examples=8)
@given(generator=tables)
def test_the_order_of_the_items_does_not_matter(*, counted: bool, generator: np.random.Generator) -> None:
    losses = board(generator, counted=counted)
    shuffled = losses[:, generator.permutation(losses.shape[1])]
    assert tie_groups(shuffled, resamples=FEW) == tie_groups(losses, resamples=FEW)


@pytest.mark.parametrize("counted", [True, False])
@settings(max_examples=8)
@given(generator=tables)
def test_groups_run_down_the_board_and_ranges_hold_what_is_likely(
    *, counted: bool, generator: np.random.Generator
) -> None:
    losses = board(generator, counted=counted)
    ties = tie_groups(losses, resamples=FEW)
    assert groups(ties)[0] == 1
    assert all(later.group - earlier.group in {0, 1} for earlier, later in pairwise(ties))
    for number, (tie, one) in enumerate(zip(ties, losses, strict=True)):
        assert 1 <= tie.best <= tie.worst <= len(ties)
        assert tie.low <= one.mean() + 1e-9
        assert one.mean() - 1e-9 <= tie.high
        same = [other for other, row in enumerate(losses) if (row == losses[number]).all()]
        assert {ties[other].group for other in same} == {tie.group}
        assert {(ties[other].best, ties[other].worst) for other in same} == {(tie.best, tie.worst)}


def test_the_same_board_gives_the_same_answer_and_another_seed_nearly_so() -> None:
    losses = board(np.random.default_rng(5), counted=False)
    assert tie_groups(losses) == tie_groups(losses)
    assert tie_groups(losses, seed=1) != tie_groups(losses, seed=2)


@pytest.mark.parametrize("counted", [True, False])
def test_a_leader_named_beforehand_is_parted_from_equals_as_seldom_as_alpha_says(*, counted: bool) -> None:
    split, runs = 0, 400 if counted else 40
    for seed in range(runs):
        generator = np.random.default_rng(seed)
        table = generator.random((8, 60)) * generator.random(60) * 1.5
        if counted:
            wrong = table > 0.5
            alone = [(wrong[0] & ~wrong[1:]).sum(axis=1), (~wrong[0] & wrong[1:]).sum(axis=1)]
            split += bool(holm(mcnemar(*alone), 0.05).any())
        else:
            split += bool(holm(_Averaged(table, FEW, 1).p_values(0)[1:], 0.05).any())
    assert split <= runs * 0.05 + 3 * math.sqrt(runs * 0.05 * 0.95)


def test_a_difference_on_four_items_shows_nothing_however_large_it_is() -> None:
    losses = np.full((2, 1000), 0.5)
    losses[1, :4] = 1000
    assert groups(tie_groups(losses, resamples=FEW)) == [1, 1]
    losses[1, :40] = 1000
    assert groups(tie_groups(losses, resamples=FEW)) == [1, 2]


def test_one_item_parts_nobody() -> None:
    assert groups(tie_groups([[0.1], [0.9]], resamples=FEW)) == [1, 1]


def test_who_got_everything_right_may_still_not_be_the_best() -> None:
    losses = np.zeros((4, 10))
    losses[1, 0] = losses[2, 1] = 1
    losses[3] = 1
    ties = tie_groups(losses, resamples=FEW)
    assert (ties[0].best, ties[0].worst, ties[0].low) == (1, 3, 0)
    assert ties[0].high == pytest.approx(0.2775, abs=1e-4)
    assert ties[3].high == 1
    assert ties[3].low == pytest.approx(1 - 0.2775, abs=1e-4)


def test_nearly_equal_losses_are_told_apart_by_what_they_differ_in() -> None:
    """Variances of 10^5 subtracted from each other would leave nothing of differences of 10^-9."""
    generator = np.random.default_rng(4)
    one = generator.random(400) * 1000
    always = one + 1e-9 * (1 + generator.random(400))
    by_chance = one + 1e-9 * generator.normal(size=400)
    assert groups(tie_groups([one, always], resamples=FEW)) == [1, 2]
    assert groups(tie_groups([one, by_chance], resamples=FEW)) == [1, 1]


def test_a_metric_that_is_no_mean_is_computed_anew_on_every_resample() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(size=150)
    said = np.array([truth + generator.normal(size=150) * noise for noise in (0.2, 0.25, 3.0)])

    def correlations(rows: np.ndarray) -> list[float]:
        centred = np.array([truth, *said])[:, rows] - np.array([truth, *said])[:, rows].mean(
            axis=1, keepdims=True
        )
        lengths = np.sqrt(np.square(centred).sum(axis=1))
        found = (centred[1:] @ centred[0] / lengths[1:] / lengths[0]).tolist()
        return [*found, found[2]]

    ties = tie_groups_of_metric(correlations, items=150, direction="max", resamples=FEW)
    assert groups(ties) == [1, ties[1].group, ties[1].group + 1, ties[1].group + 1]
    assert (ties[0].best, ties[0].worst) == (1, 1)
    assert [(tie.best, tie.worst) for tie in ties[2:]] == [(3, 4)] * 2
    assert all(
        tie.low <= score <= tie.high for tie, score in zip(ties, correlations(np.arange(150)), strict=True)
    )
    turned = tie_groups_of_metric(
        lambda rows: [-score for score in correlations(rows)], items=150, direction="min", resamples=FEW
    )
    assert [(tie.group, tie.best, tie.worst) for tie in turned] == [
        (tie.group, tie.best, tie.worst) for tie in ties
    ]


def test_a_mean_given_as_a_metric_of_its_own_is_grouped_as_one() -> None:
    losses = board(np.random.default_rng(8), counted=False, items=200)
    own = tie_groups_of_metric(
        lambda rows: losses[:, rows].mean(axis=1), items=200, direction="min", resamples=FEW
    )
    assert groups(own) == groups(tie_groups(losses, resamples=FEW))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sum_of_its_binomial_tail(one: int, other: int) -> None:
    (found,) = mcnemar(np.array([one]), np.array([other]))
    both = one + other
    tail = sum(math.comb(both, k) for k in range(min(one, other) + 1))
    assert found == pytest.approx(min(1.0, 2 * tail / 2**both), rel=1e-9)


def test_holm_by_its_own_example() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05).tolist() == [True, False, False, True]
    assert holm(np.array([0.01, 0.01, 0.01]), 0.05).tolist() == [True, True, True]
    assert holm(np.array([]), 0.05).tolist() == []


def test_wilson_is_no_point_at_the_ends() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert wilson(10, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert (wilson(0, 7)[0], wilson(7, 7)[1]) == (0.0, 1.0)
    assert wilson(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)


def test_every_resample_has_as_many_items_as_the_test_set() -> None:
    counted = np.vstack(list(weights(30, 50)))
    assert counted.sum(axis=1).tolist() == [30] * 50
    assert (counted[7] == np.bincount(list(draws(30, 50))[7], minlength=30)).all()


def test_resamples_are_the_same_however_few_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test set of 400,000 rows would else take 3 GB, whoever stands on the board."""
    losses = np.random.default_rng(2).integers(0, 2, (3, 30)).astype(np.float32)
    at_once = means(losses, 50)
    monkeypatch.setattr("lms.leaderboards.core.resampling._CELLS", 100)
    assert [len(block) for block in weights(30, 50)] == [3] * 16 + [2]
    assert (means(losses, 50) == at_once).all()


def test_means_on_resamples_are_those_of_the_drawn_items() -> None:
    losses = np.random.default_rng(2).random((3, 1)) * np.ones(20)
    assert means(losses, 5) == pytest.approx(np.repeat(losses[:, :1].T, 5, axis=0))


def test_the_middle_leaves_as_much_out_on_either_side() -> None:
    low, high = middle(np.arange(1001)[:, None])
    assert (low[0], high[0]) == (25, 975)


def test_equal_scores_are_one_group() -> None:
    assert equal_groups([0.9, 0.9, 0.8, 0.7, 0.7]) == [1, 1, 2, 3, 3]
    assert equal_groups([0.0, -0.0]) == [1, 1]
    assert equal_groups([]) == []


def test_a_board_without_teams_has_no_groups() -> None:
    assert tie_groups([]) == []


@pytest.mark.parametrize("losses", [[[math.nan]], [0.1, 0.2], [[]], [["a"]], [[math.inf, 1.0]]])
def test_losses_that_are_none_are_refused(losses: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        tie_groups(losses)


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(ValueError, match="1000"):
        tie_groups([[0.0, 1.0]], resamples=999)


def test_what_is_kept_of_entries_gives_the_groups_of_its_metric() -> None:
    generator = np.random.default_rng(8)
    truth = generator.integers(0, 4, 120)
    said = [np.where(generator.random(120) < share, generator.integers(0, 4, 120), truth) for share in SHARES]
    found = METRICS["f1_macro"]

    def score_on(rows: Rows) -> list[float]:
        return [evaluate(found, Compared(truth[rows], each[rows])).score for each in said]

    said.sort(key=lambda each: -evaluate(found, Compared(truth, each)).score)
    scores = score_on(np.arange(120))
    kept = [
        losses_on_resamples(found, Compared(truth, each), score)
        for each, score in zip(said, scores, strict=True)
    ]
    ties = tie_groups_of([each for each in kept if each is not None])
    direct = tie_groups_of_metric(score_on, items=120, direction="max", resamples=FEW)
    assert [(tie.group, tie.best, tie.worst) for tie in ties] == [
        (tie.group, tie.best, tie.worst) for tie in direct
    ]
    assert [-tie.high for tie in ties] == pytest.approx([tie.low for tie in direct])
    assert len(set(groups(ties))) > 1


def test_what_is_kept_of_rows_gives_the_groups_of_rows() -> None:
    losses = board(np.random.default_rng(9), counted=True)
    kept = [losses_of(row) for row in losses]
    assert tie_groups_of(kept) == tie_groups(losses)
    assert tie_groups_of([]) == []


def test_losses_on_other_rows_or_too_few_resamples_are_not_compared() -> None:
    full = Losses(np.zeros(FEW), 30, whole=0.1)
    for other in (Losses(np.zeros(FEW), 31, whole=0.1), losses_of(np.zeros(FEW))):
        with pytest.raises(ValueError, match="other rows"):
            tie_groups_of([full, other])
    with pytest.raises(ValueError, match="at least"):
        tie_groups_of([Losses(np.zeros(2), 30, whole=0.1)] * 2)


def test_on_resamples_no_difference_is_surer_than_the_signs_of_all_items() -> None:
    """Of one item a resample is always that one: nothing varies, and nothing is known."""
    for items, expected in ((1, [1, 1]), (5, [1, 1]), (6, [1, 2])):
        kept = [Losses(np.full(FEW, loss), items, whole=loss) for loss in (0.1, 0.9)]
        assert groups(tie_groups_of(kept)) == expected


def test_losses_beyond_all_measure_part_groups_without_a_fault() -> None:
    usual = np.random.default_rng(1).normal(1, 0.1, FEW)
    kept = [Losses(usual, 50, whole=1.0), Losses(np.full(FEW, MOST_LOSS), 50, whole=1e300)]
    assert groups(tie_groups_of([*kept, kept[1]])) == [1, 2, 2]


@pytest.mark.parametrize("wrong", [1, 2, 3, 4, 30])
def test_a_metric_on_few_differing_items_parts_nobody_whom_their_signs_do_not(wrong: int) -> None:
    """A leader with everything right: 2 / 2^4 is more than alpha."""
    truth = np.arange(200) % 2
    said = [truth, np.where(np.arange(200) < wrong, 1 - truth, truth)]
    found = METRICS["f1_macro"]
    kept = [
        losses_on_resamples(found, Compared(truth, each), evaluate(found, Compared(truth, each)).score)
        for each in said
    ]
    assert groups(tie_groups_of([each for each in kept if each is not None])) == [1, 1 if wrong <= 4 else 2]


def test_how_many_items_differ_is_read_from_the_resamples_without_them() -> None:
    generator = np.random.default_rng(3)
    for number in (0, 1, 3, 5):
        losses = generator.random((2, 60))
        losses[1, number:] = losses[0, number:]
        [same, estimated] = differing(means(losses, 4000), 0, 60)
        assert same == 0
        assert estimated == pytest.approx(number, abs=0.8)
    assert differing(means(generator.random((2, 60)), FEW), 0, 60).tolist() == [0, 60]


def test_of_largest_losses_those_beyond_all_of_the_leader_count() -> None:
    generator = np.random.default_rng(4)
    losses = generator.random((3, 50))
    losses[1, :4] += 5
    losses[2, :20] += 5
    values = np.array([losses[:, rows].max(axis=1) for rows in draws(50, 4000)])
    estimated = exceeding(values, losses[0].max(), 50)
    assert estimated[0] == 0
    assert estimated[1] == pytest.approx(4, abs=0.8)
    kept = [
        Losses(each, 50, whole=float(whole)) for each, whole in zip(values.T, losses.max(axis=1), strict=True)
    ]
    assert groups(tie_groups_of(kept, largest=True)) == [1, 1, 2]


@pytest.mark.parametrize("name", ["f1_macro", "roc_auc", "median_absolute_error", "max_error"])
def test_no_metric_parts_equals_from_a_leader_named_beforehand_oftener_than_alpha_says(name: str) -> None:
    found, split, runs, rows = METRICS[name], 0, 100, 40
    for seed in range(runs):
        generator = np.random.default_rng(seed)
        hard = generator.normal(0, 1, rows)
        truth = generator.integers(0, 3, rows) if found.kind is Kind.LABEL else generator.normal(0, 1, rows)
        if found.kind is Kind.PROBABILITY:
            truth = np.where(truth > 0, 1.0, 0.0)
        kept = []
        for _ in range(2):
            said = truth + hard + generator.normal(0, 1, rows)
            if found.kind is Kind.LABEL:
                said = np.clip(np.rint(said), 0, 2).astype(int)
            compared = Compared(truth, said)
            losses = losses_on_resamples(found, compared, evaluate(found, compared).score)
            kept += [losses] if losses is not None else []
        if found.largest:  # of which the better one leads
            kept.sort(key=lambda losses: losses.loss)
        split += groups(tie_groups_of(kept, largest=found.largest)) == [1, 2]
    assert split <= runs * 0.05 + 3 * math.sqrt(runs * 0.05 * 0.95)
