"""The process outside the web: builds labs, grades, settles, has certificates signed, sends mail.

Three threads: one takes builds and grading runs, which last; the others do the short chores, so that mail
and certificates never wait behind a notebook. Everything stands in the database: a worker may be killed at
any moment, and another one carries on.
"""

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from lms import workflows
from lms.accounts.core.letters import Post
from lms.accounts.services import mail
from lms.blobs import BlobStore
from lms.certs import queries as certificates
from lms.certs.services.ceremony import issue
from lms.certs.services.signing import Signing
from lms.certs.services.status import keep_status_lists_fresh
from lms.config import Settings
from lms.db import now
from lms.grading.core.contracts import CellState, GradingJob, LabSource, Progress, Runner, RunnerUnavailable
from lms.grading.core.record import Notary
from lms.grading.models import GradingRun, LabRelease
from lms.grading.queries import labs, submissions
from lms.grading.services import releases, running
from lms.grading.services.recording import Recording
from lms.runtime.environments import Environment, EnvironmentBroken, prepare

log = structlog.get_logger()

IDLE_SECONDS = 0.2
CHORE_SECONDS = 1.0
OPENING_SECONDS = 3.0


@dataclass(frozen=True)
class Worker:
    """Everything the work needs; each piece of work has sessions of its own."""

    settings: Settings
    sessions: sessionmaker[Session]
    blobs: BlobStore
    runner: Runner
    notary: Notary
    signing: Signing
    post: Post
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Work until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        beside = [
            threading.Thread(target=self._repeat, args=args, daemon=True)
            for args in ((self.do_chores, CHORE_SECONDS), (self.open_what_is_ready, OPENING_SECONDS))
        ]
        for thread in beside:
            thread.start()
        self._repeat(self.grade_or_build, IDLE_SECONDS)
        for thread in beside:
            thread.join(timeout=5)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        log.info("worker.stops", signal=number)
        self.stop.set()

    def _repeat(self, step: Callable[[], bool], pause_seconds: float) -> None:
        while not self.stop.is_set():
            try:
                busy = step()
            except Exception:
                log.exception("worker.step_failed", step=step.__name__)
                busy = False
            if not busy:
                self.stop.wait(pause_seconds)

    def grade_or_build(self) -> bool:
        """Take one grading run, or else one build; say whether there was any."""
        return self.grade_one() or self.build_one()

    def grade_one(self) -> bool:
        """Take the grading run whose turn it is and grade it; False if none waits."""
        with self.sessions.begin() as session:
            run = running.claim_run(session, at=now(), lease_seconds=self.settings.lease_seconds)
        if run is None:
            return False
        with self._lease(lambda session, at: self._keep_run(session, run, at)):
            try:
                self._grade(run)
            except (RunnerUnavailable, EnvironmentBroken, OSError, KeyError, ValueError) as problem:
                log.exception("worker.grading_failed", run=run.id)
                with self.sessions.begin() as session:
                    running.fail_run(session, run.id, run.token, reason=repr(problem), at=now())
                self.stop.wait(CHORE_SECONDS)  # what failed for the house fails again at once
        return True

    def _keep_run(self, session: Session, run: GradingRun, at: datetime) -> bool:
        seconds = self.settings.lease_seconds
        return running.heartbeat(session, run.id, run.token, at=at, lease_seconds=seconds)

    def _grade(self, run: GradingRun) -> None:
        with tempfile.TemporaryDirectory(prefix="duri-data-") as folder:
            job = self._job(run.id, Path(folder) / "data")
            report = self.runner.grade(job, self._progress(run))
        recording = Recording(self.notary, job)
        with self.sessions.begin() as session:
            grade = running.record_grade(
                session, run.id, run.token, report, blobs=self.blobs, at=now(), recording=recording
            )
            if grade is not None:
                workflows.settle(session, grade, now())
        log.info("worker.graded", run=run.id, recorded=grade is not None, seconds=report.wall_seconds)

    def _job(self, run_id: int, folder: Path) -> GradingJob:
        with self.sessions() as session:
            run = session.get_one(GradingRun, run_id)
            release = run.submission.release
            data = labs.data_files(release)
            return labs.grading_job(
                run,
                self.blobs,
                environment=self.environment(release).path,
                data_folder=labs.write_files(data, self.blobs, folder) if data else None,
            )

    def _progress(self, run: GradingRun) -> Callable[[Progress], None]:
        cells: list[CellState] = []

        def keep(step: Progress) -> None:
            cells.extend([CellState.WAITING] * (step.total - len(cells)))
            cells[step.cell] = step.state
            try:
                with self.sessions.begin() as session:
                    running.record_progress(session, run.id, run.token, cells)
            except OperationalError as problem:  # only shown while the run goes on; the next step says it too
                log.warning("worker.progress_not_kept", run=run.id, problem=str(problem.orig))

        return keep

    def build_one(self) -> bool:
        """Take the oldest release that waits to be built and build it; False if none waits."""
        with self.sessions.begin() as session:
            seconds = self.settings.lease_seconds
            release = releases.claim_release(session, at=now(), lease_seconds=seconds)
        if release is None:
            return False
        with self._lease(lambda session, at: self._keep_build(session, release, at)):
            self._build(release)
        return True

    def _keep_build(self, session: Session, release: LabRelease, at: datetime) -> bool:
        seconds = self.settings.lease_seconds
        return releases.keep_building(session, release.id, release.token, at=at, lease_seconds=seconds)

    def _build(self, release: LabRelease) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="duri-lab-") as folder:
                report = self.runner.build(self._source(release.id, Path(folder)))
        except (RunnerUnavailable, EnvironmentBroken, OSError, KeyError):
            log.exception("worker.build_failed", release=release.id)
            with self.sessions.begin() as session:
                releases.put_back_release(session, release.id, release.token)
            self.stop.wait(CHORE_SECONDS)
            return
        with self.sessions.begin() as session:
            releases.record_build(session, release.id, release.token, report, blobs=self.blobs)
        log.info("worker.built", release=release.id, errors=[notice.code for notice in report.errors])

    def _source(self, release_id: int, folder: Path) -> LabSource:
        with self.sessions() as session:
            release = session.get_one(LabRelease, release_id)
            files = labs.lab_files(release.version, release.lab.slug)
            lab_folder = labs.write_files(files, self.blobs, folder / release.lab.slug)
            return labs.lab_source(release, folder=lab_folder, environment=self.environment(release).path)

    def environment(self, release: LabRelease) -> Environment:
        """Return the release's environment, made on first use."""
        return prepare(self.settings.environments_root, release.environment_name, release.environment_sha256)

    @contextmanager
    def _lease(self, keep: Callable[[Session, datetime], bool]) -> Iterator[None]:
        """Renew a lease three times in its length while the work goes on."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.settings.lease_seconds / 3):
                try:
                    with self.sessions.begin() as session:
                        if not keep(session, now()):
                            return
                except OperationalError as problem:  # two more tries before the lease ends
                    log.warning("worker.lease_not_renewed", problem=str(problem.orig))

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

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

    def settle_all(self) -> bool:
        """Settle every grade that a dead worker left unsettled."""
        with self.sessions() as session:
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
        """Take every due certificate through its ceremony as far as it goes; renew status lists."""
        keep_status_lists_fresh(self.sessions, self.signing, now())
        with self.sessions() as session:
            due = [request.id for request in certificates.due_requests(session, now())]
        issued = [issue(self.sessions, request_id, self.signing, now()) for request_id in due]
        return any(issued)
