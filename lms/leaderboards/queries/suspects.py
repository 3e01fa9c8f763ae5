"""What entries are compared by, as far as it is kept."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import LargeBinary, func, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.losses import HEAD_BYTES, extent_of, unpack
from lms.leaderboards.core.suspicion import is_perfect
from lms.leaderboards.models import (
    Board,
    Direction,
    Entry,
    EntryKind,
    EntryLosses,
    EntryState,
    QuotaDay,
    Share,
    Standing,
)
from lms.leaderboards.tables.flags import EntryAddress, EntryPrint, Flag

MOST_CELLS = 40_000_000
"""The largest table of teams by rows that is compared; of a larger board only equal files are found."""
MOST_ENTRIES = 10_000
"""The entries whose moments are compared, the newest."""
MOST_TWINS = 5000
MOST_TEAMS = 200
"""The teams of one flag."""


class Sent(NamedTuple):
    """One entry, as far as its moment is concerned."""

    entry_id: int
    team_id: int
    at: datetime


class Compared(NamedTuple):
    """The entries that stand, with what they lost on each row."""

    teams: tuple[int, ...]
    entries: tuple[int, ...]
    losses: NDArray[np.float64]


def boards_to_compare(session: Session) -> Sequence[int]:
    """Return the boards with scored entries that were not compared yet."""
    return session.scalars(select(EntryPrint.board_id).where(EntryPrint.looked_at.is_(None)).distinct()).all()


def new_prints(session: Session, board_id: int, most: int) -> Sequence[int]:
    """Return the entries of a board that were not compared yet, the oldest first."""
    return session.scalars(
        select(EntryPrint.entry_id)
        .where(EntryPrint.board_id == board_id, EntryPrint.looked_at.is_(None))
        .order_by(EntryPrint.entry_id)
        .limit(most)
    ).all()


def twins(session: Session, board: Board, new: Sequence[int]) -> dict[tuple[str, str], list[Sent]]:
    """Return (what is the same, hash) -> entries of several teams, of which one at least is new.

    What everybody was given, and what scores as a baseline does, is left out.
    """
    found = {
        ("predictions", key): group for key, group in _same(session, board, EntryPrint.digest, new).items()
    }
    files = _same(session, board, EntryPrint.blob, new, Entry.kind != EntryKind.PREDICTIONS)
    given = _given(board)
    known = {frozenset(each.entry_id for each in group) for group in found.values()}
    for key, group in files.items():
        if key not in given and frozenset(each.entry_id for each in group) not in known:
            found["file", key] = group
    return found


def _same(
    session: Session, board: Board, column: Any, new: Sequence[int], *only: Any
) -> dict[str, list[Sent]]:
    mine = select(column).where(EntryPrint.entry_id.in_(new), column.is_not(None))
    common = select(Entry.public_score).where(
        Entry.board_id == board.id,
        Entry.baseline.is_not(None),
        Entry.public_score.is_not(None),  # nothing is "not in" what holds a NULL
    )
    rows = session.execute(
        select(column, Entry.id, Entry.team_id, Entry.received_at, EntryPrint.blob)
        .join(Entry, Entry.id == EntryPrint.entry_id)
        .where(
            EntryPrint.board_id == board.id,
            column.in_(mine),
            Entry.state == EntryState.SCORED,
            Entry.team_id.is_not(None),
            Entry.public_score.not_in(common),
            *only,
        )
        .order_by(Entry.sequence)
        .limit(MOST_TWINS)
    )
    given, groups = _given(board), defaultdict(list)
    for key, entry_id, team_id, at, blob in rows:
        if blob not in given:
            groups[key].append(Sent(entry_id, team_id, at))
    return {key: group for key, group in groups.items() if len({each.team_id for each in group}) > 1}


def _given(board: Board) -> set[str]:
    """Return the hashes of what everybody was given, which many hand in as it is."""
    if board.challenge is not None:
        return {str(file["sha256"]) for file in board.challenge.files.values()}
    return {board.release.student_blob or ""} if board.release is not None else set()


def compared(session: Session, board: Board) -> Compared | None:
    """Return what the public board's entries lost on each row; None where that was not kept for two teams."""
    of_board = (Standing.board_id == board.id, Standing.share == Share.PUBLIC)
    lengths = _lengths(session, of_board)
    if not lengths or len(lengths) * max(lengths.values()) > MOST_CELLS:
        return None
    counted = list(lengths.values())
    usual = max(set(counted), key=counted.count)
    standing = session.execute(
        select(Standing.team_id, Standing.entry_id, EntryPrint.mistakes)
        .outerjoin(EntryPrint, EntryPrint.entry_id == Standing.entry_id)
        .where(*of_board)
        .order_by(Standing.team_id)
    ).all()
    kept = _losses(session, of_board)
    rows = [(team, entry, kept.get(entry) or _plain([mistakes])) for team, entry, mistakes in standing]
    whole = [(team, entry, np.concatenate(parts)) for team, entry, parts in rows if parts]
    whole = [each for each in whole if len(each[2]) == usual]
    if len(whole) < 2:  # noqa: PLR2004 - a pair
        return None
    teams, entries, losses = zip(*whole, strict=True)
    return Compared(teams, entries, np.stack(losses))


