"""Programs at the API: who may ask what, and entries with their receipts."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.accounts.services.limits import count_try
from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.db import now
from lms.leaderboards import api
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.core.honours import medal
from lms.leaderboards.models import Entry, EntryKind, Share, Visibility
from lms.leaderboards.services.entering import REFUSED_PER_PERSON
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from lms.leaderboards.tables.flags import EntryAddress
from tests.factories.leaderboards import Contest, make_contest

SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"
NOTEBOOK = b'{"cells": [], "metadata": {"number": %d}, "nbformat": 4, "nbformat_minor": 5}'


@dataclass
class Program:
    """Somebody's training script."""

    app: Flask
    contest: Contest
    client: FlaskClient

    def token(self, user: User, purpose: Purpose = Purpose.BOARDS) -> dict[str, str]:
        key = self.app.extensions["settings"].session_key()
        return {"Authorization": f"Bearer {make_token(user, purpose, key)}"}

    def post(self, user: User, content: bytes = GOOD, **kwargs: object) -> TestResponse:
        path = f"/api/challenges/{self.contest.challenge.slug}/entries"
        return self.client.post(path, data=content, headers=self.token(user), **kwargs)  # type: ignore[arg-type]

    def get(self, path: str = "", user: User | None = None) -> TestResponse:
        headers = self.token(user) if user is not None else {}
        return self.client.get(f"/api/challenges/{self.contest.challenge.slug}{path}", headers=headers)

    def member(self) -> User:
        team = self.contest.team(at=now())
        self.contest.session.commit()
        return self.contest.leader(team)

    @property
    def entries(self) -> int:
        return self.contest.session.scalar(select(func.count(Entry.id))) or 0


@pytest.fixture
def program(app: Flask, session: Session, blobs: FolderBlobs, client: FlaskClient) -> Program:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), per_day=2)
    contest.challenge.files = {"sample_submission.csv": {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}}
    session.flush()
    return Program(app, contest, client)


def test_an_entry_gets_a_receipt_with_its_hash_and_what_is_left(program: Program) -> None:
    user = program.member()
    answer = program.post(user)
    told = answer.get_json()
    assert answer.status_code == 202
    assert told["state"] == "received"
    assert told["bytes"] == len(GOOD)
    assert (told["quota"]["used"], told["quota"]["left"]) == (1, 1)
    entry = program.contest.session.get_one(Entry, told["id"])
    assert entry.blob == told["sha256"]
    kept = program.contest.session.get_one(EntryAddress, entry.id)
    assert len(kept.address) == 32
    assert "127.0.0.1" not in kept.address
    [shown] = program.get("/entries", user).get_json()["entries"]
    assert (shown["state"], shown["score"], shown["private_score"]) == ("received", None, None)


def test_a_form_may_carry_the_file_and_its_name_is_shown_harmless(program: Program) -> None:
    user = program.member()
    path = f"/api/challenges/{program.contest.challenge.slug}/entries"
    form = {"file": (io.BytesIO(GOOD), "../../\u202efirst.csv")}
    assert program.client.post(path, data=form, headers=program.token(user)).status_code == 202
    assert program.contest.session.scalars(select(Entry.filename)).one() == "first.csv"


def test_a_file_with_faults_is_told_each_line_and_costs_nothing(program: Program) -> None:
    user = program.member()
    answer = program.post(user, b"id,place\na,north\nb,\nd,south\n")
    told = answer.get_json()
    assert answer.status_code == 422
    assert [fault["line"] for fault in told["faults"]] == [3, 4, None]
    assert program.entries == 0
    korean = program.client.post(
        f"/api/challenges/{program.contest.challenge.slug}/entries?lang=ko",
        data=b"id\na",
        headers=program.token(user) | {"Accept-Language": "ko"},
    )
    assert "열이 없어요" in korean.get_json()["faults"][0]["detail"]


