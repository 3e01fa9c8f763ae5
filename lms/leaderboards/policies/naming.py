"""Until when teams can take other names."""

from datetime import datetime

from lms.errors import N_, Conflict
from lms.leaderboards.models import Board


def check_can_rename(board: Board, at: datetime) -> None:
    """Refuse other names after the end: results, write-ups and points are known by the ones that stood then.

    Raises:
        Conflict: the challenge has ended.
    """
    if board.ends_at is not None and at > board.ends_at:
        raise Conflict(N_("The challenge has ended, so the team keeps its name."))
