"""What a prepared truth would change, as it is kept, and what that follows from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from lms.leaderboards.models import Board, Entry, EntryState, Rescore, Share, Team, Truth
from lms.leaderboards.queries.waiting import is_prepared
from lms.leaderboards.tables.changes import TruthChange, TruthComparison

PAGE = 100
BATCH = 10_000  # rows that are held at once
RANKABLE = (EntryState.SCORED, EntryState.FAILED, EntryState.DISQUALIFIED)
_ORDER = case({share: place for place, share in enumerate(Share)}, value=TruthChange.share)


@dataclass(frozen=True)
class ShownChange:
    """One row of a difference; ranks and scores are None where the team does not stand."""

    share: Share
    team_id: int
    name: str
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None


def comparison_of(session: Session, truth: Truth) -> TruthComparison | None:
    """Return when the changes of a truth were worked out; None: not yet."""
    return session.get(TruthComparison, truth.id)


def number_of_changes(session: Session, truth: Truth) -> int:
    """Return how many rows of the board a truth would change."""
    return session.scalar(select(func.count()).where(TruthChange.truth_id == truth.id)) or 0


def changes_of(session: Session, truth: Truth, *, offset: int = 0) -> list[ShownChange]:
    """Return a page of what a truth would change: share by share, down the board as it would be."""
    rows = session.execute(
        select(
            TruthChange.share,
            TruthChange.team_id,
            Team.name,
            TruthChange.rank_before,
            TruthChange.rank_after,
            TruthChange.score_before,
            TruthChange.score_after,
        )
        .join(Team, Team.id == TruthChange.team_id)
        .where(TruthChange.truth_id == truth.id)
        .order_by(
            _ORDER,
            TruthChange.rank_after.is_(None),
            TruthChange.rank_after,
            TruthChange.rank_before,
            TruthChange.team_id,
        )
        .offset(offset)
        .limit(PAGE)
    )
    return [ShownChange(*row) for row in rows]


def truths_to_compare(session: Session, before: datetime) -> Sequence[int]:
    """Return the truths that may be published, and whose changes were not looked at since a moment."""
    return session.scalars(
        select(Truth.id)
        .join(Board, Board.id == Truth.board_id)
        .outerjoin(TruthComparison, TruthComparison.truth_id == Truth.id)
        .where(
            is_prepared(),
            or_(TruthComparison.truth_id.is_(None), TruthComparison.compared_at < before),
        )
        .order_by(Truth.id)
    ).all()


def truths_compared_in_vain(session: Session) -> Sequence[int]:
    """Return the truths whose changes are kept although nobody can publish them any more."""
    return session.scalars(
        select(TruthComparison.truth_id)
        .join(Truth, Truth.id == TruthComparison.truth_id)
        .join(Board, Board.id == Truth.board_id)
        .where(~is_prepared())
    ).all()


def state_of(session: Session, truth: Truth) -> str:
    """Return a digest of all that the changes of a truth follow from.

    Complexity: O(n) in the entries of the board, of which only a batch is held.
    """
    board = session.get_one(Board, truth.board_id)
    follows = (board.truth_version, board.freezes_at, board.selections, truth.keeps_unfiled)
    said = hashlib.sha256(repr(follows).encode())
    off = select(Team.id).where(Team.board_id == board.id, Team.disqualified).order_by(Team.id)
    said.update(repr(session.scalars(off).all()).encode())
    entries = (
        select(
            Entry.id,
            Entry.team_id,
            Entry.state,
            Entry.selected,
            Rescore.public_score,
            Rescore.private_score,
            Rescore.failure,
        )
        .outerjoin(Rescore, and_(Rescore.entry_id == Entry.id, Rescore.truth_id == truth.id))
        .where(Entry.board_id == board.id, Entry.team_id.is_not(None), Entry.state.in_(RANKABLE))
        .order_by(Entry.id)
        .execution_options(yield_per=BATCH)
    )
    for rows in session.execute(entries).partitions():
        said.update(repr([tuple(row) for row in rows]).encode())
    return said.hexdigest()
