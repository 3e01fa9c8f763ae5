"""What those who run a board look through, and what a team has chosen."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from lms.accounts.models import User
from lms.errors import NotFound
from lms.leaderboards.models import (
    Board,
    Disqualification,
    Entry,
    EntryState,
    PrivateScore,
    Team,
    TeamMember,
    Truth,
)
from lms.leaderboards.queries.counting import final_entries

PAGE = 50
MOST = 200


@dataclass(frozen=True)
class OrganisedTeam:
    """A team as organisers see it."""

    team: Team
    entries: int
    disqualification: Disqualification | None
    """That of the whole team, while it holds."""


@dataclass(frozen=True)
class OrganisedEntry:
    """An entry as organisers see it, who take no part: with its private score, before the end too."""

    id: int
    received_at: datetime
    submitted_by: str
    filename: str
    state: EntryState
    failure: str
    public_score: float | None
    private_score: float | None
    selected: bool
    automatic: bool
    """Whether it counts in the end because the team has selected none."""
    disqualification: Disqualification | None


def chosen_entries(session: Session, team: Team, wanted: Collection[int] | None = None) -> set[int]:
    """Return which entries a team has chosen for the end, as far as they can count.

    Args:
        wanted: those that it wants to choose instead.
    """
    own = select(Entry.id).where(Entry.team_id == team.id, Entry.state == EntryState.SCORED)
    return set(session.scalars(own.where(Entry.selected if wanted is None else Entry.id.in_(wanted))))


def number_of_teams(session: Session, board: Board, words: str = "") -> int:
    """Return how many teams have all of these letters in their name."""
    return session.scalar(select(func.count()).select_from(_teams(board, words).subquery())) or 0


def organised_teams(
    session: Session, board: Board, words: str = "", *, offset: int = 0
) -> list[OrganisedTeam]:
    """Return a page of a board's teams by name, with the number of their entries."""
    entries = select(func.count()).where(Entry.team_id == Team.id).scalar_subquery()
    statement = (
        _teams(board, words)
        .add_columns(entries, Disqualification)
        .outerjoin(
            Disqualification,
            (Disqualification.team_id == Team.id)
            & Disqualification.entry_id.is_(None)
            & Disqualification.lifted_at.is_(None),
        )
        .options(selectinload(Team.members).joinedload(TeamMember.user))
        .order_by(Team.name, Team.id)
        .offset(offset)
        .limit(PAGE)
    )
    return [OrganisedTeam(*row) for row in session.execute(statement)]


def _teams(board: Board, words: str) -> Any:
    found = select(Team).where(Team.board_id == board.id, Team.merged_into_id.is_(None))
    return found.where(Team.name.icontains(words, autoescape=True)) if words else found


def organised_entries(session: Session, team: Team, *, offset: int = 0) -> list[OrganisedEntry]:
    """Return a page of a team's entries, the newest first."""
    final = set() if team.disqualified else final_entries(session, team.board, team.id)
    rows = session.execute(
        select(
            Entry.id,
            Entry.received_at,
            User.name,
            Entry.filename,
            Entry.state,
            Entry.failure,
            Entry.public_score,
            PrivateScore.score,
            Entry.selected,
            Disqualification,
        )
        .outerjoin(User, User.id == Entry.submitted_by_id)
        .outerjoin(
            Disqualification,
            (Disqualification.entry_id == Entry.id) & Disqualification.lifted_at.is_(None),
        )
        .outerjoin(PrivateScore, PrivateScore.entry_id == Entry.id)
        .where(Entry.team_id == team.id)
        .order_by(Entry.sequence.desc())
        .offset(offset)
        .limit(PAGE)
    )
    return [_organised_entry(row, final) for row in rows]


def _organised_entry(row: Any, final: Collection[int]) -> OrganisedEntry:
    return OrganisedEntry(
        id=row[0],
        received_at=row[1],
        submitted_by=row[2] or "",
        filename=row[3],
        state=row[4],
        failure=row[5],
        public_score=row[6],
        private_score=row[7],
        selected=row[8],
        automatic=row[0] in final and not row[8],
        disqualification=row[9],
    )


def team_on(session: Session, board: Board, team_id: int) -> Team:
    """Return a team of a board.

    Raises:
        NotFound: it is not on this board.
    """
    found = session.get(Team, team_id)
    if found is None or found.board_id != board.id:
        raise NotFound
    return found


def entry_on(session: Session, board: Board, entry_id: int) -> Entry:
    """Return a team's entry on a board.

    Raises:
        NotFound: it is not on this board, or a baseline.
    """
    found = session.get(Entry, entry_id)
    if found is None or found.board_id != board.id or found.team_id is None:
        raise NotFound
    return found


def disqualifications(session: Session, board: Board) -> Sequence[tuple[Disqualification, str]]:
    """Return what was taken off a board and by which name the team goes, the newest first."""
    rows = session.execute(
        select(Disqualification, Team.name)
        .join(Team, Team.id == Disqualification.team_id)
        .where(Disqualification.board_id == board.id)
        .order_by(Disqualification.id.desc())
        .limit(MOST)
    )
    return [(row[0], row[1]) for row in rows]


def disqualification_on(session: Session, board: Board, disqualification_id: int) -> Disqualification:
    """Return one disqualification of a board.

    Raises:
        NotFound: it is not of this board.
    """
    found = session.get(Disqualification, disqualification_id)
    if found is None or found.board_id != board.id:
        raise NotFound
    return found


def truths(session: Session, board: Board) -> Sequence[Truth]:
    """Return the versions of a board's truth, the newest first."""
    return session.scalars(
        select(Truth).where(Truth.board_id == board.id).order_by(Truth.version.desc()).limit(MOST)
    ).all()


def truth_on(session: Session, board: Board, version: int) -> Truth:
    """Return one version of a board's truth.

    Raises:
        NotFound: there is none.
    """
    found = session.scalar(select(Truth).where(Truth.board_id == board.id, Truth.version == version))
    if found is None:
        raise NotFound
    return found


def members_of(session: Session, team: Team) -> Sequence[TeamMember]:
    """Return the people of a team, as they came."""
    return session.scalars(
        select(TeamMember)
        .where(TeamMember.team_id == team.id)
        .options(joinedload(TeamMember.user))
        .order_by(TeamMember.id)
    ).all()
