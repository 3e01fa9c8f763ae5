"""The page on which dates are moved, and where everybody reads it: page, board, API."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.core.schedule import MOVABLE, as_shown
from lms.leaderboards.models import Visibility
from lms.leaderboards.queries.dates import date_changes, schedule_of
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.rescheduling import reschedule
from tests.factories.leaderboards import Contest, make_contest

DAY = timedelta(days=1)
ZONE = "America/New_York"
SEEN = re.compile(r'name="seen"[^>]*value="([0-9a-f]{24})"')


@dataclass
class Page:
    """A challenge on its third day, those who look at it, and a browser that reads English."""

    contest: Contest
    client: FlaskClient
    sign_in: Callable[[User], None]

    @property
    def path(self) -> str:
        return f"/challenges/{self.contest.challenge.slug}"

    def get(self, rest: str = "/organise/dates", user: User | None = None, language: str = "en") -> str:
        answer = self.ask(rest, user, language)
        assert answer.status_code == 200
        return answer.text

    def ask(self, rest: str, user: User | None = None, language: str = "en") -> TestResponse:
        self.client.set_cookie("language", language)
        self.sign_in(user or self.contest.organiser)
        return self.client.get(self.path + rest)

    def filled(self) -> dict[str, str]:
        """What a browser sends back of the page as it is."""
        page = self.get()
        sent = {
            name: (re.findall(rf'<input(?=[^>]* name="{name}")[^>]* value="([^"]*)"', page) or [""])[0]
            for name in MOVABLE
        }
        return sent | {"seen": SEEN.findall(page)[0], "reason": "The server was down."}

    def post(self, user: User | None = None, /, language: str = "en", **changes: str) -> TestResponse:
        sent = self.filled() | changes
        self.client.set_cookie("language", language)
        self.sign_in(user or self.contest.organiser)
        return self.send(sent)

    def send(self, sent: dict[str, str]) -> TestResponse:
        answer = self.client.post(f"{self.path}/organise/dates", data=sent)
        self.contest.session.expire_all()
        return answer

    def later(self, name: str, by: timedelta = 7 * DAY) -> dict[str, str]:
        """A date, moved, as it is typed."""
        at = schedule_of(self.contest.challenge).date(name)
        assert at is not None
        return {name: f"{as_shown(at + by, ZONE):%Y-%m-%dT%H:%M}"}

    def changes(self) -> int:
        return len(date_changes(self.contest.session, self.contest.challenge))


@pytest.fixture
def page(session: Session, client: FlaskClient, sign_in: Callable[[User], None]) -> Page:
    opens = now() - timedelta(days=3)
    contest = make_contest(session, opens_at=opens, timezone=ZONE, freeze={"after_days": 25})
    session.commit()
    return Page(contest, client, sign_in)


def test_only_those_who_run_the_challenge_get_in(page: Page) -> None:
    contest = page.contest
    member, stranger = contest.leader(contest.team(at=now())), contest.person()
    contest.session.commit()
    moved = page.later("ends_at")
    for user in (member, stranger):
        assert page.ask("/organise/dates", user).status_code == 403
        assert page.post(user, **moved).status_code == 403
    contest.challenge.visibility = Visibility.COURSE
    contest.session.commit()
    assert page.ask("/organise/dates", stranger).status_code == 404
    assert page.changes() == 0


def test_whoever_joined_does_not_move_dates_whatever_their_role(page: Page) -> None:
    team = page.contest.team(at=now())
    team.members[0].user_id = page.contest.organiser.id
    page.contest.session.commit()
    assert page.ask("/organise/dates").status_code == 403


def test_each_date_is_shown_in_the_challenges_zone_which_is_named(page: Page) -> None:
    text = page.get()
    assert text.count(f"Time in {ZONE}.") == 4
    dates = schedule_of(page.contest.challenge)
    for name in MOVABLE:
        at = dates.date(name)
        assert at is not None
        assert f'value="{as_shown(at, ZONE):%Y-%m-%dT%H:%M}"' in text
    assert "The dates are as they were published." in text
    assert "/organise/dates" in page.get("/organise")


def test_a_date_is_moved_and_everybody_reads_it(page: Page) -> None:
    before = page.contest.challenge.ends_at
    assert "Dates changed" not in page.get("")
    answer = page.post(**page.later("ends_at"), reason="<b>Down</b> & out")
    assert (answer.status_code, answer.location) == (303, f"{page.path}/organise/dates")
    assert page.contest.challenge.ends_at == before.replace(second=0, microsecond=0) + 7 * DAY
    page.client.delete_cookie("session")
    for language, title in (("en", "Dates changed"), ("ko", "바뀐 일정")):
        page.client.set_cookie("language", language)
        text = page.client.get(page.path).text
        assert title in text
        assert "&lt;b&gt;Down&lt;/b&gt; &amp; out" in text
        assert "<b>Down" not in text
        (told,) = re.findall(r'<ol class="changes">.*?</ol>', text, re.DOTALL)
        assert page.contest.organiser.name not in text
        assert page.contest.sponsor.name[language] in told
        assert before.isoformat() in told
        assert page.contest.challenge.ends_at.isoformat() in told


def test_programs_are_told_too(page: Page) -> None:
    address = f"/api{page.path}"
    assert page.client.get(address).get_json()["date_changes"] == []
    dates = schedule_of(page.contest.challenge)
    page.post(**page.later("ends_at"), freezes_at="", no_freeze="y")
    page.client.delete_cookie("session")
    told = page.client.get(address).get_json()
    after = schedule_of(page.contest.challenge)
    (change,) = told["date_changes"]
    assert datetime.fromisoformat(change.pop("changed_at")) <= now()
    assert dates.freezes_at is not None
    assert change == {
        "organisation": page.contest.sponsor.slug,
        "origin": "page",
        "reason": "The server was down.",
        "before": {"freezes_at": dates.freezes_at.isoformat(), "ends_at": dates.ends_at.isoformat()},
        "after": {"freezes_at": None, "ends_at": after.ends_at.isoformat()},
    }
    assert told["ends_at"] == after.ends_at.isoformat()
    assert told["freezes_at"] is None


def test_a_publication_is_told_in_the_readers_language(page: Page) -> None:
    session, document = page.contest.session, page.contest.document
    publish_challenge(session, None, document | {"dates": {"ends": {"after_days": 60}}}, at=now())
    session.commit()
    assert "The challenge was published anew." in page.get("")
    assert "챌린지를 새로 공개했어요." in page.get("", language="ko")


@pytest.mark.parametrize(
    ("changes", "field", "english", "korean"),
    [
        ({"ends_at": "2020-01-01T00:00"}, "ends_at", "has passed already", "이미 지난 시각이에요"),
        ({"ends_at": "9999-12-31T23:59"}, "ends_at", "Check the year", "연도를 확인하세요"),
        ({"ends_at": ""}, "ends_at", "Write date and time", "날짜와 시각을 쓰세요"),
        ({"ends_at": "soon"}, "ends_at", "Not a valid", ""),
        ({"entry_deadline": "LATE"}, "entry_deadline", "in that order", "그 순서로 정하세요"),
        ({"freezes_at": ""}, "freezes_at", "say so below", "아래에서 그렇게 고르세요"),
        ({"freezes_at": "LATE"}, "freezes_at", "in that order", "그 순서로 정하세요"),
        ({"reason": ""}, "reason", "Say why the dates move", "바꾸는 이유를 쓰세요"),
        ({"reason": "\u200b"}, "reason", "Say why, in at most", "안으로 적으세요"),
        ({}, "", "nothing was changed", "아무것도 바꾸지 않았어요"),
    ],
)
def test_what_is_refused_says_what_to_do_beside_its_field(
    page: Page, changes: dict[str, str], field: str, english: str, korean: str
) -> None:
    late = f"{as_shown(page.contest.challenge.ends_at + DAY, ZONE):%Y-%m-%dT%H:%M}"
    sent = {name: late if value == "LATE" else value for name, value in changes.items()}
    sent = sent if field != "reason" else page.later("ends_at") | sent
    before = schedule_of(page.contest.challenge)
    for language, words in (("en", english), ("ko", korean)):
        answer = page.post(None, language, **sent)
        assert answer.status_code == 422
        assert words in answer.text
        assert not field or f'id="{field}-error"' in answer.text
        assert all(f'value="{value}"' in answer.text for name, value in sent.items() if name != "reason")
    page.contest.session.expire_all()
    assert (schedule_of(page.contest.challenge), page.changes()) == (before, 0)


def test_what_has_passed_cannot_be_typed_and_says_so(page: Page) -> None:
    challenge, board = page.contest.challenge, page.contest.board
    challenge.entry_deadline = now() - DAY
    challenge.freezes_at = board.freezes_at = now() - timedelta(hours=1)
    page.contest.session.commit()
    text = page.get()
    assert "no_freeze" not in text
    readonly = set(re.findall(r'<input(?=[^>]* readonly)[^>]* name="(\w+)"', text))
    assert readonly == {"entry_deadline", "freezes_at"}
    assert "It has passed, so it stays as it is." in text
    for name, words in (("entry_deadline", "has passed"), ("freezes_at", "stands still already")):
        answer = page.post(**page.later(name, -DAY))
        assert answer.status_code == 422
        assert words in answer.text
    assert page.post(freezes_at="").status_code == 422
    assert page.post(**page.later("ends_at")).status_code == 303
    assert page.post(**page.later("ends_at"), language="ko").status_code == 303


def test_nothing_moves_after_the_end(page: Page) -> None:
    sent = page.filled() | page.later("ends_at")
    ends = page.contest.challenge.ends_at = page.contest.board.ends_at = now() - timedelta(seconds=1)
    page.contest.challenge.entry_deadline = page.contest.challenge.merge_deadline = ends
    page.contest.challenge.freezes_at = page.contest.board.freezes_at = None
    page.contest.session.commit()
    text = page.get()
    assert "private scores have been shown" in text
    assert 'name="ends_at"' not in text
    answer = page.send(sent)
    assert answer.status_code == 409
    assert "The server was down." in answer.text, "what was typed can be copied"
    assert page.contest.challenge.ends_at == ends
    assert "Ends: " in answer.text
    assert page.changes() == 0


def test_who_was_slower_sees_the_newer_dates_and_what_they_typed(page: Page) -> None:
    older = page.filled()
    page.post(**page.later("ends_at"))
    page.client.set_cookie("language", "en")
    own = older | page.later("ends_at", DAY) | {"reason": "My own reason"}
    answer = page.send(own)
    assert answer.status_code == 409
    assert "Somebody moved these dates meanwhile" in answer.text
    stands = f'value="{as_shown(page.contest.challenge.ends_at, ZONE):%Y-%m-%dT%H:%M}"'
    assert stands in answer.text
    assert "My own reason" in answer.text
    typed = datetime.fromisoformat(own["ends_at"])
    assert f"Ends: {typed:%Y-%m-%d %H:%M}" in answer.text
    assert f"(time in {ZONE})" in answer.text
    assert "Last moment to join: " not in answer.text, "as it stands"
    assert page.changes() == 1
    again = own | {"seen": SEEN.findall(answer.text)[0]}
    assert page.send(again).status_code == 303


def test_a_freeze_goes_by_a_box_that_stands_where_there_is_one(page: Page) -> None:
    assert 'name="no_freeze"' in page.get()
    answer = page.post(**page.later("ends_at"), no_freeze="y", freezes_at="2020-01-01T00:00")
    assert answer.status_code == 422
    assert "not both" in answer.text
    assert page.post(no_freeze="y").status_code == 303
    assert page.contest.challenge.freezes_at is None
    assert 'name="no_freeze"' not in page.get()
    assert page.post(**page.later("ends_at")).status_code == 303


def test_every_change_stays_to_be_read_the_older_ones_in_a_fold(page: Page) -> None:
    contest, number = page.contest, 53
    for each in range(number):
        dates = schedule_of(contest.challenge)
        typed: dict[str, datetime | None] = {
            name: as_shown(at, ZONE) for name in MOVABLE if (at := dates.date(name)) is not None
        }
        typed["ends_at"] = as_shown(dates.ends_at + timedelta(minutes=1), ZONE)
        why = f"Reason {each}."
        reschedule(
            contest.session, contest.organiser, contest.challenge, typed, why, seen=dates.mark, clock=now
        )
    contest.session.commit()
    for rest in ("", "/organise/dates"):
        text = page.get(rest)
        assert (
            text.index(f"Reason {number - 1}.") < text.index("43 earlier changes") < text.index("Reason 0.")
        )
    told = page.client.get(f"/api{page.path}").get_json()["date_changes"]
    assert [change["reason"] for change in told] == [f"Reason {each}." for each in reversed(range(number))]


@pytest.mark.parametrize("rest", ["/board", "/board/frame"])
def test_an_open_board_learns_that_its_end_moved(page: Page, rest: str) -> None:
    """Only the table is drawn again; the date above it comes along."""
    text = page.get(rest)
    ends = page.contest.challenge.ends_at.isoformat()
    seen = text.partition("seen=")[2][:24]
    assert f'<time datetime="{ends}"' in text
    assert page.ask(f"{rest}?seen={seen}").status_code == 204
    page.post(**page.later("ends_at"))
    changed = page.ask(f"{rest}?seen={seen}")
    assert changed.status_code == 200
    (told,) = re.findall(r'<span id="until" hx-swap-oob="true">(.*?)</span>', changed.text)
    assert page.contest.challenge.ends_at.isoformat() in told
    assert ends not in changed.text
    tag = {"If-None-Match": changed.headers["ETag"]}
    assert page.client.get(f"{page.path}{rest}?seen={seen}", headers=tag).status_code == 304
    page.post(**page.later("ends_at"))
    assert page.client.get(f"{page.path}{rest}?seen={seen}", headers=tag).status_code == 200
    assert "hx-swap-oob" not in page.get(rest)
