"""The process that scores entries of challenges, in the order of their receipt, and works out who is tied.

Everything stands in the database and every step is repeatable: it may be killed at any moment, and two of
them do no harm but twice the work. No transaction is held while an entry is read, run or scored. Notebooks,
which take minutes, models, which take seconds, and files whose scorer the challenge's authors wrote have
threads of their own: other files, which take milliseconds, wait for none of them. A board one of whose files
took long, by its scorer or as hostile Parquet, is put off for as long as that: others have their turn.

Where a challenge wants logs, a notebook that failed on hidden data is run once more on what everyone has, for
a log that its team may read (`write_log`): another process in another jail, with a folder of its own that
holds public files alone; neither the truth nor a hidden file is even loaded for it. It is never run beside a
notebook's counting run here, whose load it could feel. It begins on a round moment, so that the clock tells
it less than the entry's states tell anyway. That there is a log tells what the state tells: that the entry
failed. Two programs on one machine can tell each other much otherwise: ADR 0028. What is scored goes first.
"""

import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import structlog
from sqlalchemy.orm import Session, sessionmaker

from lms.blobs import BlobStore
from lms.chores import repeat
from lms.db import now, reading
from lms.errors import Conflict, DomainError, NotFound
from lms.leaderboards.core.challenge_file import MODEL_SCRIPT, Challenge
from lms.leaderboards.core.failures import SCORER_FAILED, EntryFailed, write_failure
from lms.leaderboards.core.ground import Ground
from lms.leaderboards.core.predictions import BadPredictions, Table
from lms.leaderboards.core.prints import Print, print_of
from lms.leaderboards.core.scoring import (
    ChallengeFailed,
    ModelInputs,
    Notebooks,
    Scores,
    Workshop,
    form_of,
    model_inputs,
    read_entry,
    resampled,
    score_table,
)
from lms.leaderboards.models import EntryKind, Truth
from lms.leaderboards.queries import waiting
from lms.leaderboards.queries.run_logs import waiting_log
from lms.leaderboards.queries.waiting import Boards, Unmeasured, WaitingEntry
from lms.leaderboards.services import rescoring, retracing, scoring
from lms.leaderboards.services.comparing import compare_truths
from lms.leaderboards.services.flagging import flag_boards
from lms.leaderboards.services.measuring import measure_baselines
from lms.leaderboards.services.tying import tie_boards

log = structlog.get_logger()

LOOK_SECONDS = 0.2
MOST_AT_ONCE = 50
MOST_GROUNDS = 8
TIE_SECONDS = 5.0
FLAG_SECONDS = 60.0
LOG_GRID_SECONDS = 10  # on whose multiples runs for logs begin
LOG_NEAR_SECONDS = 0.5  # before one, that it is waited for
LOG_EVERY_SECONDS = 600  # in which one log is written though notebooks wait to be scored
LONG_SECONDS = 5.0  # for one file; whatever is quicker stands in nobody's way
AGAIN_SECONDS = 30.0  # after a fault of the house, such as an environment that is not built
HIDDEN = "duri-hidden-"  # folders of hidden files, with the number of the process
SILENT = frozenset({EntryKind.NOTEBOOK, EntryKind.MODEL})
"""What meets the hidden rows itself: what is wrong in its predictions could carry them out."""


@dataclass(frozen=True)
class _Known:
    """One version of a board: its challenge, and what entries are compared with."""

    challenge: Challenge
    ground: Ground


@dataclass(frozen=True)
class _Result:
    """What an entry got, or the line that says why it got nothing."""

    scores: Scores | None
    failure: str = ""
    compared_by: Print | None = None


