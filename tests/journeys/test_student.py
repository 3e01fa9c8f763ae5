"""A student's way, from an unknown address to a certificate that anyone can check."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.jail]
COURSE, LAB = "small-steps", "two-numbers"
PASSPHRASE = "기억하기 쉬운 긴 문장"


def sign_up(page: Page, name: str, email: str) -> None:
    page.get_by_role("link", name="계정 만들기").click()
    page.get_by_label("이름").fill(name)
    page.get_by_label("이메일").fill(email)
    page.get_by_label("비밀번호").fill(PASSPHRASE)
    page.get_by_role("button", name="계정 만들기").click()
    page.get_by_role("link", name="시연용 편지함 열기").click()
    letter = page.get_by_role("article").filter(has_text=email)
    letter.get_by_role("link", name="confirm").click()
    page.get_by_role("button", name="네, 제 주소예요").click()


def sign_in(page: Page, email: str) -> None:
    page.get_by_role("link", name="로그인").first.click()
    page.get_by_label("이메일").fill(email)
    page.get_by_label("비밀번호").fill(PASSPHRASE)
    page.get_by_role("button", name="로그인").click()


def enrol(page: Page) -> None:
    page.get_by_role("navigation", name="주요 메뉴").get_by_role("link", name="강의").click()
    page.get_by_role("link", name="작은 걸음").click()
    page.get_by_role("link", name="수강 신청").click()
    page.get_by_label("인증서에 들어갈 이름").fill("김하늘")
    page.get_by_role("button", name="수강 신청").click()
    expect(page.get_by_role("status").filter(has_text="환영해요")).to_be_visible()


def confirm_the_name(stage: Stage, email: str) -> None:
    staff = stage.open(f"/courses/{COURSE}/cohorts", email="professor@hangang.example")
    staff.get_by_role("link", name="명단").click()
    staff.get_by_role("row").filter(has_text=email).get_by_role("button", name="확인").click()
    expect(staff.get_by_text("이름을 확인했어요.")).to_be_visible()


def read_the_lesson(page: Page) -> None:
    page.get_by_role("link", name="이어서: 합과 평균").click()
    expect(page.locator("math").first).to_be_visible()
    page.mouse.wheel(0, 4000)
    expect(page.get_by_text("이 레슨을 읽었어요.")).to_be_visible()
    page.get_by_role("link", name="두 수 ›").click()


def solve(stage: Stage, page: Page, folder: Path) -> Path:
    with page.expect_download() as coming:
        page.get_by_role("link", name="노트북 내려받기").click()
    template = Path(coming.value.path()).read_bytes()
    assert b"return a + b" not in template
    assert b"Try negative" not in template  # what is hidden stays hidden
    solved = folder / "두 수.ipynb"
    solved.write_bytes(stage.solved(template, LAB))
    return solved


def watch_the_cells_fill(page: Page) -> None:
    page.wait_for_url("**/submissions/*")
    page.evaluate("window.neverReloaded = true")
    expect(page.locator(".hero").get_by_text("채점 완료")).to_be_visible(timeout=60_000)
    expect(page.locator(".strip li.ok")).to_have_count(3)
    expect(page.locator(".score")).to_have_text(re.compile(r"6\s*/ 6점"))
    assert page.evaluate("window.neverReloaded") is True


def find_oneself_on_the_board(page: Page) -> None:
    page.get_by_role("navigation", name="주요 메뉴").get_by_role("link", name="리더보드").click()
    page.get_by_role("link", name="처음 보는 수").click()
    expect(page.locator("tr.me").first).to_contain_text("1.000")
    expect(page.locator("tr.me").first).to_contain_text("나")
    expect(page.locator("tr.baseline")).to_contain_text("기준선")


def wait_for_the_certificate(page: Page) -> None:
    for _ in range(100):
        page.goto("/certificates")
        if page.get_by_role("link", name="확인하기").count():
            return
        page.wait_for_timeout(300)
    pytest.fail("the certificate never came")


def test_a_student_goes_from_signing_up_to_a_certificate_that_a_stranger_finds_valid(
    stage: Stage, tmp_path: Path
) -> None:
    stage.wait_for_lab(COURSE, LAB)
    page = stage.open()
    sign_up(page, "김하늘", "haneul@example.org")
    sign_in(page, "haneul@example.org")
    expect(page.get_by_role("heading", level=1)).to_have_text("김하늘님, 안녕하세요")
    enrol(page)
    confirm_the_name(stage, "haneul@example.org")
    read_the_lesson(page)
    page.get_by_label("내 노트북").set_input_files(solve(stage, page, tmp_path))
    page.get_by_role("button", name="제출").click()
    watch_the_cells_fill(page)
    find_oneself_on_the_board(page)
    wait_for_the_certificate(page)
    page.get_by_role("link", name="확인하기").click()
    verify = stage.open(page.url)  # a stranger, in a browser that has never been here
    expect(verify.locator(".verdict.good")).to_contain_text("유효합니다")
    expect(verify.locator(".verdict.good")).to_contain_text("김하늘")
    for signed in verify.locator(".seal").all():
        expect(signed).to_contain_text("서명함")


def test_a_wrong_answer_says_which_cell_and_what_to_try_in_english(stage: Stage) -> None:
    stage.wait_for_lab(COURSE, LAB)
    enrolment = stage.newcomer("Mina Park", "mina@example.org", COURSE)
    work = stage.hand_in(enrolment, LAB, answer_add="def add(a, b):\n    return a - b")
    stage.grade_of(work)
    page = stage.open(f"/submissions/{work}", language="en", email="mina@example.org")
    row = page.get_by_role("row").filter(has_text="Returns the sum")
    expect(row).to_contain_text("✕ failed")
    expect(row).to_contain_text("2 and 3 make 5.")
    expect(row).not_to_contain_text("2와 3")
    expect(page.locator(".score")).to_have_text(re.compile(r"4\s*/ 6 points"))
    page.locator(".strip li.bad a").click()
    expect(page.locator("#cell-3")).to_contain_text("AssertionError")
    assert "Try negative" not in page.content()


def test_a_file_that_is_no_notebook_costs_no_attempt_and_says_what_to_do(
    stage: Stage, tmp_path: Path
) -> None:
    stage.wait_for_lab(COURSE, LAB)
    stage.newcomer("정바위", "bawi@example.org", COURSE)
    page = stage.open(f"/courses/{COURSE}/labs/{LAB}", email="bawi@example.org")
    broken = tmp_path / "notebook.ipynb"
    broken.write_text('{"cells": [')
    page.get_by_label("내 노트북").set_input_files(broken)
    page.get_by_role("button", name="제출").click()
    expect(page.get_by_text("5번 가운데 5번")).to_be_visible()
    expect(page.locator("#summary, .panel").first).to_be_visible()


def test_the_keyboard_alone_is_enough_to_hand_in_and_to_read_the_result(stage: Stage, tmp_path: Path) -> None:
    stage.wait_for_lab(COURSE, LAB)
    stage.newcomer("최하나", "hana@example.org", COURSE)
    page = stage.open("/courses", email="hana@example.org")
    # Listening from the start: Playwright asks for choosers only once something listens, and does
    # not wait for the browser to have heard it, so a key pressed at once would open the real one.
    page.on("filechooser", lambda _: None)
    for stop in ("작은 걸음", "두 수"):
        tab_to(page, stop)
        with page.expect_navigation():
            page.keyboard.press("Enter")
    with page.expect_download() as coming:
        tab_to(page, "노트북 내려받기")
        page.keyboard.press("Enter")
    solved = tmp_path / "solved.ipynb"
    solved.write_bytes(stage.solved(Path(coming.value.path()).read_bytes(), LAB))
    tab_to(page, "내 노트북")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(solved)
    tab_to(page, "제출")
    page.keyboard.press("Enter")
    page.wait_for_url("**/submissions/*")
    expect(page.locator(".hero").get_by_text("채점 완료")).to_be_visible(timeout=60_000)
    # The squares lead somewhere once the notebook with its outputs is prepared, after the score.
    expect(page.get_by_role("link", name="3: 통과")).to_be_visible(timeout=60_000)
    tab_to(page, "3: 통과")
    page.keyboard.press("Enter")
    page.wait_for_url("**/feedback#cell-3")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has focus carries `name`, and is seen to have it."""
    words = (
        "(() => { const e = document.activeElement;"
        " if (!e.matches('a, button, input, summary')) return '';"
        " const label = e.labels && e.labels[0] ? e.labels[0].textContent : '';"
        " return (e.innerText || '') + ' ' + label + ' ' + (e.textContent || ''); })()"
    )
    for _ in range(80):
        page.keyboard.press("Tab")
        if name in page.evaluate(words):
            ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert ring != "none", f"{name} has focus, and nobody sees it"
            return
    pytest.fail(f"Tab never came to {name} on {page.url}")
