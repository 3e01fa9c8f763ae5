"""What a challenge's board gives by its standings, and where what is kept of it is something else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.honours import medal, points
from lms.leaderboards.core.moves import shake_up, shake_up_of_top
from lms.leaderboards.models import Board, Share, Standing, TeamMember
from lms.leaderboards.tables.honours import BoardResult, TeamResult


@dataclass(frozen=True)
class Results:
    """What a board gives."""

    figures: Mapping[str, Any]
    """Column of `BoardResult` -> value."""
    teams: Mapping[int, Mapping[str, Any]]
    """Team -> its row of `TeamResult`."""


@dataclass(frozen=True)
class ResultDifference:
    """Where a kept result is not what the standings give; None where there is none."""

    team_id: int | None  # None: a figure of the whole board
    column: str
    kept: Any
    given: Any


def given_results(session: Session, board: Board) -> Results:
    """Return what a board gives by its standings.

    Complexity: O(n log n) in the teams of the board.
    """
    public, private = (_ranks(session, board, share) for share in (Share.PUBLIC, Share.PRIVATE))
    sizes: Mapping[int, int] = dict(
        session.execute(
            select(TeamMember.team_id, func.count())
            .where(TeamMember.board_id == board.id)
            .group_by(TeamMember.team_id)
        ).all()
    )
    figures = {
        "ended_at": board.ends_at,
        "teams": len(private),
        "shake_up": shake_up(public, private),
        "shake_up_of_top": shake_up_of_top(public, private),
    }
    teams = {
        team: {
            "board_id": board.id,
            "team_id": team,
            "rank": rank,
            "public_rank": public.get(team),
            "people": sizes.get(team, 0),
            "points": points(rank, team_size=max(1, sizes.get(team, 0)), teams=len(private)),
            "medal": medal(rank, len(private)),
        }
        for team, rank in private.items()
    }
    return Results(figures, teams)


def kept_results(session: Session, board: Board) -> Results | None:
    """Return what is kept of what a board gave; None where nothing is."""
    kept = session.get(BoardResult, board.id)
    if kept is None:
        return None
    columns = TeamResult.__table__.columns
    rows = session.execute(select(*columns).where(columns.board_id == board.id)).mappings()
    figures = ("ended_at", "teams", "shake_up", "shake_up_of_top")
    return Results(
        {name: getattr(kept, name) for name in figures}, {row["team_id"]: dict(row) for row in rows}
    )


def result_differences(session: Session, board: Board) -> list[ResultDifference] | None:
    """Return where what is kept of what a board gave is not what it gives; None where nothing is kept."""
    session.flush()
    kept = kept_results(session, board)
    return None if kept is None else list(_differing(kept, given_results(session, board)))


def _differing(kept: Results, given: Results) -> Iterator[ResultDifference]:
    yield from _columns(None, kept.figures, given.figures)
    for team in sorted(kept.teams.keys() | given.teams.keys()):
        yield from _columns(team, kept.teams.get(team, {}), given.teams.get(team, {}))


def _columns(
    team_id: int | None, kept: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[ResultDifference]:
    for column in kept or given:
        if column not in {"board_id", "team_id"} and kept.get(column) != given.get(column):
            yield ResultDifference(team_id, column, kept.get(column), given.get(column))


def _ranks(session: Session, board: Board, share: Share) -> dict[int, int]:
    teams = session.scalars(
        select(Standing.team_id)
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
    )
    return {team: rank for rank, team in enumerate(teams, 1)}
