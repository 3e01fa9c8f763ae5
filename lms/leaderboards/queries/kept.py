"""Pages of boards that were read a moment ago, for all who look within it.

On a busy board a hundred people a second ask for the same fifty rows. What this process writes is on the
board at once; what others write, such as the scorer, a quarter of a second later at the most. Who organises
and whose own place has changed since read afresh, and a page never shows other scores, names or a truth of
another version than the board shows by then: these are part of what it is kept by.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from lms.db import QUIET
from lms.leaderboards.models import Board, Share
from lms.leaderboards.queries.standings import PAGE, Page, Row, is_anonymous, page

SECONDS = 0.25
MOST = 64  # pages; those of fifty rows take some 30 kB
BEGAN = "duri.kept_pages"  # in `Session.info`: how often something had been written when it began to read


class _Key(NamedTuple):
    board: int
    share: Share
    offset: int
    anonymous: bool
    ladder: bool
    truth_version: int


class _Kept(NamedTuple):
    until: float
    page: Page


class KeptPages:
    """The pages that one process keeps; safe for its threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._pages: OrderedDict[_Key, _Kept] = OrderedDict()
        self._written = 0

    def watch(self, sessions: sessionmaker[Session]) -> None:
        """Forget all pages whenever one of these sessions has written something."""

        def began(session: Session, *_transaction: object) -> None:
            session.info.setdefault(BEGAN, self._written)

        def ended(session: Session) -> None:
            if session.in_nested_transaction():
                return  # only a savepoint: nobody else sees it yet
            session.info.pop(BEGAN, None)

        def committed(session: Session) -> None:
            if not session.in_nested_transaction() and not session.info.get(QUIET):
                self.forget()
            ended(session)

        event.listen(sessions, "after_begin", began)
        event.listen(sessions, "after_commit", committed)
        event.listen(sessions, "after_rollback", ended)

    def forget(self) -> None:
        """Forget all pages, also those that are being read right now."""
        with self._lock:
            self._written += 1
            self._pages.clear()

    def page(self, session: Session, board: Board, share: Share, *, offset: int, mine: Row | None) -> Page:
        """Return a page of a board as `standings.page` does, or as it did a moment ago for somebody else.

        Args:
            mine: the reader's own row as it is now, wherever it stands.
        """
        key = _Key(board.id, share, offset, is_anonymous(board, share), board.ladder, board.truth_version)
        with self._lock:
            kept = self._pages.get(key)
        if kept is not None and self._clock() < kept.until and _agrees(kept.page, mine):
            return kept.page
        began: Any = session.info.get(BEGAN)
        fresh = page(session, board, share, offset=offset, limit=PAGE)
        with self._lock:
            if began == self._written:  # nothing was written since this session began to read
                self._pages[key] = _Kept(self._clock() + SECONDS, fresh)
                self._pages.move_to_end(key)
                while len(self._pages) > MOST:
                    self._pages.popitem(last=False)
        return fresh


def _agrees(page: Page, mine: Row | None) -> bool:
    """Say whether the reader's own row is on the page where, and as, it is now."""
    if mine is None or mine.rank is None:
        return True
    there = [row for row in page.rows if row.team_id == mine.team_id]
    belongs = page.offset < mine.rank <= page.offset + page.limit
    return len(there) == belongs and all(_shown(row) == _shown(mine) for row in there)


def _shown(row: Row) -> tuple[object, ...]:
    return row.rank, row.score, row.entries, row.received_at, row.tie_group
