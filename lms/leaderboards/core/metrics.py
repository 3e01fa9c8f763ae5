"""Metrics by their name in scikit-learn, and what each row of predictions lost.

A board ranks by the unrounded value of a metric; tie groups and the Ladder need each row's loss, which only
additive metrics have. scikit-learn is imported when the first file is scored, not when a page is drawn.
"""

import functools
import importlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lms.errors import N_, Invalid
from lms.leaderboards.core.predictions import Kind

LEAST_PROBABILITY = 1e-3
"""Probabilities are moved this far from 0 and 1 before a logarithm is taken.

One row of probability 0 would cost infinitely much; and a file whose probabilities differ from row to row by
many orders of magnitude reads the labels of its rows out of the digits of one score (arXiv 1707.01825).
"""

Floats = NDArray[np.float64]
Score = Callable[[Any, Any], float]
Losses = Callable[[Any, Any], Floats]


@dataclass(frozen=True)
class Metric:
    """One way to compare predictions with the truth."""

    name: str
    direction: Literal["max", "min"]
    kind: Kind
    score: Score
    losses: Losses | None = None  # of each row; their mean orders files as the score does
    shares: bool = False  # whether losses are 0 or 1
    of_mean: Callable[[float], float] | None = None  # the score of a mean loss, where it is another number
    largest: bool = False  # whether the score is the largest loss of a row

    @property
    def additive(self) -> bool:
        """Say whether the score is a mean over rows."""
        return self.losses is not None

    def score_of(self, loss: float) -> float:
        """Return the score that a loss stands for.

        Args:
            loss: the mean over rows; of a metric that is none, the score, turned so that less is better.
        """
        if self.of_mean is not None:
            return self.of_mean(loss)
        return loss if self.direction == "min" else 0.0 - loss


@dataclass(frozen=True)
class Evaluation:
    """What one file got on some rows; `losses` are None for a metric that is no mean over rows.

    Shape:
        losses (rows,)
    """

    score: float
    losses: Floats | None


def metric(name: str) -> Metric:
    """Return a metric.

    Raises:
        Invalid: there is none of this name.
    """
    found = METRICS.get(name)
    if found is None:
        known = ", ".join(sorted(METRICS))
        raise Invalid(
            N_('There is no metric "%(name)s". Take one of: %(known)s; or bring a scorer of your own.'),
            name=name[:60],
            known=known,
        )
    return found


@dataclass(frozen=True, eq=False)
class Compared:
    """The true value of each row beside what a file says; equal labels stand there as equal numbers.

    A label may be long, and an array of texts holds each row as wide as its widest.

    Shape:
        actual, said (rows,)
    """

    actual: Any
    said: Any

    @classmethod
    def of(cls, kind: Kind, truth: Sequence[Any], predicted: Sequence[Any]) -> "Compared":
        """Put a column of the truth beside one of predictions, as `read_predictions` gives it."""
        if kind is not Kind.LABEL:
            return cls(*(np.asarray(values, dtype=np.float64) for values in (truth, predicted)))
        right, guessed = ([str(value) for value in values] for values in (truth, predicted))
        number = {label: at for at, label in enumerate(sorted({*right, *guessed}))}
        return cls(*(np.asarray([number[label] for label in labels]) for labels in (right, guessed)))

    def at(self, rows: Any) -> "Compared":
        """Return some rows, by number."""
        chosen = np.asarray(rows, dtype=np.intp)
        return Compared(self.actual[chosen], self.said[chosen])


def is_largest(name: str) -> bool:
    """Say whether a board's metric is the largest loss of a row."""
    found = METRICS.get(name)
    return found is not None and found.largest


def evaluate(found: Metric, compared: Compared) -> Evaluation:
    """Score predictions.

    Raises:
        Invalid: the metric is not defined on these rows, for example one class only.
    """
    actual, said = compared.actual, compared.said
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that nobody predicted, squares beyond every number
        score = _score(found, actual, said)
        losses = found.losses(actual, said) if found.losses is not None else None
    if not math.isfinite(score):
        if math.isinf(score) or _are_too_large(actual, said):
            raise Invalid(
                N_(
                    'The numbers are too large for "%(name)s": it has no finite value for them. '
                    "Look for mistakes in their size."
                ),
                name=found.name,
            )
        raise Invalid(
            N_('"%(name)s" has no value for these predictions. Look whether they are all the same.'),
            name=found.name,
        )
    return Evaluation(score, losses)


def _are_too_large(*columns: Any) -> bool:
    """Say whether there are squares or sums of these numbers that no float can hold."""
    with np.errstate(over="ignore"):
        return any(not np.isfinite(np.square(each.astype(np.float64)).sum()) for each in columns)


