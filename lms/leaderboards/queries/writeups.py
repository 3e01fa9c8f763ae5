"""Write-ups of a challenge, in the order of the final board."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from lms.errors import NotFound
from lms.leaderboards.models import Board, Entry, EntryKind, EntryState, Share, Standing, Team
from lms.leaderboards.policies import writeups as rules
from lms.leaderboards.tables.writeups import Writeup

PAGE = 20
MOST_NOTEBOOKS = 50


@dataclass(frozen=True)
class ListedWriteup:
    """A write-up with the place of its team on the final board."""

    writeup: Writeup
    rank: int | None


def number_of_writeups(session: Session, board: Board, *, organises: bool) -> int:
    """Return how many write-ups of a board a reader finds."""
    found = _listed(board, organises=organises).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def writeups(session: Session, board: Board, *, organises: bool, offset: int = 0) -> list[ListedWriteup]:
    """Return a page of a board's write-ups, the best teams first; organisers find hidden ones too.

    Complexity: O(rank) by the index alone for each row.
    """
    ahead = aliased(Standing)
    rank = (
        select(func.count())
        .where(ahead.board_id == board.id, ahead.share == Share.PRIVATE, ahead.key < Standing.key)
        .scalar_subquery()
    )
    statement = (
        _listed(board, organises=organises)
        .add_columns(Standing.key, rank)
        .outerjoin(
            Standing,
            (Standing.board_id == board.id)
            & (Standing.share == Share.PRIVATE)
            & (Standing.team_id == Writeup.team_id),
        )
        .options(contains_eager(Writeup.team))
        .order_by(Standing.key.is_(None), Standing.key, Writeup.id)
        .offset(offset)
        .limit(PAGE)
    )
    return [
        ListedWriteup(row[0], row[2] + 1 if row[1] is not None else None)
        for row in session.execute(statement)
    ]


def _listed(board: Board, *, organises: bool) -> Any:
    found = (
        select(Writeup)
        .join(Team, Team.id == Writeup.team_id)
        .where(Writeup.board_id == board.id, Writeup.withdrawn_at.is_(None))
    )
    return found if organises else found.where(Writeup.hidden_at.is_(None), ~Team.disqualified)


def writeup(
    session: Session, board: Board, writeup_id: int, *, mine: Team | None, organises: bool
) -> Writeup:
    """Return a write-up of a board.

    Args:
        mine: the reader's own team there.

    Raises:
        NotFound: it is not there for this reader.
    """
    found = session.scalar(
        select(Writeup)
        .where(Writeup.id == writeup_id, Writeup.board_id == board.id)
        .options(joinedload(Writeup.team), joinedload(Writeup.entry), joinedload(Writeup.board))
    )
    if found is None:
        raise NotFound
    belongs = mine is not None and mine.id == found.team_id
    rules.check_can_read(found, belongs=belongs, organises=organises)
    return found


def own_writeup(session: Session, team: Team) -> Writeup | None:
    """Return a team's write-up, also one that was withdrawn."""
    return session.scalar(
        select(Writeup).where(Writeup.team_id == team.id).execution_options(populate_existing=True)
    )


def linkable_entries(session: Session, team: Team) -> Sequence[Entry]:
    """Return the newest scored notebooks of a team: what a write-up can offer for download."""
    return session.scalars(_linkable(team).order_by(Entry.sequence.desc()).limit(MOST_NOTEBOOKS)).all()


def linkable_entry(session: Session, team: Team, entry_id: int) -> Entry | None:
    """Return one of a team's scored notebooks, if it is one."""
    return session.scalar(_linkable(team).where(Entry.id == entry_id))


def _linkable(team: Team) -> Select[Entry]:
    return select(Entry).where(
        Entry.team_id == team.id,
        Entry.kind == EntryKind.NOTEBOOK,
        Entry.state == EntryState.SCORED,
        Entry.blob.is_not(None),
    )
