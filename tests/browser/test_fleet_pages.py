"""The board, the queue and the live wait in a real browser."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind, Role, User
from lms.db import now
from lms.grading.core.contracts import CellState
from lms.grading.models import GradingRun, Priority, Resource, RunState, ViewRun, Worker
from lms.grading.queries.queue import view_of
from lms.grading.queries.submissions import newest_run
from lms.grading.services.claiming import claim
from lms.grading.services.running import record_progress
from tests.factories.grading import World, lab_settings, make_organisation, make_staff, make_world

pytestmark = pytest.mark.browser
LOOKS = [("ko", "light", 1280), ("en", "dark", 390)]

Open = Callable[..., Page]
SignIn = Callable[[Page, User], None]


@dataclass
class Scene:
    """A busy afternoon: workers, a queue, what failed and what was taken out."""

    world: World
    operator: User
    waiting: int
    lonely: int  # waits for a kind of machine that nobody has


@pytest.fixture
def scene(live_app: Flask, live_sessions: sessionmaker[Session], tmp_path: Path) -> Scene:
    with live_sessions.begin() as session:
        return _scene(session, live_app, tmp_path)


def _scene(session: Session, app: Flask, folder: Path) -> Scene:
    at = now()
    world = make_world(
        session,
        app.extensions["blobs"],
        folder / "environments",
        settings=lab_settings(attempts=50),
        started_at=at - timedelta(days=3),
    )
    operator = make_staff(session, make_organisation(session, OrganisationKind.OPERATOR), Role.SITE_ADMIN)

    def run(**changes: object) -> GradingRun:
        made = newest_run(session, world.hand_in(received_at=now()))
        assert made is not None
        for name, value in changes.items():
            setattr(made, name, value)
        session.flush()
        return made

    for number in range(12):
        run(
            state=RunState.DONE,
            queued_at=at - timedelta(minutes=8, seconds=number),
            started_at=at - timedelta(minutes=8),
            finished_at=at - timedelta(minutes=8) + timedelta(seconds=3 + number % 3),
            first_wait_seconds=number + 4.0,
        )
    run(
        state=RunState.FAILED,
        finished_at=at,
        tries=3,
        failure="JailUnavailable('bwrap: no room for a tmpfs')",
    )
    run(state=RunState.FAILED, finished_at=at, tries=3, failure="the worker stopped 3 times while at this")
    run(state=RunState.CANCELLED, finished_at=at)
    unseen = newest_run(session, world.graded())
    assert unseen is not None
    view = view_of(session, unseen.id) or ViewRun(run_id=unseen.id, queued_at=at)
    view.state, view.failure, view.finished_at = RunState.FAILED, "no space left on device", at
    session.add(view)
    warm = [
        {"name": "ml-basics", "memory_bytes": 148_000_000, "forks": 412, "started_at": at.timestamp() - 7200},
        {"name": "deep", "memory_bytes": 390_000_000, "forks": 9, "started_at": at.timestamp() - 600},
    ]
    kinds = ["cpu", "big-memory"]
    session.add_all(
        [
            Worker(
                name="grader-1:4121",
                started_at=at - timedelta(hours=2),
                seen_at=at + timedelta(minutes=5),  # stays alive while the pages are looked at
                resources=kinds,
                isolation="full",
                environments=warm,
            ),
            Worker(
                name="grader-1:4122",
                started_at=at - timedelta(hours=2),
                seen_at=at + timedelta(minutes=5),
                resources=["cpu"],
                isolation="reduced:seccomp,cgroup",
            ),
            Worker(
                name="grader-2:77",
                started_at=at - timedelta(days=1),
                seen_at=at - timedelta(minutes=6),
                resources=kinds,
                isolation="full",
            ),
        ]
    )
    session.flush()
    run()
    for name in ("grader-1:4121", "grader-1:4122"):
        run(priority=int(Priority.EXAM))
        assert claim(session, at=now(), lease_seconds=600, worker=name) is not None
    for _ in range(4):
        run(priority=int(Priority.DUE_SOON), queued_at=now() - timedelta(seconds=40))
    waiting = run()
    lonely = run(resource=Resource.GPU)
    return Scene(world, operator, waiting.submission_id, lonely.submission_id)


@pytest.mark.long  # by default `test_every_page` looks at all of them
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_pages_of_the_queue(
    open_page: Open,
    axe_check: Callable[[Page], None],
    sign_in_page: SignIn,
    scene: Scene,
    language: str,
    theme: str,
    width: int,
) -> None:
    page = open_page(f"/?lang={language}", theme=theme, width=width)
    operator = ["/operator/grading", "/operator/grading/queue", "/operator/grading/dead-letters"]
    for person, paths in (
        (scene.operator, operator),
        (scene.world.instructor, [f"/courses/{scene.world.course.slug}/grading-runs"]),
        (scene.world.student, [f"/submissions/{scene.waiting}", f"/submissions/{scene.lonely}"]),
    ):
        sign_in_page(page, person)
        for path in paths:
            page.goto(path)
            axe_check(page)


def test_a_run_is_taken_out_and_put_back_without_scripts(
    open_page: Open, sign_in_page: SignIn, scene: Scene
) -> None:
    page = open_page("/?lang=en")
    sign_in_page(page, scene.operator)
    page.goto("/operator/grading/queue")
    row = page.locator("tr", has_text=f"submission {scene.waiting}")
    row.locator("summary").click()
    expect(row).to_contain_text("The file stays")
    row.get_by_role("button", name="Take out").click()
    expect(page.get_by_role("status")).to_contain_text("You can put it back below.")
    page.locator("tr", has_text=f"submission {scene.waiting}").get_by_role(
        "button", name="Put it back"
    ).click()
    expect(page.get_by_role("status")).to_contain_text("It is back in the queue.")


def test_the_wait_and_the_cells_come_by_themselves_and_are_said_once(
    open_page: Open, sign_in_page: SignIn, scene: Scene, live_sessions: sessionmaker[Session]
) -> None:
    page = open_page("/?lang=en")
    sign_in_page(page, scene.world.student)
    page.goto(f"/submissions/{scene.lonely}")
    expect(page.locator("#state")).to_contain_text("No worker is running at the moment.")
    page.goto(f"/submissions/{scene.waiting}")
    expect(page.locator("#state")).to_contain_text("until the result")
    expect(page.locator("#state")).to_contain_text("before you.")
    page.evaluate("window.stayed = true")
    with live_sessions.begin() as session:
        for run in session.query(GradingRun).filter(GradingRun.state == RunState.QUEUED):
            if run.submission_id != scene.waiting:
                run.state = RunState.CANCELLED
        taken = claim(session, at=now(), lease_seconds=600, worker="grader-1:4122")
        assert isinstance(taken, GradingRun)
        record_progress(session, taken.id, taken.token, [CellState.PASSED, CellState.RUNNING])
    expect(page.locator(".strip .ok")).to_have_count(1, timeout=20_000)
    expect(page.locator("#said")).to_have_text("running")
    before = page.locator("[data-ticks]").inner_text()
    expect(page.locator("[data-ticks]")).not_to_have_text(before)
    assert page.evaluate("window.stayed")


def test_the_board_is_drawn_anew_by_itself_and_can_be_stopped(
    open_page: Open, sign_in_page: SignIn, scene: Scene, live_sessions: sessionmaker[Session]
) -> None:
    page = open_page("/?lang=en")
    sign_in_page(page, scene.operator)
    page.goto("/operator/grading")
    expect(page.locator("#board")).to_contain_text("2 workers alive")
    with live_sessions.begin() as session:
        session.query(Worker).filter(Worker.name == "grader-1:4122").delete()
    expect(page.locator("#board")).to_contain_text("grader-1:4121", timeout=20_000)
    page.get_by_role("link", name="Stop updating").click()
    expect(page.locator("#board[hx-trigger]")).to_have_count(0)
