"""Points first; what the cells printed follows, sooner for those who look."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.grading.core.contracts import CellTiming, GradingReport, Notice, ViewReport
from lms.grading.models import Priority, RunState, Submission, ViewRun
from lms.grading.services.claiming import claim
from lms.grading.services.running import record_view
from tests.factories.grading import World, grading_report, make_world, notebook

SignIn = Callable[[User], None]
PREPARED = "What your cells printed is being prepared."
FRAME = '<iframe class="notebook-frame"'
VIEW = ViewReport(
    notebook(answer="print('mine')"),
    {"test": "합이 3이에요. | The sum is 3."},
    cells=(CellTiming(0, 1.5, 1.0, 1 << 20), CellTiming(1, 1.0, 1.0, 1 << 20)),
    notices=(Notice("output-truncated", {"cell": 2, "limit_kib": 976}),),
)


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, client: FlaskClient) -> World:
    client.set_cookie("language", "en")
    return make_world(session, blobs, tmp_path / "environments")


def hidden_report(**changes: object) -> GradingReport:
    return replace(grading_report(score=0), view=None, **changes)  # type: ignore[arg-type]


def view_of(session: Session, work: Submission) -> ViewRun:
    found = session.scalars(select(ViewRun)).one()
    assert found.run.submission_id == work.id
    session.refresh(found)
    return found


def prepare(world: World) -> None:
    at = world.at + timedelta(days=99)
    view = claim(world.session, at=at, lease_seconds=30)
    assert isinstance(view, ViewRun)
    assert record_view(world.session, view.id, view.token, VIEW, blobs=world.blobs, at=at)
    world.session.commit()


def test_points_stand_there_while_outputs_are_prepared(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded(report=hidden_report())
    sign_in(world.student)
    page = client.get(f"/submissions/{work.id}").text
    assert "The sum is not 1." in page
    assert PREPARED in page
    assert "It has place 1 in the queue." in page
    assert 'hx-trigger="every ' in page
    assert FRAME not in page
    assert client.get(f"/submissions/{work.id}/feedback").status_code == 404


def test_looking_makes_the_outputs_come_sooner(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    work = world.graded(report=hidden_report())
    assert view_of(session, work).priority == Priority.VIEW
    sign_in(world.assistant)
    client.get(f"/submissions/{work.id}")
    assert view_of(session, work).priority == Priority.VIEW
    sign_in(world.student)
    client.get(f"/submissions/{work.id}")
    assert view_of(session, work).priority <= Priority.PRACTICE


def test_outputs_and_messages_appear_when_they_are_there(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded(report=hidden_report())
    sign_in(world.student)
    before = client.get(f"/submissions/{work.id}/state")
    prepare(world)
    after = client.get(f"/submissions/{work.id}/state")
    assert before.headers["ETag"] != after.headers["ETag"]
    assert "The sum is 3." in after.text
    assert "The sum is not 1." not in after.text
    assert "from cell 2 on they are cut" in after.text
    assert PREPARED not in after.text
    assert "hx-trigger" not in after.text
    assert FRAME in after.text
    assert "mine" in client.get(f"/submissions/{work.id}/feedback").text


def test_students_see_the_times_of_the_execution_without_hidden_tests(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded(report=hidden_report(wall_seconds=7.5))
    sign_in(world.student)
    assert "Ran" not in client.get(f"/submissions/{work.id}/state").text
    prepare(world)
    student = client.get(f"/submissions/{work.id}/state").text
    assert "2.5 s" in student
    assert "7.5 s" not in student
    sign_in(world.assistant)
    assert "7.5 s" in client.get(f"/submissions/{work.id}/state").text


def test_a_view_that_failed_says_that_the_points_stand(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    work = world.graded(report=hidden_report())
    view_of(session, work).state = RunState.FAILED
    sign_in(world.student)
    page = client.get(f"/submissions/{work.id}").text
    assert "Your points stand" in page
    assert "hx-trigger" not in page


@pytest.mark.parametrize(
    ("assurance", "isolation", "words"),
    [
        ("isolated", "full", ["a process of their own", "a full sandbox"]),
        ("shared-kernel", "reduced:cgroup", ["own kernel", "a part missing"]),
        ("shared-kernel", "", ["own kernel"]),
    ],
)
def test_where_tests_ran_is_said_in_words(
    client: FlaskClient, world: World, sign_in: SignIn, *, assurance: str, isolation: str, words: list[str]
) -> None:
    work = world.graded(report=replace(grading_report(), assurance=assurance, isolation=isolation))
    sign_in(world.student)
    page = client.get(f"/submissions/{work.id}").text
    assert all(word in page for word in words)
    assert "sandbox" in page or not isolation
