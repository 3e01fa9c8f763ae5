"""Asking for the log of a failed notebook, and keeping it."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from lms.leaderboards.core.failures import code_of
from lms.leaderboards.core.run_logs import RunLog
from lms.leaderboards.models import Entry, EntryKind, EntryState
from lms.leaderboards.tables.run_logs import EntryLog

MOST_TRIES = 3
TOLD_ALREADY = frozenset({"scorer_failed", "notebook_unreadable"})
"""Failures of which another run tells nothing more: no fault of the notebook's, or one without cells."""


def ask_for_log(session: Session, entry: Entry, *, at: datetime) -> EntryLog | None:
    """Let a notebook be run once more on public files, if it has failed; None: there is nothing to tell.

    Nothing but the failure and the challenge decides this, and its team is told both anyway. Safe to repeat.
    """
    if entry.kind is not EntryKind.NOTEBOOK or entry.state is not EntryState.FAILED:
        return None
    challenge = entry.board.challenge
    if challenge is None or not challenge.settings.get("logs", False):
        return None
    if code_of(entry.failure) in TOLD_ALREADY:
        return None
    known = session.get(EntryLog, entry.id)
    if known is None:
        known = EntryLog(entry_id=entry.id, asked_at=at, tries=0, params={}, cells=[])
        session.add(known)
        session.flush()
    return known


def begin_log(session: Session, entry_id: int, *, at: datetime) -> bool:
    """Count a run that begins; False: none is wanted any more, or it was tried often enough.

    What was tried in vain is settled: its team, who was promised a log, is told that there is none.
    """
    known = session.get(EntryLog, entry_id, with_for_update=True, populate_existing=True)
    if known is None or known.written_at is not None:
        return False
    if known.tries >= MOST_TRIES:
        keep_log(session, entry_id, RunLog("not_made", {}), at=at)
        return False
    known.tries += 1
    session.flush()
    return True


def keep_log(session: Session, entry_id: int, log: RunLog, *, at: datetime) -> None:
    """Write down how a run ended and what its cells said, unless nobody wants it any more."""
    known = session.get(EntryLog, entry_id, with_for_update=True, populate_existing=True)
    if known is None or known.written_at is not None:
        return
    known.outcome, known.params, known.seconds = log.outcome, dict(log.params), log.seconds
    known.cells = [asdict(cell) for cell in log.cells]
    known.written_at = at
    session.flush()
