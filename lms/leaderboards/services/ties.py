"""Keeping tie groups, which are worked out apart from ranking."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import LargeBinary, delete, func, select, update
from sqlalchemy.orm import Session

from lms.leaderboards.core.losses import HEAD_BYTES, Extent, extent_of
from lms.leaderboards.models import Board, Entry, EntryLosses, EntryState, Share, Standing, TieGroup
from lms.leaderboards.tables.grades import GradeConfirmation, GradeRule

FORGET_AFTER = timedelta(days=30)
"""So long after a board's end the losses of entries that do not stand are kept."""


@dataclass(frozen=True)
class Tied:
    """Where a team stands among those that it cannot be told apart from."""

    team_id: int
    entry_id: int
    number: int  # of the group, from 1 down the board
    best_rank: int
    worst_rank: int
    least_score: float | None = None
    most_score: float | None = None


def keep_tie_groups(
    session: Session, board: Board, share: Share, rows: Iterable[Tied], *, at: datetime
) -> None:
    """Keep the tie groups of a board as they were worked out at a moment, instead of those before."""
    session.execute(delete(TieGroup).where(TieGroup.board_id == board.id, TieGroup.share == share))
    session.add_all(TieGroup(board_id=board.id, share=share, **vars(row)) for row in rows)
    board.tied_at = at
    session.flush()


def tie_again(session: Session, board: Board) -> None:
    """Have the tie groups of a board worked out anew at the next look, whatever is kept of them till then."""
    board.tied_at = None
    session.flush()


def lock_truth(session: Session, board_id: int) -> Board:
    """Return a board whose truth nobody replaces before this transaction ends."""
    same = update(Board).where(Board.id == board_id).values(truth_version=Board.truth_version)
    return session.scalars(
        same.returning(Board),
        execution_options={"populate_existing": True, "synchronize_session": False},
    ).one()


def extent_of_standings(session: Session, board: Board, share: Share) -> tuple[int, Extent | None]:
    """Return how many teams stand, and on what the losses of each one are; unpacks nothing.

    None where losses are not kept of every one of them, or not on the same rows or resamples: the ranks of
    some teams only would be others.
    """
    heads: Any = func.substr(EntryLosses.packed, 1, HEAD_BYTES, type_=LargeBinary)
    rows = session.execute(
        select(heads)
        .select_from(Standing)
        .outerjoin(EntryLosses, _of(share))
        .where(Standing.board_id == board.id, Standing.share == share)
    )
    extents = [None if head is None else extent_of(bytes(head)) for (head,) in rows]
    return len(extents), extents[0] if len(set(extents)) == 1 else None


def losses_of_standings(session: Session, board: Board, share: Share) -> dict[int, tuple[int, bytes]]:
    """Return team -> (entry, packed losses) of the entries that stand, as far as losses are kept.

    Frozen standings are of public scores, so their losses are the public ones.
    """
    rows = session.execute(
        select(Standing.team_id, Standing.entry_id, EntryLosses.packed)
        .join(EntryLosses, _of(share))
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
    )
    return {team_id: (entry_id, packed) for team_id, entry_id, packed in rows}


def _of(share: Share) -> Any:
    kept = Share.PRIVATE if share is Share.PRIVATE else Share.PUBLIC
    return (EntryLosses.entry_id == Standing.entry_id) & (EntryLosses.share == kept)


def forget_losses(session: Session, board: Board, at: datetime) -> None:
    """Drop the losses of entries that do not stand, once nothing else can come to stand.

    Until then a choice or a disqualification lets other entries stand, whose losses are needed. A board with
    a Ladder needs them all.
    """
    if board.ladder or board.ends_at is None or at < board.ends_at + FORGET_AFTER:
        return
    declared, until = session.execute(
        select(func.count(GradeRule.id), func.max(GradeConfirmation.objections_until))
        .outerjoin(GradeConfirmation, GradeConfirmation.rule_id == GradeRule.id)
        .where(GradeRule.board_id == board.id)
    ).one()
    if declared and (until is None or at < until):
        return
    standing = select(Standing.entry_id).where(Standing.board_id == board.id)
    entries = select(Entry.id).where(
        Entry.board_id == board.id, Entry.state == EntryState.SCORED, Entry.id.not_in(standing)
    )
    session.execute(
        delete(EntryLosses).where(EntryLosses.entry_id.in_(entries)),
        execution_options={"synchronize_session": False},
    )
