"""Bringing a whole board in from a table, in batches: all of it or nothing."""

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Conflict
from lms.leaderboards import policy
from lms.leaderboards.core.tables import Row, Table
from lms.leaderboards.models import Board, Entry, EntryKind, EntryState, PrivateScore, Team
from lms.leaderboards.services.receiving import microseconds
from lms.leaderboards.services.standing import rebuild
from lms.leaderboards.services.teams import name_key

BATCH = 10_000
LONGEST_KEY = 50
NO_SCORE = "no_score"


def import_table(
    session: Session,
    actor: User | None,
    board: Board,
    table: Table,
    *,
    at: datetime,
    tell: Callable[[int], None] = lambda _: None,
) -> int:
    """Enter every row of a table on a challenge's board; return how many teams stand there now.

    Teams are found by their names, or made, without people. A row without a finite score is kept and never
    ranks. On SQLite others cannot write meanwhile.

    Args:
        tell: told of so many more rows, after each batch.

    Raises:
        NotAllowed: the actor does not run the board.
        Conflict: the board is a lab's, or has a Ladder, which needs more than scores.
    """
    policy.check_can_organise(actor, board)
    if board.challenge_id is None or board.ladder:
        raise Conflict(N_("Only boards of challenges without a Ladder can be imported."))
    teams = _teams(session, board, table.rows, at)
    places = _Places(session, board)
    rows = iter(table.rows)
    while batch := list(islice(rows, BATCH)):
        _import_batch(session, board, batch, [_entry(board, row, teams, places, at) for row in batch])
        tell(len(batch))
    _count(session, table.rows, teams)
    standing = rebuild(session, board)
    record(session, actor, "board.import", f"board:{board.id}", rows=len(table.rows))
    return standing


class _Places:
    """The places of a board that are free in the order of receipt."""

    def __init__(self, session: Session, board: Board) -> None:
        self._taken = set(session.scalars(select(Entry.sequence).where(Entry.board_id == board.id)))
        keys = select(Entry.baseline).where(Entry.board_id == board.id, Entry.baseline.is_not(None))
        self._keys = set(session.scalars(keys))

    def next(self, received_at: datetime) -> int:
        """Take the place of a moment, or the next free one."""
        sequence = microseconds(received_at)
        while sequence in self._taken:
            sequence += 1
        self._taken.add(sequence)
        return sequence

    def key(self, name: str) -> str:
        """Take a key for a baseline of this name."""
        key, number = name[:LONGEST_KEY], 1
        while key in self._keys:
            number += 1
            key = f"{name[:LONGEST_KEY]} {number}"
        self._keys.add(key)
        return key


def _teams(session: Session, board: Board, rows: Sequence[Row], at: datetime) -> dict[str, int]:
    """Return name -> team of every team in the rows."""
    names = dict.fromkeys(row.team for row in rows if not row.baseline)
    known = _known(session, board)
    fresh = {name_key(name): name for name in names if name_key(name) not in known}
    made = iter(fresh.items())
    while batch := list(islice(made, BATCH)):
        session.execute(
            insert(Team),
            [
                {
                    "board_id": board.id,
                    "name": name[:120],
                    "name_key": compared,
                    "alias": secrets.token_hex(3),
                    "taken": 0,
                    "disqualified": False,
                    "created_at": at,
                }
                for compared, name in batch
            ],
        )
    known = _known(session, board)
    return {name: known[name_key(name)] for name in names}


def _known(session: Session, board: Board) -> dict[str, int]:
    rows: Any = session.execute(
        select(Team.name_key, Team.id).where(Team.board_id == board.id, Team.name_key.is_not(None))
    )
    return dict(iter(rows))


def _entry(board: Board, row: Row, teams: dict[str, int], places: _Places, at: datetime) -> dict[str, Any]:
    is_score = math.isfinite(row.score)
    team = None if row.baseline else teams[row.team]
    return {
        "board_id": board.id,
        "team_id": team,
        "origin_id": team,
        "sequence": places.next(row.received_at),
        "received_at": row.received_at,
        "kind": EntryKind.PREDICTIONS,
        "baseline": places.key(row.team) if row.baseline else None,
        "title": {"en": row.team} if row.baseline else {},
        "state": EntryState.SCORED if is_score else EntryState.FAILED,
        "failure": "" if is_score else NO_SCORE,
        "public_score": row.score if is_score else None,
        "released_score": row.score if is_score else None,
        "scored_at": at,
        "selected": row.selected,
        "truth_version": board.truth_version,
    }


def _import_batch(session: Session, board: Board, rows: Sequence[Row], entries: list[dict[str, Any]]) -> None:
    session.execute(insert(Entry), entries)
    first, last = min(each["sequence"] for each in entries), max(each["sequence"] for each in entries)
    found: Any = session.execute(
        select(Entry.sequence, Entry.id).where(
            Entry.board_id == board.id, Entry.sequence.between(first, last)
        )
    )
    numbers: dict[int, int] = dict(iter(found))
    private = [
        {"entry_id": numbers[entry["sequence"]], "score": score, "metrics": {}}
        for row, entry in zip(rows, entries, strict=True)
        for score in (row.private_score,)
        if math.isfinite(score) and entry["public_score"] is not None
    ]
    if private:
        session.execute(insert(PrivateScore), private)


def _count(session: Session, rows: Sequence[Row], teams: dict[str, int]) -> None:
    """Bring what the teams have used, and when they entered last, in line with the rows."""
    taken: dict[str, int] = {}
    newest: dict[str, datetime] = {}
    for row in rows:
        if not row.baseline:
            taken[row.team] = taken.get(row.team, 0) + math.isfinite(row.score)
            newest[row.team] = max(newest.get(row.team, row.received_at), row.received_at)
    changes: Iterator[dict[str, Any]] = (
        {"number": teams[name], "more": count, "newest": newest[name]} for name, count in taken.items()
    )
    table: Any = Team.__table__
    statement = (
        update(table)
        .where(table.c.id == bindparam("number"))
        .values(taken=table.c.taken + bindparam("more"), last_received_at=bindparam("newest"))
    )
    while batch := list(islice(changes, BATCH)):
        session.execute(statement, batch)
    session.expire_all()