def _lengths(session: Session, of_board: tuple[Any, ...]) -> dict[int, int]:
    """Return entry -> of how many rows it is kept what it lost, of those that stand; unpacks nothing."""
    found: dict[int, int] = defaultdict(int)
    for entry_id, head in session.execute(_heads(of_board, EntryLosses, EntryLosses.packed)):
        found[entry_id] += extent_of(bytes(head)).rows
    for entry_id, head in session.execute(_heads(of_board, EntryPrint, EntryPrint.mistakes)):
        found[entry_id] = found[entry_id] or extent_of(bytes(head)).rows
    return {entry_id: rows for entry_id, rows in found.items() if rows}


def _heads(of_board: tuple[Any, ...], table: Any, packed: Any) -> Any:
    head = func.substr(packed, 1, HEAD_BYTES, type_=LargeBinary)
    rows = select(Standing.entry_id, head).join(table, table.entry_id == Standing.entry_id)
    return rows.where(*of_board, packed.is_not(None))


def _losses(session: Session, of_board: tuple[Any, ...]) -> dict[int, list[NDArray[np.float64]]]:
    packed: dict[int, list[bytes | None]] = defaultdict(list)
    for entry_id, content in session.execute(
        select(EntryLosses.entry_id, EntryLosses.packed)
        .where(EntryLosses.entry_id.in_(select(Standing.entry_id).where(*of_board)))
        .order_by(EntryLosses.entry_id, EntryLosses.share)
    ):
        packed[entry_id].append(content)
    return {entry_id: _plain(parts) for entry_id, parts in packed.items()}


def _plain(packed: Iterable[bytes | None]) -> list[NDArray[np.float64]]:
    """Unpack losses of rows; those on resamples say nothing about rows."""
    found = [unpack(content) for content in packed if content is not None]
    return [losses.values for losses in found if losses.whole is None]


def perfect_teams(session: Session, board: Board) -> tuple[float, list[tuple[int, int]], int]:
    """Return the best score, (team, entry) of who has it if none beats it, and how many teams stand."""
    shown = select(Standing).where(Standing.board_id == board.id, Standing.share == Share.PUBLIC).subquery()
    best_of = func.max if board.direction is Direction.MAX else func.min
    best, number = session.execute(select(best_of(shown.c.score), func.count()).select_from(shown)).one()
    if best is None or not is_perfect(board.metric, best):
        return 0.0, [], number
    rows = session.execute(
        select(shown.c.team_id, shown.c.entry_id)
        .where(shown.c.score == best)
        .order_by(shown.c.key)
        .limit(MOST_TEAMS)
    )
    return best, [(team_id, entry_id) for team_id, entry_id in rows], number


def recent_entries(session: Session, board: Board, since: datetime) -> list[Sent]:
    """Return when which team entered, the newest `MOST_ENTRIES` since a moment."""
    rows = session.execute(
        select(Entry.id, Entry.team_id, Entry.received_at)
        .where(Entry.board_id == board.id, Entry.received_at >= since, Entry.team_id.is_not(None))
        .order_by(Entry.sequence.desc())
        .limit(MOST_ENTRIES)
    )
    return [Sent(entry_id, team_id, at) for entry_id, team_id, at in rows if team_id is not None]


def uses_of_addresses(session: Session, board: Board, new: Sequence[int]) -> list[tuple[str, int, int]]:
    """Return (address, team, entries) of the addresses that new entries came from, by whomever."""
    mine = select(EntryAddress.address).where(EntryAddress.entry_id.in_(new))
    rows = session.execute(
        select(EntryAddress.address, Entry.team_id, func.count())
        .join(Entry, Entry.id == EntryAddress.entry_id)
        .where(EntryAddress.board_id == board.id, EntryAddress.address.in_(mine), Entry.team_id.is_not(None))
        .group_by(EntryAddress.address, Entry.team_id)
    )
    return [(address, team, number) for address, team, number in rows if team is not None]


def flags_of_board(session: Session, board: Board) -> Sequence[Flag]:
    """Return all flags of a board, the oldest first."""
    return session.scalars(select(Flag).where(Flag.board_id == board.id).order_by(Flag.id)).all()


def used_by_day(session: Session, teams: Collection[int]) -> dict[int, dict[str, int]]:
    """Return for each team: day -> entries that hold or used a slot."""
    found: dict[int, dict[str, int]] = {team: {} for team in teams}
    rows = select(QuotaDay.team_id, QuotaDay.day, QuotaDay.used).where(QuotaDay.team_id.in_(teams))
    for team_id, day, used in session.execute(rows):
        found[team_id][day.isoformat()] = used
    return found


def some_entries(session: Session, board: Board, teams: Sequence[int], most: int) -> list[int]:
    """Return entries of teams, the newest first."""
    return list(
        session.scalars(
            select(Entry.id)
            .where(Entry.board_id == board.id, Entry.team_id.in_(teams))
            .order_by(Entry.sequence.desc())
            .limit(most)
        )
    )
