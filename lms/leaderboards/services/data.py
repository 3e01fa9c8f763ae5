"""The data of a challenge: made once in the workshop, then kept; only what is public is listed."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.blobs import BlobStore
from lms.errors import DomainError
from lms.leaderboards.core import challenge_file
from lms.leaderboards.core.failures import FAILURES, EntryFailed
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.labels import label_of
from lms.leaderboards.core.model_file import check_model
from lms.leaderboards.core.model_table import check_inputs
from lms.leaderboards.core.scoring import (
    ChallengeFailed,
    MadeChallenge,
    ModelInputs,
    Scores,
    Workshop,
    model_form_of,
    model_inputs,
    read_entry,
    score_table,
)
from lms.leaderboards.models import Challenge, Truth
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services.challenges import set_baselines

SAMPLE = "sample_submission.csv"
"""A predictions file with every id and a value worth little: for uploads public, for notebooks hidden."""


@dataclass(frozen=True)
class KeptData:
    """What was made for a challenge, in the store and scored; nothing of it is in the database yet."""

    ground: str  # SHA-256
    files: Mapping[str, tuple[str, int]]  # name -> SHA-256, bytes
    baselines: Mapping[str, Scores]
    predictions: Mapping[str, str]
    """Key of a baseline -> SHA-256 of its file, so that it is scored again with everything else."""


def make_data(
    found: challenge_file.Challenge,
    files: Mapping[str, bytes],
    seed: int,
    blobs: BlobStore,
    workshop: Workshop,
) -> KeptData:
    """Make a challenge's data from a seed and keep them in the store; no transaction is held meanwhile.

    Args:
        files: of the challenge's folder.

    Raises:
        ChallengeFailed: the author's program failed, what models are given does not fit, or a baseline that
            is a model does not run.
        Invalid: a baseline cannot be scored.
    """
    made = workshop.make(found, files, seed)
    _check_truth(found, made)
    script = files[challenge_file.SCRIPT]
    shared, hidden = _with_sample(found, {**_shared(files), **made.files}, made)
    kept = {name: blobs.put(content) for name, content in hidden.items()}
    ground = Ground(made.truth, script.decode(), seed, kept)
    predictions = {**made.baselines, **_answers(found, shared, made, workshop)}
    baselines = {}
    for key, content in predictions.items():
        table = read_entry(found, made.truth, content, workshop)
        baselines[key] = score_table(found, made.truth, table, script, workshop)
    return KeptData(
        ground=blobs.put(ground.to_json()),
        files={name: (blobs.put(content), len(content)) for name, content in shared.items()},
        baselines=baselines,
        predictions={key: blobs.put(content) for key, content in predictions.items()},
    )


def _answers(
    found: challenge_file.Challenge, shared: Mapping[str, bytes], made: MadeChallenge, workshop: Workshop
) -> dict[str, bytes]:
    """Return the predictions of baselines that are models; they come the way that entries come."""
    if found.model is None:
        if made.models:
            keys = ", ".join(sorted(made.models))
            raise ChallengeFailed(f"baselines are models, and the challenge takes none: {keys}")
        return {}
    given = model_inputs(found, shared, made.hidden)
    check_inputs(found.model, found.form.id, given, made.truth.ids)
    return {key: _answer(found, key, content, given, workshop) for key, content in made.models.items()}


def _answer(
    found: challenge_file.Challenge, key: str, content: bytes, given: ModelInputs, workshop: Workshop
) -> bytes:
    try:
        check_model(content, model_form_of(found))
        return workshop.run_model(found, content, given)
    except EntryFailed as failed:
        raise ChallengeFailed(f"baseline {key}: {FAILURES[failed.code] % failed.params}") from None
    except DomainError as refused:
        raise ChallengeFailed(f"baseline {key}: {refused}") from None


def _check_truth(found: challenge_file.Challenge, made: MadeChallenge) -> None:
    """Refuse a truth that no file could say: no classes, or beyond the bounds of what models may answer."""
    for column in found.form.columns:
        if column.kind == "label":
            _check_labels(column, made.truth.columns[column.name])
        if column.bounds is None:
            continue
        least, most = column.bounds
        if not all(
            isinstance(one, int | float) and least <= one <= most for one in made.truth.columns[column.name]
        ):
            raise ChallengeFailed(f"the truth's {column.name} has to be numbers from {least:g} to {most:g}")


def _check_labels(column: challenge_file.Column, values: Sequence[Any]) -> None:
    known = frozenset(column.labels)
    for row, label in enumerate(map(str, values), 1):
        if label_of(label, known) != label:
            wanted = "one of its labels" if known else "text or a whole number (1, not 1.0)"
            raise ChallengeFailed(f"row {row} of the truth's {column.name} has to be {wanted}")


def _shared(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the folder `data/`, which everyone gets as they are."""
    return {
        name.removeprefix("data/"): content for name, content in files.items() if name.startswith("data/")
    }


def _with_sample(
    found: challenge_file.Challenge, shared: Mapping[str, bytes], made: MadeChallenge
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what everyone gets and what is hidden, with our sample of the ids that count.

    Uploads are compared with its ids, so all get it. A notebook finds it beside the hidden rows, unless the
    author put one there, and nobody else does: it names every hidden row.
    """
    public, hidden = dict(shared), dict(made.hidden)
    if found.kind == "predictions":
        public[SAMPLE] = _sample(found, made)
    elif found.kind == "notebook":
        hidden.setdefault(SAMPLE, _sample(found, made))
    return public, hidden


def _sample(found: challenge_file.Challenge, made: MadeChallenge) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([found.form.id, *(column.name for column in found.form.columns)])
    values = [_little(column) for column in found.form.columns]
    writer.writerows([name, *values] for name in made.truth.ids)
    return text.getvalue().encode()


def _little(column: challenge_file.Column) -> str:
    if column.kind == "label":
        return min(column.labels, default="?")
    return "0.5" if column.kind == "probability" else "0"


def has_data(session: Session, challenge: Challenge) -> bool:
    """Say whether the challenge's data were made already: they stay, so that scores can be compared."""
    board = board_of_challenge(session, challenge)
    known = select(Truth.id).where(Truth.board_id == board.id, Truth.blob.is_not(None)).limit(1)
    return session.scalar(known) is not None


def keep_data(session: Session, challenge: Challenge, kept: KeptData, *, at: datetime) -> Truth:
    """Write down what was made: the first version of the truth, the public files and the baselines."""
    board = board_of_challenge(session, challenge)
    truth = Truth(
        board_id=board.id,
        version=board.truth_version,
        blob=kept.ground,
        reason="",
        made_at=at,
        published_at=at,
    )
    session.add(truth)
    challenge.files = {name: {"sha256": sha256, "bytes": size} for name, (sha256, size) in kept.files.items()}
    scores = {key: (found.public, found.private) for key, found in kept.baselines.items()}
    also = {key: found.also for key, found in kept.baselines.items()}
    set_baselines(session, challenge, scores, files=kept.predictions, also=also, at=at)
    session.flush()
    return truth
