"""What predictions score on resamples is what scikit-learn says of the very rows that were drawn."""

import math
import tracemalloc
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.leaderboards.core import metrics_on_resamples
from lms.leaderboards.core.losses import MOST_LOSS, Losses
from lms.leaderboards.core.metrics import METRICS, Compared, Metric, evaluate
from lms.leaderboards.core.metrics_on_resamples import ON_RESAMPLES, losses_on_resamples
from lms.leaderboards.core.predictions import Kind
from lms.leaderboards.core.resampling import LEAST_RESAMPLES, draws
from tests.factories.resamples import values_on_resamples

FEW = 20
NAMES = sorted(ON_RESAMPLES)
every_metric = pytest.mark.parametrize("name", NAMES)
tables = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def some(found: Metric, generator: np.random.Generator, rows: int) -> Compared:
    """Make a truth and predictions: rare labels, equal probabilities, equal numbers among them."""
    if found.kind is Kind.LABEL:
        shares = generator.dirichlet(np.full(int(generator.integers(1, 9)), 0.4))
        truth = [f"l{one}" for one in generator.choice(len(shares), rows, p=shares)]
        spelled = ["never", "l0", "l1", "l7", "l8"]
        wrong = generator.random(rows) < generator.random()
        said = [generator.choice(spelled) if off else one for off, one in zip(wrong, truth, strict=True)]
        return Compared.of(found.kind, truth, said)
    if found.kind is Kind.PROBABILITY:
        truth = (generator.random(rows) < generator.random()).astype(float).tolist()
        digits = int(generator.integers(1, 17))
        likely = np.round(0.3 * np.array(truth) + 0.7 * generator.random(rows), digits)
        return Compared.of(found.kind, truth, likely.tolist())
    truth = generator.normal(5, 3, rows)
    return Compared(np.round(truth, 1), np.round(truth + generator.normal(0.2, 1, rows), 1))


def by_scikit_learn(found: Metric, compared: Compared, resamples: int) -> list[float]:
    """Score each resample alone, as the board scores a file; only the truth says which of them count."""
    varied = ON_RESAMPLES[found.name].varied
    drawn = (compared.at(rows) for rows in draws(len(compared.actual), resamples * 10))
    defined = (one for one in drawn if not varied or len(np.unique(one.actual)) > 1)
    return [evaluate(found, one).score for one in islice(defined, resamples)]


def resampled(found: Metric, compared: Compared, resamples: int = FEW) -> Losses | None:
    return losses_on_resamples(found, compared, 0.5, resamples=resamples)


def test_every_metric_has_losses_of_rows_or_on_resamples() -> None:
    assert {name for name, one in METRICS.items() if not one.additive} == ON_RESAMPLES.keys()


@every_metric
@settings(max_examples=12, deadline=None)
@given(generator=tables, rows=st.integers(1, 40))
def test_each_value_is_that_of_scikit_learn_on_the_rows_that_were_drawn(
    name: str, generator: np.random.Generator, rows: int
) -> None:
    """Also where a resample lacks a label, or has one that is never right."""
    found = METRICS[name]
    compared = some(found, generator, rows)
    made = resampled(found, compared)
    expected = by_scikit_learn(found, compared, FEW)
    if made is None:
        assert len(expected) < FEW
        return
    sign = -1 if found.direction == "max" else 1
    assert (sign * made.values).tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert (made.items, made.whole) == (rows, sign * 0.5)


@every_metric
def test_blocks_change_no_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = METRICS[name]
    compared = some(found, np.random.default_rng(3), 30)
    whole = resampled(found, compared, LEAST_RESAMPLES)
    monkeypatch.setattr(metrics_on_resamples, "CELLS", 70)
    parts = resampled(found, compared, LEAST_RESAMPLES)
    assert whole is not None
    assert parts is not None
    assert (whole.values == parts.values).all()


@pytest.mark.parametrize("name", [name for name in NAMES if not ON_RESAMPLES[name].varied])
def test_where_no_resample_is_passed_over_they_are_those_of_everybody_else(name: str) -> None:
    found = METRICS[name]
    compared = some(found, np.random.default_rng(4), 25)
    made = resampled(found, compared)
    one_by_one = values_on_resamples(lambda rows: evaluate(found, compared.at(rows)).score, 25, FEW)
    assert made is not None
    assert np.abs(made.values).tolist() == pytest.approx(np.abs(one_by_one).tolist(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if ON_RESAMPLES[name].varied])
def test_what_was_predicted_passes_over_no_resample(name: str) -> None:
    """Else the n-th value of one team would be of other rows than that of another one."""
    found = METRICS[name]
    truth: Any = {Kind.LABEL: list("aaaaaaab"), Kind.PROBABILITY: [0.0] * 7 + [1.0]}.get(
        found.kind, [2.0] * 7 + [5.0]
    )
    for said in (truth, truth[:1] * 8, truth[::-1]):
        compared = Compared.of(found.kind, truth, said)
        made = resampled(found, compared)
        assert made is not None
        expected = by_scikit_learn(found, compared, FEW)
        assert np.abs(made.values).tolist() == pytest.approx(np.abs(expected).tolist(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if ON_RESAMPLES[name].varied])
@pytest.mark.parametrize("rows", [1, 12])
def test_a_truth_that_never_varies_gives_no_losses(name: str, rows: int) -> None:
    found = METRICS[name]
    truth: Any = ["a"] * rows if found.kind is Kind.LABEL else [1.0] * rows
    assert resampled(found, Compared.of(found.kind, truth, truth)) is None


def test_a_truth_that_hardly_ever_varies_gives_no_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_on_resamples, "PATIENCE", 1)
    found = METRICS["roc_auc"]
    assert resampled(found, Compared.of(found.kind, [0.0, 1.0], [0.2, 0.3])) is None


@pytest.mark.parametrize("name", ["r2", "explained_variance", "max_error", "median_absolute_error"])
def test_predictions_beyond_all_measure_lose_a_number_all_the_same(name: str) -> None:
    compared = Compared(np.arange(5.0), np.array([0.0, 1.0, 2.0, 3.0, 1e300]))
    made = resampled(METRICS[name], compared)
    assert made is not None
    assert np.isfinite(made.values).all()
    assert made.values.max() <= MOST_LOSS
    assert math.isfinite(np.square(made.values).sum())


@every_metric
def test_what_is_held_at_once_is_some_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, rows, resamples = 50_000, 5_000, 200  # twenty times as many cells altogether
    monkeypatch.setattr(metrics_on_resamples, "CELLS", cells)
    found = METRICS[name]
    compared = some(found, np.random.default_rng(6), rows)
    tracemalloc.start()
    try:
        made = resampled(found, compared, resamples)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made is not None
    assert most < 12 * cells * 8
