"""Logs of failed notebooks: who may read one, what it says, when there is one."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from lms.accounts.models import Role, User
from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.challenge_file import load_challenge
from lms.leaderboards.core.failures import SCORER_FAILED, EntryFailed, write_failure
from lms.leaderboards.core.run_logs import CellLog, RunLog
from lms.leaderboards.models import Entry, EntryKind, EntryState, Team
from lms.leaderboards.queries.run_logs import waiting_log
from lms.leaderboards.services import retracing
from lms.leaderboards.services.scoring import fail_entry, retry_entry
from lms.leaderboards.services.teams import merge
from lms.leaderboards.tables.run_logs import EntryLog
from tests.factories.grading import make_staff, make_user
from tests.factories.leaderboards import Contest, make_contest
from tests.factories.notebooks import notebook

FAILURE = write_failure(EntryFailed("cell_failed", cell=3, error="KeyError"))
WRITTEN = RunLog(
    "failed",
    {"cell": 3, "error": "KeyError"},
    (
        CellLog(2, "reading <script>alert(1)</script>\n\N{HEBREW LETTER ALEF} 한글"),
        CellLog(3, "", "KeyError: 'weight'", cut=True),
    ),
    30,
)


@dataclass
class Scene:
    """A team with a notebook that failed."""

    app: Flask
    contest: Contest
    client: FlaskClient
    sign_in: Callable[[User], None]
    team: Team
    entry: Entry

    @property
    def path(self) -> str:
        return f"/challenges/{self.contest.challenge.slug}/entries/{self.entry.id}/log"

    def page(self, user: User, path: str = "", language: str = "en") -> tuple[int, str]:
        self.sign_in(user)
        self.client.set_cookie("language", language)
        answer = self.client.get(path or self.path)
        return answer.status_code, answer.text

    def asked(self) -> EntryLog:
        return retracing.ask_for_log(self.contest.session, self.entry, at=now()) or pytest.fail("no log")

    def write(self, log: RunLog = WRITTEN) -> None:
        self.asked()
        assert retracing.begin_log(self.contest.session, self.entry.id, at=now())
        retracing.keep_log(self.contest.session, self.entry.id, log, at=now())
        self.contest.session.commit()

    def told(self, user: User, query: str = "") -> list[dict[str, object]]:
        key = self.app.extensions["settings"].session_key()
        token = make_token(user, Purpose.BOARDS, key)
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
        self.contest.session.commit()
        path = f"/api/challenges/{self.contest.challenge.slug}/entries{query}"
        found: list[dict[str, object]] = self.client.get(path, headers=headers).get_json()["entries"]
        return found

    @property
    def leader(self) -> User:
        return self.contest.leader(self.team)


@pytest.fixture
def scene(
    app: Flask, session: Session, blobs: FolderBlobs, client: FlaskClient, sign_in: Callable[[User], None]
) -> Scene:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), kind="notebook", logs=True, per_day=2)
    team = contest.team("하나", at=now())
    blob = blobs.put(notebook("1 / 0"))
    entry = contest.take(team, at=now(), kind=EntryKind.NOTEBOOK, blob=blob, filename="work.ipynb")
    fail_entry(session, entry.id, FAILURE)
    session.commit()
    return Scene(app, contest, client, sign_in, team, entry)


def test_the_team_reads_its_log_from_its_entries(scene: Scene) -> None:
    scene.write()
    mate = scene.contest.add(scene.team)
    _, entries = scene.page(scene.leader, f"/challenges/{scene.contest.challenge.slug}/entries")
    assert f'href="{scene.path}"' in entries
    assert "hx-trigger" not in entries
    for member in (scene.leader, mate):
        status, page = scene.page(member)
        assert status == 200
        assert "It failed there too: cell 3 stopped with KeyError." in page
        assert "KeyError: &#39;weight&#39;" in page
        assert "reading &lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert 'dir="ltr"' in page
    assert (
        "거기에서도 실패했어요. 3번 셀이 KeyError 오류로 멈췄어요."
        in scene.page(scene.leader, language="ko")[1]
    )


def test_organisers_read_it_from_the_teams_page(scene: Scene) -> None:
    scene.write()
    organiser = scene.contest.organiser
    address = f"/challenges/{scene.contest.challenge.slug}/organise/teams/{scene.team.id}"
    assert f'href="{scene.path}"' in scene.page(organiser, address)[1]
    status, page = scene.page(organiser)
    assert status == 200
    assert "KeyError: &#39;weight&#39;" in page
    assert f'href="{address}"' in page


def test_nobody_else_reads_it(scene: Scene, session: Session) -> None:
    scene.write()
    assert scene.client.get(scene.path).status_code == 302  # to sign in
    other = scene.contest.leader(scene.contest.team("둘", at=now()))
    outside = make_user(session)
    elsewhere = make_staff(session, make_contest(session).sponsor, Role.ADMIN)
    for stranger in (other, outside, scene.contest.person(), elsewhere):
        assert scene.page(stranger)[0] == 404
    assert scene.told(other, f"?id={scene.entry.id}") == []
    both = make_staff(session, scene.contest.sponsor, Role.INSTRUCTOR)
    mine = scene.contest.team("셋", at=now())
    mine.members[0].user_id = mine.leader_id = both.id  # whose role came later
    assert scene.page(both)[0] == 403


@pytest.mark.parametrize("number", ["0", "999999", "-1", "x", "9" * 30])
def test_there_is_no_log_of_what_is_not_there(scene: Scene, number: str) -> None:
    scene.write()
    path = f"/challenges/{scene.contest.challenge.slug}/entries/{number}/log"
    assert scene.page(scene.leader, path)[0] == 404


def test_an_entry_without_a_log_has_no_page_and_another_boards_has_none_here(
    scene: Scene, session: Session
) -> None:
    assert scene.page(scene.leader)[0] == 404
    scene.write()
    elsewhere = make_contest(session, opens_at=now() - timedelta(days=3))
    path = scene.path.replace(scene.contest.challenge.slug, elsewhere.challenge.slug)
    assert scene.page(scene.leader, path)[0] == 404
    assert scene.page(elsewhere.organiser, path)[0] == 404


def test_while_it_is_to_come_page_and_program_say_so(scene: Scene) -> None:
    scene.asked()
    _, entries = scene.page(scene.leader, f"/challenges/{scene.contest.challenge.slug}/entries")
    assert "follows later" in entries
    assert 'hx-trigger="every 3s"' in entries
    status, page = scene.page(scene.leader)
    assert (status, "is run once more" in page) == (200, True)
    [told] = scene.told(scene.leader)
    assert (told["log"], told["log_follows"]) == (None, True)


def test_programs_are_told_the_outcome_and_for_one_entry_every_word(scene: Scene) -> None:
    scene.write()
    scene.contest.take(scene.team, at=now())
    newer, told = scene.told(scene.leader)
    assert (newer["log"], newer["log_follows"]) == (None, False)
    log = told["log"]
    assert isinstance(log, dict)
    assert (log["outcome"], log["seconds"]) == ("failed", 30)
    assert log["detail"] == "It failed there too: cell 3 stopped with KeyError."
    assert "cells" not in log
    [alone] = scene.told(scene.leader, f"?id={scene.entry.id}")
    assert alone["log"] == log | {
        "cells": [
            {"number": 2, "text": WRITTEN.cells[0].text, "traceback": "", "cut": False},
            {"number": 3, "text": "", "traceback": "KeyError: 'weight'", "cut": True},
        ]
    }


def test_a_file_that_cannot_be_taken_is_told_with_its_line(scene: Scene) -> None:
    fault = "There are %(count)d values where the header names %(width)d columns."
    params = {"file": "submission.csv", "line": 7, "fault": fault, "with": {"count": 3, "width": 2}}
    scene.write(RunLog("bad_file", params))
    _, page = scene.page(scene.leader)
    assert "cannot be taken. Line 7: There are 3 values where the header names 2 columns." in page
    assert "No cell said anything." in page
    assert "7행: 머리글에는 열이 2개인데" in scene.page(scene.leader, language="ko")[1]


UNTOLD = {
    "the organiser's scorer failed": SCORER_FAILED,
    "it is no notebook": write_failure(EntryFailed("notebook_unreadable")),
}


@pytest.mark.parametrize("failure", UNTOLD.values(), ids=UNTOLD)
def test_what_is_no_fault_of_its_cells_gets_no_log(scene: Scene, session: Session, failure: str) -> None:
    entry = scene.contest.take(scene.team, at=now(), kind=EntryKind.NOTEBOOK)
    fail_entry(session, entry.id, failure)
    assert retracing.ask_for_log(session, entry, at=now()) is None


@pytest.mark.parametrize("kind", [EntryKind.PREDICTIONS, EntryKind.MODEL])
def test_only_notebooks_that_failed_get_one(scene: Scene, session: Session, kind: EntryKind) -> None:
    for entry in (
        scene.contest.take(scene.team, at=now(), kind=kind),
        scene.contest.take(scene.team, at=now()),
    ):
        assert retracing.ask_for_log(session, entry, at=now()) is None
    entry.kind = kind
    fail_entry(session, entry.id, FAILURE)
    assert retracing.ask_for_log(session, entry, at=now()) is None


def without_logs(scene: Scene) -> list[dict[str, object]]:
    """The settings of a challenge without: it says nothing, came before there were any, or says so."""
    silent = {name: value for name, value in scene.contest.document.items() if name != "logs"}
    unsaid = load_challenge(silent).to_dict()
    assert unsaid["logs"] is False
    return [unsaid, silent, {**silent, "logs": False}]


def test_a_challenge_has_no_logs_unless_it_says_so(scene: Scene, session: Session) -> None:
    for settings in without_logs(scene):
        scene.contest.challenge.settings = settings
        assert retracing.ask_for_log(session, scene.entry, at=now()) is None


@pytest.mark.parametrize("is_written", [True, False])
def test_logs_that_are_turned_off_are_neither_shown_nor_written_any_more(
    scene: Scene, session: Session, *, is_written: bool
) -> None:
    challenge, wanted = scene.contest.challenge, scene.contest.challenge.settings
    address = f"/challenges/{challenge.slug}"
    if is_written:
        scene.write()
    scene.asked()
    for settings in without_logs(scene):
        challenge.settings = settings
        session.commit()
        for query in ("", f"?id={scene.entry.id}"):
            [told] = scene.told(scene.leader, query)
            assert (told["log"], told["log_follows"]) == (None, False)
        for reader, path in (
            (scene.leader, f"{address}/entries"),
            (scene.contest.organiser, f"{address}/organise/teams/{scene.team.id}"),
        ):
            status, page = scene.page(reader, path)
            assert status == 200
            assert not any(word in page for word in (scene.path, "A log of a run", "every 3s"))
            assert scene.page(reader)[0] == 404
        assert waiting_log(session) is None
    challenge.settings = wanted
    session.commit()
    assert scene.page(scene.leader)[0] == 200


@pytest.mark.parametrize("failure", ["not_finite", write_failure(EntryFailed("bad_predictions")), FAILURE])
def test_every_failure_of_its_own_gets_one_and_only_one(scene: Scene, session: Session, failure: str) -> None:
    scene.entry.failure = failure
    assert scene.asked() is scene.asked()
    assert (waiting_log(session) or pytest.fail("nothing waits")).entry_id == scene.entry.id
    assert waiting_log(session, [scene.entry.id]) is None


def test_a_run_that_never_comes_back_is_begun_three_times_and_then_told_of(
    scene: Scene, session: Session
) -> None:
    scene.asked()
    begun = [retracing.begin_log(session, scene.entry.id, at=now()) for _ in range(5)]
    assert begun == [True] * 3 + [False] * 2
    assert waiting_log(session) is None
    retracing.keep_log(session, scene.entry.id, WRITTEN, at=now())  # the third run comes back after all
    session.expire_all()
    assert session.get_one(EntryLog, scene.entry.id).outcome == "not_made"
    status, page = scene.page(scene.leader)
    assert (status, "The log could not be made. Nothing in your entry is to blame" in page) == (200, True)
    assert "No cell said anything" not in page
    assert "in a new box" not in page
    assert "로그를 만들지 못했어요. 보낸 파일 때문이 아니에요." in scene.page(scene.leader, language="ko")[1]
    [told] = scene.told(scene.leader)
    log = told["log"]
    assert isinstance(log, dict)
    assert (log["outcome"], told["log_follows"]) == ("not_made", False)


def a_log_that_waits(engine: Engine) -> int:
    with Session(engine) as session:
        contest = make_contest(session, kind="notebook", logs=True)
        entry = contest.take(contest.team(), kind=EntryKind.NOTEBOOK)
        fail_entry(session, entry.id, FAILURE)
        retracing.ask_for_log(session, entry, at=now())
        assert (waiting_log(session) or pytest.fail("nothing waits")).entry_id == entry.id
        assert waiting_log(session, since=now() - timedelta(minutes=1)) is None
        session.commit()
        return entry.id


def test_the_first_of_two_logs_is_kept_on_either_database(crossing: Engine) -> None:
    number = a_log_that_waits(crossing)
    begun = []
    for _ in range(2):
        with Session(crossing) as session, session.begin():
            begun.append(retracing.begin_log(session, number, at=now()))
    later = RunLog("ended", {}, (), 30)
    for log in (WRITTEN, later):
        with Session(crossing) as session, session.begin():
            retracing.keep_log(session, number, log, at=now())
    with Session(crossing) as session:
        kept = session.get_one(EntryLog, number)
        assert (begun, kept.tries, kept.outcome) == ([True, True], 2, "failed")
        assert [cell["text"] for cell in kept.cells] == [cell.text for cell in WRITTEN.cells]
        assert waiting_log(session) is None


@pytest.mark.postgres
def test_two_scorers_at_once_count_both_runs_and_keep_one_log(postgres_engine: Engine) -> None:
    """On SQLite one alone can write at a time."""
    number = a_log_that_waits(postgres_engine)
    begun: list[bool] = []

    def begin(session: Session) -> None:
        begun.append(retracing.begin_log(session, number, at=now()))

    def keep(outcome: str) -> Callable[[Session], None]:
        return lambda session: retracing.keep_log(session, number, RunLog(outcome, {}, (), 30), at=now())

    at_once(postgres_engine, begin, begin)
    at_once(postgres_engine, keep("failed"), keep("ended"))
    with Session(postgres_engine) as session:
        kept = session.get_one(EntryLog, number)
        assert (begun, kept.tries, kept.outcome) == ([True, True], 2, "failed")


def at_once(engine: Engine, first: Callable[[Session], None], second: Callable[[Session], None]) -> None:
    """Let the second begin while the first is done and not final: the database makes it wait."""

    def later() -> None:
        with Session(engine) as other, other.begin():
            second(other)

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        first(session)
        session.flush()
        waiting = pool.submit(later)
        with engine.connect() as looking:
            for _ in range(300):
                if looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    break
                time.sleep(0.05)
            else:
                pytest.fail("the second did not wait for the first")
        session.commit()
        waiting.result(timeout=30)


def test_an_entry_that_is_scored_again_has_no_log_of_before(scene: Scene, session: Session) -> None:
    scene.write()
    retry_entry(session, scene.entry.id)
    session.commit()
    assert scene.page(scene.leader)[0] == 404
    assert waiting_log(session) is None
    scene.contest.score(scene.entry, 0.5)
    assert scene.entry.state is EntryState.SCORED
    [told] = scene.told(scene.leader)
    assert told["log"] is None


def test_a_log_goes_with_its_entry_when_teams_merge(scene: Scene, session: Session) -> None:
    scene.write()
    into = scene.contest.team("둘", at=now())
    merge(session, scene.contest.leader(into), into, scene.team, at=now())
    assert scene.page(scene.contest.leader(into))[0] == 200


def run(scene: Scene, file: Path, *more: str) -> Result:
    key = scene.app.extensions["settings"].session_key()
    scene.contest.session.commit()
    words = ["submit", str(file), "--challenge", scene.contest.challenge.slug, "--server", "http://localhost"]
    token = make_token(scene.leader, Purpose.BOARDS, key)
    way = Answering(httpx.WSGITransport(app=scene.app), scene)
    return CliRunner().invoke(boards, [*words, *more], obj=way, env={"DURI_TOKEN": token})


class Answering(httpx.BaseTransport):
    """The way to the application; its scorer takes one step whenever somebody asks for entries."""

    def __init__(self, way: httpx.BaseTransport, scene: Scene) -> None:
        self.way, self.scene, self.asked = way, scene, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.asked += 1
            self.step()
        return self.way.handle_request(request)

    def step(self) -> None:
        session = self.scene.contest.session
        newest = max(session.query(Entry).all(), key=lambda entry: entry.sequence)
        if self.asked == 2:
            fail_entry(session, newest.id, FAILURE)
            retracing.ask_for_log(session, newest, at=now())
        elif self.asked == 3:
            assert retracing.begin_log(session, newest.id, at=now())
            retracing.keep_log(session, newest.id, WRITTEN, at=now())
        session.commit()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("lms.leaderboards.cli.remote.LOOK_SECONDS", 0.0)
    path = tmp_path / "work.ipynb"
    path.write_bytes(notebook("2 / 0"))
    return path


def test_a_terminal_waits_and_prints_what_it_said(scene: Scene, file: Path) -> None:
    ran = run(scene, file, "--wait")
    assert ran.exit_code == 8
    assert "has no score. Cell 3 stopped with KeyError." in ran.stdout
    assert "with at most 30 seconds: It failed there too: cell 3 stopped with KeyError." in ran.stdout
    assert "\nCell 2:\n    reading <script>" in ran.stdout
    assert "\nCell 3, cut:\n    KeyError: 'weight'\n" in ran.stdout
    korean = run(scene, file, "--wait", "--language", "ko")
    assert "3번 셀(일부만):" in korean.stdout


def test_a_terminal_that_waits_prints_one_document_for_programs(scene: Scene, file: Path) -> None:
    ran = run(scene, file, "--wait", "--json")
    assert ran.exit_code == 8
    told = json.loads(ran.stdout)
    assert told["state"] == "failed"
    assert [cell["number"] for cell in told["log"]["cells"]] == [2, 3]


def test_a_terminal_that_does_not_wait_prints_the_receipt_alone(scene: Scene, file: Path) -> None:
    ran = run(scene, file)
    assert ran.exit_code == 0
    assert "has no score" not in ran.stdout


HOSTILE = {
    "state": "failed",
    "failure": "\x1b[2Jgone",
    "log": {
        "detail": "\u202eright",
        "seconds": 30,
        "cells": [{"number": 1, "text": "a\x1b[1A\nb\tc"}, "x", 7],
    },
}


NOT_MADE = {
    "state": "failed",
    "log": {"outcome": "not_made", "detail": "The log could not be made.", "seconds": 0, "cells": []},
}


@pytest.mark.parametrize(
    ("entry", "printed", "status"),
    [
        ({"state": "scored", "score": 0.75}, "is scored: 0.75.", 0),
        ({"state": "scored", "score": None}, "is not told yet", 0),
        ({"state": "disqualified", "failure": "", "disqualified": "copied"}, "has no score. copied", 8),
        (HOSTILE, "    b       c\n", 8),
        (NOT_MADE, "has no score. \n\nThe log could not be made.\n", 8),
    ],
)
def test_a_terminal_says_what_any_server_answers_without_being_steered(
    file: Path, entry: dict[str, object], printed: str, status: int
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        told = {"id": 4} if request.method == "POST" else {"entries": [{"id": 4, **entry}]}
        return httpx.Response(200, json=told)

    words = ["submit", str(file), "--challenge", "x", "--server", "http://localhost", "--wait"]
    ran = CliRunner().invoke(boards, words, obj=httpx.MockTransport(answer), env={"DURI_TOKEN": "x"})
    assert ran.exit_code == status
    assert printed in ran.stdout
    assert "\x1b" not in ran.stdout
    assert "\u202e" not in ran.stdout


@pytest.mark.parametrize("answer", [{}, {"entries": []}, {"entries": [{"id": 5}]}, {"entries": "no"}])
def test_a_server_that_does_not_tell_of_the_entry_ends_the_waiting(file: Path, answer: object) -> None:
    way = httpx.MockTransport(
        lambda asked: httpx.Response(200, json=answer if asked.method == "GET" else {"id": 4})
    )
    words = ["submit", str(file), "--challenge", "x", "--server", "http://localhost", "--wait"]
    ran = CliRunner().invoke(boards, words, obj=way, env={"DURI_TOKEN": "x"})
    assert (ran.exit_code, "Look at its page" in ran.stderr) == (1, True)
