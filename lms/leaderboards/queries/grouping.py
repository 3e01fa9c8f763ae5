"""Which tie groups a grade rule may look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.challenge_file import OWN
from lms.leaderboards.core.losses import HEAD_BYTES, Extent, Losses, extent_of, unpack
from lms.leaderboards.core.metrics import is_largest
from lms.leaderboards.core.ties import tie_groups_of
from lms.leaderboards.models import Board, EntryLosses, Share, Standing, TieGroup
from lms.leaderboards.queries.counting import counting_entries

MOST_CELLS = 500_000
"""The largest table of teams by rows, or by resamples, whose groups are worked out while somebody waits."""
MOST_ROWS = 20_000
"""Likewise the most rows, of which each resample draws as many."""
BATCH = 10_000  # of entries that one statement names
HEAD: Any = func.substr(EntryLosses.packed, 1, HEAD_BYTES, type_=LargeBinary)


class Grouping(StrEnum):
    """Where tie groups come from."""

    TESTED = "tested"  # teams whose difference may be chance
    EQUAL = "equal"  # exactly equal scores: the board keeps nothing that teams could be compared by
    HIDDEN = "hidden"  # likewise: what is behind the Ladder is told after the end
    AWAITED = "awaited"  # likewise, for now: they are being worked out
    LOST = "lost"  # likewise: what entries lost is kept of some of them only


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


def keeps_groups(board: Board) -> bool:
    """Say whether teams of a board are told apart by more than their scores.

    A lab's grade and an own scorer's answer are one number: nothing of single rows is kept.
    """
    return board.challenge_id is not None and board.metric != OWN


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
    return Groups(_awaited(session, board, share, ranked), _equal(ranked))


def _groups_anew(session: Session, board: Board, share: Share, ranked: Sequence[Ranked]) -> Groups:
    extents = _extents(session, share, ranked)
    if not extents:
        return Groups(Grouping.EQUAL, _equal(ranked))
    if len(extents) < len(ranked) or len(set(extents.values())) > 1:
        return Groups(Grouping.LOST, _equal(ranked))
    values = next(iter(extents.values())).values
    if len(ranked) * values > MOST_CELLS or values > MOST_ROWS:
        return _kept(session, board, share, ranked) or Groups(Grouping.AWAITED, _equal(ranked))
    found = tie_groups_of(_losses(session, share, ranked), largest=is_largest(board.metric))
    numbers = {each.team_id: tie.group for each, tie in zip(ranked, found, strict=True)}
    return Groups(Grouping.TESTED, numbers)


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


def _awaited(session: Session, board: Board, share: Share, ranked: Sequence[Ranked]) -> Grouping:
    """Say what there is instead of kept groups; nothing of what was lost is read."""
    if not ranked:
        return Grouping.EQUAL
    of = _kept_of(share)
    count = (
        select(func.count())
        .select_from(Standing)
        .join(EntryLosses, (EntryLosses.entry_id == Standing.entry_id) & (EntryLosses.share == of))
        .where(Standing.board_id == board.id, Standing.share == share)
    )
    number = session.scalar(count) or 0
    if not number:
        return Grouping.EQUAL
    return Grouping.LOST if number < len(ranked) else Grouping.AWAITED


def _kept_of(share: Share) -> Share:
    """Return of which share losses are kept: frozen standings are of public scores."""
    return Share.PRIVATE if share is Share.PRIVATE else Share.PUBLIC


def _extents(session: Session, share: Share, ranked: Sequence[Ranked]) -> dict[int, Extent]:
    """Return entry -> on what its losses are; unpacks nothing."""
    return {entry_id: extent_of(found) for entry_id, found in _of_each(session, share, ranked, HEAD)}


def _losses(session: Session, share: Share, ranked: Sequence[Ranked]) -> list[Losses]:
    """Return the losses of the ranked entries, in their order."""
    packed = dict(_of_each(session, share, ranked, EntryLosses.packed))
    return [unpack(packed[each.entry_id]) for each in ranked]


def _of_each(
    session: Session, share: Share, ranked: Sequence[Ranked], what: Any
) -> Iterator[tuple[int, bytes]]:
    entries = [each.entry_id for each in ranked]
    for start in range(0, len(entries), BATCH):
        rows = select(EntryLosses.entry_id, what).where(
            EntryLosses.share == _kept_of(share), EntryLosses.entry_id.in_(entries[start : start + BATCH])
        )
        yield from ((entry_id, found) for entry_id, found in session.execute(rows))
