"""What stands beside a team on the final board: its place before, its write-up, whether it is verified."""

from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Share, Team
from lms.leaderboards.queries.shown import ShakeUp, Shown
from lms.leaderboards.tables.honours import BoardResult, TeamResult
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim
from lms.leaderboards.tables.writeups import Writeup

BESIDE: Any = (
    select(
        Team.id,
        Writeup.id,
        WinnerClaim.state,
        TeamResult.public_rank,
        BoardResult.shake_up,
        BoardResult.shake_up_of_top,
        BoardResult.teams,
    )
    .outerjoin(
        Writeup,
        (Writeup.team_id == Team.id) & Writeup.hidden_at.is_(None) & Writeup.withdrawn_at.is_(None),
    )
    .outerjoin(WinnerClaim, WinnerClaim.team_id == Team.id)
    .outerjoin(TeamResult, (TeamResult.board_id == Team.board_id) & (TeamResult.team_id == Team.id))
    .outerjoin(BoardResult, BoardResult.board_id == TeamResult.board_id)
    .where(Team.id.in_(bindparam("teams", expanding=True)))
)
TOLD = {
    ClaimState.ASKED: "being-verified",
    ClaimState.HANDED_IN: "being-verified",
    ClaimState.ACCEPTED: "verified",
}


def with_aftermath(session: Session, shown: Shown) -> Shown:
    """Return a part of a challenge's final board with what came after it; any other part as it is.

    One statement, and none before the end. Of a refusal nothing is told.
    """
    table = shown.table
    if not shown.ended or table.share is not Share.PRIVATE or shown.board.challenge_id is None:
        return shown
    known, moved = {}, None
    for number, writeup, state, before, *shaken in session.execute(
        BESIDE, {"teams": [row.team_id for row in table.rows if row.team_id is not None]}
    ):
        known[number] = {"writeup_id": writeup, "verification": _told(state), "rank_before": before}
        moved = ShakeUp(*shaken) if None not in shaken else moved
    rows = [
        replace(row, **known[row.team_id]) if row.team_id is not None and row.team_id in known else row
        for row in table.rows
    ]
    return replace(shown, table=replace(table, rows=rows), shake_up=moved)


def _told(state: ClaimState | None) -> str:
    """Say what everybody may know of a claim; empty: nothing."""
    return "" if state is None else TOLD.get(state, "")
