"""Keeping tie groups, which are worked out apart from ranking."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Entry, EntryLosses, EntryState, Share, Standing, TieGroup


@dataclass(frozen=True)
class Tied:
    """Where a team stands among those that it cannot be told apart from."""

    team_id: int
    entry_id: int
    number: int  # of the group, from 1 down the board
    best_rank: int
    worst_rank: int


def keep_tie_groups(
    session: Session, board: Board, share: Share, rows: Iterable[Tied], *, at: datetime
) -> None:
    """Keep the tie groups of a board as they were worked out at a moment, instead of those before."""
    session.execute(delete(TieGroup).where(TieGroup.board_id == board.id, TieGroup.share == share))
    session.add_all(TieGroup(board_id=board.id, share=share, **vars(row)) for row in rows)
    board.tied_at = at
    session.flush()


def lock_truth(session: Session, board_id: int) -> Board:
    """Return a board whose truth nobody replaces before this transaction ends."""
    same = update(Board).where(Board.id == board_id).values(truth_version=Board.truth_version)
    return session.scalars(
        same.returning(Board),
        execution_options={"populate_existing": True, "synchronize_session": False},
    ).one()


def losses_of_standings(session: Session, board: Board, share: Share) -> dict[int, tuple[int, bytes]]:
    """Return team -> (entry, packed losses) of the entries that stand, as far as losses are kept.

    Frozen standings are of public scores, so their losses are the public ones.
    """
    of = Share.PRIVATE if share is Share.PRIVATE else Share.PUBLIC
    rows = session.execute(
        select(Standing.team_id, Standing.entry_id, EntryLosses.packed)
        .join(EntryLosses, (EntryLosses.entry_id == Standing.entry_id) & (EntryLosses.share == of))
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
    )
    return {team_id: (entry_id, packed) for team_id, entry_id, packed in rows}


def forget_losses(session: Session, board: Board) -> None:
    """Drop the losses of entries that do not stand; a board with a Ladder needs them all."""
    if board.ladder:
        return
    standing = select(Standing.entry_id).where(Standing.board_id == board.id)
    entries = select(Entry.id).where(
        Entry.board_id == board.id, Entry.state == EntryState.SCORED, Entry.id.not_in(standing)
    )
    session.execute(
        delete(EntryLosses).where(EntryLosses.entry_id.in_(entries)),
        execution_options={"synchronize_session": False},
    )
