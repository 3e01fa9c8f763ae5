"""Which entry of each team counts, worked out from the entries alone; and where the kept standings differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from lms.db import UtcDateTime
from lms.leaderboards.core.keys import key
from lms.leaderboards.models import Board, Direction, Entry, EntryState, PrivateScore, Share, Standing, Team

LARGEST = 1.7976931348623157e308  # beyond it stand infinity and NaN


@dataclass(frozen=True)
class Counting:
    """The entry of a team that counts on one share, and of how many it is the best."""

    share: Share
    team_id: int
    entry_id: int
    score: float
    key: bytes
    entries: int


@dataclass(frozen=True)
class Difference:
    """Where a kept standing is not what the entries say."""

    share: Share
    team_id: int
    kept: Counting | None
    counts: Counting | None


def shares_of(board: Board) -> tuple[Share, ...]:
    """Return the shares that a board keeps standings of."""
    if board.freezes_at is None:
        return (Share.PUBLIC, Share.PRIVATE)
    return (Share.PUBLIC, Share.FROZEN, Share.PRIVATE)


def counting_entries(
    session: Session, board: Board, team_id: int | None = None, shares: tuple[Share, ...] | None = None
) -> list[Counting]:
    """Return what counts for each share and team of a board, or for one team, from the entries alone.

    Complexity: O(n) in the entries of the board, or of the team.
    """
    statement = _all_shares(_rule(board), shares or shares_of(board), team_id is not None)
    return [_counting_of(board, row) for row in session.execute(statement, _bound(board, team_id))]


def differences(session: Session, board: Board) -> list[Difference]:
    """Return where the kept standings of a board are not what its entries say, at one moment."""
    found: dict[tuple[Share, int], list[Counting | None]] = {}
    records = session.execute(_beside_kept(_rule(board), shares_of(board)), _bound(board, None))
    for record in records:
        is_kept, row, packed = record[0], record[1:-1], record[-1]
        counting = (
            Counting(Share(row[0]), row[1], row[2], row[3], bytes(packed), row[5])
            if is_kept
            else _counting_of(board, row)
        )
        pair = found.setdefault((counting.share, counting.team_id), [None, None])
        pair[0 if is_kept else 1] = counting
    return list(_differing(found))


def _differing(found: dict[tuple[Share, int], list[Counting | None]]) -> Iterator[Difference]:
    for (share, team_id), (kept, counts) in sorted(found.items()):
        if kept != counts:
            yield Difference(share, team_id, kept, counts)


def _counting_of(board: Board, row: Sequence[Any]) -> Counting:
    share, team_id, entry_id, score, sequence, entries = row
    packed = key(score, sequence, board.direction.value)
    return Counting(Share(share), team_id, entry_id, score, packed, entries)


def _rule(board: Board) -> "_Rule":
    return _Rule(board.direction is Direction.MAX, board.selections > 0)


def _bound(board: Board, team_id: int | None) -> dict[str, Any]:
    """Return the values of the statements' parameters; those that a statement has not are left out of it."""
    return {
        "board": board.id,
        "team": team_id,
        "frozen_at": board.freezes_at,
        "selections": board.selections,
    }


class _Rule(NamedTuple):
    """What the statements of two boards can differ in; each is built once."""

    bigger_is_better: bool
    selects: bool

    def better(self, score: Any) -> Any:
        """Return the order of scores, the better first."""
        return score.desc() if self.bigger_is_better else score.asc()


@lru_cache(maxsize=64)
def _all_shares(rule: _Rule, shares: tuple[Share, ...], of_one_team: bool) -> Any:  # noqa: FBT001 - a cache key
    return union_all(*(_of_share(rule, share, of_one_team=of_one_team, beside=False) for share in shares))


@lru_cache(maxsize=64)
def _beside_kept(rule: _Rule, shares: tuple[Share, ...]) -> Any:
    kept = select(
        literal(1).label("kept"),
        Standing.share,
        Standing.team_id,
        Standing.entry_id,
        Standing.score,
        literal(0).label("sequence"),
        Standing.entries,
        Standing.key,
    ).where(Standing.board_id == bindparam("board"))
    return union_all(*(_of_share(rule, share, of_one_team=False, beside=True) for share in shares), kept)


def _of_share(rule: _Rule, share: Share, *, of_one_team: bool, beside: bool) -> Select[Any]:
    best = _ranked_within_teams(rule, share, of_one_team=of_one_team).subquery()
    columns: list[ColumnElement[Any]] = [
        literal(share.value).label("share"),
        best.c.team_id,
        best.c.id,
        best.c.score,
        best.c.sequence,
        best.c.entries,
    ]
    if beside:
        columns = [literal(0).label("kept"), *columns, null().cast(LargeBinary)]
    ranks = Team.disqualified.is_(False)
    return select(*columns).join(Team, Team.id == best.c.team_id).where(best.c.place == 1, ranks)


def _ranked_within_teams(rule: _Rule, share: Share, *, of_one_team: bool) -> Select[Any]:
    is_private = share is Share.PRIVATE
    rows = _scored(PrivateScore.score if is_private else Entry.released_score, of_one_team=of_one_team)
    if is_private:
        rows = rows.join(PrivateScore, PrivateScore.entry_id == Entry.id)
        rows = _selected(rule, rows) if rule.selects else rows
    elif share is Share.FROZEN:
        rows = rows.where(Entry.received_at <= bindparam("frozen_at", type_=UtcDateTime))
    entries = rows.subquery()
    window: dict[str, Any] = {
        "partition_by": entries.c.team_id,
        "order_by": (rule.better(entries.c.score), entries.c.sequence),
    }
    return select(
        entries,
        func.row_number().over(**window).label("place"),
        func.count().over(**window, rows=(None, None)).label("entries"),  # of all rows, in one sorting
    )


def _scored(score: Any, *, of_one_team: bool) -> Select[Any]:
    """Return the entries that may count, with what decides whether they do."""
    rows = (select(Entry.id, Entry.team_id, score.label("score"), Entry.sequence)).where(
        Entry.board_id == bindparam("board"),
        Entry.state == EntryState.SCORED,
        Entry.team_id.is_not(None),
        score.between(-LARGEST, LARGEST),
    )
    return rows.where(Entry.team_id == bindparam("team")) if of_one_team else rows


def _selected(rule: _Rule, rows: Select[Any]) -> Select[Any]:
    """Leave what a team selected; of a team that selected nothing, its best by public score.

    As `lms.leaderboards.core.selection.chosen`.
    """
    chosen = func.max(case((Entry.selected, 1), else_=0)).over(partition_by=Entry.team_id)
    alike = (Entry.team_id, Entry.selected)
    order = (rule.better(Entry.public_score), Entry.sequence)
    marked = rows.add_columns(
        Entry.selected.label("selected"),
        chosen.label("chosen"),
        func.row_number().over(order_by=order, partition_by=alike).label("public_place"),
    ).subquery()
    return select(marked.c.id, marked.c.team_id, marked.c.score, marked.c.sequence).where(
        marked.c.public_place <= bindparam("selections"), or_(marked.c.chosen == 0, marked.c.selected)
    )
