"""Which entries came from one network address, as a keyed hash that is kept for a time."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from lms.leaderboards.core.prints import hide_address
from lms.leaderboards.models import Board, Entry
from lms.leaderboards.tables.flags import EntryAddress

KEEP = timedelta(days=180)
KEEP_AFTER_END = timedelta(days=60)


def keep_address(session: Session, entry: Entry, address: str | None, key: str) -> None:
    """Keep a keyed hash of the address that an entry came from; the address itself is kept nowhere.

    Args:
        key: the installation's secret, without which no hash can be compared with an address.
    """
    hidden = hide_address(address, str(entry.board_id), key)
    if hidden:
        session.execute(
            insert(EntryAddress).values(
                entry_id=entry.id, board_id=entry.board_id, address=hidden, received_at=entry.received_at
            )
        )


def forget_addresses(session: Session, at: datetime) -> None:
    """Delete the hashes that are older than `KEEP`, or whose board ended `KEEP_AFTER_END` ago."""
    ended = select(Board.id).where(Board.ends_at < at - KEEP_AFTER_END)
    old = or_(EntryAddress.received_at < at - KEEP, EntryAddress.board_id.in_(ended))
    session.execute(delete(EntryAddress).where(old), execution_options={"synchronize_session": False})
