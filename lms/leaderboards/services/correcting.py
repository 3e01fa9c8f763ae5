"""A corrected truth or scorer, as a new version of what a board's entries are compared with."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import BlobStore
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards.core.challenge_file import OWN, load_challenge
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.predictions import read_predictions
from lms.leaderboards.core.scoring import form_of
from lms.leaderboards.models import Board, Challenge, Truth
from lms.leaderboards.queries.waiting import ground_blob
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.services.rescoring import prepare_rescore

LARGEST_SCRIPT = 1 << 20


@dataclass(frozen=True)
class Correction:
    """What entries are to be compared with, in the store, and what that was made from."""

    blob: str
    made_from: str


def read_correction(
    session: Session, actor: User, board: Board, *, truth: bytes, script: bytes, blobs: BlobStore
) -> Correction:
    """Read what was corrected, and keep it in the store; what is empty stays as it is. Changes no row.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: the challenge's data were not made yet.
        Invalid: the file cannot be read, or the challenge has no scorer of its own.
    """
    check_organiser(session, actor, board)
    sha256 = ground_blob(session, board.id, board.truth_version)
    if sha256 is None or board.challenge is None:
        raise Conflict(N_("The data of this challenge are still being made. Try again in a minute."))
    if not truth and not script:
        return Correction(sha256, sha256)
    ground = Ground.from_json(blobs.get(sha256))
    ground = _with_truth(ground, board.challenge, truth) if truth else ground
    ground = _with_script(ground, board.challenge, script) if script else ground
    return Correction(blobs.put(ground.to_json()), sha256)


def correct(
    session: Session, actor: User, board: Board, reason: str, correction: Correction, *, at: datetime
) -> Truth:
    """Prepare a new version with what was corrected.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: another version was published since the correction was read.
        Invalid: there is no reason.
    """
    if ground_blob(session, board.id, board.truth_version) != correction.made_from:
        raise Conflict(N_("Another version was published meanwhile. Look at it, then try again."))
    return prepare_rescore(session, actor, board, reason, blob=correction.blob, at=at)


def _with_truth(ground: Ground, challenge: Challenge, content: bytes) -> Ground:
    """Take other true values for the same rows, which stay public or private as they were."""
    table = read_predictions(content, form_of(load_challenge(challenge.settings), ground.truth.rows))
    return replace(ground, truth=replace(ground.truth, columns={**ground.truth.columns, **table}))


def _with_script(ground: Ground, challenge: Challenge, content: bytes) -> Ground:
    if load_challenge(challenge.settings).metric != OWN:
        raise Invalid(
            N_("This challenge is scored by a metric of the house, so it has no scorer to correct."),
            field="script",
        )
    try:
        text = content[: LARGEST_SCRIPT + 1].decode()
        compile(text, "challenge.py", "exec")
    except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError, MemoryError):
        raise Invalid(N_("This is not a Python program that can be read."), field="script") from None
    if len(content) > LARGEST_SCRIPT:
        raise Invalid(N_("The program is larger than 1 MiB."), field="script")
    return replace(ground, script=text)
