"""The page of the JSON API names every endpoint, field and status, and no other."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.config import ROOT
from lms.db import now
from lms.errors import DomainError
from lms.leaderboards.cli.remote import REFUSALS
from lms.leaderboards.core.failures import EntryFailed, write_failure
from lms.leaderboards.core.run_logs import CellLog, RunLog
from lms.leaderboards.core.schedule import MOVABLE, as_shown
from lms.leaderboards.models import Entry, EntryKind, Share
from lms.leaderboards.queries.dates import schedule_of
from lms.leaderboards.services import retracing
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.honouring import count_results
from lms.leaderboards.services.rescheduling import reschedule
from lms.leaderboards.services.scoring import fail_entry
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from lms.web.errors import SENTENCES
from tests.factories.accounts import make_user
from tests.factories.leaderboards import Contest, give_honours, make_contest
from tests.factories.notebooks import notebook

PAGE = (ROOT / "docs" / "reference" / "leaderboards-api.md").read_text(encoding="utf-8")
SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"


def _is_moment(value: object) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TYPES: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "integer": _is_whole,
    "number": lambda value: isinstance(value, float) or _is_whole(value),
    "boolean": lambda value: isinstance(value, bool),
    "moment": _is_moment,
    "day": lambda value: isinstance(value, str) and date.fromisoformat(value).isoformat() == value,
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def table(heading: str) -> dict[str, str]:
    """Return the first two cells of each row below a heading."""
    section = re.split(rf"(?m)^#+ {re.escape(heading)}\n", PAGE)[1]
    section = re.split(r"(?m)^#", section)[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:3]] for line in section.splitlines()]
    found = {row[0]: row[1] for row in rows if len(row) == 2}
    return {name: kind for name, kind in found.items() if kind not in {"type", "when", "---"}}


def assert_told(told: Mapping[str, Any], *headings: str, absent: frozenset[str] = frozenset()) -> None:
    """Check that an answer has the fields of the page, of the types of the page."""
    fields: dict[str, str] = {}
    for heading in headings:
        fields |= table(heading)
    assert set(told) == set(fields) - absent, headings
    for name, value in told.items():
        kinds = fields[name].split(" or ")
        assert any(TYPES[kind](value) for kind in kinds), (headings, name, value)


class Asking:
    """A member of a team who asks by program."""

    def __init__(self, app: Flask, client: FlaskClient, contest: Contest) -> None:
        self.app, self.client, self.contest = app, client, contest
        self.team = contest.team(at=now())
        self.leader = contest.leader(self.team)

    def headers(self, user: User | None = None) -> dict[str, str]:
        key = self.app.extensions["settings"].session_key()
        return {"Authorization": f"Bearer {make_token(user or self.leader, Purpose.BOARDS, key)}"}

    def get(self, path: str = "") -> dict[str, Any]:
        self.contest.session.commit()
        answer = self.client.get(
            f"/api/challenges/{self.contest.challenge.slug}{path}", headers=self.headers()
        )
        assert answer.status_code == 200
        found: dict[str, Any] = answer.get_json()
        return found

    def post(self, content: bytes, status: int) -> dict[str, Any]:
        self.contest.session.commit()
        path = f"/api/challenges/{self.contest.challenge.slug}/entries"
        answer = self.client.post(path, data=content, headers=self.headers())
        assert answer.status_code == status
        found: dict[str, Any] = answer.get_json()
        return found


def asking(app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs, **changes: Any) -> Asking:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), **changes)
    contest.challenge.files = {"sample_submission.csv": {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}}
    return Asking(app, client, contest)


def test_challenges(app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs) -> None:
    program = asking(app, client, session, blobs)
    challenge = program.contest.challenge
    dates = schedule_of(challenge)
    typed = {
        name: None if (at := dates.date(name)) is None else as_shown(at, challenge.timezone)
        for name in MOVABLE
    }
    typed["ends_at"] = as_shown(challenge.ends_at + timedelta(days=1), challenge.timezone)
    organiser = program.contest.organiser
    reschedule(session, organiser, challenge, typed, "The server was down.", seen=dates.mark, clock=now)
    told = program.get()
    assert_told(told, "A challenge", "One challenge alone")
    assert_told(told["team"], "A team")
    assert_told(told["quota"], "A quota")
    assert_told(told["date_changes"][0], "A change of dates")
    listed = client.get("/api/challenges").get_json()
    assert set(listed) == {"challenges"}
    for one in listed["challenges"]:
        assert_told(one, "A challenge")


def test_boards(app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs) -> None:
    program = asking(app, client, session, blobs)
    contest = program.contest
    opened = contest.challenge.opens_at
    set_baselines(session, contest.challenge, {"forest": (0.4, 0.4)}, at=opened)
    contest.enter(program.team, 0.5, at=now())
    for _ in range(2):
        contest.enter(contest.team(at=now()), 0.3, at=now())
    standing = contest.standing(program.team)
    assert standing is not None
    tied = Tied(program.team.id, standing.entry_id, 1, 1, 1, 0.4, 0.6)
    keep_tie_groups(session, contest.board, Share.PUBLIC, [tied], at=now())
    told = program.get("/board")
    assert_told(told, "A board")
    for row in (*told["rows"], told["mine"]):
        assert_told(row, "A row")
    assert {row["baseline"] for row in told["rows"]} == {False, True}
    assert told["mine"]["score_interval"] is not None

    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(seconds=1)
    session.flush()
    count_results(session, contest.board, now())
    told = program.get("/board")
    assert_told(told, "A board", "An ended board")
    assert_told(told["mine"], "A row")
    assert told["mine"]["medal"] is not None


def test_entries(app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs) -> None:
    program = asking(app, client, session, blobs)
    receipt = program.post(GOOD, 202)
    assert_told(receipt, "A receipt")
    assert_told(receipt["quota"], "A quota")
    refused = program.post(b"id,place\na,north\nb,\n", 422)
    assert_told(refused, "A refusal")
    for fault in refused["faults"]:
        assert_told(fault, "A fault")
    program.contest.board.ends_at = program.contest.challenge.ends_at = now() - timedelta(seconds=1)
    assert_told(program.post(GOOD, 409), "A refusal", absent=frozenset({"faults"}))
    program.contest.score(session.get_one(Entry, receipt["id"]), 0.5)
    told = program.get("/entries")
    assert set(told) == {"entries"}
    assert_told(told["entries"][0], "An entry")


def test_the_log_of_an_entry(app: Flask, client: FlaskClient, session: Session, blobs: FolderBlobs) -> None:
    program = asking(app, client, session, blobs, kind="notebook", logs=True)
    blob = blobs.put(notebook("1 / 0"))
    entry = program.contest.take(program.team, at=now(), kind=EntryKind.NOTEBOOK, blob=blob)
    fail_entry(session, entry.id, write_failure(EntryFailed("cell_failed", cell=3, error="KeyError")))
    assert retracing.ask_for_log(session, entry, at=now())
    assert retracing.begin_log(session, entry.id, at=now())
    log = RunLog("failed", {"cell": 3, "error": "KeyError"}, (CellLog(3, "", "KeyError", cut=True),), 30)
    retracing.keep_log(session, entry.id, log, at=now())
    [one] = program.get("/entries")["entries"]
    assert_told(one, "An entry")
    assert_told(one["log"], "A log", absent=frozenset({"cells"}))
    [whole] = program.get(f"/entries?id={entry.id}")["entries"]
    assert_told(whole["log"], "A log")
    for cell in whole["log"]["cells"]:
        assert set(asdict(log.cells[0])) == set(cell)
        assert_told(cell, "A cell")


def test_people(client: FlaskClient, session: Session) -> None:
    give_honours(session, make_user(session))
    session.commit()
    told = client.get("/api/honours").get_json()
    assert_told(told, "People")
    assert told["rows"]
    for row in told["rows"]:
        assert_told(row, "A person")


def test_every_endpoint_is_on_the_page(app: Flask) -> None:
    known = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("leaderboards_api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(re.findall(r"(?m)^### `(.+)`$", PAGE)) == known


def test_every_status_is_on_the_page() -> None:
    listed = {int(status) for status in table("Statuses")}
    refusals = {each.status for each in DomainError.__subclasses__()}
    assert listed - {200, 202} == (refusals | set(SENTENCES) | set(REFUSALS)) - {415}


@pytest.mark.parametrize("heading", re.findall(r"\]\(#([a-z-]+)\)", PAGE))
def test_every_link_leads_to_fields(heading: str) -> None:
    headings = re.findall(r"(?m)^### (\w.+)$", PAGE)
    assert heading in {each.lower().replace(" ", "-") for each in headings}
