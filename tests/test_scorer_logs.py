"""Logs of failed notebooks, from a published challenge through the real jail: nothing hidden is in them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker
from structlog.testing import capture_logs

from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.adapters.notebooks import JailedNotebooks
from lms.leaderboards.adapters.workshop import JailedWorkshop
from lms.leaderboards.core.challenge_file import read_challenge
from lms.leaderboards.core.failures import SCORER_FAILED, EntryFailed, code_of, write_failure
from lms.leaderboards.core.run_logs import RunLog
from lms.leaderboards.models import Board, Challenge, Entry, EntryKind, EntryState, QuotaDay, Rescore, Truth
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.entering import hand_in
from lms.leaderboards.services.publishing import publish_folder
from lms.leaderboards.services.rescoring import prepare_rescore
from lms.leaderboards.services.scoring import fail_entry
from lms.leaderboards.tables.run_logs import EntryLog
from lms.runtime.probe import Isolation
from lms.scorer import Scorer
from tests.factories.accounts import make_organisation, make_user
from tests.factories.challenges import write_notebook_challenge
from tests.factories.notebooks import notebook
from tests.runtime.jails import ROOT, environment, isolation

__all__ = ["environment", "isolation"]
pytestmark = pytest.mark.jail

PRINTS_ALL = "import pathlib\nfor path in sorted(pathlib.Path('data').iterdir()): print(path.read_text())"
WRITES = (
    "import pandas as pd\nasked = pd.read_csv('data/test.csv')\n"
    "asked[['id']].assign(place='north').to_csv('submission.csv', index=False)"
)
FAILS_ON_HIDDEN = f"{WRITES}\nif len(asked) > 2: raise KeyError(asked['street'][0])"
HIDDEN = ("hidden-", "Secretway")
SHOWN = "Sampleroad"


class Arena:
    """A published challenge for notebooks, and its scorer."""

    def __init__(self, sessions: sessionmaker[Session], folder: Path) -> None:
        self.sessions, self.blobs, workshop = sessions, FolderBlobs(folder / "blobs"), JailedWorkshop(ROOT)
        with sessions.begin() as session:
            make_organisation(session, slug="nuri-ai")
        checked = read_challenge(write_notebook_challenge(folder), ["ml-basics"])
        assert publish_folder(sessions, self.blobs, workshop, checked)
        self.scorer = Scorer(sessions, self.blobs, workshop, JailedNotebooks(ROOT))

    def enter(self, *sources: str) -> int:
        with self.sessions.begin() as session:
            challenge = session.scalars(select(Challenge)).one()
            user = make_user(session)
            accept_rules(session, user, challenge, challenge.rules_version, at=now())
            teams.join(session, user, challenge, f"Team {user.id}", at=now())
            content = notebook(*sources)
            return hand_in(
                session, user, challenge, EntryKind.NOTEBOOK, self.blobs.put(content),
                filename="work.ipynb", size_bytes=len(content), received_at=now(),
            ).id  # fmt: skip

    def failed(self, *sources: str) -> int:
        """Enter a notebook that fails when it counts."""
        entry = self.enter(*sources)
        assert self.scorer.score_waiting() is True
        assert self.entry(entry).state is EntryState.FAILED
        return entry

    def logged(self, *sources: str) -> EntryLog:
        """Enter a notebook that fails; return its log."""
        entry = self.failed(*sources)
        assert self.scorer.write_log() is True
        assert self.scorer.write_log() is False
        log = self.log(entry)
        assert log is not None
        assert log.written_at is not None
        return log

    def entry(self, entry_id: int) -> Entry:
        with self.sessions() as session:
            return session.get_one(Entry, entry_id)

    def written(self) -> set[int]:
        with self.sessions() as session:
            return set(session.scalars(select(EntryLog.entry_id).where(EntryLog.written_at.is_not(None))))

    def log(self, entry_id: int) -> EntryLog | None:
        with self.sessions() as session:
            return session.get(EntryLog, entry_id)


@pytest.fixture
def arena(
    isolation: Isolation, sessions: sessionmaker[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Arena:
    assert isolation
    monkeypatch.setattr("lms.scorer.LOG_GRID_SECONDS", 0.1)
    return Arena(sessions, tmp_path)


def words(log: EntryLog) -> str:
    """Everything that a log holds."""
    return json.dumps([log.outcome, log.params, log.cells], ensure_ascii=False)


def test_what_fails_on_both_has_its_traceback(arena: Arena) -> None:
    log = arena.logged("rows = [1, 2]", "def third(rows):\n    return rows[2]\nthird(rows)")
    assert (log.outcome, log.params) == ("failed", {"cell": 3, "error": "IndexError"})
    assert "return rows[2]" in log.cells[0]["traceback"]


def test_what_fails_on_hidden_data_only_is_told_so_and_no_hidden_value(arena: Arena) -> None:
    entry = arena.failed(PRINTS_ALL, FAILS_ON_HIDDEN)
    kept = arena.entry(entry)
    assert code_of(kept.failure) == "cell_failed"
    assert arena.scorer.write_log() is True
    log = arena.log(entry) or pytest.fail("no log")
    assert (log.outcome, log.params) == ("ended", {})
    assert SHOWN in words(log)
    assert not any(value in words(log) for value in HIDDEN)


def test_the_same_look_sees_a_log_that_comes_from_the_hidden_run(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this, the test before could pass for want of anything hidden to find."""

    def everything(_: Session, board_id: int) -> dict[str, str]:
        known = arena.scorer._ground(board_id, 1)
        return dict(known.ground.hidden)

    entry = arena.failed(PRINTS_ALL, FAILS_ON_HIDDEN)
    monkeypatch.setattr("lms.scorer.waiting.file_blobs", everything)
    assert arena.scorer.write_log() is True
    log = arena.log(entry) or pytest.fail("no log")
    assert all(value in words(log) for value in HIDDEN)


