"""Every night each board is worked out anew from its entries; it must be what was kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Entry, EntryState
from lms.leaderboards.queries.counting import Difference
from lms.leaderboards.services.honouring import WAITING_AT_MOST, count_results, mend_people
from lms.leaderboards.services.standing import note_ranks, recompute
from lms.leaderboards.services.ties import forget_losses, lock_truth
from lms.leaderboards.tables.honours import BoardResult

NIGHT_HOUR = 18  # UTC: three in the morning in Seoul
AFTER_END = timedelta(days=60)
"""So long after its end a board is still looked over."""


def night_before(at: datetime) -> datetime:
    """Return when the night began that was last before a moment."""
    night = at.astimezone(UTC).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= at else night - timedelta(days=1)


def due_boards(session: Session, at: datetime) -> Sequence[int]:
    """Return the boards that were not looked over since last night, and those that have ended since."""
    return session.scalars(
        select(Board.id)
        .where(
            or_(
                and_(
                    or_(Board.looked_at.is_(None), Board.looked_at < night_before(at)),
                    or_(Board.ends_at.is_(None), Board.ends_at > at - AFTER_END),
                ),
                _is_to_be_counted(at),
            )
        )
        .order_by(Board.id)
    ).all()


def _is_to_be_counted(at: datetime) -> Any:
    """Pick challenges that have ended, and what they give is not kept, or something was scored since.

    That everything is scored is waited for as long as `is_final` does.
    """
    waits = select(Entry.id).where(
        Entry.board_id == Board.id, Entry.state.in_([EntryState.RECEIVED, EntryState.SCORING])
    )
    counted = select(BoardResult.board_id).where(
        BoardResult.board_id == Board.id, BoardResult.counted_at > BoardResult.ended_at
    )
    return and_(
        Board.challenge_id.is_not(None),
        Board.ends_at < at,
        ~counted.exists(),
        or_(Board.ends_at < at - WAITING_AT_MOST, ~waits.exists()),
    )


def look_over(session: Session, board: Board, at: datetime) -> list[Difference]:
    """Work a board out anew and mend what differs; note the ranks that its arrows show the moves from.

    What a challenge gives is kept once it has ended, and the sums of its people are compared with it.

    Returns:
        What differed: nothing, normally.
    """
    session.flush()
    board = lock_truth(session, board.id)  # before any team, as who publishes a new truth does
    found = recompute(session, board)
    note_ranks(session, board)
    forget_losses(session, board, at)
    board.looked_at = at
    session.flush()
    if count_results(session, board, at) is not None:
        mend_people(session, board)
    return found
