"""Which tie groups a grade rule may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.losses import unpack
from lms.leaderboards.core.ties import tie_groups
from lms.leaderboards.models import Board, EntryLosses, Share, Standing, TieGroup
from lms.leaderboards.queries.counting import counting_entries

MOST_CELLS = 500_000
"""The largest table of teams by rows whose groups are worked out while somebody waits."""
BATCH = 10_000  # of entries that one statement names


class Grouping(StrEnum):
    """Where tie groups come from."""

    TESTED = "tested"  # teams whose difference may be chance
    EQUAL = "equal"  # exactly equal scores: the board keeps no results of single rows
    HIDDEN = "hidden"  # likewise: what is behind the Ladder is told after the end
    AWAITED = "awaited"  # likewise, for now: they are being worked out


@dataclass(frozen=True)
class Ranked:
    """A team that has a rank: the one of its place in the sequence."""

    team_id: int
    entry_id: int
    score: float


@dataclass(frozen=True)
class Groups:
    """The tie group of every ranked team."""

    kind: Grouping
    numbers: Mapping[int, int]


def kept_ranks(session: Session, board: Board, share: Share) -> list[Ranked]:
    """Return the ranked teams as the standings have them, the first first."""
    rows = session.execute(
        select(Standing.team_id, Standing.entry_id, Standing.score)
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
    )
    return [Ranked(*row) for row in rows]


def ranks_anew(session: Session, board: Board, share: Share) -> list[Ranked]:
    """Return the ranked teams as the entries alone say."""
    counting = [each for each in counting_entries(session, board) if each.share is share]
    counting.sort(key=lambda each: each.key)
    return [Ranked(each.team_id, each.entry_id, each.score) for each in counting]


def groups_of(
    session: Session, board: Board, share: Share, ranked: Sequence[Ranked], *, anew: bool = False
) -> Groups:
    """Return the tie groups of a board's ranked teams.

    Args:
        anew: work them out from what is kept of each row, where that takes no long.
    """
    if board.ladder and share is not Share.PRIVATE:
        return Groups(Grouping.HIDDEN, _equal(ranked))
    if anew:
        return _groups_anew(session, board, share, ranked)
    kept = _kept(session, board, share, ranked)
    if kept is not None:
        return kept
    awaited = _are_comparable(session, board, share, ranked)
    return Groups(Grouping.AWAITED if awaited else Grouping.EQUAL, _equal(ranked))


def _groups_anew(session: Session, board: Board, share: Share, ranked: Sequence[Ranked]) -> Groups:
    losses = _losses(session, share, ranked)
    if losses is None:
        return Groups(Grouping.EQUAL, _equal(ranked))
    if losses.size <= MOST_CELLS:
        found = tie_groups(losses)
        numbers = {each.team_id: tie.group for each, tie in zip(ranked, found, strict=True)}
        return Groups(Grouping.TESTED, numbers)
    return _kept(session, board, share, ranked) or Groups(Grouping.AWAITED, _equal(ranked))


def _equal(ranked: Sequence[Ranked]) -> dict[int, int]:
    """Number the teams so that exactly equal scores are one group."""
    numbers, before, number = {}, None, 0
    for each in ranked:
        number += each.score != before
        before = each.score
        numbers[each.team_id] = number
    return numbers


def _kept(session: Session, board: Board, share: Share, ranked: Sequence[Ranked]) -> Groups | None:
    """Return the kept groups if they are those of the very entries that stand."""
    rows = session.execute(
        select(TieGroup.team_id, TieGroup.entry_id, TieGroup.number).where(
            TieGroup.board_id == board.id, TieGroup.share == share
        )
    ).all()
    same = {(row.team_id, row.entry_id) for row in rows} == {(each.team_id, each.entry_id) for each in ranked}
    return Groups(Grouping.TESTED, {row.team_id: row.number for row in rows}) if same and rows else None


def _are_comparable(session: Session, board: Board, share: Share, ranked: Sequence[Ranked]) -> bool:
    """Say whether there are losses of rows for every entry that stands; reads those of one entry at most."""
    if not ranked:
        return False
    of = _kept_of(share)
    count = (
        select(func.count())
        .select_from(Standing)
        .join(EntryLosses, (EntryLosses.entry_id == Standing.entry_id) & (EntryLosses.share == of))
        .where(Standing.board_id == board.id, Standing.share == share)
    )
    if session.scalar(count) != len(ranked):
        return False
    first = session.get_one(EntryLosses, (ranked[0].entry_id, of))
    return unpack(first.packed).whole is None


def _kept_of(share: Share) -> Share:
    """Return of which share losses are kept: frozen standings are of public scores."""
    return Share.PRIVATE if share is Share.PRIVATE else Share.PUBLIC


def _losses(session: Session, share: Share, ranked: Sequence[Ranked]) -> NDArray[np.float64] | None:
    """Return the losses of the ranked entries, teams by rows; None where they cannot be compared."""
    of = _kept_of(share)
    entries = [each.entry_id for each in ranked]
    packed: dict[int, bytes] = {}
    for start in range(0, len(entries), BATCH):
        rows = select(EntryLosses.entry_id, EntryLosses.packed).where(
            EntryLosses.share == of, EntryLosses.entry_id.in_(entries[start : start + BATCH])
        )
        packed |= {row.entry_id: row.packed for row in session.execute(rows)}
    if not packed or len(packed) < len(set(entries)):
        return None
    losses = [unpack(packed[entry_id]) for entry_id in entries]
    if len({len(each.values) for each in losses}) != 1 or losses[0].whole is not None:
        return None
    return np.stack([each.values for each in losses])
