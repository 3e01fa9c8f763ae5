"""Every night each board is worked out anew from its entries; it must be what was kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board
from lms.leaderboards.queries.counting import Difference
from lms.leaderboards.services.standing import note_ranks, recompute
from lms.leaderboards.services.ties import forget_losses

NIGHT_HOUR = 18  # UTC: three in the morning in Seoul
AFTER_END = timedelta(days=60)
"""So long after its end a board is still looked over."""


def night_before(at: datetime) -> datetime:
    """Return when the night began that was last before a moment."""
    night = at.astimezone(UTC).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night <= at else night - timedelta(days=1)


def due_boards(session: Session, at: datetime) -> Sequence[int]:
    """Return the boards that were not looked over since last night."""
    return session.scalars(
        select(Board.id)
        .where(
            or_(Board.looked_at.is_(None), Board.looked_at < night_before(at)),
            or_(Board.ends_at.is_(None), Board.ends_at > at - AFTER_END),
        )
        .order_by(Board.id)
    ).all()


def look_over(session: Session, board: Board, at: datetime) -> list[Difference]:
    """Work a board out anew and mend what differs; note the ranks that its arrows show the moves from.

    Returns:
        What differed: nothing, normally.
    """
    found = recompute(session, board)
    note_ranks(session, board)
    forget_losses(session, board)
    board.looked_at = at
    session.flush()
    return found
