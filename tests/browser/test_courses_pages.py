import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind, Role, User
from lms.courses.services.publishing import approve, publish
from tests.factories.accounts import make_member, make_organisation, make_user
from tests.factories.courses import ENVIRONMENTS, make_cohort, make_enrolment, make_instructor

pytestmark = pytest.mark.browser
CONTENT = Path(__file__).parents[2] / "course_content"
HOME = "/courses/deep-learning-first-steps"
LOOKS = [("ko", "light", 1280), ("en", "dark", 1200), ("ko", "dark", 390), ("en", "light", 320)]
LEARNER = ["/", "/courses", HOME, f"{HOME}/name", f"{HOME}/lessons/01-learning", f"{HOME}/lessons/03-softmax"]
STAFF = ["/courses", HOME, f"{HOME}/versions", f"{HOME}/cohorts", f"{HOME}/cohorts/new"]


@pytest.fixture
def people(live_app: Flask, live_sessions: sessionmaker[Session]) -> dict[str, User]:
    """Open the sample course with one cohort, one learner in it, one about to enrol, and a teacher."""
    with live_sessions.begin() as session:
        university = make_organisation(session, slug="hangang-university")
        company = make_organisation(session, slug="nuri-ai", kind=OrganisationKind.COMPANY)
        folder = CONTENT / "deep-learning-first-steps"
        version = publish(session, None, folder, live_app.extensions["blobs"], ENVIRONMENTS)
        teacher = make_instructor(session, university)
        for one in (teacher, make_instructor(session, company)):
            approve(session, one, version)
        cohort = make_cohort(session, version.course)
        cohort.slug = "winter"
        learner = make_enrolment(session, cohort, make_user(session, name="이바다")).user
        learner.language = teacher.language = "ko"
        make_member(session, user=make_user(session), organisation=company, role=Role.ASSISTANT)
        return {"learner": learner, "teacher": teacher, "stranger": make_user(session, language="en")}


def look(page: Page, path: str, name: str) -> None:
    page.goto(path)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(
            path=f"{folder}/{name}-{path.strip('/').replace('/', '-') or 'home'}.png", full_page=True
        )


@pytest.mark.long  # by default `test_every_page` looks at all of them
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_courses(
    open_page: Callable[..., Page],
    axe_check: Callable[[Page], None],
    sign_in_page: Callable[[Page, User], None],
    people: dict[str, User],
    language: str,
    theme: str,
    width: int,
) -> None:
    page = open_page(f"/?lang={language}", theme=theme, width=width)
    name = f"{language}-{theme}-{width}"
    for path in ["/", "/courses?q=zebra", HOME]:
        look(page, path, f"visitor-{name}")
        axe_check(page)
    for role, paths in {
        "learner": LEARNER,
        "teacher": [*STAFF, f"{HOME}/cohorts/winter/roster", f"{HOME}/cohorts/winter/edit"],
        "stranger": [f"{HOME}/cohorts/winter/enrol", "/"],
    }.items():
        sign_in_page(page, people[role])
        for path in paths:
            look(page, path, f"{role}-{name}")
            axe_check(page)


def test_a_learner_enrols_and_a_lesson_remembers_that_it_was_read(
    open_page: Callable[..., Page],
    sign_in_page: Callable[[Page, User], None],
    people: dict[str, User],
) -> None:
    page = open_page("/?lang=en")
    sign_in_page(page, people["stranger"])
    page.goto("/courses?q=딥러닝을")
    page.get_by_role("link", name="Deep learning").first.click()
    page.get_by_role("link", name="Enrol").click()
    page.get_by_label("Name on the certificate").fill("Kim Haneul")
    page.get_by_role("button", name="Enrol").click()
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("#lesson-read")).not_to_contain_text("You have read this lesson.")
    page.locator("#lesson-read").scroll_into_view_if_needed()
    expect(page.locator("#lesson-read")).to_contain_text("You have read this lesson.")
    page.goto(HOME)
    expect(page.get_by_label("Lessons read")).to_have_attribute("value", "1")