def _score(found: Metric, actual: Any, said: Any) -> float:
    try:
        return float(found.score(actual, said))
    except ValueError:  # not defined on such values
        return math.nan


def _library(name: str, **settings: Any) -> Score:
    def score(actual: Any, said: Any) -> float:
        measure = getattr(_metrics(), name)
        return float(measure(actual, said, **settings))

    return score


@functools.cache
def _metrics() -> Any:
    return importlib.import_module("sklearn.metrics")


def _ranking(name: str) -> Score:
    """Wrap a metric of probabilities against a truth of 0 and 1."""

    def score(actual: Any, said: Any) -> float:
        if len(np.unique(actual)) < 2:  # noqa: PLR2004  # not defined on one class
            return math.nan
        return float(getattr(_metrics(), name)(actual, said))

    return score


def _log_losses(actual: Floats, said: Floats) -> Floats:
    likely = np.clip(said, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    losses: Floats = -np.where(actual == 1, np.log(likely), np.log1p(-likely))
    return losses


def _mean_of(losses: Losses) -> Score:
    return lambda actual, said: float(losses(actual, said).mean())


def _mistakes(actual: Any, said: Any) -> Floats:
    wrong: Floats = np.asarray(actual != said, dtype=np.float64)
    return wrong


def _squares(actual: Floats, said: Floats) -> Floats:
    return np.square(actual - said)


def _share_right(actual: Any, said: Any) -> float:
    """Return what scikit-learn's accuracy_score does, without its look at what such arrays could be."""
    return float(np.mean(actual == said))


def _distances(actual: Floats, said: Floats) -> Floats:
    return np.abs(actual - said)


def _shares_off(actual: Floats, said: Floats) -> Floats:
    """Return distances as shares of the truth, with scikit-learn's floor for a truth of 0."""
    return np.abs(actual - said) / np.maximum(np.abs(actual), np.finfo(np.float64).eps)


def _log_squares(actual: Floats, said: Floats) -> Floats:
    losses: Floats = np.square(np.log1p(actual) - np.log1p(np.maximum(said, 0)))
    return losses


def _labels(name: str, measure: str, **settings: Any) -> Metric:
    return Metric(name, "max", Kind.LABEL, _library(measure, **settings))


def _rest(loss: float) -> float:
    return 1 - loss


def _error(
    name: str,
    measure: str,
    losses: Losses | None = None,
    of_mean: Callable[[float], float] | None = None,
) -> Metric:
    return Metric(name, "min", Kind.NUMBER, _library(measure), losses, of_mean=of_mean)


_ALL = (
    Metric("accuracy", "max", Kind.LABEL, _share_right, _mistakes, True, _rest),
    _labels("balanced_accuracy", "balanced_accuracy_score"),
    _labels("f1_macro", "f1_score", average="macro", zero_division=0),
    Metric("f1_micro", "max", Kind.LABEL, _share_right, _mistakes, True, _rest),  # one label a row: the same
    _labels("f1_weighted", "f1_score", average="weighted", zero_division=0),
    _labels("precision_macro", "precision_score", average="macro", zero_division=0),
    _labels("recall_macro", "recall_score", average="macro", zero_division=0),
    _labels("jaccard_macro", "jaccard_score", average="macro", zero_division=0),
    _labels("matthews_corrcoef", "matthews_corrcoef"),
    _labels("cohen_kappa", "cohen_kappa_score"),
    Metric("roc_auc", "max", Kind.PROBABILITY, _ranking("roc_auc_score")),
    Metric("average_precision", "max", Kind.PROBABILITY, _ranking("average_precision_score")),
    Metric("log_loss", "min", Kind.PROBABILITY, _mean_of(_log_losses), _log_losses),
    Metric("brier_score", "min", Kind.PROBABILITY, _library("brier_score_loss"), _squares),
    _error("mean_squared_error", "mean_squared_error", _squares),
    _error("root_mean_squared_error", "root_mean_squared_error", _squares, math.sqrt),
    _error("mean_absolute_error", "mean_absolute_error", _distances),
    _error("mean_squared_log_error", "mean_squared_log_error", _log_squares),
    _error("median_absolute_error", "median_absolute_error"),
    Metric("max_error", "min", Kind.NUMBER, _library("max_error"), largest=True),
    _error("mean_absolute_percentage_error", "mean_absolute_percentage_error", _shares_off),
    Metric("r2", "max", Kind.NUMBER, _library("r2_score")),
    Metric("explained_variance", "max", Kind.NUMBER, _library("explained_variance_score")),
)
METRICS: Mapping[str, Metric] = {one.name: one for one in _ALL}
