"""One grading process: takes what is next, grades it, shows it or builds it, and records it once.

Everything stands in the database: the process may be killed at any moment, and another one carries on.
"""

import hashlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from lms import workflows
from lms.blobs import BlobStore, beside
from lms.config import Settings
from lms.db import now, reading
from lms.grading.core.contracts import (
    CellState,
    GradingJob,
    GradingReport,
    LabSource,
    OnProgress,
    Progress,
    Runner,
    RunnerUnavailable,
)
from lms.grading.core.record import Notary
from lms.grading.core.waking import Bed
from lms.grading.models import GradingRun, LabRelease, Resource, ViewRun
from lms.grading.queries import labs
from lms.grading.queries.queue import ALL, WorkKind, is_waiting
from lms.grading.services import leasing, registering, releases, running
from lms.grading.services.claiming import Work, claim
from lms.grading.services.preparing import Prepared, Preparing
from lms.grading.services.recording import Recording
from lms.pulse import Pulse
from lms.runtime.environments import Environment, EnvironmentBroken, prepare

log = structlog.get_logger()

LOOK_SECONDS = 1.0  # an idle worker that nobody woke looks so often by itself
SIGN_SECONDS = 5.0  # between signs of life
PAUSE_SECONDS = 1.0  # after a failure of the house: it would fail again at once
FAULTS = (RunnerUnavailable, EnvironmentBroken, OSError, KeyError, ValueError)
GRACE_SECONDS = 10.0  # for the end of work that was taken away
NAMES = {GradingRun: "run", ViewRun: "view", LabRelease: "build"}


class GivenUp(BaseException):
    """The work in hand is not to be finished: it was cancelled or given away, or this process ends."""