def test_whatever_is_refused_is_a_problem_of_one_form(program: Program) -> None:
    user, stranger = program.member(), program.contest.person()
    program.contest.session.commit()
    path = f"/api/challenges/{program.contest.challenge.slug}/entries"
    lines = program.post(user, b"id,place\na,north\nb,\n")
    first = [program.post(user).status_code for _ in range(2)]
    assert first == [202, 202]
    refused = {
        401: program.client.post(path, data=GOOD),
        404: program.post(stranger),
        405: program.client.delete(path),
        413: program.client.post(path, data=b"x" * (FILE_BYTES + 2), headers=program.token(stranger)),
        422: lines,
        429: program.post(user),
    }
    program.contest.challenge.ends_at = now() - timedelta(seconds=1)
    program.contest.session.commit()
    refused[409] = program.post(user)
    for status, answer in refused.items():
        told = answer.get_json()
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), status
        assert (told["type"], told["status"]) == ("about:blank", status)
        assert told["title"], status
        assert told["detail"], status
    assert refused[422].get_json()["faults"]


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"csv": (io.BytesIO(GOOD), "first.csv")}},
        {"data": {"file": "first.csv"}},
        {"data": GOOD, "content_type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_form_without_the_field_is_told_which_one_is_wanted(
    program: Program, form: dict[str, object]
) -> None:
    user = program.member()
    path = f"/api/challenges/{program.contest.challenge.slug}/entries"
    answer = program.client.post(path, headers=program.token(user), **form)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert "'file'" in answer.get_json()["detail"]
    assert program.entries == 0


def test_rows_of_an_ended_board_have_their_medal(program: Program) -> None:
    contest = program.contest
    for number in range(3):
        contest.enter(contest.team(at=now()), 0.5 - number / 10, at=now())
    contest.session.commit()
    assert {row["medal"] for row in program.get("/board").get_json()["rows"]} == {None}
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(seconds=1)
    contest.session.commit()
    told = program.get("/board").get_json()
    assert told["share"] == "private"
    assert [row["medal"] for row in told["rows"]] == [medal(rank, 3) for rank in (1, 2, 3)]
    assert told["rows"][0]["medal"] is not None
    public = program.get("/board?share=public").get_json()
    assert {row["medal"] for row in public["rows"]} == {None}


@pytest.mark.parametrize("given", ["Basic dXNlcjpwYXNz", "Digest x", ""])
def test_what_a_site_asks_at_its_own_door_is_no_token(program: Program, given: str) -> None:
    user = program.member()
    path = f"/api/challenges/{program.contest.challenge.slug}"
    assert program.client.get(f"{path}/board", headers={"Authorization": given}).status_code == 200
    assert (
        program.client.post(f"{path}/entries", data=GOOD, headers={"Authorization": given}).status_code == 401
    )
    token = program.token(user)["Authorization"].removeprefix("Bearer ")
    assert (
        program.client.get(f"{path}/entries", headers={"Authorization": f"bearer {token}"}).status_code == 200
    )


