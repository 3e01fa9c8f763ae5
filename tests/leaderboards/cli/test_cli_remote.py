"""The commands that ask a server: our own application, or a stranger that answers anything."""

import json
import math
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy.orm import Session

from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.config import Settings
from lms.db import now
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.services.scoring import score_entry
from tests.factories.accounts import make_user
from tests.factories.leaderboards import Contest, give_honours, make_contest

SAMPLE = b"id,place\na,north\nb,north\nc,north\n"
GOOD = b"id,place\nc,south\na,north\nb,south\n"


@pytest.fixture
def contest(session: Session, blobs: FolderBlobs) -> Contest:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), per_day=2)
    contest.challenge.files = {"sample_submission.csv": {"sha256": blobs.put(SAMPLE), "bytes": len(SAMPLE)}}
    return contest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "first try.csv"
    path.write_bytes(GOOD)
    return path


class Terminal:
    """Somebody's terminal."""

    def __init__(self, way: httpx.BaseTransport, token: str = "") -> None:
        self.way = way
        self.token = token

    def run(self, *words: str | Path, server: str = "http://localhost") -> Result:
        said = [*map(str, words), "--server", server]
        return CliRunner().invoke(boards, said, obj=self.way, env={"DURI_TOKEN": self.token})

    def submit(self, file: Path, slug: str, *more: str) -> Result:
        return self.run("submit", file, "--challenge", slug, *more)


@pytest.fixture
def terminal(app: Flask, contest: Contest) -> Terminal:
    """The terminal of a member, joined to the application without a network."""
    team = contest.team("우리 팀", at=now())
    contest.session.commit()
    key = app.extensions["settings"].session_key()
    return Terminal(httpx.WSGITransport(app=app), make_token(contest.leader(team), Purpose.BOARDS, key))


def stranger(status: int, **answer: object) -> Terminal:
    return Terminal(httpx.MockTransport(lambda _: httpx.Response(status, **answer)), "x")  # type: ignore[arg-type]


def test_a_file_is_sent_and_its_receipt_printed(terminal: Terminal, contest: Contest, file: Path) -> None:
    ran = terminal.submit(file, contest.challenge.slug)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "SHA-256" in ran.stdout
    assert "1 of 2 entries are left today" in ran.stdout
    receipt = json.loads(terminal.submit(file, contest.challenge.slug, "--json").stdout)
    assert receipt["state"] == "received"


def test_faults_are_told_with_their_lines(terminal: Terminal, contest: Contest, file: Path) -> None:
    file.write_bytes(b"id,place\na,north\nb,\nd,south\n")
    ran = terminal.submit(file, contest.challenge.slug)
    assert ran.exit_code == 5
    assert "line 3: " in ran.stderr
    assert "Nothing was counted" in ran.stderr
    korean = terminal.submit(file, contest.challenge.slug, "--language", "ko")
    assert "3행: " in korean.stderr
    assert "횟수는 줄지 않았어요" in korean.stderr


def test_the_third_of_a_day_is_told_the_next_time(terminal: Terminal, contest: Contest, file: Path) -> None:
    for _ in range(2):
        assert terminal.submit(file, contest.challenge.slug).exit_code == 0
    ran = terminal.submit(file, contest.challenge.slug)
    assert ran.exit_code == 6
    assert "All 2 entries of this day are used" in ran.stderr
    assert f"Next possible: {now():%Y}" in ran.stderr


def test_no_token_a_bad_one_and_no_challenge_have_a_status_each(
    terminal: Terminal, contest: Contest, file: Path
) -> None:
    assert terminal.submit(file, "not-there").exit_code == 4
    terminal.token = "wrong"
    ran = terminal.submit(file, contest.challenge.slug)
    assert (ran.exit_code, "Make a new one" in ran.stderr) == (3, True)
    terminal.token = ""
    assert (terminal.submit(file, contest.challenge.slug).exit_code) == 3


@pytest.mark.parametrize("token", ["토큰", "x\udcff", "x\x1by", "x\ny", "caf\u00e9"])
def test_a_token_that_no_header_can_carry_is_refused_before_anything_is_sent(file: Path, token: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        pytest.fail(f"{request.url} was asked")

    terminal = Terminal(httpx.MockTransport(answer), token)
    for ran in (terminal.submit(file, "parcels"), terminal.run("standings", "parcels")):
        assert (ran.exit_code, "Make a token" in ran.stderr) == (3, True)
        assert isinstance(ran.exception, SystemExit)


def test_the_board_is_printed_with_ones_own_place(terminal: Terminal, contest: Contest) -> None:
    slug = contest.challenge.slug
    assert "Nobody is on the board yet" in terminal.run("standings", slug).stdout
    mine = team_of(contest.session, contest.board, contest.people[0])
    other = contest.team("Other", at=now())
    other.name = "Other\u202e"
    assert mine is not None
    contest.enter(mine, 0.5, at=now())
    contest.enter(other, 0.75, at=now())
    contest.session.commit()
    ran = terminal.run("standings", slug)
    assert ran.exit_code == 0
    assert [line.split()[:2] for line in ran.stdout.splitlines()[1:3]] == [["1", "0.7500"], ["2", "0.5000"]]
    assert "You: place 2 of 2" in ran.stdout
    assert "\u202e" not in ran.stdout
    assert json.loads(terminal.run("standings", slug, "--json").stdout)["ranked"] == 2


def test_other_metrics_stand_after_the_score(terminal: Terminal, contest: Contest) -> None:
    contest.challenge.settings = {**contest.challenge.settings, "also": ["f1_macro", "cohen_kappa"]}
    mine = team_of(contest.session, contest.board, contest.people[0])
    assert mine is not None
    scores = Scores(0.5, 0.9, {"f1_macro": (0.61234567, 0.9), "cohen_kappa": (math.nan, 0.9)})
    score_entry(contest.session, contest.take(mine, at=now()).id, scores, at=now())
    contest.session.commit()
    ran = terminal.run("standings", contest.challenge.slug)
    _, heads, row, _ = ran.stdout.splitlines()
    assert heads.split()[-2:] == ["f1_macro", "cohen_kappa"]
    assert row.split() == ["1", "0.5000", "0.6123", "-", "우리", "팀"]
    assert [heads.index("f1_macro") + 8, heads.index("cohen_kappa") + 11] == [
        row.index("0.6123") + 6,
        row.index("-") + 1,
    ]


@pytest.mark.parametrize("also", [None, "f1", 5, {"a": 1}, [1, None, "\x1b[2Jname"], ["x"] * 1000])
@pytest.mark.parametrize("metrics", [None, 5, ["x"], {"x": "\x1b[2J"}, {"x": {}}])
def test_strange_metrics_of_a_stranger_do_no_harm(also: object, metrics: object) -> None:
    row = {"rank": 1, "team": "A", "score": 0.5, "metrics": metrics}
    ran = stranger(200, json={"share": "public", "ranked": 1, "also": also, "rows": [row]}).run(
        "standings", "x"
    )
    assert ran.exit_code == 0
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) < 200