@dataclass
class Worker:
    """Everything the work needs; each piece of work has sessions of its own."""

    settings: Settings
    sessions: sessionmaker[Session]
    blobs: BlobStore
    runner: Runner
    notary: Notary
    resources: Sequence[Resource] = ALL
    isolation: str = ""
    lay: Callable[[str, Callable[[Path], None]], Path] | None = None
    """Lays data down once for all runs that read it, by its digest; None: each run has a copy of its own."""
    environments: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Says which environments are warm."""
    tidy: Callable[[], None] = lambda: None
    """Ends what the last run left, once its result is kept."""
    close: Callable[[], None] = lambda: None
    """Ends what the runner keeps."""
    on_stop: Callable[[], None] = lambda: None
    """Told when this process should end."""
    stop: threading.Event = field(default_factory=threading.Event)
    name: str = field(default_factory=lambda: f"{socket.gethostname()[:60]}:{os.getpid()}")
    _preparing: Preparing = field(init=False)
    _doing: str = ""
    _in_hand: bool = False
    _anew: bool = False
    _signalled: bool = False

    def __post_init__(self) -> None:
        """Begin without knowing any release."""
        self._preparing = Preparing(self.blobs, self.notary)

    def run(self, bed: Bed) -> None:
        """Work until told to stop, or until a piece of work was taken away: the next process starts clean."""
        while not self.is_over:
            try:
                self._work_or_sleep(bed)
            except Exception:  # a database that does not answer now does so again
                log.exception("worker.step_failed")
                self.stop.wait(PAUSE_SECONDS)

    def _work_or_sleep(self, bed: Bed) -> None:
        if self.grade_or_build():
            return
        bed.clear()
        if not self.grade_or_build() and not self.is_over:
            self.note_idle()
            bed.sleep(LOOK_SECONDS)

    def work_off(self) -> None:
        """Work until nothing waits."""
        try:
            while not self.is_over and self.grade_or_build():
                pass
            self.note_idle()
        except Exception:  # what is left is swept up later
            log.exception("worker.step_failed")
            self.stop.wait(PAUSE_SECONDS)
        if self.is_over:
            self.on_stop()

    @property
    def is_over(self) -> bool:
        """Say whether this process should end."""
        return self.stop.is_set() or self._anew

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Stand on the list of workers, and take signals, as long as this goes on."""
        with self.sessions.begin() as session:
            registering.register_worker(
                session, self.name, resources=self.resources, isolation=self.isolation, at=now()
            )
        self.take_signals()
        ended = threading.Event()
        signs = threading.Thread(target=self._show_life, args=(ended,), daemon=True)
        signs.start()
        try:
            yield
        finally:
            ended.set()
            signs.join(timeout=1)
            with suppress(OperationalError), self.sessions.begin() as session:
                registering.forget_worker(session, self.name)

    def _show_life(self, ended: threading.Event) -> None:
        while not ended.wait(SIGN_SECONDS):
            try:
                self._note_life()
            except OperationalError as problem:
                log.warning("worker.life_not_shown", problem=str(problem.orig))

    def _note_life(self) -> None:
        warm = self.environments()
        with self.sessions.begin() as session:
            if not registering.note_worker(session, self.name, at=now(), environments=warm):
                registering.register_worker(
                    session, self.name, resources=self.resources, isolation=self.isolation, at=now()
                )

    def take_signals(self) -> None:
        """Give up what is in hand when told to end (TERM, INT), or when it was taken away (USR1)."""
        self._signalled = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGUSR1, self._told_to_give_up)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop.set()
        self.on_stop()
        self._told_to_give_up(number, frame)

    def _told_to_give_up(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._in_hand:
            self._in_hand = False
            raise GivenUp

    def _taken_away(self, ended: threading.Event) -> None:
        """Tell the main thread, wherever it is, that its work is not its own any more.

        Not once it has a result: recording it ends the lease, and looks at the token itself.
        """
        if not self._in_hand:
            return
        self._anew = True  # what was left half-way ends with this process
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        if not ended.wait(GRACE_SECONDS):
            log.error("worker.cannot_give_up", work=self._doing)
            os._exit(1)  # kernels and warm environments are tied to this process

    def note_idle(self) -> None:
        """Say that there is nothing in hand any more."""
        if self._doing:
            self._doing = ""
            with self.sessions.begin() as session:
                registering.note_worker(
                    session, self.name, at=now(), doing="", environments=self.environments()
                )

    def grade_or_build(self) -> bool:
        """Take whatever is next and do it; False if nothing waits."""
        return self._take_one(tuple(WorkKind))

    def grade_one(self) -> bool:
        """Take the grading run whose turn it is and grade it; False if none waits."""
        return self._take_one((WorkKind.RUN,))

    def build_one(self) -> bool:
        """Take the release whose turn it is and build it; False if none waits."""
        return self._take_one((WorkKind.BUILD,))

    def _take_one(self, kinds: Sequence[WorkKind]) -> bool:
        self.tidy()  # what the work before left; its result is kept by now
        work = self._claim(kinds)
        if work is None:
            return False
        with Pulse(self.sessions, work, self.settings.lease_seconds, self._taken_away) as pulse:
            try:
                self._in_hand = self._signalled
                if self._signalled and self.is_over:  # told to end since the claim
                    raise GivenUp  # noqa: TRY301 - the one way out
                self._do(work, pulse)
            except GivenUp:
                self._let_go(work)
            finally:
                self._in_hand = False
        return True

    def _claim(self, kinds: Sequence[WorkKind]) -> Work | None:
        """Look first, so that idle workers leave SQLite's one writer alone."""
        with reading(self.sessions) as session:
            if not is_waiting(session, now(), self.resources):
                return None
        with self.sessions.begin() as session:
            work = claim(
                session,
                at=now(),
                lease_seconds=self.settings.lease_seconds,
                resources=self.resources,
                kinds=kinds,
                worker=self.name,
            )
            if work is not None:
                self._doing = f"{NAMES[type(work)]} {work.id}"
                registering.note_worker(session, self.name, at=now(), doing=self._doing)
        return work

    def _let_go(self, work: Work) -> None:
        """Give back what could not be finished; nothing happens if it is somebody else's already."""
        with self.sessions.begin() as session:
            back = leasing.hand_back(session, type(work), work.id, work.token)
        log.info("worker.gave_up", work=self._doing, back=back)

    def _do(self, work: Work, pulse: Pulse) -> None:
        try:
            if isinstance(work, LabRelease):
                self._build(work)
            elif isinstance(work, ViewRun):
                self._view(work, pulse)
            else:
                self._grade(work, pulse)
        except FAULTS as problem:
            log.exception("worker.failed", work=self._doing)
            self._in_hand = False
            self._fail(work, repr(problem))
            self.stop.wait(PAUSE_SECONDS)

    def _fail(self, work: Work, reason: str) -> None:
        with self.sessions.begin() as session:
            if isinstance(work, LabRelease):
                releases.put_back_release(session, work.id, work.token)
            elif isinstance(work, ViewRun):
                running.fail_view(session, work.id, work.token, reason=reason, at=now())
            else:
                running.fail_run(session, work.id, work.token, reason=reason, at=now())

    def _grade(self, run: GradingRun, pulse: Pulse) -> None:
        prepared = self._prepared(run.id)
        with self._job(prepared) as job:
            report = self.runner.grade(job, _strip(pulse))
        self._in_hand = False
        recording = Recording(self.notary, job, prepared.released)
        recorded = self._record(run, report, recording, pulse.last())
        log.info("worker.graded", run=run.id, recorded=recorded, seconds=report.wall_seconds)

    def _record(
        self, run: GradingRun, report: GradingReport, recording: Recording, cells: Sequence[CellState]
    ) -> bool:
        """Keep the grade and draw its consequences, in one transaction; its files are kept before it ends."""
        with self.sessions.begin() as session, beside(self.blobs) as blobs:
            grade = running.record_grade(
                session,
                run.id,
                run.token,
                report,
                blobs=blobs,
                at=now(),
                progress=cells,
                recording=recording,
            )
            if grade is not None:
                workflows.settle(session, grade, now())
        return grade is not None

    def _view(self, view: ViewRun, pulse: Pulse) -> None:
        with self._job(self._prepared(view.run_id)) as job:
            report = self.runner.view(job, _strip(pulse))
        self._in_hand = False
        with self.sessions.begin() as session:
            running.record_view(session, view.id, view.token, report, blobs=self.blobs, at=now())
        log.info("worker.viewed", view=view.id, run=view.run_id)

    def _prepared(self, run_id: int) -> Prepared:
        with reading(self.sessions) as session:
            return self._preparing.prepare(session, run_id)

    @contextmanager
    def _job(self, prepared: Prepared) -> Iterator[GradingJob]:
        known = prepared.released
        environment = prepare(self.settings.environments_root, known.environment, known.lock_sha256)
        with self._data(known.files) as folder:
            yield replace(
                prepared.job,
                submission=self.blobs.get(prepared.submission),
                seed=prepared.seed,
                environment=environment.path,
                data_folder=folder,
            )

    @contextmanager
    def _data(self, files: Mapping[str, str]) -> Iterator[Path | None]:
        if not files:
            yield None
        elif self.lay is not None:
            digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
            yield self.lay(digest, lambda shelf: _write(files, self.blobs, shelf))
        else:
            with tempfile.TemporaryDirectory(prefix="duri-data-") as folder:
                yield labs.write_files(files, self.blobs, Path(folder) / "data")

    def _build(self, release: LabRelease) -> None:
        with tempfile.TemporaryDirectory(prefix="duri-lab-") as folder:
            report = self.runner.build(self._source(release.id, Path(folder)))
        self._in_hand = False
        with self.sessions.begin() as session:
            releases.record_build(session, release.id, release.token, report, blobs=self.blobs)
        log.info("worker.built", release=release.id, errors=[notice.code for notice in report.errors])

    def _source(self, release_id: int, folder: Path) -> LabSource:
        with reading(self.sessions) as session:
            release = session.get_one(LabRelease, release_id)
            files = labs.lab_files(release.version, release.lab.slug)
            lab_folder = labs.write_files(files, self.blobs, folder / release.lab.slug)
            return labs.lab_source(
                release,
                folder=lab_folder,
                environment=self.environment(release).path,
                gate_seconds=self.settings.gate_seconds,
            )

    def environment(self, release: LabRelease) -> Environment:
        """Return the release's environment, made on first use."""
        return prepare(self.settings.environments_root, release.environment_name, release.environment_sha256)


def _write(files: Mapping[str, str], blobs: BlobStore, folder: Path) -> None:
    labs.write_files(files, blobs, folder)


def _strip(pulse: Pulse) -> OnProgress:
    """Return what keeps the cell strip; it gives up where no signal can, in a thread."""
    cells: list[CellState] = []

    def tell(step: Progress) -> None:
        cells.extend([CellState.WAITING] * (step.total - len(cells)))
        cells[step.cell] = step.state
        pulse.tell(cells)
        if pulse.lost.is_set():
            raise GivenUp

    return tell