def test_files_are_named_from_the_opening_on(program: Program) -> None:
    assert program.get().get_json()["files"] == {"sample_submission.csv": len(SAMPLE)}
    program.contest.challenge.opens_at = now() + timedelta(hours=1)
    program.contest.session.commit()
    assert program.get().get_json()["files"] == {}
    listed = program.client.get("/api/challenges").get_json()["challenges"]
    assert [one["files"] for one in listed] == [{}]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04\x95", b"[" * 100_000, b"id,place\n" * 50])
def test_hostile_bytes_are_refused_before_anything_is_counted(program: Program, content: bytes) -> None:
    assert program.post(program.member(), content).status_code == 422
    assert program.entries == 0


def test_what_is_larger_than_its_rows_need_is_refused(program: Program) -> None:
    assert program.post(program.member(), b"id,place\n" + b" " * (2 << 20)).status_code == 413
    assert program.post(program.member(), b"PAR1" + b" " * (2 << 20)).status_code == 413


def test_the_third_entry_of_a_day_is_refused_and_says_when_the_next_may_come(program: Program) -> None:
    user = program.member()
    assert [program.post(user).status_code for _ in range(3)] == [202, 202, 429]
    refused = program.post(user)
    assert int(refused.headers["Retry-After"]) > 0
    assert program.get("", user).get_json()["quota"]["next_at"]
    assert program.entries == 2


def test_without_a_good_token_nothing_is_entered(program: Program, sign_in: Callable[[User], None]) -> None:
    user = program.member()
    path = f"/api/challenges/{program.contest.challenge.slug}/entries"
    for headers in ({"Authorization": "Bearer x"}, program.token(user, Purpose.VERIFY_MANY)):
        for answer in (
            program.client.post(path, data=GOOD, headers=headers),
            program.client.get(path, headers=headers),
            program.client.get(path.replace("entries", "board"), headers=headers),
        ):
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "토큰" in answer.get_json()["detail"]
    unsigned = program.client.post(path, data=GOOD)
    assert (unsigned.status_code, unsigned.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert program.client.get(path).status_code == 401
    sign_in(user)  # another site could make a browser send this
    assert program.client.post(path, data=GOOD).status_code == 401
    assert program.client.get(path).status_code == 200
    assert program.entries == 0


def test_who_is_in_no_team_cannot_enter(program: Program) -> None:
    stranger = program.contest.person()
    program.contest.session.commit()
    assert program.post(stranger).status_code == 404
    assert program.get("/entries", stranger).status_code == 404


def kept(program: Program) -> int:
    """How many files are in the store."""
    return sum(path.is_file() for path in program.app.extensions["blobs"].folder.rglob("*"))


def test_what_will_not_be_taken_is_neither_read_nor_kept(program: Program) -> None:
    program.contest.challenge.kind = EntryKind.NOTEBOOK  # each of 20 MiB, and no two the same
    stranger, user, late = program.contest.person(), program.member(), program.member()
    program.contest.session.commit()
    notebooks = (NOTEBOOK % number for number in range(9))
    before = kept(program)
    assert program.post(stranger, next(notebooks)).status_code == 404
    assert [program.post(user, next(notebooks)).status_code for _ in range(3)] == [202, 202, 429]
    assert program.post(user, b"not even a notebook").status_code == 429
    program.contest.challenge.rules_version = "2"
    program.contest.session.commit()
    assert program.post(late, next(notebooks)).status_code == 403
    program.contest.challenge.ends_at = now() - timedelta(seconds=1)
    program.contest.challenge.rules_version = "1"
    program.contest.session.commit()
    assert program.post(late, next(notebooks)).status_code == 409
    assert kept(program) == before + 2


def test_refused_entries_are_counted_until_none_is_looked_at(program: Program) -> None:
    user, other = program.member(), program.member()
    with Session(program.contest.session.get_bind()) as counting:
        for _ in range(REFUSED_PER_PERSON.tries - 1):
            count_try(counting, REFUSED_PER_PERSON, str(user.id))
        counting.commit()
    assert program.post(user, b"id\na").status_code == 422
    refused = program.post(user)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= REFUSED_PER_PERSON.seconds
    assert program.post(other).status_code == 202
    assert program.entries == 1


def test_a_challenge_of_a_course_is_not_there_for_strangers(program: Program) -> None:
    member = program.member()
    program.contest.challenge.visibility = Visibility.COURSE
    program.contest.session.commit()
    for path in ("", "/board", "/entries"):
        assert program.get(path, member).status_code == 404
    for path in ("", "/board"):
        assert program.get(path).status_code == 404
    assert program.post(member).status_code == 404
    assert program.client.get("/api/challenges").get_json() == {"challenges": []}


def test_the_board_shows_rounded_public_scores_and_the_askers_own_row(program: Program) -> None:
    contest = program.contest
    first, second = (contest.team(name, at=now()) for name in ("하나", "둘"))
    contest.enter(first, 0.123456789, 0.9, at=now())
    contest.enter(second, 0.5, 0.1, at=now())
    contest.session.commit()
    told = program.get("/board?limit=1", contest.leader(first)).get_json()
    assert (told["share"], told["ranked"], len(told["rows"])) == ("public", 2, 1)
    assert told["rows"][0]["team"] == "둘"
    assert (told["mine"]["rank"], told["mine"]["score"]) == (2, 0.1235)
    for path, scores in (("/board", {"0.5", "0.1235"}), ("/entries", {"0.1235"})):
        told_of: list[str] = []
        json.loads(program.get(path, contest.leader(first)).text, parse_float=told_of.append)
        assert set(told_of) == scores
    assert program.get("/board").get_json()["mine"] is None


def test_the_board_says_by_what_it_ranks_and_when_its_tie_groups_were_worked_out(program: Program) -> None:
    session, board = program.contest.session, program.contest.board
    first = program.contest.team(at=now())
    program.contest.enter(first, 0.5, at=now())
    session.commit()
    told = program.get("/board").get_json()
    assert (told["metric"], told["direction"], told["tied_at"]) == ("accuracy", "max", None)
    standing, at = program.contest.standing(first), datetime(2026, 9, 3, 4, 5, 6, tzinfo=UTC)
    assert standing is not None
    keep_tie_groups(session, board, Share.PUBLIC, [Tied(first.id, standing.entry_id, 1, 1, 1)], at=at)
    session.commit()
    told = program.get("/board").get_json()
    assert (told["tied_at"], told["rows"][0]["tie_group"]) == ("2026-09-03T04:05:06+00:00", 1)
    assert program.get("/board?offset=5").get_json()["tied_at"] is None  # nothing there is dated by it
    board.ladder = True
    session.commit()
    assert program.get("/board").get_json()["tied_at"] is None


def test_an_anonymous_board_tells_nothing_that_names_a_team_later(program: Program) -> None:
    contest = program.contest
    first, second = (contest.team(name, at=now()) for name in ("하나", "둘"))
    for team in (first, second):
        contest.enter(team, 0.5, at=now())
    contest.board.anonymous = True
    contest.session.commit()
    told = program.get("/board", contest.leader(first)).get_json()
    assert [row["team_id"] for row in told["rows"]] == [first.id, None]
    assert told["mine"]["team_id"] == first.id
    assert "둘" not in json.dumps(told, ensure_ascii=False)
    assert [row["team_id"] for row in program.get("/board").get_json()["rows"]] == [None, None]


def test_numbers_of_pages_are_bounded(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    contest = program.contest
    for score in (0.5, 0.25, 0.75):
        contest.enter(contest.team(at=now()), score, at=now())
    contest.session.commit()
    shown = {
        "": [1, 2, 3],
        "?offset=1&limit=1": [2],
        "?offset=-5": [1, 2, 3],
        "?offset=x": [1, 2, 3],
        "?offset=99999": [],
        "?offset=999999999999999999999": [],
        "?limit=0": [1],
    }
    for query, ranks in shown.items():
        answer = program.get(f"/board{query}")
        assert (answer.status_code, [row["rank"] for row in answer.get_json()["rows"]]) == (200, ranks), query
    monkeypatch.setattr(api, "LARGEST_PAGE", 2)
    assert len(program.get("/board?limit=99999999").get_json()["rows"]) == 2


def test_one_entry_is_asked_for_by_its_number(program: Program) -> None:
    contest = program.contest
    team = contest.team(at=now())
    first, second = (contest.enter(team, score, at=now()).id for score in (0.5, 0.75))
    other = contest.enter(contest.team(at=now()), 0.25, at=now()).id
    contest.session.commit()
    for query, numbers in {
        "": [second, first],
        f"?id={first}": [first],
        f"?id={first}&offset=1": [first],
        f"?id={other}": [],
        "?id=0": [],
        "?id=2147483647": [],
    }.items():
        told = program.get(f"/entries{query}", contest.leader(team)).get_json()
        assert [one["id"] for one in told["entries"]] == numbers, query


@pytest.mark.parametrize("number", ["abc", "", "-1", "1.5", "2147483648", "99999999999", "x" * 500])
def test_what_is_no_number_of_an_entry_is_refused_and_does_not_mean_all(
    program: Program, number: str
) -> None:
    answer = program.get(f"/entries?id={number}", program.member())
    assert answer.status_code == 422
    assert f"번호가 '{number[:40]}'인 것은 없어요." in answer.get_json()["detail"]
