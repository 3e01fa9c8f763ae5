import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from lms.errors import Invalid
from lms.leaderboards.core.metrics import (
    LEAST_PROBABILITY,
    METRICS,
    Compared,
    Evaluation,
    Metric,
    evaluate,
    metric,
)
from lms.leaderboards.core.predictions import Kind

ROWS = range(60)
DRAW = np.random.default_rng(7)
TRUTHS = {
    Kind.LABEL: list(DRAW.choice(["cat", "dog", "개"], len(ROWS))),
    Kind.NUMBER: list(DRAW.uniform(1, 9, len(ROWS))),
    Kind.PROBABILITY: list(DRAW.integers(0, 2, len(ROWS)).astype(float)),
}
GUESSES = {
    Kind.LABEL: list(DRAW.choice(["cat", "dog", "개"], len(ROWS))),
    Kind.NUMBER: list(DRAW.uniform(1, 9, len(ROWS))),
    Kind.PROBABILITY: list(DRAW.uniform(0, 1, len(ROWS))),
}


def evaluated(
    found: Metric, truth: Sequence[Any], predicted: Sequence[Any], rows: Sequence[int]
) -> Evaluation:
    return evaluate(found, Compared.of(found.kind, truth, predicted).at(rows))


every_metric = pytest.mark.parametrize("found", METRICS.values(), ids=METRICS)


@every_metric
def test_the_truth_is_better_than_a_guess(found: Metric) -> None:
    truth = TRUTHS[found.kind]
    right, guess = (evaluated(found, truth, said, ROWS).score for said in (truth, GUESSES[found.kind]))
    assert (right > guess) if found.direction == "max" else (right < guess)


@every_metric
def test_the_mean_loss_orders_files_as_the_score_does(found: Metric) -> None:
    if not found.additive:
        assert evaluated(found, TRUTHS[found.kind], GUESSES[found.kind], ROWS).losses is None
        return
    truth = TRUTHS[found.kind]
    files = [truth[:keep] + GUESSES[found.kind][keep:] for keep in (0, 11, 25, 40, 60)]
    made = [evaluated(found, truth, said, ROWS) for said in files]
    losses = [one.losses.mean() for one in made if one.losses is not None]
    scores = [-one.score if found.direction == "max" else one.score for one in made]
    assert np.argsort(losses).tolist() == np.argsort(scores).tolist()
    assert all(set(np.unique(one.losses)) <= {0, 1} for one in made) or not found.shares


@every_metric
def test_a_score_is_found_again_from_its_loss(found: Metric) -> None:
    actual, said = (np.asarray(given[found.kind]) for given in (TRUTHS, GUESSES))
    score = found.score(actual, said)
    turned = -score if found.direction == "max" else score
    loss = turned if found.losses is None else float(found.losses(actual, said).mean())
    assert found.score_of(loss) == pytest.approx(score)


def test_scores_are_those_of_scikit_learn() -> None:
    truth, said = TRUTHS[Kind.LABEL], GUESSES[Kind.LABEL]
    assert evaluated(metric("accuracy"), truth, said, ROWS).score == accuracy_score(truth, said)
    truth, said = TRUTHS[Kind.PROBABILITY], GUESSES[Kind.PROBABILITY]
    assert evaluated(metric("roc_auc"), truth, said, ROWS).score == roc_auc_score(truth, said)
    clipped = np.clip(said, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    assert evaluated(metric("log_loss"), truth, said, ROWS).score == pytest.approx(log_loss(truth, clipped))


@pytest.mark.parametrize("name", [name for name, one in METRICS.items() if one.kind is Kind.LABEL])
def test_labels_as_numbers_score_as_the_labels_do(name: str) -> None:
    found, truth = METRICS[name], TRUTHS[Kind.LABEL]
    said = ["소" if at % 7 == 0 else "cow" if at % 5 == 0 else one for at, one in enumerate(truth)]
    plain = evaluate(found, Compared(np.asarray(truth), np.asarray(said)))
    assert evaluated(found, truth, said, ROWS).score == pytest.approx(plain.score, rel=1e-12)


def test_a_long_label_takes_no_room_in_other_rows() -> None:
    compared = Compared.of(Kind.LABEL, ["a"] * 1000, ["b" * 100_000, *["a"] * 999])
    assert compared.said.nbytes < 10_000
    assert evaluate(metric("accuracy"), compared).score == 0.999


def test_only_the_rows_asked_for_count() -> None:
    truth, said = ["a", "b", "c", "d"], ["a", "b", "x", "x"]
    assert [evaluated(metric("accuracy"), truth, said, rows).score for rows in ([0, 1], [2, 3], [1, 2])] == [
        1,
        0,
        0.5,
    ]


def test_one_row_of_certainty_costs_no_more_than_the_floor_allows() -> None:
    found = evaluated(metric("log_loss"), [1.0, 0.0], [0.0, 1.0], [0, 1])
    assert found.score == pytest.approx(-math.log(LEAST_PROBABILITY))


def test_a_log_loss_tells_little_about_single_rows() -> None:
    """Probabilities of very different size would spell the labels in the digits of the score."""
    truth = TRUTHS[Kind.PROBABILITY]
    spelling = [min(1.0, 10.0 ** -(2 * number)) for number in range(len(truth))]
    found = evaluated(metric("log_loss"), truth, spelling, ROWS)
    assert found.losses is not None
    # All rows beyond the floor lose one of two amounts: which row lost which cannot be read from their sum.
    assert len(set(np.round(found.losses[2:], 9))) == 2


@pytest.mark.parametrize(("name", "truth", "said"), [
    ("roc_auc", [1.0, 1.0], [0.2, 0.4]),
    ("mean_squared_log_error", [1.0, 2.0], [-3.0, 1.0]),
])  # fmt: skip
def test_a_score_that_is_no_number_is_refused(name: str, truth: list[float], said: list[float]) -> None:
    with pytest.raises(Invalid, match="has no value"):
        evaluated(metric(name), truth, said, [0, 1])


@pytest.mark.parametrize(("name", "said"), [
    ("mean_squared_error", [1e200, 1e300]),
    ("root_mean_squared_error", [1e200, 1e300]),
    ("mean_absolute_error", [1.7e308, -1.7e308]),
    ("r2", [1e308, -1e308]),
])  # fmt: skip
def test_a_score_beyond_all_numbers_says_that_they_are_too_large(name: str, said: list[float]) -> None:
    with pytest.raises(Invalid, match="too large"):
        evaluated(metric(name), [1.0, 2.0], said, [0, 1])


def test_an_unknown_metric_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Invalid, match="accuracy"):
        metric("acuracy")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_loss(said: list[float], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(said))
    truth = [float(number % 2) for number in range(len(said))]
    plain = evaluated(metric("brier_score"), truth, said, range(len(said)))
    turned = evaluated(
        metric("brier_score"), [truth[at] for at in order], [said[at] for at in order], range(len(said))
    )
    assert plain.losses is not None
    assert turned.losses is not None
    assert sorted(plain.losses) == sorted(turned.losses)
    assert turned.score == pytest.approx(plain.score)
