"""Handing in a file for a challenge: read and checked first, stored, then given its receipt."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.limits import MINUTE, Limit
from lms.blobs import BlobStore
from lms.errors import N_, Conflict, Invalid
from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import read_notebook
from lms.leaderboards.core.challenge_file import FILE_BYTES, load_challenge
from lms.leaderboards.core.model_file import check_model
from lms.leaderboards.core.predictions import Form, check_size, read_predictions
from lms.leaderboards.core.scoring import PARQUET, form_of, model_form_of
from lms.leaderboards.models import Challenge, Entry, EntryKind
from lms.leaderboards.services.data import SAMPLE
from lms.leaderboards.services.receiving import Work, take_entry

REFUSED_PER_PERSON = Limit(name="entries-refused", tries=100, seconds=15 * MINUTE)
"""Files that were refused, for whatever reason: they use no slot, and still have to be read."""
MOST_KNOWN = 16


def check_file(challenge: Challenge, content: bytes, blobs: BlobStore) -> EntryKind:
    """Look whether a file can be scored; nothing is changed, and nothing was counted if it cannot.

    A Parquet file is only weighed here: what reads it is large, and works in the sandbox.

    Raises:
        TooLarge: it is larger than its rows need.
        Invalid: it cannot be scored; a file of predictions says each line (`BadPredictions`).
        Conflict: the challenge's data are still being made.
    """
    if challenge.kind is EntryKind.NOTEBOOK:
        _check_notebook(content)
        return EntryKind.NOTEBOOK
    if challenge.kind is EntryKind.MODEL:
        check_model(content, model_form_of(load_challenge(challenge.settings)))
        return EntryKind.MODEL
    form = form_of_challenge(challenge, blobs)
    if content.startswith(PARQUET):
        check_size(content, form)
    else:
        read_predictions(content, form)
    return EntryKind.PREDICTIONS


def hand_in(
    session: Session,
    user: User,
    challenge: Challenge,
    kind: EntryKind,
    blob: str,
    *,
    filename: str,
    size_bytes: int,
    received_at: datetime,
) -> Entry:
    """Give the receipt for a file that was checked and stored; see `receiving.take_entry`."""
    name = PurePath(filename.replace("\\", "/")).name
    shown = "".join(one for one in name if one.isprintable())[:200]
    return take_entry(session, user, challenge, Work(kind, blob, shown, size_bytes), received_at=received_at)


def form_of_challenge(challenge: Challenge, blobs: BlobStore) -> Form:
    """Return what a predictions file of a challenge must hold; the last ones asked for are kept.

    Raises:
        Conflict: the challenge's data are still being made.
    """
    sample = challenge.files.get(SAMPLE)
    if sample is None:
        raise Conflict(N_("The data of this challenge are still being made. Try again in a minute."))
    return form_of(load_challenge(challenge.settings), _ids(str(sample["sha256"]), blobs))


def _check_notebook(content: bytes) -> None:
    try:
        read_notebook(content, FILE_BYTES)
    except Unreadable:
        raise Invalid(
            N_("This is not a notebook that can be read. Save it in Jupyter and send it again."), field="file"
        ) from None


_known: dict[str, Mapping[str, int]] = {}
"""SHA-256 of a sample -> its ids with their rows; what a hash names never changes."""


def _ids(sha256: str, blobs: BlobStore) -> Mapping[str, int]:
    if sha256 not in _known:
        rows = csv.reader(io.StringIO(blobs.get(sha256).decode(), newline=""))
        next(rows)
        found = {row[0]: at for at, row in enumerate(rows)}
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[sha256] = found
    return _known[sha256]