def test_what_everybody_may_download_of_such_a_challenge_names_no_hidden_row(arena: Arena) -> None:
    """Nor does the sample of what is written: it is the author's, with the ids of the sample."""
    with arena.sessions() as session:
        files = session.scalars(select(Challenge.files)).one()
    assert set(files) == {"train.csv", "test.csv", "sample_submission.csv"}
    contents = "".join(arena.blobs.get(file["sha256"]).decode() for file in files.values())
    assert SHOWN in contents
    assert not any(value in contents for value in HIDDEN)


def test_predictions_that_cannot_be_taken_are_shown_on_the_sample(arena: Arena) -> None:
    log = arena.logged(WRITES.replace("place='north'", "label='north'"))
    assert (log.outcome, log.params["line"]) == ("bad_file", 1)


def test_what_never_ends_is_ended_in_the_log_too(arena: Arena) -> None:
    with arena.sessions.begin() as session:
        challenge = session.scalars(select(Challenge)).one()
        challenge.settings = {
            **challenge.settings,
            "compute": {**challenge.settings["compute"], "seconds": 2},
        }
    log = arena.logged("print('begun')", "while True: pass")
    assert (log.outcome, log.params["cell"], log.seconds) == ("time", 3, 2)
    assert log.cells[0]["text"] == "begun"


def test_a_log_costs_no_slot_and_moves_no_state(arena: Arena) -> None:
    entry = arena.failed("1 / 0")
    before = state_of(arena, entry)
    assert arena.scorer.write_log() is True
    assert state_of(arena, entry) == before
    assert before["used"] == 0
    assert before["failed"] == 1


def state_of(arena: Arena, entry_id: int) -> dict[str, object]:
    with arena.sessions() as session:
        entry, day = session.get_one(Entry, entry_id), session.scalars(select(QuotaDay)).one()
        return {
            "state": entry.state,
            "failure": entry.failure,
            "scored_at": entry.scored_at,
            "used": day.used,
            "failed": day.failed,
        }


def test_what_is_scored_and_what_the_house_failed_on_get_none(arena: Arena) -> None:
    good = arena.enter(WRITES)
    arena.scorer.score_waiting()
    assert arena.entry(good).state is EntryState.SCORED
    lost = arena.enter(WRITES)
    with arena.sessions.begin() as session:
        fail_entry(session, lost, SCORER_FAILED)
    assert arena.scorer.write_log() is False
    assert (arena.log(good), arena.log(lost)) == (None, None)


def test_a_failure_against_a_truth_in_preparation_is_run_no_more(arena: Arena) -> None:
    good = arena.enter(f"import os\n{WRITES}")
    arena.scorer.score_waiting()
    with arena.sessions.begin() as session:
        truth, board = session.scalars(select(Truth)).one(), session.scalars(select(Board)).one()
        ground = json.loads(arena.blobs.get(truth.blob or ""))
        blob = arena.blobs.put(json.dumps({**ground, "hidden": {}}).encode())
        prepare_rescore(session, None, board, "Looked at again.", blob=blob, at=now())
    while arena.scorer.score_waiting():
        pass
    with arena.sessions() as session:
        anew = session.scalars(select(Rescore).where(Rescore.entry_id == good)).one()
        assert code_of(anew.failure) == "bad_predictions"
    assert arena.scorer.write_log() is False