@pytest.mark.parametrize(
    ("status", "answer", "code", "says"),
    [
        (401, {"json": {"detail": "Sign in"}}, 3, "DURI_TOKEN"),
        (403, {"json": {"detail": "No."}}, 3, "No."),
        (409, {"json": {"detail": "Ended."}}, 7, "Ended."),
        (413, {"text": "<html>"}, 5, "too large"),
        (500, {"text": "oops"}, 1, "status 500"),
        (302, {"headers": {"Location": "https://x.example/"}}, 1, "https://x.example/"),
        (404, {"text": "<html>not us</html>"}, 1, "is not Duri"),
        (200, {"text": "<html>"}, 1, "is not Duri"),
        (200, {"json": [1]}, 1, "is not Duri"),
        (418, {"json": {}}, 1, "is not Duri"),
        (429, {"json": {"detail": "Wait."}, "headers": {"Retry-After": "soon"}}, 6, "Wait."),
        (422, {"json": {"faults": [{"line": n, "detail": "\x1b[2J"} for n in range(30)]}}, 5, "10 more"),
        (422, {"json": {"faults": "x", "detail": ["y"]}}, 5, "y"),
    ],
)
def test_whatever_a_server_answers_there_is_a_sentence(
    file: Path, status: int, answer: dict[str, object], code: int, says: str
) -> None:
    ran = stranger(status, **answer).submit(file, "parcels")
    assert (ran.exit_code, says in ran.stderr) == (code, True), ran.stderr
    assert "\x1b" not in ran.output


def test_a_server_that_cannot_be_reached_or_is_none(file: Path) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def sleep(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    for way, says in ((fail, "cannot be reached"), (sleep, "did not answer in time")):
        ran = Terminal(httpx.MockTransport(way), "x").submit(file, "parcels")
        assert (ran.exit_code, says in ran.stderr) == (1, True)
    for server in ("duri.example", "ftp://x", "http://", "http://[", ""):
        ran = Terminal(httpx.MockTransport(fail), "x").run("standings", "parcels", server=server)
        assert ran.exit_code == 2


def test_a_token_on_an_open_road_is_warned_of_and_a_name_stays_one_name() -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json={"rows": []})

    ran = Terminal(httpx.MockTransport(answer), "x").run(
        "standings", "../../admin?x", server="http://duri.example"
    )
    assert "is not https" in ran.stderr
    assert asked[0].raw_path.startswith(b"/api/challenges/..%2F..%2Fadmin%3Fx/board")
    safe = Terminal(httpx.MockTransport(answer), "x").run("standings", "p", server="https://duri.example")
    assert safe.stderr == ""


def test_the_token_is_no_setting_of_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURI_TOKEN", "x")
    monkeypatch.setenv("DURI_SERVER", "https://duri.example")
    assert Settings.load()


def test_points_are_printed_of_those_who_show_them(app: Flask, session: Session) -> None:
    user = make_user(session, name="evil\x1b[2J")
    user.country = "KR"
    give_honours(session, user)
    session.commit()
    terminal = Terminal(httpx.WSGITransport(app=app))
    ran = terminal.run("points", "--country", "KR")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "1 people, page 1 of 1" in ran.stdout
    assert "1 gold, 0 silver, 0 bronze  evil" in ran.stdout
    assert "\x1b" not in ran.stdout
    assert "1 gold" in terminal.run("points", "--country", "kr", "--tier", "contributor").stdout
    assert "Nobody shows" in terminal.run("points", "--country", "NZ").stdout
    assert "Nobody shows" in terminal.run("points", "--tier", "master").stdout
    ran = terminal.run("points", "--tier", "king")
    assert (ran.exit_code, "'grandmaster'" in ran.stderr) == (2, True)
    told = json.loads(terminal.run("points", "--json").stdout)
    assert told["rows"][0]["best_rank"] == 1


@pytest.mark.parametrize(
    "answer", [{"rows": 3}, {"rows": [None, {"medals": 3, "points": "x", "rank": [1]}]}, {}]
)
def test_rows_of_a_strange_server_are_no_traceback(answer: dict[str, object]) -> None:
    for words in (["points"], ["standings", "x"]):
        ran = stranger(200, json=answer).run(*words)
        assert (ran.exception, ran.exit_code) == (None, 0)


def test_a_server_without_points_is_told() -> None:
    ran = stranger(404, json={"detail": "?"}).run("points")
    assert (ran.exit_code, "not Duri, or too old" in ran.stderr) == (1, True)
