"""Who is asked to prove a place on the final board, who is next, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from lms.errors import NotFound
from lms.leaderboards.models import Board, Entry, Share, Standing, Team
from lms.leaderboards.queries.standings import own_place
from lms.leaderboards.queries.waiting import scorer_failures
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim, WinnerRound

WHOLE = (joinedload(WinnerClaim.team), joinedload(WinnerClaim.round), joinedload(WinnerClaim.decided_by))


@dataclass(frozen=True)
class PlacedClaim:
    """A claim with the place of its team on the final board now; None: it stands nowhere any more."""

    claim: WinnerClaim
    rank: int | None


def round_of(session: Session, board: Board) -> WinnerRound | None:
    """Return what the first teams of a board are asked for, if they are."""
    return session.scalar(
        select(WinnerRound).where(WinnerRound.board_id == board.id).options(joinedload(WinnerRound.board))
    )


def number_stopped(session: Session, board: Board) -> int:
    """Return how many entries wait for a corrected scorer; none of who cannot win anyway."""
    failed = scorer_failures(board).outerjoin(Team, Team.id == Entry.team_id)
    counted = failed.where(or_(Entry.team_id.is_(None), ~Team.disqualified)).subquery()
    return session.scalar(select(func.count()).select_from(counted)) or 0


def claims_of(session: Session, asked: WinnerRound) -> list[PlacedClaim]:
    """Return the claims of a round, the best place first.

    Complexity: one statement for each team asked, by the index alone.
    """
    claims = session.scalars(
        select(WinnerClaim).where(WinnerClaim.round_id == asked.id).options(*WHOLE).order_by(WinnerClaim.id)
    )
    placed = [PlacedClaim(each, own_place(session, asked.board, Share.PRIVATE, each.team)) for each in claims]
    return sorted(placed, key=lambda each: (each.rank is None, each.rank, each.claim.id))


def teams_to_ask(session: Session, asked: WinnerRound) -> Sequence[Team]:
    """Return who is among the first that can win, and was not asked yet; refused teams leave their place."""
    refused = select(WinnerClaim.team_id).where(
        WinnerClaim.round_id == asked.id, WinnerClaim.state == ClaimState.REFUSED
    )
    first = (
        select(Standing.team_id)
        .where(
            Standing.board_id == asked.board_id,
            Standing.share == Share.PRIVATE,
            Standing.team_id.not_in(refused),
        )
        .order_by(Standing.key)
        .limit(asked.winners)
    )
    numbers = session.scalars(first).all()
    known = set(session.scalars(select(WinnerClaim.team_id).where(WinnerClaim.round_id == asked.id)))
    fresh = [number for number in numbers if number not in known]
    teams = {team.id: team for team in session.scalars(select(Team).where(Team.id.in_(fresh)))}
    return [teams[number] for number in fresh]


def claim_on(session: Session, board: Board, claim_id: int) -> WinnerClaim:
    """Return a claim on a board, with who handed in.

    Raises:
        NotFound: it is of another board.
    """
    found = session.scalar(
        select(WinnerClaim)
        .join(WinnerRound, WinnerRound.id == WinnerClaim.round_id)
        .where(WinnerClaim.id == claim_id, WinnerRound.board_id == board.id)
        .options(*WHOLE, joinedload(WinnerClaim.handed_in_by))
    )
    if found is None:
        raise NotFound
    return found


def is_asked(session: Session, team_id: int) -> bool:
    """Say whether a team was ever asked to prove its place."""
    return session.scalar(select(WinnerClaim.id).where(WinnerClaim.team_id == team_id)) is not None


def claim_of(session: Session, team: Team) -> WinnerClaim | None:
    """Return what a team is asked for, if it is."""
    return session.scalar(select(WinnerClaim).where(WinnerClaim.team_id == team.id).options(*WHOLE))
