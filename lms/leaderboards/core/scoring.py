"""What a challenge's entry got: known metrics here, an author's own scorer in the jail.

The truth never leaves the process that scores, except into a jail that hands back two numbers.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lms.errors import Invalid
from lms.leaderboards.core.challenge_file import MODEL_SCRIPT, OWN, Challenge
from lms.leaderboards.core.losses import Losses
from lms.leaderboards.core.metrics import Compared, Floats, Metric, evaluate, metric
from lms.leaderboards.core.metrics_on_resamples import losses_on_resamples
from lms.leaderboards.core.model_file import ModelForm, ModelFormat
from lms.leaderboards.core.predictions import Column, Form, Kind, Table, read_predictions
from lms.leaderboards.core.run_logs import RunLog

PARQUET = b"PAR1"


@dataclass(frozen=True)
class Truth:
    """The hidden values of one version of a challenge's data."""

    ids: tuple[str, ...]
    columns: Mapping[str, Sequence[Any]]
    public: tuple[int, ...]  # rows, from 0, that the public score is made from

    @cached_property
    def private(self) -> tuple[int, ...]:
        """Return the rows that the private score is made from: all others."""
        return tuple(sorted(set(range(len(self.ids))) - set(self.public)))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Return id -> row."""
        return {name: at for at, name in enumerate(self.ids)}

    def to_json(self) -> bytes:
        """Return it as it is kept."""
        plain = {"ids": self.ids, "columns": dict(self.columns), "public": self.public}
        return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Truth":
        """Bring back what `to_json` gave."""
        plain = json.loads(content)
        return cls(tuple(plain["ids"]), plain["columns"], tuple(plain["public"]))


@dataclass(frozen=True)
class MadeChallenge:
    """A challenge's data: what everyone gets, what nobody gets, and the predictions of its baselines."""

    files: Mapping[str, bytes]
    truth: Truth
    baselines: Mapping[str, bytes] = field(default_factory=dict)  # key -> a predictions file
    hidden: Mapping[str, bytes] = field(default_factory=dict)  # what stands in their place when it counts
    models: Mapping[str, bytes] = field(default_factory=dict)  # key of a baseline -> a model's file


@dataclass(frozen=True)
class ModelInputs:
    """What a model meets in the jail."""

    program: bytes  # the challenge's architecture; empty: it takes no bare weights
    sample: bytes  # rows that everyone has
    hidden: bytes  # rows that count


@dataclass(frozen=True)
class Scores:
    """What one entry got, with what it lost: on each row, or on resamples of the rows (`resampled`).

    Shape:
        public_losses (public rows,); private_losses (private rows,)
    """

    public: float
    private: float
    also: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # other metrics: public, private
    public_losses: Floats | Losses | None = None
    private_losses: Floats | Losses | None = None


class ChallengeFailed(Exception):
    """An author's program did not answer.

    The message is for staff who try the program out; it may hold what the program knew, so no log has it.
    Logs have `kind`: how the program ended, or the type of what it raised.
    """

    def __init__(self, message: str, kind: str = "challenge") -> None:
        super().__init__(message)
        self.kind = kind


class Workshop(Protocol):
    """Where an author's own programs run, out of reach of everything else."""

    def make(self, challenge: Challenge, files: Mapping[str, bytes], seed: int) -> MadeChallenge:
        """Make the data of a challenge from its folder's files.

        Raises:
            ChallengeFailed: the author's program failed.
        """

    def score(self, challenge: Challenge, script: bytes, truth: Truth, table: Table) -> tuple[float, float]:
        """Return the public and the private value of the author's own scorer.

        Raises:
            ChallengeFailed: the author's program failed.
        """

    def run_model(self, challenge: Challenge, content: bytes, given: ModelInputs) -> bytes:
        """Return the predictions of a model for the hidden rows, as a predictions file.

        Raises:
            EntryFailed: it does not run, or its answer is no predictions.
            ChallengeFailed: the challenge's environment or files are wrong.
        """

    def read_parquet(self, challenge: Challenge, content: bytes, form: Form) -> bytes:
        """Return a Parquet file as JSON columns.

        Raises:
            Invalid: it cannot be read.
        """


class Notebooks(Protocol):
    """Where participants' notebooks run again on hidden data."""

    def predictions(self, challenge: Challenge, content: bytes, data: Path, limit_bytes: int) -> bytes:
        """Return the predictions file that a notebook writes.

        Raises:
            EntryFailed: it cannot be read, did not run to its end, or left no predictions.
        """

    def log(self, challenge: Challenge, content: bytes, data: Path) -> RunLog:
        """Return what a notebook says where `data` holds only what everybody may download.

        Raises:
            EntryFailed: it cannot be read.
        """


