"""What keeps a piece of work the worker's own while it goes on, and notices when it no longer is."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from lms.db import now, reading
from lms.grading.core.contracts import CellState
from lms.grading.models import GradingRun
from lms.grading.queries.queue import is_held
from lms.grading.services.claiming import Work
from lms.grading.services.leasing import keep
from lms.grading.services.running import record_progress

log = structlog.get_logger()

BEAT_SECONDS = 0.2  # so often the cells that a student watches are kept
LOOK_SECONDS = 1.0  # so often it is looked whether somebody cancelled
SHARE_OF_LEASE = 3  # a lease is renewed so many times in its length


@dataclass
class Pulse:
    """A thread beside the work: renews its lease, keeps its progress, and says once if it was taken away."""

    sessions: sessionmaker[Session]
    work: Work
    lease_seconds: int
    on_lost: Callable[[threading.Event], None]
    """Told with what says that the work has ended after all."""
    lost: threading.Event = field(default_factory=threading.Event)
    _cells: list[CellState] = field(default_factory=list)
    _news: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to renew."""
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        self._done.set()
        self._thread.join()

    def tell(self, cells: Sequence[CellState]) -> None:
        """Take note of where the cells are; kept with the next beat."""
        self._cells = list(cells)
        self._news.set()

    def last(self) -> list[CellState]:
        """Return where the cells were last, for whoever keeps them now: no later beat does."""
        self._news.clear()
        return self._cells

    def _beat(self) -> None:
        begun = time.monotonic()
        renewed = looked = begun
        while not self._done.wait(BEAT_SECONDS):
            moment = time.monotonic()
            mine = True
            try:
                if moment - renewed >= self.lease_seconds / SHARE_OF_LEASE:
                    mine, renewed = self._renew(), moment
                if mine and self._news.is_set():
                    mine = self._keep_progress()
                if mine and moment - looked >= LOOK_SECONDS:
                    mine, looked = self._look(), moment
            except OperationalError as problem:  # the next beat tries again, long before the lease ends
                log.warning("worker.lease_not_renewed", problem=str(problem.orig))
            if not mine:
                self.lost.set()
                self.on_lost(self._done)
                return

    def _renew(self) -> bool:
        with self.sessions.begin() as session:
            kind, row, token = type(self.work), self.work.id, self.work.token
            return keep(session, kind, row, token, at=now(), lease_seconds=self.lease_seconds)

    def _keep_progress(self) -> bool:
        self._news.clear()
        if not isinstance(self.work, GradingRun):
            return True
        with self.sessions.begin() as session:
            return record_progress(session, self.work.id, self.work.token, self._cells)

    def _look(self) -> bool:
        with reading(self.sessions) as session:
            return is_held(session, self.work)
