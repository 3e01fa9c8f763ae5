"""Flags of a board, for those who run it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from lms.accounts.models import User
from lms.errors import NotFound
from lms.leaderboards.models import Board, Entry, EntryState, Team, TeamMember
from lms.leaderboards.tables.flags import Flag, FlagState

PAGE = 50


class FlaggedEntry(NamedTuple):
    """An entry that a flag names."""

    id: int
    team_id: int | None
    received_at: datetime
    filename: str
    state: EntryState
    score: float | None


def number_of_flags(session: Session, board: Board) -> dict[FlagState, int]:
    """Return how many flags of a board are in which state."""
    rows = session.execute(
        select(Flag.state, func.count()).where(Flag.board_id == board.id).group_by(Flag.state)
    )
    counted = {state: number for state, number in rows}  # noqa: C416 - rows are no pairs to the type checker
    return {state: counted.get(state, 0) for state in FlagState}


def flags_of(session: Session, board: Board, state: FlagState, *, offset: int = 0) -> Sequence[Flag]:
    """Return a page of the flags of a board in one state, the newest first."""
    return session.scalars(
        select(Flag)
        .where(Flag.board_id == board.id, Flag.state == state)
        .order_by(Flag.found_at.desc(), Flag.id.desc())
        .offset(offset)
        .limit(PAGE)
    ).all()


def flag_on(session: Session, board: Board, flag_id: int) -> Flag:
    """Return a flag of a board.

    Raises:
        NotFound: the board has none with this number.
    """
    found = session.scalar(
        select(Flag).where(Flag.id == flag_id, Flag.board_id == board.id).options(joinedload(Flag.decided_by))
    )
    if found is None:
        raise NotFound
    return found


def teams_of_flags(session: Session, flags: Sequence[Flag]) -> Mapping[int, Team]:
    """Return the teams that flags are about, by number."""
    numbers = {team for flag in flags for team in flag.teams}
    return {team.id: team for team in session.scalars(select(Team).where(Team.id.in_(numbers)))}


def members_of_flag(session: Session, flag: Flag) -> Sequence[tuple[int, str]]:
    """Return (team, name) of the people that a flag is about."""
    rows = session.execute(
        select(TeamMember.team_id, User.name)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.team_id.in_(flag.teams))
        .order_by(TeamMember.id)
    )
    return [(team_id, name) for team_id, name in rows]


def entries_of_flag(session: Session, flag: Flag) -> Sequence[FlaggedEntry]:
    """Return the entries that a flag names, in the order of receipt; scores are the public ones."""
    rows = session.execute(
        select(Entry.id, Entry.team_id, Entry.received_at, Entry.filename, Entry.state, Entry.public_score)
        .where(Entry.id.in_(flag.entries))
        .order_by(Entry.sequence)
    )
    return [FlaggedEntry._make(row) for row in rows]


def is_about(session: Session, flag: Flag, user: User) -> bool:
    """Say whether a person is in one of the teams of a flag."""
    found = select(TeamMember.id).where(TeamMember.team_id.in_(flag.teams), TeamMember.user_id == user.id)
    return session.scalar(found.limit(1)) is not None