def form_of(challenge: Challenge, rows: Mapping[str, int]) -> Form:
    """Return what a predictions file must hold.

    Args:
        challenge: as it was published.
        rows: id -> row of the truth.
    """
    columns = tuple(
        Column(column.name, Kind(column.kind), frozenset(column.labels)) for column in challenge.form.columns
    )
    return Form(challenge.form.id, columns, rows)


def model_form_of(challenge: Challenge) -> ModelForm:
    """Return what a model's file must be.

    Raises:
        ValueError: the challenge takes no models.
    """
    asked = challenge.model
    if asked is None:
        raise ValueError(f"{challenge.slug} takes no models")
    tensors = {tensor.name: tensor.shape for tensor in asked.tensors}
    return ModelForm(tuple(map(ModelFormat, asked.formats)), asked.max_bytes, tensors)


def model_inputs(
    challenge: Challenge, shared: Mapping[str, bytes], hidden: Mapping[str, bytes]
) -> ModelInputs:
    """Return what a model meets, of the files that all have and of those that stand in their place.

    Raises:
        ChallengeFailed: they are not there.
    """
    name = challenge.model.file if challenge.model is not None else ""
    if not {name} <= shared.keys() & hidden.keys():
        raise ChallengeFailed(f"there has to be {name} in files and in hidden")
    program = shared.get(MODEL_SCRIPT.removeprefix("data/"), b"")
    return ModelInputs(program, shared[name], hidden[name])


def read_entry(challenge: Challenge, truth: Truth, content: bytes, workshop: Workshop) -> Table:
    """Read a file of predictions in any of the forms that are taken.

    Raises:
        TooLarge: it is far larger than its rows need.
        Invalid: it cannot be scored; see `BadPredictions`.
    """
    form = form_of(challenge, truth.rows)
    if content.startswith(PARQUET) and len(content) <= form.limit_bytes:
        content = workshop.read_parquet(challenge, content, form)
    return read_predictions(content, form)


def score_table(
    challenge: Challenge, truth: Truth, table: Table, script: bytes, workshop: Workshop
) -> Scores:
    """Score predictions on the public and on the private rows.

    Raises:
        Invalid: the metric has no value for them.
        ChallengeFailed: the author's own scorer failed.
    """
    compare = _comparing(challenge, truth, table)
    also = _others(challenge, truth, compare)
    if challenge.metric == OWN:
        public, private = workshop.score(challenge, script, truth, table)
        return Scores(public, private, also)
    found = metric(challenge.metric)
    shown, kept = (evaluate(found, compare(found.kind).at(rows)) for rows in (truth.public, truth.private))
    return Scores(shown.score, kept.score, also, shown.losses, kept.losses)


def other_metrics(challenge: Challenge, truth: Truth, table: Table) -> dict[str, tuple[float, float]]:
    """Return what the metrics that do not rank say, on the public and on the private rows; NaN: nothing."""
    return _others(challenge, truth, _comparing(challenge, truth, table))


def _comparing(challenge: Challenge, truth: Truth, table: Table) -> Callable[[Kind], Compared]:
    column = challenge.form.columns[0].name
    return functools.cache(lambda kind: Compared.of(kind, truth.columns[column], table[column]))


def _others(
    challenge: Challenge, truth: Truth, compare: Callable[[Kind], Compared]
) -> dict[str, tuple[float, float]]:
    return {name: _pair(metric(name), truth, compare) for name in challenge.also}


def resampled(challenge: Challenge, truth: Truth, table: Table, scores: Scores) -> Scores:
    """Return scores with losses on resamples, where a known metric has none of single rows.

    An author's own scorer has none at all: it is asked in a jail, and too slow for a thousand resamples.

    Complexity: O(resamples * rows) for each share.
    """
    if challenge.metric == OWN or scores.public_losses is not None:
        return scores
    found = metric(challenge.metric)
    column = challenge.form.columns[0].name
    compared = Compared.of(found.kind, truth.columns[column], table[column])
    public, private = (
        losses_on_resamples(found, compared.at(rows), score)
        for rows, score in ((truth.public, scores.public), (truth.private, scores.private))
    )
    return replace(scores, public_losses=public, private_losses=private)


def _pair(found: Metric, truth: Truth, compare: Callable[[Kind], Compared]) -> tuple[float, float]:
    """Return what a metric that does not rank says; NaN where it says nothing."""
    values = []
    for rows in (truth.public, truth.private):
        try:
            values.append(evaluate(found, compare(found.kind).at(rows)).score)
        except Invalid:
            values.append(float(np.nan))
    return values[0], values[1]
