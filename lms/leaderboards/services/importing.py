"""Bringing a whole board in from a table, in batches: all of it or nothing."""

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, case, func, insert, literal_column, or_, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.db import UtcDateTime, learn_sizes
from lms.leaderboards import policy
from lms.leaderboards.core.tables import Row, Table
from lms.leaderboards.models import Board, Entry, EntryKind, EntryState, PrivateScore, Standing, Team
from lms.leaderboards.services.checking_imports import check_import, shown_name
from lms.leaderboards.services.honouring import recount
from lms.leaderboards.services.receiving import microseconds
from lms.leaderboards.services.standing import rebuild
from lms.leaderboards.services.teams import name_key
from lms.leaderboards.services.ties import lock_truth

BATCH = 10_000
LONGEST_KEY = 50
NO_SCORE = "no_score"
ENTRIES: Any = Entry.__table__
PRIVATE: Any = PrivateScore.__table__


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

    Everything is looked at before anything is written; a board that has ended takes a table only while it is
    empty. Any finite score is taken, as from a scorer.

    Teams are found by their names, or made, without people. A row without a finite score is kept and never
    ranks. Where the board has ended, the points and medals that it gave follow. On SQLite others cannot write
    meanwhile.

    Args:
        tell: told of so many more rows, after each batch.

    Raises:
        NotAllowed: the actor does not run the board.
        TableProblem: the board takes no table, or not these rows, as `check_import` tells.
    """
    policy.check_can_organise(actor, board)
    lock_truth(session, board.id)  # before any team, as who publishes a new truth does
    check_import(session, board, table.rows, at=at)
    every = _in_order(table.rows)
    teams = _teams(session, board, every, at)
    places = _Places(session, board)
    rows = iter(every)
    entering = _entering(board, at)
    while batch := list(islice(rows, BATCH)):
        entries = [_entry(row, teams, places) for row in batch]
        session.execute(entering, entries)
        _keep_private(session, board, batch, _numbers(session, board, entries))
        tell(len(batch))
    _count(session, every, teams)
    if len(every) >= BATCH:
        learn_sizes(session, Team, Entry, PrivateScore)
    rebuild(session, board)
    if len(every) >= BATCH:
        learn_sizes(session, Standing)
    recount(session, board, at)
    record(session, actor, "board.import", f"board:{board.id}", rows=len(every))
    return (
        session.scalar(select(func.count(Standing.team_id.distinct())).where(Standing.board_id == board.id))
        or 0
    )


def _in_order(rows: Sequence[Row]) -> Sequence[Row]:
    """Return rows with names as forms keep them; those of one microsecond in the order of their decimals."""
    changed = {name: shown_name(name) for name in {row.team for row in rows}}
    if any(name != shown for name, shown in changed.items()):
        rows = [replace(row, team=changed[row.team]) for row in rows]
    if any(row.finer for row in rows):
        rows = sorted(rows, key=lambda row: (row.received_at, row.finer))
    return rows


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
    """Return name -> team of every team in the rows; no two names are compared as one."""
    names = dict.fromkeys(row.team for row in rows if not row.baseline)
    compared = {name_key(name): name for name in names}
    known = _known(session, board)
    fresh = {key: name for key, name in compared.items() if key not in known}
    made = iter(fresh.items())
    while batch := list(islice(made, BATCH)):
        session.execute(
            insert(Team),
            [
                {
                    "board_id": board.id,
                    "name": name,
                    "name_key": key,
                    "alias": secrets.token_hex(3),
                    "taken": 0,
                    "disqualified": False,
                    "created_at": at,
                }
                for key, name in batch
            ],
        )
    known = _known(session, board)
    return {name: known[name_key(name)] for name in names}


def _known(session: Session, board: Board) -> dict[str, int]:
    rows: Any = session.execute(
        select(Team.name_key, Team.id).where(Team.board_id == board.id, Team.name_key.is_not(None))
    )
    return dict(iter(rows))


def _entering(board: Board, at: datetime) -> Any:
    """Return the statement that enters a row; what all rows share is in it once."""
    return insert(ENTRIES).values(
        board_id=board.id,
        team_id=bindparam("team"),
        origin_id=bindparam("team"),
        sequence=bindparam("sequence"),
        received_at=bindparam("received_at"),
        kind=EntryKind.PREDICTIONS,
        baseline=bindparam("baseline"),
        title=literal_column("'{}'"),
        source="",
        filename="",
        size_bytes=0,
        state=bindparam("state"),
        failure=bindparam("failure"),
        public_score=bindparam("score"),
        released_score=bindparam("score"),
        metrics=literal_column("'{}'"),
        scored_at=at,
        selected=bindparam("selected"),
        assurance="isolated",
        truth_version=board.truth_version,
    )


def _entry(row: Row, teams: dict[str, int], places: _Places) -> dict[str, Any]:
    is_score = math.isfinite(row.score)
    return {
        "team": None if row.baseline else teams[row.team],
        "sequence": places.next(row.received_at),
        "received_at": row.received_at,
        "baseline": places.key(row.team) if row.baseline else None,
        "state": EntryState.SCORED if is_score else EntryState.FAILED,
        "failure": "" if is_score else NO_SCORE,
        "score": row.score if is_score else None,
        "selected": row.selected,
    }


def _numbers(session: Session, board: Board, entries: Sequence[dict[str, Any]]) -> dict[int, int]:
    """Return where an entry stands in its batch -> its number."""
    at_place = {each["sequence"]: at for at, each in enumerate(entries)}
    found: Any = session.execute(
        select(ENTRIES.c.sequence, ENTRIES.c.id).where(
            ENTRIES.c.board_id == board.id, ENTRIES.c.sequence.between(min(at_place), max(at_place))
        )
    )
    return {at_place[sequence]: number for sequence, number in found if sequence in at_place}


def _keep_private(session: Session, board: Board, rows: Sequence[Row], numbers: dict[int, int]) -> None:
    """Write the private scores of rows that were entered, and the names of baselines.

    Args:
        numbers: where a row stands in the batch -> its entry.
    """
    private = [
        {"entry": numbers[at], "score": row.private_score}
        for at, row in enumerate(rows)
        if math.isfinite(row.private_score) and math.isfinite(row.score)
    ]
    if private:
        statement = insert(PRIVATE).values(
            entry_id=bindparam("entry"), score=bindparam("score"), metrics=literal_column("'{}'")
        )
        session.execute(statement, private)
    for at, row in enumerate(rows):
        if row.baseline:
            named = update(Entry).where(Entry.id == numbers[at], Entry.board_id == board.id)
            session.execute(named.values(title={"en": row.team}))


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
    last, given = table.c.last_received_at, bindparam("newest", type_=UtcDateTime)
    newest_of_both = case((or_(last.is_(None), last < given), given), else_=last)
    statement = (
        update(table)
        .where(table.c.id == bindparam("number"))
        .values(taken=table.c.taken + bindparam("more"), last_received_at=newest_of_both)
    )
    while batch := list(islice(changes, BATCH)):
        session.execute(statement, batch)
    session.expire_all()
