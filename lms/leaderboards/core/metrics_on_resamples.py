"""What predictions score on each of a thousand resamples, by metrics that are no mean over rows.

scikit-learn takes milliseconds for one resample, and a board asks for a thousand of every entry. Most such
metrics look at counts alone: how often each pair of labels was drawn, or each probability. Those are counted
for a block of resamples at once, and the metric is worked out for the block. Each value is scikit-learn's on
the very rows that were drawn, up to the last digits.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lms.leaderboards.core.losses import MOST_LOSS, Losses
from lms.leaderboards.core.metrics import Compared, Metric
from lms.leaderboards.core.resampling import LEAST_RESAMPLES, PATIENCE, SEED, Floats, Rows, draws

CELLS = 1_000_000
"""Of a block of resamples by rows; a few tables of this size are held at once."""
Counts = NDArray[np.int64]
OnBlock = Callable[[Rows], Floats]
"""The value of a metric on each of some resamples: (resamples, rows), the rows by number, to (resamples,)."""


def losses_on_resamples(
    found: Metric, compared: Compared, score: float, *, resamples: int = LEAST_RESAMPLES, seed: int = SEED
) -> Losses | None:
    """Return what predictions lose on resamples of rows, by a metric that is no mean over them.

    A resample on which the metric is not defined (one class only, equal true numbers) is drawn again. That is
    said by the truth alone, so the n-th resample has the same rows for everybody.

    None where the truth defines the metric on hardly any resample.

    Args:
        found: one of those in `ON_RESAMPLES`.
        compared: the rows of one share.
        score: what the predictions score on all of them.
        resamples: how many.
        seed: of the draws; the same for all whose losses are to be compared.

    Complexity: O(resamples * rows), in blocks of `CELLS`; of probabilities and medians by log(rows) more.
    """
    measure = ON_RESAMPLES[found.name]
    value, values = measure.on_blocks(compared.actual, compared.said), np.empty(resamples)
    done = 0
    with np.errstate(all="ignore"):  # numbers beyond every number; see below
        for block in _blocks(compared.actual, resamples, seed, varied=measure.varied):
            values[done : done + len(block)] = value(block)
            done += len(block)
    if done < resamples:
        return None
    lost = -values if found.direction == "max" else values
    lost = np.nan_to_num(lost, nan=MOST_LOSS, posinf=MOST_LOSS, neginf=-MOST_LOSS)
    whole = -score if found.direction == "max" else score
    return Losses(np.clip(lost, -MOST_LOSS, MOST_LOSS), len(compared.actual), whole)


def _blocks(actual: Any, resamples: int, seed: int, *, varied: bool) -> Iterator[Rows]:
    """Yield the rows of the resamples, some at a time.

    Args:
        actual: the truth.
        resamples: how many are wanted; fewer come where the truth does not vary on nearly all of them.
        seed: of the draws.
        varied: whether only those count on which the truth has two values or more.
    """
    items = len(actual)
    if varied and (actual == actual[0]).all():
        return
    drawn = draws(items, resamples * PATIENCE, seed)
    wanted, most = resamples, max(1, CELLS // items)
    while wanted:
        block = np.array(list(islice(drawn, min(wanted, most))))
        if not len(block):
            return
        if varied:
            true = actual[block]
            block = block[(true != true[:, :1]).any(axis=1)]
        wanted -= len(block)
        if len(block):
            yield block


@dataclass(frozen=True)
class OnResamples:
    """How a metric is worked out on blocks of resamples."""

    on_blocks: Callable[[Any, Any], OnBlock]
    varied: bool = False  # the metric needs two different true values


def _counted(codes: Rows, number: int, block: Rows) -> Counts:
    """Return how often each code is drawn by each resample.

    Shape:
        codes (rows,) from 0 below `number`, block (resamples, rows), result (resamples, number)
    """
    cells = codes[block]
    cells += np.arange(len(block))[:, None] * number
    return np.bincount(cells.ravel(), minlength=len(block) * number).reshape(len(block), number)


@dataclass(frozen=True)
class _Confusion:
    """What a confusion matrix has on its diagonal and at its edges: no metric here asks for more.

    Shape:
        hits, true, said (resamples, labels)
    """

    hits: Counts
    true: Counts
    said: Counts

    @property
    def there(self) -> NDArray[np.bool_]:
        """Say which labels a resample has at all, in the truth or in the predictions."""
        return self.true + self.said > 0

    def mean_of(self, part: Counts, whole: Counts) -> Floats:
        """Return the mean of part / whole over the labels of each resample, which is 0 where whole is."""
        shares = part / np.maximum(whole, 1)
        found: Floats = shares.sum(axis=1) / self.there.sum(axis=1)  # a label that is not there adds nothing
        return found


def _of_labels(value: Callable[[_Confusion], Floats]) -> Callable[[Any, Any], OnBlock]:
    def on_blocks(actual: Any, said: Any) -> OnBlock:
        number = int(max(actual.max(), said.max())) + 1
        pairs, codes = np.unique(actual.astype(np.int64) * number + said, return_inverse=True)
        true, guessed = pairs // number, pairs % number
        by_guess = np.argsort(guessed, kind="stable")
        labels = np.unique(np.concatenate([true, guessed]))
        edges = [np.searchsorted(labels, each) for each in (true, guessed[by_guess])]
        is_hit = true == guessed

        def on_block(block: Rows) -> Floats:
            counts = _counted(codes, len(pairs), block)
            hits = np.zeros((len(block), len(labels)), dtype=np.int64)
            hits[:, edges[0][is_hit]] = counts[:, is_hit]
            sums = (
                _summed(counts, edges[0], len(labels)),
                _summed(counts[:, by_guess], edges[1], len(labels)),
            )
            return value(_Confusion(hits, *sums))

        return on_block

    return on_blocks


def _summed(counts: Counts, labels: Rows, number: int) -> Counts:
    """Add up the columns of each label, which stand side by side."""
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    found = np.zeros((len(counts), number), dtype=np.int64)
    found[:, labels[starts]] = np.add.reduceat(counts, starts, axis=1)
    return found


def _f1_weighted(of: _Confusion) -> Floats:
    shares = 2 * of.hits / np.maximum(of.true + of.said, 1)
    found: Floats = (shares * of.true).sum(axis=1) / of.true.sum(axis=1)
    return found


def _balanced_accuracy(of: _Confusion) -> Floats:
    shares = of.hits / np.maximum(of.true, 1)
    found: Floats = shares.sum(axis=1) / (of.true > 0).sum(axis=1)
    return found


def _matthews(of: _Confusion) -> Floats:
    rows = of.true.sum(axis=1)
    shared = of.hits.sum(axis=1) * rows - (of.true * of.said).sum(axis=1)
    true, said = (rows * rows - np.square(each).sum(axis=1) for each in (of.true, of.said))
    spread = np.sqrt(true.astype(np.float64) * said)
    return np.where(spread > 0, shared / np.where(spread > 0, spread, 1), 0.0)


def _kappa(of: _Confusion) -> Floats:
    rows = of.true.sum(axis=1)
    apart = rows - of.hits.sum(axis=1)
    by_chance = rows * rows - (of.true * of.said).sum(axis=1)
    found: Floats = 1 - apart * rows / by_chance
    return found


def _of_probabilities(value: Callable[[Counts, Counts], Floats]) -> Callable[[Any, Any], OnBlock]:
    """Count how often each probability is drawn with a truth of 1 and of 0, from the largest one down."""

    def on_blocks(actual: Any, said: Any) -> OnBlock:
        different, codes = np.unique(-said, return_inverse=True)
        codes = 2 * codes + (actual == 1)

        def on_block(block: Rows) -> Floats:
            counts = _counted(codes, 2 * len(different), block)
            return value(counts[:, 1::2], counts[:, ::2])

        return on_block

    return on_blocks


def _roc_auc(ones: Counts, zeros: Counts) -> Floats:
    above = np.cumsum(ones, axis=1)
    doubled = (zeros * (2 * above - ones)).sum(axis=1)  # a pair with the same probability is half in order
    found: Floats = doubled / (2.0 * above[:, -1] * zeros.sum(axis=1))
    return found


def _average_precision(ones: Counts, zeros: Counts) -> Floats:
    above = np.cumsum(ones, axis=1)
    precision = above / np.maximum(above + np.cumsum(zeros, axis=1), 1)
    found: Floats = (ones * precision).sum(axis=1) / above[:, -1]
    return found


def _of_distances(value: Callable[[Floats], Floats]) -> Callable[[Any, Any], OnBlock]:
    def on_blocks(actual: Any, said: Any) -> OnBlock:
        distances: Floats = np.abs(actual - said)
        return lambda block: value(distances[block])

    return on_blocks


def _explained(*, centred: bool) -> Callable[[Any, Any], OnBlock]:
    """Return the share of the truth's variance that predictions explain.

    Args:
        centred: whether an error that is the same on all rows counts for nothing.
    """

    def on_blocks(actual: Any, said: Any) -> OnBlock:
        errors = actual - said

        def on_block(block: Rows) -> Floats:
            wrong = _centred(errors[block]) if centred else errors[block]
            found: Floats = 1 - _squared(wrong) / _squared(_centred(actual[block]))
            return found

        return on_block

    return on_blocks


def _centred(values: Floats) -> Floats:
    found: Floats = values - values.mean(axis=1, keepdims=True)
    return found


def _squared(values: Floats) -> Floats:
    found: Floats = np.einsum("ij,ij->i", values, values)
    return found


ON_RESAMPLES: Mapping[str, OnResamples] = {
    "balanced_accuracy": OnResamples(_of_labels(_balanced_accuracy)),
    "f1_macro": OnResamples(_of_labels(lambda of: of.mean_of(2 * of.hits, of.true + of.said))),
    "f1_weighted": OnResamples(_of_labels(_f1_weighted)),
    "precision_macro": OnResamples(_of_labels(lambda of: of.mean_of(of.hits, of.said))),
    "recall_macro": OnResamples(_of_labels(lambda of: of.mean_of(of.hits, of.true))),
    "jaccard_macro": OnResamples(_of_labels(lambda of: of.mean_of(of.hits, of.true + of.said - of.hits))),
    "matthews_corrcoef": OnResamples(_of_labels(_matthews)),
    "cohen_kappa": OnResamples(_of_labels(_kappa), varied=True),
    "roc_auc": OnResamples(_of_probabilities(_roc_auc), varied=True),
    "average_precision": OnResamples(_of_probabilities(_average_precision), varied=True),
    "median_absolute_error": OnResamples(_of_distances(lambda lost: np.median(lost, axis=1))),
    "max_error": OnResamples(_of_distances(lambda lost: lost.max(axis=1))),
    "r2": OnResamples(_explained(centred=False), varied=True),
    "explained_variance": OnResamples(_explained(centred=True), varied=True),
}
