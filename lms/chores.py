"""The short work outside the web: settling grades, signing certificates and papers, mail, opening labs.

Everything stands in the database and every step is repeatable: one process that does it is enough, several
do no harm, and one that dies is missed by nobody for long.
"""

import gc
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session, sessionmaker

from lms import workflows
from lms.accounts.core.letters import Post
from lms.accounts.services import mail
from lms.certs.queries import credentials as certificates
from lms.certs.services.batches import issue_many
from lms.certs.services.log import keep_heads_signed
from lms.certs.services.notices import keep_notices_signed
from lms.certs.services.papers import Press, make_next
from lms.certs.services.presenting import keep_forms_signed
from lms.certs.services.reminders import remind_signatories
from lms.certs.services.signing import Signing
from lms.certs.services.status import keep_status_lists_fresh
from lms.config import Settings
from lms.db import now, reading
from lms.grading.core.waking import Waker
from lms.grading.queries import submissions
from lms.grading.queries.queue import waiting_by_resource
from lms.grading.services.registering import forget_silent_workers
from lms.leaderboards.models import Board
from lms.leaderboards.services import upkeep

log = structlog.get_logger()
_T = TypeVar("_T")

CHORE_SECONDS = 1.0
OPENING_SECONDS = 3.0
SWEEP_SECONDS = 5.0
PAPER_SECONDS = 1.0
NIGHT_SECONDS = 60.0  # between looks whether a board waits for its nightly one
REMINDER_SECONDS = 600.0
MOST_WAKES = 16  # of one sweep for one kind of machine: each worker that hears one works until nothing waits
SILENCE = timedelta(minutes=10)  # after it a worker is off the list


@dataclass
class Chores:
    """Everything the short work needs; each piece has a session of its own."""

    settings: Settings
    sessions: sessionmaker[Session]
    signing: Signing
    post: Post
    waker: Waker
    press: Press
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Do all chores, again and again, until told to stop."""
        gc.collect()
        gc.freeze()  # what is loaded by now stays, and need not be looked through again and again
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        beside = [
            threading.Thread(target=repeat, args=(step, seconds, self.stop), daemon=True)
            for step, seconds in (
                (self.open_what_is_ready, OPENING_SECONDS),
                (self.sweep, SWEEP_SECONDS),
                (self.make_paper, PAPER_SECONDS),
                (self.look_over_boards, NIGHT_SECONDS),
                (self.remind, REMINDER_SECONDS),
            )
        ]
        for thread in beside:
            thread.start()
        repeat(self.do_chores, CHORE_SECONDS, self.stop)
        for thread in beside:
            thread.join(timeout=2)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stop.set()

    def do_chores(self) -> bool:
        """Settle, sign, send; each in a transaction of its own. False: nothing waited."""
        busy = self.settle_all()
        busy |= self.sign_all()
        with self.sessions.begin() as session:
            busy |= mail.send_pending(session, self.post) > 0
        return busy

    def open_what_is_ready(self) -> bool:
        """Queue the labs of new versions, open labs and boards of approved ones; always False: no hurry."""
        with self.sessions.begin() as session:
            workflows.open_what_is_ready(session, self.settings.environments, now())
        return False

    def sweep(self) -> bool:
        """Wake workers for what waits, as a wake may have been lost; forget workers that are gone."""
        with self.sessions.begin() as session:
            forget_silent_workers(session, now() - SILENCE)
            waiting = waiting_by_resource(session, now())
        for resource, number in waiting.items():
            for _ in range(min(number, MOST_WAKES)):
                self.waker.wake(resource.value)
        return False

    def look_over_boards(self) -> bool:
        """Work every board out anew once a night; what differs from what was kept is mended and told."""
        with reading(self.sessions) as session:
            due = upkeep.due_boards(session, now())
        for number in due:
            try:
                with self.sessions.begin() as session:
                    differed = upkeep.look_over(session, session.get_one(Board, number), now())
            except Exception:  # one board's fault holds no other up; it is due at the next look again
                log.exception("board.not_looked_over", board=number)
                continue
            if differed:
                log.error("board.differed", board=number, standings=len(differed))
        return False

    def make_paper(self) -> bool:
        """Have the next paper of a certificate signed by both; False: nothing waited."""
        return make_next(self.sessions, self.signing, self.press, now()) is not None

    def settle_all(self) -> bool:
        """Settle every grade that a dead worker left unsettled."""
        with reading(self.sessions) as session:
            waiting = [grade.id for grade in submissions.unsettled_grades(session)]
        settled = [self._settle(grade_id) for grade_id in waiting]
        return any(settled)

    def _settle(self, grade_id: int) -> bool:
        try:
            with self.sessions.begin() as session:
                workflows.settle(session, submissions.grade(session, grade_id), now())
        except Exception:  # one that cannot be settled holds nobody else up; it stays unsettled and is seen
            log.exception("worker.grade_not_settled", grade=grade_id)
            return False
        return True

    def sign_all(self) -> bool:
        """Take due certificates through their ceremony as far as it goes; renew lists; keep the log.

        What one of these meets holds no other up: lists that are not renewed in time end all certificates.
        """
        sessions, signing = self.sessions, self.signing
        unsigned = _step(lambda: keep_notices_signed(sessions, signing, now()))
        unsigned += _step(lambda: keep_forms_signed(sessions, signing, now()))
        _step(lambda: keep_status_lists_fresh(sessions, signing, now()))
        issued = _step(lambda: issue_many(sessions, self._due(), signing, now))
        unsigned += _step(lambda: keep_heads_signed(sessions, signing, now()))
        for missing in unsigned:
            log.warning("log.not_signed", role=missing.role, reason=missing.refusal.partition("\n")[0])
        return bool(issued)

    def _due(self) -> list[int]:
        with reading(self.sessions) as session:
            return [request.id for request in certificates.due_requests(session, now())]

    def remind(self) -> bool:
        """Remind signatories of what has waited for days; always False: it looks through the audit log."""
        with self.sessions.begin() as session:
            remind_signatories(session, now())
        return False


def _step(work: Callable[[], list[_T]]) -> list[_T]:
    try:
        return work()
    except Exception:  # it is seen, and tried again at the next look
        log.exception("worker.signing_failed")
        return []


def repeat(step: Callable[[], bool], pause_seconds: float, stop: threading.Event) -> None:
    """Do something again and again, with a pause where nothing was to be done, until `stop` is set."""
    while not stop.is_set():
        try:
            busy = step()
        except Exception:
            log.exception("worker.step_failed", step=step.__name__)
            busy = False
        if not busy:
            stop.wait(pause_seconds)
