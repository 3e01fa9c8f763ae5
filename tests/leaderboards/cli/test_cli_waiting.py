"""`lms boards submit --wait`: a server that has trouble, tells nothing, or answers anything."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from lms.leaderboards.cli import remote
from lms.leaderboards.cli.boards import boards

RECEIPT = {"id": 4, "state": "received", "sha256": "5f2c", "bytes": 3}
SCORED = {"id": 4, "state": "scored", "score": 0.75}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at, self.slept = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(remote, "time", clock)
    return clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "work.ipynb"
    path.write_bytes(b"{}")
    return path


Answer = Callable[[httpx.Request], httpx.Response]


def status(number: int, **more: Any) -> Answer:
    return lambda _: httpx.Response(number, **more)


def told(entry: object) -> Answer:
    return status(200, json={"entries": [entry]})


def broken(problem: type[httpx.HTTPError]) -> Answer:
    def fail(request: httpx.Request) -> httpx.Response:
        del request
        raise problem("[Errno 104] Connection reset by peer")

    return fail


def submit(file: Path, answers: Iterator[Answer], *more: str, receipt: object = RECEIPT) -> Result:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, text=json.dumps(receipt))
        return next(answers)(request)

    words = ["submit", str(file), "--challenge", "x", "--server", "http://localhost", "--wait", *more]
    return CliRunner().invoke(boards, words, obj=httpx.MockTransport(answer), env={"DURI_TOKEN": "x"})


HICCUPS = {
    "restarted behind a proxy": status(502, text="<h1>Bad Gateway</h1>"),
    "too busy": status(503, json={"detail": "The database is busy."}),
    "asked too often": status(429, json={"detail": "Too many."}),
    "asked too often, says a proxy": status(429, text="slow down"),
    "cut off": broken(httpx.ReadError),
    "not there": broken(httpx.ConnectError),
    "silent": broken(httpx.ReadTimeout),
}


@pytest.mark.parametrize("hiccup", HICCUPS.values(), ids=HICCUPS)
def test_a_server_that_has_trouble_is_asked_again(file: Path, clock: Clock, hiccup: Answer) -> None:
    ran = submit(file, iter([hiccup, told(RECEIPT), hiccup, hiccup, told(SCORED)]))
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "is scored: 0.75." in ran.stdout
    assert clock.slept == [3, 3, 3, 6]


def test_it_is_asked_no_sooner_than_it_says(file: Path, clock: Clock) -> None:
    later = status(503, headers={"Retry-After": "90"})
    assert submit(file, iter([later, told(SCORED)])).exit_code == 0
    assert clock.slept == [90]


def forever(answer: Answer) -> Iterator[Answer]:
    while True:
        yield answer


@pytest.mark.parametrize("hiccup", HICCUPS.values(), ids=HICCUPS)
def test_after_some_minutes_nobody_waits_any_longer(file: Path, clock: Clock, hiccup: Answer) -> None:
    ran = submit(file, forever(hiccup))
    assert ran.exit_code == 1
    assert remote.PATIENCE_SECONDS <= clock.at <= remote.PATIENCE_SECONDS + remote.MOST_LOOK_SECONDS
    assert "Received at" in ran.stdout
    assert "has trouble, and cannot tell now" in ran.stderr
    assert "It was received as entry 4; do not send it again." in ran.stderr
    assert "try again" not in ran.stderr


def test_what_wants_to_be_asked_after_hours_is_not_waited_for(file: Path, clock: Clock) -> None:
    ran = submit(file, forever(status(503, headers={"Retry-After": "7200"})))
    assert (ran.exit_code, clock.slept) == (1, [])


ENDS = {
    "the token is good no more": (status(401, json={}), 3, "does not know you"),
    "out of the team": (status(404, json={"detail": "You are in no team."}), 4, "There is no challenge x"),
    "something else answers": (status(200, text="<h1>hello</h1>"), 1, "is not Duri"),
    "sent elsewhere": (status(302, headers={"Location": "https://elsewhere.example"}), 1, "sends this on"),
    "it does not tell of the entry": (told({"id": 5}), 1, "Look at its page."),
    "trouble": (status(500), 1, "cannot tell now"),
}


@pytest.mark.parametrize(("answer", "code", "why"), ENDS.values(), ids=ENDS)
def test_whatever_ends_the_waiting_the_receipt_is_printed(
    file: Path, clock: Clock, answer: Answer, code: int, why: str
) -> None:
    ran = submit(file, forever(answer), "--json")
    assert (ran.exit_code, json.loads(ran.stdout)) == (code, RECEIPT)
    assert ran.stderr.index(why) < ran.stderr.index("do not send it again")
    korean = submit(file, forever(answer), "--language", "ko")
    assert "제출 4(으)로 접수됐으니 다시 보내지 마세요." in korean.stderr
    assert clock.at < remote.PATIENCE_SECONDS * 2 + remote.MOST_LOOK_SECONDS * 2


def test_who_stops_waiting_still_has_the_receipt(file: Path, clock: Clock) -> None:
    def stop(request: httpx.Request) -> httpx.Response:
        del request
        raise KeyboardInterrupt

    ran = submit(file, iter([stop]), "--json")
    assert (ran.exit_code, json.loads(ran.stdout)) == (1, RECEIPT)
    assert "do not send it again" in ran.stderr
    assert clock.slept == []


HOSTILE: dict[str, dict[str, object]] = {
    "a list for a state": {"state": ["failed"]},
    "an object for a state": {"state": {}},
    "half a character": {"state": "failed", "failure": "\ud800", "log": {"detail": "\udfff"}},
    "signs that steer": {"state": "failed", "failure": "\x9b2J\x85\u202e\x1b[2J"},
    "a time before all times": {"state": "scored", "received_at": "0001-01-01T00:00:00+14:00"},
    "too deep": {"state": "failed", "failure": json.loads("[" * 400 + "]" * 400)},
}


@pytest.mark.parametrize("entry", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["sentences", "json"])
def test_hostile_answers_are_no_traceback(
    file: Path, clock: Clock, entry: dict[str, object], more: list[str]
) -> None:
    body = json.dumps({"entries": [{"id": 4, **entry}]})
    receipt = RECEIPT | entry
    ran = submit(file, iter([status(200, text=body)]), *more, receipt=receipt)
    assert ran.exit_code == (0 if entry["state"] == "scored" else 8), ran.exception
    assert all(sign.isprintable() or sign == "\n" for sign in ran.stdout)
    assert clock.slept == []


@pytest.mark.parametrize("entries", [5, True, {"id": 4}, "no", None, [], [[]]])
def test_entries_that_are_none_end_the_waiting(file: Path, clock: Clock, entries: object) -> None:
    ran = submit(file, iter([status(200, json={"entries": entries})]))
    assert (ran.exit_code, "Look at its page" in ran.stderr, clock.slept) == (1, True, [])
