"""How many entries of each team have a score, as the final board too says it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Share, Standing

MOST_ASKED = 1000  # teams that are asked for in one statement
SCORED: Any = select(Standing.team_id, Standing.entries).where(
    Standing.board_id == bindparam("board"),
    Standing.share == Share.PUBLIC,
    Standing.team_id.in_(bindparam("teams", expanding=True)),
)


def scored_entries(session: Session, board: Board, share: Share, teams: Sequence[int]) -> Mapping[int, int]:
    """Return how many scored entries teams have, where their standings on a share say something else.

    Where teams select entries, a private standing is the best of the selected ones only; the public standing,
    which stays as it was at the end, is the best of all. No statement for any other share or board.
    """
    if share is not Share.PRIVATE or not board.selections:
        return {}
    found: dict[int, int] = {}
    for start in range(0, len(teams), MOST_ASKED):
        bound = {"board": board.id, "teams": teams[start : start + MOST_ASKED]}
        found.update((row.team_id, row.entries) for row in session.execute(SCORED, bound))
    return found
