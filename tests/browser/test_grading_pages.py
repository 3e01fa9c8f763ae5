"""The pages of grading in a real browser: live results, nothing that runs, nothing that axe finds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import now
from lms.grading.core.contracts import CellState, CheckResult, CheckStatus, ViewReport
from lms.grading.models import GradingRun
from lms.grading.services.running import record_grade, record_progress
from tests.factories.grading import World, grading_report, make_world, notebook

pytestmark = pytest.mark.browser
LOOKS = [("ko", "light", 1280), ("en", "dark", 390)]
EVIL = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"

Open = Callable[..., Page]
SignIn = Callable[[Page, User], None]


@dataclass
class Scene:
    """A course with one graded and one running submission."""

    world: World
    graded: int
    running: int


@pytest.fixture
def scene(live_app: Flask, live_sessions: sessionmaker[Session], tmp_path: Path) -> Scene:
    blobs = live_app.extensions["blobs"]
    with live_sessions.begin() as session:
        world = make_world(session, blobs, tmp_path / "environments", started_at=now() - timedelta(days=3))
        outputs: list[dict[str, object]] = [
            {"output_type": "stream", "name": "stdout", "text": EVIL},
            {
                "output_type": "display_data",
                "metadata": {},
                "data": {"text/html": f"<table><tr><td>{EVIL}</td></tr></table>"},
            },
        ]
        feedback = notebook(answer=f"# {EVIL}", outputs=outputs)
        checks = (
            CheckResult("test", 1.5, 3, CheckStatus.PARTIAL, message=EVIL),
            CheckResult("essay", None, 2, CheckStatus.MANUAL),
        )
        report = replace(grading_report(), view=ViewReport(feedback, {}), executed=feedback, checks=checks)
        graded = world.graded(report=report, filename=EVIL)
        running = world.hand_in()
        world.claim(at=now())
    return Scene(world, graded.id, running.id)


def test_a_result_comes_by_itself_without_reload(
    open_page: Open, sign_in_page: SignIn, scene: Scene, live_sessions: sessionmaker[Session]
) -> None:
    page = open_page("/?lang=en")
    sign_in_page(page, scene.world.student)
    page.goto(f"/submissions/{scene.running}")
    page.evaluate("window.stayed = true")
    with live_sessions.begin() as session:
        run = session.scalars(select(GradingRun).where(GradingRun.submission_id == scene.running)).one()
        record_progress(session, run.id, run.token, [CellState.PASSED, CellState.RUNNING])
    expect(page.locator(".strip .ok")).to_have_count(1)
    with live_sessions.begin() as session:
        record_grade(session, run.id, run.token, grading_report(), blobs=scene.world.blobs, at=now())
    expect(page.locator("#checks")).to_be_visible()
    expect(page.locator("#state[hx-trigger]")).to_have_count(0)
    assert page.evaluate("window.stayed")


def test_nothing_of_a_students_notebook_runs(open_page: Open, sign_in_page: SignIn, scene: Scene) -> None:
    page = open_page("/?lang=en")
    for person in (scene.world.student, scene.world.instructor):
        sign_in_page(page, person)
        for path in (f"/submissions/{scene.graded}", f"/submissions/{scene.graded}/feedback"):
            page.goto(path, wait_until="networkidle")
            assert page.title() != "run"
            assert page.locator("img[src=x]").count() == 0
    page.goto(f"/submissions/{scene.graded}")
    framed = page.frame_locator("iframe.notebook-frame")
    expect(framed.locator("#cell-1")).to_contain_text("document.title")
    assert framed.locator("script").count() == 0


@pytest.mark.long  # by default `test_every_page` looks at all of them
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_grading(
    open_page: Open,
    axe_check: Callable[[Page], None],
    sign_in_page: SignIn,
    scene: Scene,
    language: str,
    theme: str,
    width: int,
) -> None:
    page = open_page(f"/?lang={language}", theme=theme, width=width)
    course = f"/courses/{scene.world.course.slug}"
    result = f"/submissions/{scene.graded}"
    for person, paths in (
        (scene.world.student, ["/labs", f"{course}/labs/softmax", result, f"/submissions/{scene.running}"]),
        (
            scene.world.instructor,
            [
                result,
                f"{result}/answers/essay",
                "/grading/queue",
                f"{course}/gradebook",
                f"{course}/releases",
                f"{course}/labs/softmax/regrade",
            ],
        ),
    ):
        sign_in_page(page, person)
        for path in paths:
            page.goto(path)
            axe_check(page)
