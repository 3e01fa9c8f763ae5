"""Logs of failed notebooks: which waits to be written, and which are there.

A challenge that says `logs: true` no more has none, also of those that were asked for or written before.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from lms.leaderboards.models import Board, Challenge, Entry, EntryState
from lms.leaderboards.queries.waiting import BLOB, WaitingEntry
from lms.leaderboards.tables.run_logs import EntryLog

HAS_LOGS = Challenge.settings["logs"].as_boolean()


def waiting_log(
    session: Session, without: Collection[int] = (), *, since: datetime | None = None
) -> WaitingEntry | None:
    """Return the failed entry whose log waits longest.

    Args:
        without: the entries that are left for later.
        since: only of logs that have waited since then, or longer.
    """
    as_long = () if since is None else (EntryLog.asked_at <= since,)
    row = session.execute(
        select(Entry.id, Entry.board_id, Entry.kind, BLOB, Board.truth_version)
        .join(EntryLog, EntryLog.entry_id == Entry.id)
        .join(Board, Board.id == Entry.board_id)
        .join(Challenge, Challenge.id == Board.challenge_id)
        .where(
            HAS_LOGS,
            EntryLog.written_at.is_(None),
            Entry.state == EntryState.FAILED,
            Entry.blob.is_not(None),
            Entry.id.not_in(without),
            *as_long,
        )
        .order_by(EntryLog.asked_at, Entry.id)
        .limit(1)
    ).first()
    return None if row is None else WaitingEntry._make(row)


def logs_of(session: Session, entries: Collection[int]) -> Mapping[int, EntryLog]:
    """Return entry -> log of those that have one or wait for it, without what their cells said."""
    found = session.scalars(
        select(EntryLog)
        .join(Entry, Entry.id == EntryLog.entry_id)
        .join(Board, Board.id == Entry.board_id)
        .join(Challenge, Challenge.id == Board.challenge_id)
        .where(EntryLog.entry_id.in_(entries), Entry.state == EntryState.FAILED, HAS_LOGS)
        .options(defer(EntryLog.cells))
    )
    return {log.entry_id: log for log in found}


def log_of(session: Session, entry: Entry) -> EntryLog | None:
    """Return the log of a failed entry, if it has one or waits for it."""
    challenge = entry.board.challenge
    if entry.state is not EntryState.FAILED or challenge is None or not challenge.settings.get("logs", False):
        return None
    return session.get(EntryLog, entry.id)
