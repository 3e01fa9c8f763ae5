"""Other metrics of baselines that came before any were kept, worked out from the files that they sent."""

import math
from collections.abc import Mapping

import structlog
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.db import reading
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.scoring import Workshop, other_metrics, read_entry
from lms.leaderboards.models import Entry, PrivateScore
from lms.leaderboards.queries.waiting import (
    Unmeasured,
    challenge_of_board,
    ground_blob,
    unmeasured_baselines,
)
from lms.leaderboards.services.ties import lock_truth

log = structlog.get_logger()

Pairs = Mapping[str, tuple[float, float]]


def measure_baselines(
    sessions: sessionmaker[Session], blobs: BlobStore, workshop: Workshop, tried: set[Unmeasured]
) -> None:
    """Work out the metrics that baselines lack; their scores stay, and so do all other numbers.

    Args:
        tried: what was looked at already, of which there may be nothing to say; what is looked at now is
            put there.
    """
    with reading(sessions) as session:
        lacking = [each for each in unmeasured_baselines(session) if each not in tried]
    for baseline in lacking:
        tried.add(baseline)
        try:
            also = _measured(sessions, blobs, workshop, baseline)
        except Exception:  # a fault of the house keeps no other baseline from it
            log.exception("boards.baseline_not_measured", entry=baseline.entry_id)
            continue
        with sessions.begin() as session:
            _note(session, baseline, also)


def _measured(
    sessions: sessionmaker[Session], blobs: BlobStore, workshop: Workshop, baseline: Unmeasured
) -> Pairs:
    with reading(sessions) as session:
        challenge = challenge_of_board(session, baseline.board_id)
        blob = ground_blob(session, baseline.board_id, baseline.truth_version)
    if blob is None:
        raise KeyError(f"board {baseline.board_id} has no data of version {baseline.truth_version}")
    truth = Ground.from_json(blobs.get(blob)).truth
    return other_metrics(challenge, truth, read_entry(challenge, truth, blobs.get(baseline.blob), workshop))


def _note(session: Session, baseline: Unmeasured, also: Pairs) -> None:
    """Keep what was worked out, unless other baselines or another truth have come meanwhile."""
    board = lock_truth(session, baseline.board_id)
    entry = session.get(Entry, baseline.entry_id)
    private = session.get(PrivateScore, baseline.entry_id)
    if entry is None or private is None or board.truth_version != baseline.truth_version:
        return
    entry.metrics = _finite(also, 0) | entry.metrics
    private.metrics = _finite(also, 1) | private.metrics


def _finite(also: Pairs, share: int) -> dict[str, float]:
    return {name: pair[share] for name, pair in also.items() if math.isfinite(pair[share])}
