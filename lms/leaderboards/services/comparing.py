"""Keeping what publishing a prepared truth would change, so that looking at it costs nothing.

It is worked out by publishing and taking back (`rescoring.board_difference`), which locks the whole board:
once when the last entry is scored against the truth, and again only when something it follows from changed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session, sessionmaker

from lms.db import reading
from lms.errors import Conflict
from lms.leaderboards.models import Truth
from lms.leaderboards.queries.changes import (
    comparison_of,
    state_of,
    truths_compared_in_vain,
    truths_to_compare,
)
from lms.leaderboards.services.rescoring import Change, board_difference, not_rescored
from lms.leaderboards.tables.changes import TruthChange, TruthComparison

EVERY = timedelta(seconds=60)


def compare_truths(sessions: sessionmaker[Session], at: datetime) -> int:
    """Bring what prepared truths would change up to date; return how many were worked out.

    A truth is looked at again once in `EVERY` at most. What can no longer be published is forgotten.
    """
    with reading(sessions) as session:
        waiting = truths_to_compare(session, at - EVERY)
        over = truths_compared_in_vain(session)
    if over:
        with sessions.begin() as session:
            _forget(session, over)
    return sum(_compare(sessions, truth_id, at) for truth_id in waiting)


def _compare(sessions: sessionmaker[Session], truth_id: int, at: datetime) -> bool:
    with reading(sessions) as session:
        truth = session.get_one(Truth, truth_id)
        if not_rescored(session, truth):
            return False
        kept = comparison_of(session, truth)
        is_same = kept is not None and kept.state == state_of(session, truth)
    try:
        with sessions.begin() as session:
            if is_same:
                same = session.get(TruthComparison, truth_id)
                if same is not None:  # it is forgotten with its truth
                    same.compared_at = at
            else:
                compare_truth(session, session.get_one(Truth, truth_id), at=at)
    except Conflict:  # another entry came, or another version was published, meanwhile
        return False
    return not is_same


def compare_truth(session: Session, truth: Truth, *, at: datetime) -> None:
    """Work out what a prepared truth would change as of a moment, and keep that instead of what was kept.

    Raises:
        Conflict: entries are not scored yet, or the truth cannot be published any more.
    """
    truth_id = truth.id
    state = state_of(session, truth)  # before: what changes in between is then found at the next look
    changes = board_difference(session, None, truth)
    _forget(session, [truth_id])
    if changes:
        session.execute(insert(TruthChange), [_row(truth_id, change) for change in changes])
    session.add(TruthComparison(truth_id=truth_id, compared_at=at, state=state))
    session.flush()


def _row(truth_id: int, change: Change) -> dict[str, object]:
    return {
        "truth_id": truth_id,
        "share": change.share,
        "team_id": change.team_id,
        "rank_before": change.rank_before,
        "rank_after": change.rank_after,
        "score_before": change.score_before,
        "score_after": change.score_after,
    }


def _forget(session: Session, truths: Sequence[int]) -> None:
    for table in (TruthChange, TruthComparison):
        session.execute(delete(table).where(table.truth_id.in_(truths)))
