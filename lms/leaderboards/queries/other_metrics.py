"""The metrics that stand beside the score on boards of challenges that name several."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Entry, PrivateScore, Share

MOST_ASKED = 1000  # entries that are asked for in one statement
ASKED: Any = bindparam("entries", expanding=True)
PUBLIC_METRICS: Any = select(Entry.id, Entry.metrics).where(Entry.id.in_(ASKED))
PRIVATE_METRICS: Any = select(PrivateScore.entry_id, PrivateScore.metrics).where(
    PrivateScore.entry_id.in_(ASKED)
)


def metrics_beside(board: Board, share: Share) -> tuple[str, ...]:
    """Return the names of the metrics beside the score, in the order of the challenge.

    None on a lab's board; and none of the public part where a Ladder decides what is told of it, as these
    numbers are raw.
    """
    if board.challenge_id is None or board.challenge is None or (board.ladder and share is not Share.PRIVATE):
        return ()
    named = board.challenge.settings.get("also") or ()
    return tuple(name for name in dict.fromkeys(named) if name != board.metric)


def metrics_of(
    session: Session, board: Board, share: Share, entries: Sequence[int]
) -> Mapping[int, Mapping[str, float | None]]:
    """Return the other metrics of entries on a share; None where an entry has no such number.

    No statement for a board that has none. Private ones are read only where the share is the private one.
    """
    names = metrics_beside(board, share)
    if not names:
        return {}
    statement = PRIVATE_METRICS if share is Share.PRIVATE else PUBLIC_METRICS
    found = {}
    for start in range(0, len(entries), MOST_ASKED):
        asked = entries[start : start + MOST_ASKED]
        for entry_id, metrics in session.execute(statement, {"entries": asked}):
            found[entry_id] = {name: _finite(metrics.get(name)) for name in names}
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