@dataclass
class Scorer:
    """Everything that scoring needs; each entry has sessions of its own."""

    sessions: sessionmaker[Session]
    blobs: BlobStore
    workshop: Workshop
    notebooks: Notebooks
    stop: threading.Event = field(default_factory=threading.Event)
    kinds: frozenset[EntryKind] = frozenset(EntryKind)
    """What this one scores."""
    own: bool | None = None
    """Whether of boards whose authors brought the scorer, or of the others alone; None: of all."""
    _grounds: OrderedDict[str, Ground] = field(default_factory=OrderedDict, init=False)
    _later: dict[int, float] = field(default_factory=dict, init=False)
    _slow: dict[int, float] = field(default_factory=dict, init=False)  # boards that are put off, until when
    _measured: set[Unmeasured] = field(default_factory=set, init=False)
    _logged_at: float = field(default=-math.inf, init=False)  # the newest log, by the monotonic clock

    def run(self) -> None:
        """Score what comes until told to stop; what is run and what boards show have threads beside it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        sweep_hidden()
        files = self.kinds - SILENT
        steps = (
            (replace(self, kinds=self.kinds & {EntryKind.MODEL}).score_waiting, LOOK_SECONDS),
            (replace(self, kinds=self.kinds & {EntryKind.NOTEBOOK}).score_and_write, LOOK_SECONDS),
            (replace(self, kinds=files, own=True).score_waiting, LOOK_SECONDS),
            (self.tie, TIE_SECONDS),
            (self.compare, TIE_SECONDS),
            (self.flag, FLAG_SECONDS),
            (self.measure, FLAG_SECONDS),
        )
        beside = [threading.Thread(target=repeat, args=(*step, self.stop), daemon=True) for step in steps]
        for thread in beside:
            thread.start()
        repeat(replace(self, kinds=files, own=False).score_waiting, LOOK_SECONDS, self.stop)
        for thread in beside:
            thread.join(timeout=2)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stop.set()

    def tie(self) -> bool:
        """Work out the tie groups of boards with new scores; always False: no hurry."""
        tie_boards(self.sessions, now())
        return False

    def compare(self) -> bool:
        """Work out what prepared truths would change, for the organisers; always False: no hurry."""
        compare_truths(self.sessions, now())
        return False

    def flag(self) -> bool:
        """Compare new entries with those of other teams, for the organisers; always False: no hurry."""
        flag_boards(self.sessions, now())
        return False

    def measure(self) -> bool:
        """Work out other metrics of baselines that came before any were kept; always False: no hurry."""
        measure_baselines(self.sessions, self.blobs, self.workshop, self._measured)
        return False

    def score_waiting(self) -> bool:
        """Score what waits, then what is scored anew in private; False: nothing could be done."""
        moment = time.monotonic()
        self._later = {number: until for number, until in self._later.items() if until > moment}
        self._slow = {number: until for number, until in self._slow.items() if until > moment}
        boards = Boards(self.own, self._slow)
        with reading(self.sessions) as session:
            # What may run long is listed when its turn comes.
            most = 1 if self.own or self.kinds <= SILENT else MOST_AT_ONCE
            entries = waiting.waiting_entries(session, self.kinds, most, self._later, boards)
            anew = () if entries else waiting.waiting_rescores(session, self.kinds, most, self._later, boards)
        done = [self._alone(entry, self._score) for entry in entries]
        done += [self._alone(entry, self._rescoring(truth_id)) for truth_id, entry in anew]
        return any(done)

    def score_and_write(self) -> bool:
        """Score what waits; write a log if nothing does, or one waits too long. False: nothing was done."""
        if self._waits_too_long():
            return self.write_log()
        return self.score_waiting() or self.write_log()

    def _waits_too_long(self) -> bool:
        """Say whether a log goes before what is scored: seldom, so that none waits for ever."""
        if time.monotonic() < self._logged_at + LOG_EVERY_SECONDS:
            return False
        return self._waiting_log(since=now() - timedelta(seconds=LOG_EVERY_SECONDS)) is not None

    def _waiting_log(self, since: datetime | None = None) -> WaitingEntry | None:
        if EntryKind.NOTEBOOK not in self.kinds:
            return None
        with reading(self.sessions) as session:
            return waiting_log(session, self._later, since=since)

    def write_log(self) -> bool:
        """Write the log of one failed notebook; False: nothing was done, or no round moment is near."""
        moment = time.time()
        begins_at = moment - moment % LOG_GRID_SECONDS + LOG_GRID_SECONDS
        entry = self._waiting_log() if begins_at - moment <= LOG_NEAR_SECONDS else None
        if entry is None or self.stop.wait(max(0.0, begins_at - time.time())):
            return False
        self._logged_at = time.monotonic()
        return self._alone(entry, self._write_log)

    def _write_log(self, entry: WaitingEntry) -> None:
        with self.sessions.begin() as session:
            if not retracing.begin_log(session, entry.entry_id, at=now()):
                return
        with reading(self.sessions) as session:
            challenge = waiting.challenge_of_board(session, entry.board_id)
            public = waiting.file_blobs(session, entry.board_id)
        with self._laid(public) as folder:
            written = self.notebooks.log(challenge, self.blobs.get(entry.blob), folder)
        with self.sessions.begin() as session:
            retracing.keep_log(session, entry.entry_id, written, at=now())

    def _alone(self, entry: WaitingEntry, step: Callable[[WaitingEntry], None]) -> bool:
        """Take one step with one entry, whose faults hold no other up; False: it is left for later."""
        if self.stop.is_set() or entry.board_id in self._slow:
            return False
        try:
            step(entry)
        except (Conflict, NotFound) as problem:  # it was judged, merged or scored by another meanwhile
            log.info("scorer.passed_over", entry=entry.entry_id, reason=str(problem))
        except Exception:  # a fault of the house: the entry waits, and keeps its place and slot
            log.exception("scorer.entry_not_scored", entry=entry.entry_id)
            self._later[entry.entry_id] = time.monotonic() + AGAIN_SECONDS
            return False
        return True

    def _score(self, entry: WaitingEntry) -> None:
        if entry.kind in SILENT:
            with self.sessions.begin() as session:
                if scoring.begin_scoring(session, entry.entry_id) is None:
                    return  # judged, or scored by another, since it was listed
        result = self._result(entry)
        with self.sessions.begin() as session:
            if result.scores is None:
                scored = scoring.fail_entry(session, entry.entry_id, result.failure, unless_scored=True)
            else:
                scored = scoring.score_entry(
                    session,
                    entry.entry_id,
                    result.scores,
                    at=now(),
                    truth_version=entry.truth_version,
                    compared_by=result.compared_by,
                )
            retracing.ask_for_log(session, scored, at=now())

    def _rescoring(self, truth_id: int) -> Callable[[WaitingEntry], None]:
        def rescore(entry: WaitingEntry) -> None:
            result = self._result(entry)
            with self.sessions.begin() as session:
                truth = session.get_one(Truth, truth_id)
                rescoring.rescore_entry(
                    session,
                    truth,
                    entry.entry_id,
                    result.scores,
                    result.failure,
                    compared_by=result.compared_by,
                )

        return rescore

    def _result(self, entry: WaitingEntry) -> _Result:
        known = self._ground(entry.board_id, entry.truth_version)
        begun = time.monotonic()
        try:
            table = self._table(entry, known)
            return self._scored(table, known)
        except EntryFailed as failed:
            return _Result(None, write_failure(failed))
        except BadPredictions as bad:
            return _Result(None, write_failure(_first(bad)))
        except DomainError as problem:
            return _Result(None, write_failure(_said(problem.message, problem.params)))
        except ChallengeFailed as failed:
            # Neither its words nor its traceback: they may hold the truth, or what somebody sent.
            log.error("scorer.own_scorer_failed", board=entry.board_id, kind=failed.kind)  # noqa: TRY400
            return _Result(None, SCORER_FAILED)
        finally:
            took = time.monotonic() - begun
            if took > LONG_SECONDS and entry.kind not in SILENT:
                self._slow[entry.board_id] = begun + 2 * took

    def _table(self, entry: WaitingEntry, known: _Known) -> Table:
        content = self.blobs.get(entry.blob)
        truth = known.ground.truth
        if entry.kind is EntryKind.NOTEBOOK:
            limit = form_of(known.challenge, truth.rows).limit_bytes
            with self._laid(self._hidden(entry.board_id, known)) as folder:
                content = self.notebooks.predictions(known.challenge, content, folder, limit)
        elif entry.kind is EntryKind.MODEL:
            content = self.workshop.run_model(known.challenge, content, self._given(entry.board_id, known))
        try:
            return read_entry(known.challenge, truth, content, self.workshop)
        except DomainError as problem:
            if entry.kind not in SILENT:
                raise
            raise EntryFailed("bad_predictions") from problem

    def _scored(self, table: Table, known: _Known) -> _Result:
        challenge, truth = known.challenge, known.ground.truth
        scores = score_table(challenge, truth, table, known.ground.script.encode(), self.workshop)
        has_losses = scores.public_losses is not None  # of single rows
        compared_by = print_of(truth, table, keep_mistakes=not has_losses)
        return _Result(resampled(challenge, truth, table, scores), compared_by=compared_by)

    def _ground(self, board_id: int, version: int) -> _Known:
        """Return one version of a board as it is published now; the grounds used last are kept.

        Raises:
            KeyError: its data were not made, or are gone from the store.
        """
        with reading(self.sessions) as session:
            blob = waiting.ground_blob(session, board_id, version)
            challenge = waiting.challenge_of_board(session, board_id)
        if blob is None:
            raise KeyError(f"there is no ground of board {board_id} in version {version}")
        if blob not in self._grounds:
            self._grounds[blob] = Ground.from_json(self.blobs.get(blob))
            while len(self._grounds) > MOST_GROUNDS:
                self._grounds.popitem(last=False)
        self._grounds.move_to_end(blob)
        return _Known(challenge, self._grounds[blob])

    def _given(self, board_id: int, known: _Known) -> ModelInputs:
        """Return what a model is given: the rows of the sample, and the hidden ones."""
        with reading(self.sessions) as session:
            shared = waiting.file_blobs(session, board_id)
        asked = known.challenge.model
        names = {MODEL_SCRIPT.removeprefix("data/"), *([asked.file] if asked is not None else [])}
        public, hidden = (
            {name: self.blobs.get(blob) for name, blob in blobs.items() if name in names}
            for blobs in (shared, known.ground.hidden)
        )
        return model_inputs(known.challenge, public, hidden)

    def _hidden(self, board_id: int, known: _Known) -> dict[str, str]:
        """Return name -> hash of what a notebook finds when it counts: hidden files over shared ones."""
        with reading(self.sessions) as session:
            return waiting.file_blobs(session, board_id) | dict(known.ground.hidden)

    @contextmanager
    def _laid(self, names: Mapping[str, str]) -> Iterator[Path]:
        """Lay out a notebook's `data/` of name -> hash, in a folder that nothing else has."""
        with tempfile.TemporaryDirectory(prefix=f"{HIDDEN}{os.getpid()}-") as scratch:
            folder = Path(scratch) / "data"
            folder.mkdir()
            for name, blob in names.items():
                (folder / Path(name).name).write_bytes(self.blobs.get(blob))
            yield folder


def sweep_hidden() -> None:
    """Remove hidden files that a scorer left behind when it was killed in the middle of a run."""
    for folder in Path(tempfile.gettempdir()).glob(f"{HIDDEN}*-*"):
        process = folder.name.removeprefix(HIDDEN).partition("-")[0]
        if not Path("/proc", process).exists():
            shutil.rmtree(folder, ignore_errors=True)  # another scorer may sweep too


def _first(bad: BadPredictions) -> EntryFailed:
    fault = bad.faults[0]
    line = {} if fault.line is None else {"line": fault.line}
    return _said(fault.message, {**fault.params, **line})


def _said(message: str, params: "dict[str, object]") -> EntryFailed:
    """Keep a sentence by its msgid, to be translated where it is shown."""
    return EntryFailed(
        message, **{name: value if isinstance(value, int) else str(value) for name, value in params.items()}
    )
