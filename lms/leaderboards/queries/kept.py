"""Pages of boards that were read a moment ago, for all who look within it.

On a busy board a hundred people a second ask for the same fifty rows. What this process writes is on the
board at once; what others write, such as the scorer, a quarter of a second later at the most: the score of
somebody else, a name that somebody hides. One's own row is never late. Whether names are shown at all,
whether a Ladder decides and which truth counts are part of what a page is kept by: these are as they are now.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from lms.db import QUIET
from lms.leaderboards.models import Board, Share
from lms.leaderboards.queries.standings import PAGE, Page, Row, is_anonymous, page

SECONDS = 0.25
MOST = 64  # pages; those of fifty rows take some 30 kB


class _Key(NamedTuple):
    board: int
    share: Share
    offset: int
    anonymous: bool
    ladder: bool
    truth_version: int


class _Began(NamedTuple):
    """What was so when a session began to read: it may see nothing that came later."""

    written: int
    at: float


class _Kept(NamedTuple):
    began: float
    page: Page


class KeptPages:
    """The pages that one process keeps; safe for its threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self._lock = clock, threading.Lock()
        self._pages: OrderedDict[_Key, _Kept] = OrderedDict()
        self._written = 0

    def __len__(self) -> int:
        """Return how many pages are kept."""
        return len(self._pages)

    def watch(self, sessions: sessionmaker[Session]) -> None:
        """Forget all pages whenever one of these sessions has written something."""

        def began(session: Session, *_transaction: object) -> None:
            session.info.setdefault(self, _Began(self._written, self.clock()))

        def ended(session: Session) -> None:
            if not session.in_nested_transaction():  # a savepoint alone ends nothing
                session.info.pop(self, None)

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
        if kept is not None and self.clock() < kept.began + SECONDS and _agrees(kept.page, mine):
            return kept.page
        began: _Began | None = session.info.get(self)
        fresh = page(session, board, share, offset=offset, limit=PAGE)
        if began is not None:
            self._keep(key, began, fresh)
        return fresh

    def _keep(self, key: _Key, began: _Began, fresh: Page) -> None:
        with self._lock:
            before = self._pages.get(key)
            if began.written != self._written or (before is not None and before.began > began.at):
                return  # something was written, or read by somebody quicker, since this one began to read
            self._pages[key] = _Kept(began.at, fresh)
            self._pages.move_to_end(key)
            while len(self._pages) > MOST:
                self._pages.popitem(last=False)


def _agrees(page: Page, mine: Row | None) -> bool:
    """Say whether the reader's own row, if there is one, is on the page where, and as, it is now."""
    if mine is None or mine.rank is None:
        return True
    if mine.rank > page.ranked:
        return False  # it is newer than the page, which would tell of fewer places than there are
    there = [row for row in page.rows if row.team_id == mine.team_id]
    belongs = page.offset < mine.rank <= page.offset + page.limit
    return len(there) == belongs and all(_shown(row) == _shown(mine) for row in there)


def _shown(row: Row) -> tuple[object, ...]:
    return row.rank, row.score, row.entries, row.received_at, row.tie_group
