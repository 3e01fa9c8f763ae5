"""An instructor's way: approve a version, open a cohort, confirm a name, mark, grade again, export."""

import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lms.courses.services.publishing import publish
from lms.db import now
from lms.demo.seed import PASSWORD
from tests.stage import CONTENT, Stage

pytestmark = [pytest.mark.browser, pytest.mark.jail]
COURSE, LAB = "fresh-words", "short-answer"
PROFESSOR, ENGINEER = "professor@hangang.example", "engineer@nuri.example"


def publish_a_course(stage: Stage, folder: Path) -> None:
    """Do what `lms course publish` does."""
    shutil.copytree(CONTENT / "words-and-numbers", folder / COURSE)
    outline = folder / COURSE / "course.yml"
    outline.write_text(outline.read_text().replace('ko: "말과 수"', 'ko: "새로운 말"'))
    with stage.writing.begin() as session:
        publish(session, None, folder / COURSE, stage.installation.blobs, ("ml-basics",))


def approve(stage: Stage, email: str, organisation: str) -> Page:
    page = stage.open("/courses", email=email)
    entry = (
        page.get_by_role("listitem")
        .filter(has_text=COURSE)
        .or_(page.get_by_role("listitem").filter(has_text="새로운 말"))
    )
    entry.get_by_role("link", name="버전").click()
    page.get_by_role("button", name=organisation).click()
    expect(page.get_by_role("listitem").filter(has_text=organisation)).to_contain_text("승인함")
    return page


def open_a_cohort(page: Page) -> None:
    page.goto(f"/courses/{COURSE}/cohorts")
    page.get_by_role("link", name="기수 열기").click()
    page.get_by_label("한국어 제목").fill("겨울반")
    page.get_by_label("영어 제목").fill("Winter group")
    page.get_by_label("주소").fill("winter")
    page.get_by_label("시작").fill(f"{now() - timedelta(days=2):%Y-%m-%dT%H:%M}")
    page.get_by_label("끝", exact=True).fill(f"{now() + timedelta(days=60):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="기수 저장").click()
    expect(page.get_by_text("기수를 저장했어요.")).to_be_visible()


def confirm_the_name(page: Page) -> None:
    page.get_by_role("link", name=re.compile("명단")).click()
    page.get_by_role("row").filter(has_text="문나래").get_by_role("button", name="확인").click()
    expect(page.get_by_text("이름을 확인했어요.")).to_be_visible()


def mark_the_answer(page: Page) -> None:
    page.goto("/grading/queue")
    page.get_by_role("row").filter(has_text="문나래").get_by_role("link", name="why").click()
    expect(page.get_by_role("region", name="답안")).to_contain_text("모든 것의 답")
    page.get_by_label("점수", exact=True).fill("4")
    page.get_by_role("button", name="저장하고 다음으로").click()
    expect(page.locator("#summary")).to_be_focused()  # three points are the most
    page.get_by_label("점수", exact=True).fill("2")
    page.get_by_label("의견").fill("이유를 하나 더 써 보세요.")
    page.get_by_role("button", name="저장하고 다음으로").click()
    expect(page.get_by_text("점수를 저장했어요.")).to_be_visible()


def grade_again(page: Page, work: int) -> None:
    page.goto(f"/submissions/{work}")
    page.get_by_role("link", name="다시 채점").click()
    page.get_by_role("button", name="다시 채점").click()
    page.wait_for_url(f"**/submissions/{work}")
    runs = page.get_by_role("region", name="채점 실행").get_by_role("row").filter(has_text="완료")
    for _ in range(100):
        if runs.count() == 2:
            return
        page.wait_for_timeout(300)
        page.reload()
    pytest.fail("the second run never ended")


def test_an_instructor_opens_a_course_with_the_partner_and_grades_it(stage: Stage, tmp_path: Path) -> None:
    publish_a_course(stage, tmp_path)
    page = approve(stage, PROFESSOR, "한강대학교")
    visitor = stage.open("/courses")
    expect(visitor.get_by_role("link", name="새로운 말")).to_have_count(0)  # one approval is not enough
    approve(stage, ENGINEER, "누리에이아이")
    visitor.reload()
    expect(visitor.get_by_role("link", name="새로운 말")).to_be_visible()

    open_a_cohort(page)
    stage.wait_for_lab(COURSE, LAB)
    enrolment = stage.newcomer("문나래", "narae@example.org", COURSE, confirmed=False)
    confirm_the_name(page)
    work = stage.hand_in(enrolment, LAB)
    assert stage.grade_of(work).provisional

    mark_the_answer(page)
    student = stage.open(f"/submissions/{work}", email="narae@example.org")
    expect(student.locator(".score")).to_have_text(re.compile(r"4\s*/ 5점"))
    expect(student.get_by_role("row").filter(has_text="이유를 하나 더")).to_contain_text("2 / 3")
    grade_again(page, work)
    student.reload()
    expect(student.locator(".score")).to_have_text(re.compile(r"4\s*/ 5점"))  # the mark by hand stays

    page.goto(f"/courses/{COURSE}/gradebook")
    expect(page.get_by_role("row").filter(has_text="문나래")).to_contain_text("4 / 5")
    with page.expect_download() as coming:
        page.get_by_role("link", name="CSV로 내려받기").click()
    assert "narae@example.org" in Path(coming.value.path()).read_text(encoding="utf-8-sig")


def test_a_student_cannot_open_the_pages_of_staff(stage: Stage) -> None:
    stage.newcomer("오하늬", "hanui@example.org", "small-steps")
    page = stage.open("/", email="hanui@example.org")
    for path in ("gradebook", "releases", "versions", "cohorts", "certificates"):
        page.goto(f"/courses/small-steps/{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("볼 수 없는 페이지예요")
    assert PASSWORD not in page.content()
