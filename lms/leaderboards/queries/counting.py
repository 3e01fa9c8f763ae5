"""Which entry of each team counts, worked out from the entries alone; and where the kept standings differ.

Twice, on purpose: for one team in the database, by which standings are written; for a whole board in arrays,
by which they are checked.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import Select, bindparam, case, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from lms.db import UtcDateTime
from lms.leaderboards.core.counting import best_of_teams, chosen_entries
from lms.leaderboards.core.keys import key
from lms.leaderboards.models import Board, Direction, Entry, EntryState, PrivateScore, Share, Standing, Team

LARGEST = 1.7976931348623157e308  # beyond it stand infinity and NaN
NO_SCORE = math.inf
ROW = np.dtype(
    [
        ("team", "i8"),
        ("id", "i8"),
        ("sequence", "i8"),
        ("released", "f8"),
        ("private", "f8"),
        ("public", "f8"),
        ("selected", "i1"),
        ("early", "i1"),
    ]
)


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


def counting_entries(session: Session, board: Board) -> list[Counting]:
    """Return what counts for each share and team of a board, from the entries alone.

    Complexity: O(n log n) in the entries of the board, in arrays.
    """
    rows = _scored_rows(session, board)
    direction: Literal["max", "min"] = board.direction.value
    every = np.ones(len(rows), dtype=bool)
    found: list[Counting] = []
    for share in shares_of(board):
        score, counts = rows["released"], every
        if share is Share.FROZEN:
            counts = rows["early"] == 1
        elif share is Share.PRIVATE:
            score = rows["private"]
            counts = _counting_at_the_end(board, rows)
        best = best_of_teams(rows["team"], score, rows["sequence"], direction=direction, counts=counts)
        found += [
            Counting(share, team, entry, value, key(value, sequence, direction), entries)
            for team, entry, value, sequence, entries in zip(
                *(rows[name][best.at].tolist() for name in ("team", "id")),
                score[best.at].tolist(),
                rows["sequence"][best.at].tolist(),
                best.of.tolist(),
                strict=True,
            )
        ]
    return found


def _counting_at_the_end(board: Board, rows: Any) -> Any:
    has_score = np.isfinite(rows["private"])
    if not board.selections:
        return has_score
    counts = np.zeros(len(rows), dtype=bool)
    some = rows[has_score]
    counts[has_score] = chosen_entries(
        some["team"],
        some["public"],
        some["sequence"],
        some["selected"] == 1,
        direction=board.direction.value,
        most=board.selections,
    )
    return counts


def _scored_rows(session: Session, board: Board) -> Any:
    """Return the entries that may count as one array; numbers go into it straight from the driver."""
    away = select(Team.id).where(Team.board_id == board.id, Team.disqualified)
    early: Any = literal(1)
    if board.freezes_at is not None:
        early = case((Entry.received_at <= board.freezes_at, 1), else_=0)
    statement = (
        select(
            Entry.team_id,
            Entry.id,
            Entry.sequence,
            func.coalesce(Entry.released_score, NO_SCORE),
            func.coalesce(PrivateScore.score, NO_SCORE),
            func.coalesce(Entry.public_score, NO_SCORE),
            case((Entry.selected, 1), else_=0),
            early,
        )
        .outerjoin(PrivateScore, PrivateScore.entry_id == Entry.id)
        .where(
            Entry.board_id == board.id,
            Entry.state == EntryState.SCORED,
            Entry.team_id.is_not(None),
            Entry.team_id.not_in(away),
        )
    )
    session.flush()
    result = session.connection().execute(statement)
    rows = np.fromiter(result.cursor, dtype=ROW)  # type: ignore[call-overload]
    result.close()
    return rows


def counting_of_team(
    session: Session, board: Board, team_id: int, shares: tuple[Share, ...] | None = None
) -> list[Counting]:
    """Return what counts for each share of one team, from its entries alone.

    Complexity: O(n log n) in the entries of the team.
    """
    statement = _all_shares(_rule(board), shares or shares_of(board))
    bound = {"team": team_id, "frozen_at": board.freezes_at, "selections": board.selections}
    return [_counting_of(board, row) for row in session.execute(statement, bound)]


def final_entries(session: Session, board: Board, team_id: int, *, private: bool = True) -> set[int]:
    """Return which entries of a team count in the end where teams select: the selected ones, or its best.

    Args:
        private: of those that have a private score, as the final board has it; else of all by what
            participants see, and neither private scores are read nor what a Ladder hides.

    Complexity: O(n log n) in the entries of the team.
    """
    if not board.selections:
        return set()
    rows = _final_rows(_rule(board), private=private)
    return {row.id for row in session.execute(rows, {"team": team_id, "selections": board.selections})}


@lru_cache(maxsize=4)
def _final_rows(rule: "_Rule", *, private: bool) -> Select[Any]:
    if private:
        return _selected(rule, _with_private_score())
    return _selected(rule, _scored(Entry.released_score), by=Entry.released_score)


def differences(session: Session, board: Board, team_id: int | None = None) -> list[Difference]:
    """Return where the kept standings of a board, or of one team, are not what the entries say.

    Of a board on which people enter meanwhile: within a transaction that sees one moment.
    """
    kept = select(
        Standing.share, Standing.team_id, Standing.entry_id, Standing.score, Standing.key, Standing.entries
    ).where(Standing.board_id == board.id)
    if team_id is not None:
        kept = kept.where(Standing.team_id == team_id)
    found: dict[tuple[Share, int], list[Counting | None]] = {}
    for share, team, entry, score, packed, entries in session.execute(kept):
        found[share, team] = [Counting(share, team, entry, score, bytes(packed), entries), None]
    fresh = counting_entries(session, board) if team_id is None else counting_of_team(session, board, team_id)
    for counting in fresh:
        found.setdefault((counting.share, counting.team_id), [None, None])[1] = counting
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


class _Rule(NamedTuple):
    """What the statements of two boards can differ in; each is built once."""

    bigger_is_better: bool
    selects: bool

    def better(self, score: Any) -> Any:
        """Return the order of scores, the better first."""
        return score.desc() if self.bigger_is_better else score.asc()


@lru_cache(maxsize=64)
def _all_shares(rule: _Rule, shares: tuple[Share, ...]) -> Any:
    return union_all(*(_of_share(rule, share) for share in shares))


def _of_share(rule: _Rule, share: Share) -> Select[Any]:
    best = _ranked_within_team(rule, share).subquery()
    return (
        select(
            literal(share.value).label("share"),
            best.c.team_id,
            best.c.id,
            best.c.score,
            best.c.sequence,
            best.c.entries,
        )
        .join(Team, Team.id == best.c.team_id)
        .where(best.c.place == 1, Team.disqualified.is_(False))
    )


def _ranked_within_team(rule: _Rule, share: Share) -> Select[Any]:
    is_private = share is Share.PRIVATE
    rows = _with_private_score() if is_private else _scored(Entry.released_score)
    if is_private:
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


def _scored(score: Any) -> Select[Any]:
    """Return the entries of the team that may count, with what decides whether they do."""
    return select(Entry.id, Entry.team_id, score.label("score"), Entry.sequence).where(
        Entry.team_id == bindparam("team"),
        Entry.state == EntryState.SCORED,
        score.between(-LARGEST, LARGEST),
    )


def _with_private_score() -> Select[Any]:
    return _scored(PrivateScore.score).join(PrivateScore, PrivateScore.entry_id == Entry.id)


def _selected(rule: _Rule, rows: Select[Any], by: Any = Entry.public_score) -> Select[Any]:
    """Leave what a team selected; of a team that selected nothing, its best by public score.

    As `lms.leaderboards.core.selection.chosen`.
    """
    chosen = func.max(case((Entry.selected, 1), else_=0)).over(partition_by=Entry.team_id)
    alike = (Entry.team_id, Entry.selected)
    order = (rule.better(by), Entry.sequence)
    marked = rows.add_columns(
        Entry.selected.label("selected"),
        chosen.label("chosen"),
        func.row_number().over(order_by=order, partition_by=alike).label("public_place"),
    ).subquery()
    return select(marked.c.id, marked.c.team_id, marked.c.score, marked.c.sequence).where(
        marked.c.public_place <= bindparam("selections"), or_(marked.c.chosen == 0, marked.c.selected)
    )
