"""The board of a challenge, as people and other sites see it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.core.digits import in_digits
from lms.leaderboards.core.metrics import METRICS
from lms.leaderboards.models import Entry, Share, Team
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.boards import keep_baselines
from lms.leaderboards.services.honouring import count_results, show_honours
from lms.leaderboards.services.standing import note_ranks
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from tests.chromium import axe_findings
from tests.factories.leaderboards import Contest, make_contest

pytestmark = pytest.mark.browser
LOOKS = [("ko", "light", 1280), ("en", "dark", 390)]
FRAME = """source => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.onload = done;
  frame.src = source;
  document.body.append(frame);
})"""
OVERFLOWING = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
BROKEN_WORDS = """() => {
  const broken = [];
  for (const cell of document.querySelectorAll(".prose th, .prose td")) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(each => each.top)).size > 1) broken.push(word[0]);
      }
    }
  }
  return broken;
}"""
CUT_NUMBERS = """() => [...document.querySelectorAll("td.num, .climbs .figure")].filter(each => {
  const around = each.closest(".scroll") ?? document.documentElement;
  const words = document.createRange();
  words.selectNodeContents(each);
  const left = around.getBoundingClientRect().left - around.scrollLeft;
  return words.getBoundingClientRect().width > 0 && (words.getBoundingClientRect().left < left - 0.5
    || words.getBoundingClientRect().right > left + around.scrollWidth + 0.5);
}).map(each => each.textContent)"""
"""Figures that reach beyond what can be scrolled to."""
NARROWEST_NAME = "Math.min(...[...document.querySelectorAll('.board .who')].map(each => each.clientWidth))"
SAMPLES = """| {0} | {1} | {2} |
| --- | --- | ---: |
| `reading_calibrated_celsius` | {1} {2} {1} {2} | 1234567 |
| {2} | `https://boxes.example/calibration` | 2 |
"""
Open = Callable[..., Page]
SignIn = Callable[[Page, User], None]
NAMES = (
    "파란고래",
    "가을바람",
    "Quiet river",
    "겨울나무",
    "한 줄 모델",
    "물수제비",
    "Second breath",
    "달빛",
    "돌담",
    "Lark",
)


@pytest.fixture
def contest(live_sessions: sessionmaker[Session]) -> Contest:
    """Thirteen teams over some days, with ties, moves and two baselines."""
    session = live_sessions()
    contest = make_contest(session, opens_at=now() - timedelta(days=6))
    contest.sponsor.name = {"ko": "누리에이아이", "en": "Nuri AI"}
    teams = [contest.team(name, at=now() - timedelta(days=5)) for name in (*NAMES, "a", "b", "c")]
    for number, team in enumerate(teams):
        for step in range(3):
            at = now() - timedelta(days=4.5 - 1.4 * step, hours=number)
            public = 0.93 - 0.013 * number - 0.09 * (2 - step) / (1 + number % 3)
            contest.enter(team, public, 0.5 + 0.02 * number, at=at)
    _dress(contest)
    session.commit()
    return contest


def _dress(contest: Contest) -> None:
    session, board = contest.session, contest.board
    baselines = [
        {"key": key, "title": {"ko": ko, "en": en}, "public_score": score, "private_score": score}
        for key, ko, en, score in (
            ("nearest", "최근접 이웃", "Nearest neighbour", 0.88),
            ("majority", "최빈값", "Most frequent", 0.2),
        )
    ]
    keep_baselines(session, board, baselines, at=now())
    note_ranks(session, board)
    board.looked_at = now() - timedelta(hours=9)
    climber = session.merge(contest.people[3])
    contest.enter(next(m for m in _teams(contest) if m.leader_id == climber.id), 0.921, 0.6, at=now())
    tied = []
    for number, team in enumerate(_teams(contest)[:5]):
        standing = contest.standing(team)
        assert standing is not None
        tied.append(
            Tied(team.id, standing.entry_id, 1 + number // 3, 1 + number // 3 * 3, 3 + number // 3 * 3)
        )
    keep_tie_groups(session, board, Share.PUBLIC, tied, at=now())


def _teams(contest: Contest) -> list[Team]:
    table = standings(contest.session, contest.board, None, now())
    return [contest.session.get_one(Team, row.team_id) for row in table.rows if row.team_id]


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_a_board_reads_well_and_its_chart_comes_when_it_is_looked_for(
    contest: Contest, open_page: Open, sign_in_page: SignIn, language: str, theme: str, width: int
) -> None:
    user = contest.people[3]
    user.language = language
    contest.session.commit()
    page = open_page("/", language=language, theme=theme, width=width)
    sign_in_page(page, user)
    address = f"/challenges/{contest.challenge.slug}/board"
    page.goto(address)
    page.locator("#climbs-title").scroll_into_view_if_needed()
    page.wait_for_selector("svg.climbs")
    _check(page)
    page.goto(f"{address}/climbs")
    _check(page)
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(minutes=2)
    contest.session.commit()
    page.goto(address)
    assert page.locator(".medal").count() == 5
    _check(page)


@pytest.mark.parametrize(("language", "theme", "width"), [*LOOKS, ("ko", "dark", 320)])
def test_a_final_board_tells_the_changes_and_can_be_filtered(
    contest: Contest, open_page: Open, language: str, theme: str, width: int
) -> None:
    session, board = contest.session, contest.board
    board.ends_at = contest.challenge.ends_at = now() - timedelta(minutes=2)
    count_results(session, board, now())
    user = contest.people[3]
    user.country = "KR"
    show_honours(session, user, shown=True, organisation_id=None)
    session.commit()
    page = open_page(
        f"/challenges/{contest.challenge.slug}/board", language=language, theme=theme, width=width
    )
    expect(page.locator(".moved .up").first).to_be_visible()
    _check(page)
    page.goto(f"/challenges/{contest.challenge.slug}/board?filter=1")
    page.select_option("#country", "KR")
    page.locator(".filters button").click()
    expect(page.locator(".board tbody tr")).to_have_count(1)
    _check(page)


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("ko", "light", 320), ("en", "dark", 700), ("en", "light", 1280)]
)
@pytest.mark.parametrize("number", [2, 10])
def test_other_metrics_have_room_beside_the_score_or_below_it(
    contest: Contest, open_page: Open, *, language: str, theme: str, width: int, number: int
) -> None:
    also = sorted(name for name, metric in METRICS.items() if metric.kind == "label")
    also = [name for name in (*also, "mean_absolute_percentage_error", "max_error") if name != "accuracy"]
    contest.challenge.settings = {**contest.challenge.settings, "also": also[:number]}
    for place, entry in enumerate(contest.session.scalars(select(Entry))):
        entry.metrics = dict.fromkeys(also[place % 2 :], 0.9 - place / 100)
    contest.session.commit()
    address = f"/challenges/{contest.challenge.slug}/board"
    page = open_page(address, language=language, theme=theme, width=width)
    for _ in ("page", "frame"):
        assert page.locator(".board tbody tr").nth(0).locator(".other").count() == number
        first = page.locator(".board tbody tr").nth(0)
        name = first.locator(".who").bounding_box()
        assert name is not None
        assert name["width"] > 80
        expect(first.locator(".other").nth(0)).to_be_visible()
        _check(page)
        page.goto(f"{address}/frame")


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("size", [1e30, 123456789012345.6], ids=["scientific", "digits"])
def test_long_scores_are_no_wider_than_a_telephone(
    contest: Contest, open_page: Open, sign_in_page: SignIn, *, language: str, size: float
) -> None:
    session, board, team = contest.session, contest.board, _teams(contest)[0]
    path = f"/challenges/{contest.challenge.slug}"
    board.decimals = 10
    for each in _teams(contest):
        contest.enter(each, size * (1 + each.id / 7), size / 3, at=now())
    contest.leader(team).language = contest.organiser.language = language
    session.commit()
    best = size * (1 + team.id / 7)
    shown = in_digits(best, 10) if size == 1e30 else f"{best:,.0f}"[:-2]
    page = open_page("/", language=language, width=390)
    sign_in_page(page, contest.leader(team))
    for rest in ("/board", "/board/frame", "/board/climbs", "/entries"):
        page.goto(f"{path}{rest}")
        expect(page.locator("body")).to_contain_text(shown)
        assert not page.evaluate(OVERFLOWING), rest
        assert page.evaluate(CUT_NUMBERS) == [], rest
        if "board" in rest and "climbs" not in rest:
            assert page.evaluate(NARROWEST_NAME) >= 90, rest
    sign_in_page(page, contest.organiser)
    page.goto(f"{path}/organise/teams/{team.id}")
    assert not page.evaluate(OVERFLOWING)
    assert page.evaluate(CUT_NUMBERS) == []


def test_a_page_that_stays_open_shows_the_new_first(contest: Contest, open_page: Open) -> None:
    page = open_page(f"/challenges/{contest.challenge.slug}/board", language="en")
    expect(page.locator(".who").first).to_contain_text("파란고래")
    team = next(team for team in _teams(contest) if team.name == "c")
    contest.enter(team, 0.99, at=now())
    contest.session.commit()
    expect(page.locator(".who").first).to_contain_text("c", timeout=30_000)
    expect(page.locator(".board tbody tr").first).to_contain_text("0.9900")


@pytest.mark.parametrize("rest", ["", "/frame"], ids=["page", "frame"])
def test_an_end_that_an_organiser_moves_reaches_pages_that_stay_open(
    contest: Contest, open_page: Open, sign_in_page: SignIn, rest: str
) -> None:
    before, path = contest.challenge.ends_at, f"/challenges/{contest.challenge.slug}"
    watched, page = open_page(f"{path}/board{rest}", language="en"), open_page("/", language="ko", width=390)
    shown = watched.locator("#until time")
    expect(shown).to_have_attribute("datetime", before.isoformat())
    sign_in_page(page, contest.organiser)
    page.goto(f"{path}/organise/dates")
    after = before.replace(second=0) + timedelta(days=7)
    page.locator("#ends_at").fill(f"{after:%Y-%m-%dT%H:%M}")  # the challenge's zone is UTC
    page.locator("#reason").fill("채점 서버가 멈췄어요.")
    page.locator("form.one button").click()
    expect(page.locator(".notice.success")).to_be_visible()
    expect(page.locator(".changes")).to_contain_text("채점 서버가 멈췄어요.")
    _check(page)
    expect(shown).to_have_attribute("datetime", after.isoformat(), timeout=30_000)
    assert watched.locator("#until").count() == 1


@pytest.mark.parametrize(("language", "theme", "width"), [("ko", "light", 320), ("en", "dark", 1280)])
def test_a_date_typed_by_half_takes_no_freeze_away(
    contest: Contest, open_page: Open, sign_in_page: SignIn, *, language: str, theme: str, width: int
) -> None:
    challenge, path = contest.challenge, f"/challenges/{contest.challenge.slug}/organise/dates"
    challenge.freezes_at = contest.board.freezes_at = now() + timedelta(days=2)
    contest.organiser.language = language
    contest.session.commit()
    page = open_page("/", language=language, theme=theme, width=width)
    sign_in_page(page, contest.organiser)
    page.goto(path)
    page.locator("#freezes_at").click(position={"x": 20, "y": 20})
    page.keyboard.press("Backspace")  # one part of it
    assert page.locator("#freezes_at").evaluate("field => field.validity.badInput")
    page.locator("#reason").fill("채점 서버가 멈췄어요.")
    page.locator("form.one button").click()
    expect(page.locator("#freezes_at-error")).to_be_visible()
    _check(page)
    challenge.merge_deadline -= timedelta(days=1)  # somebody else was faster
    contest.session.commit()
    page.locator("#no_freeze").check()
    page.locator("form.one button").click()
    expect(page.locator("form.one .notice li")).to_have_count(2)
    _check(page)
    page.locator("#no_freeze").check()
    page.locator("form.one button").click()
    expect(page.locator(".notice.success")).to_be_visible()
    contest.session.expire_all()
    assert challenge.freezes_at is None


def test_a_choice_outlives_what_the_page_fetches_meanwhile(
    contest: Contest, open_page: Open, sign_in_page: SignIn
) -> None:
    user, team = contest.people[3], next(team for team in _teams(contest) if team.name == NAMES[3])
    user.language = "en"
    waiting = contest.take(team, at=now())
    contest.session.commit()
    page = open_page("/", language="en")
    sign_in_page(page, user)
    page.goto(f"/challenges/{contest.challenge.slug}/entries")
    box = page.locator("input[name=entries]").first
    expect(box).not_to_be_checked()
    box.check()
    contest.score(waiting, 0.5)
    contest.session.commit()
    new = page.locator(f"input[name=entries][value='{waiting.id}']")
    expect(new).to_be_visible(timeout=30_000)  # the rows were fetched again
    expect(new).not_to_be_checked()
    expect(page.locator("input[name=entries]:checked")).to_have_count(1)
    expect(page.locator("input[name=entries]").nth(1)).to_be_focused()


@pytest.mark.parametrize(
    ("language", "width", "words"),
    [
        ("ko", 390, ("온도계보정값이들어있는열", "무엇을재었는지설명", "시험용상자개수")),
        ("en", 390, ("Instrumentation", "Acknowledgements", "Characteristics")),
    ],
)
def test_tables_of_descriptions_break_no_word_and_scroll_by_themselves(
    contest: Contest, open_page: Open, language: str, width: int, words: tuple[str, str, str]
) -> None:
    challenge = contest.challenge
    challenge.texts = {**challenge.texts, "description": dict.fromkeys(("ko", "en"), SAMPLES.format(*words))}
    contest.session.commit()
    page = open_page(f"/challenges/{challenge.slug}", language=language, width=width)
    table = page.locator(".prose table")
    expect(table).to_contain_text(words[0])
    assert page.evaluate(BROKEN_WORDS) == []
    last = table.locator("th").last
    expect(last).not_to_be_in_viewport(ratio=0.9)
    table.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(last).to_be_in_viewport(ratio=0.9)
    _check(page)


def test_only_the_frame_can_be_shown_within_a_page(
    contest: Contest, open_page: Open, live_server: str
) -> None:
    page = open_page("/", language="en", width=390)
    around = page.context.new_page()  # what it refuses to show is no fault
    for rest, shown in (("/frame", 1), ("", 0)):
        around.goto(live_server)
        around.evaluate(FRAME, f"/challenges/{contest.challenge.slug}/board{rest}")
        frame = around.frame_locator("iframe")
        expect(frame.locator("body")).to_be_attached()
        expect(frame.locator("table.board")).to_have_count(shown)
    page.goto(f"/challenges/{contest.challenge.slug}/board/frame")
    _check(page)


def _check(page: Page) -> None:
    assert not page.evaluate(OVERFLOWING)
    assert axe_findings(page) == []
