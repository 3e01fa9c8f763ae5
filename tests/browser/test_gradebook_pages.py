"""Confirmed points of boards, in the gradebook and with a student's labs, on a desk and on a phone."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import now
from tests.chromium import axe_findings
from tests.factories.grades import Class, give_points
from tests.factories.grading import World, make_world
from tests.factories.leaderboards import make_contest

pytestmark = pytest.mark.browser
LOOKS = [("ko", "light", 1280), ("en", "dark", 390), ("ko", "light", 320)]
TITLE = {"ko": "나뉜 소포", "en": "Sorted parcels"}
TOTAL = {"ko": "리더보드 포함", "en": "With leaderboards"}
OVERFLOWING = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def world(live_app: Flask, live_sessions: sessionmaker[Session], tmp_path: Path) -> World:
    """A course in which a challenge's board gave its students points."""
    blobs, session = live_app.extensions["blobs"], live_sessions()
    world = make_world(session, blobs, tmp_path / "environments", started_at=now() - timedelta(days=3))
    world.graded()
    contest = make_contest(session, opens_at=world.cohort.starts_at)
    contest.challenge.lab = world.lab
    group = Class(contest, world.course, world.cohort, world.instructor, world.student)
    for score in (0.9, 0.8):
        group.team(score)
    give_points(session, world.instructor, contest.board, world.student, at=now())
    session.commit()
    return world


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_points_of_boards_can_be_read_and_followed_to_their_reasons(
    world: World,
    open_page: Callable[..., Page],
    sign_in_page: Callable[[Page, User], None],
    language: str,
    theme: str,
    width: int,
) -> None:
    for person in (world.instructor, world.student):
        person.language = language
    world.session.commit()
    page = open_page("/", language=language, theme=theme, width=width)
    sign_in_page(page, world.instructor)
    page.goto(f"/courses/{world.course.slug}/gradebook")
    _check(page)
    last = page.get_by_role("columnheader", name=TOTAL[language])
    last.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    page.get_by_role("link", name=TITLE[language], exact=True).first.click()
    page.get_by_role("link", name="5 / 100").click()
    expect(page).to_have_url(re.compile(r"/grades/[0-9]+$"))
    sign_in_page(page, world.student)
    page.goto("/labs")
    _check(page)
    expect(page.get_by_text("5 / 100")).to_be_visible()
    page.get_by_role("link", name=TITLE[language]).click()
    expect(page.locator("#own")).to_be_visible()


def _check(page: Page) -> None:
    assert axe_findings(page) == []
    assert not page.evaluate(OVERFLOWING)