class Failing(JailedNotebooks):
    """A machine on which logs cannot be written."""

    def log(self, *_: object) -> RunLog:
        raise OSError("no jail")


def test_a_fault_of_the_house_leaves_the_entry_as_it_is_and_ends_without_a_log(arena: Arena) -> None:
    entry = arena.failed("1 / 0")
    arena.scorer.notebooks = Failing(ROOT)
    with capture_logs() as said:
        for _ in range(3):
            assert arena.scorer.write_log() is False
            assert arena.scorer.write_log() is False  # not at once
            arena.scorer._later.clear()
        assert arena.scorer.write_log() is True
    assert [each["event"] for each in said] == ["scorer.entry_not_scored"] * 3
    settled = arena.log(entry) or pytest.fail("the log went without a word")
    assert (settled.outcome, settled.written_at is not None) == ("not_made", True)
    assert arena.entry(entry).state is EntryState.FAILED
    assert arena.scorer.write_log() is False


def test_a_run_begins_on_a_round_moment_whenever_the_first_one_ended(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the second run reads off the clock must not be how long the first one took."""
    arena.failed("1 / 0")
    waited: list[float] = []

    class Waiting(type(arena.scorer.stop)):  # type: ignore[misc]
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return True  # told to stop

    arena.scorer.stop = Waiting()
    monkeypatch.setattr("lms.scorer.LOG_GRID_SECONDS", 10)
    for moment in (1000.0, 1003.7, 1009.4):  # too early: what comes to be scored waits for no log
        monkeypatch.setattr("lms.scorer.time.time", lambda moment=moment: moment)
        assert arena.scorer.write_log() is False
        assert waited == []
    for moment in (1009.7, 1009.99):
        monkeypatch.setattr("lms.scorer.time.time", lambda moment=moment: moment)
        assert arena.scorer.write_log() is False
    assert waited == [pytest.approx(0.3), pytest.approx(0.01)]


def test_what_waits_is_scored_before_any_log_is_written(arena: Arena) -> None:
    arena.scorer.kinds = frozenset({EntryKind.NOTEBOOK})  # which are taken one by one
    first, second = arena.enter("1 / 0"), arena.enter("[][0]")
    for entry in (first, second):
        assert arena.scorer.score_and_write() is True
        assert arena.entry(entry).state is EntryState.FAILED
        assert arena.written() == set()
    while arena.scorer.score_and_write():
        pass
    for number, error in ((first, "ZeroDivisionError"), (second, "IndexError")):
        log = arena.log(number) or pytest.fail("no log")
        assert log.params == {"cell": 2, "error": error}


def test_a_log_that_waits_ten_minutes_has_a_turn_before_what_waits_and_then_none_for_as_long(
    arena: Arena,
) -> None:
    arena.scorer.kinds = frozenset({EntryKind.NOTEBOOK})
    failed = [arena.failed("1 / 0") for _ in range(3)]
    waiting = [arena.enter(WRITES) for _ in range(2)]
    asked = now() - timedelta(minutes=11)
    with arena.sessions.begin() as session:
        for entry in failed[:2]:
            session.get_one(EntryLog, entry).asked_at = asked
    assert arena.scorer.score_and_write() is True
    assert arena.written() == {failed[0]}
    assert arena.entry(waiting[0]).state is EntryState.RECEIVED
    assert arena.scorer.score_and_write() is True  # though one has waited as long
    assert (arena.written(), arena.entry(waiting[0]).state) == ({failed[0]}, EntryState.SCORED)
    arena.scorer._logged_at -= 601
    assert arena.scorer.score_and_write() is True
    assert (arena.written(), arena.entry(waiting[1]).state) == (set(failed[:2]), EntryState.RECEIVED)
    arena.scorer._logged_at -= 601
    assert arena.scorer.score_and_write() is True  # as the third has not waited so long
    assert (arena.written(), arena.entry(waiting[1]).state) == (set(failed[:2]), EntryState.SCORED)
    assert arena.scorer.score_and_write() is True
    assert arena.written() == set(failed)


def test_what_cannot_be_read_has_no_second_run(arena: Arena) -> None:
    entry = arena.enter()
    with arena.sessions.begin() as session:
        session.get_one(Entry, entry).blob = arena.blobs.put(b"{}")
    arena.scorer.score_waiting()
    assert arena.entry(entry).failure == write_failure(EntryFailed("notebook_unreadable"))
    assert arena.log(entry) is None
