"""What grading shows on the pages of lower domains."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.blobs import FolderBlobs
from lms.db import now
from tests.factories.grading import World, make_user, make_world

SignIn = Callable[[User], None]


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path, client: FlaskClient) -> World:
    client.set_cookie("language", "en")
    return make_world(session, blobs, tmp_path / "environments", started_at=now() - timedelta(days=3))


def test_home_shows_what_is_due_and_my_newest_results(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    work = world.graded()
    sign_in(world.student)
    page = client.get("/").text
    assert "Due next" in page
    assert f'href="/submissions/{work.id}"' in page
    assert "answer waits" not in page


def test_home_tells_staff_how_many_answers_wait(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    world.graded()
    sign_in(world.assistant)
    assert "1 answer waits." in client.get("/").text


def test_a_course_page_shows_my_state_and_points(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    world.graded()
    sign_in(world.student)
    page = client.get(f"/courses/{world.course.slug}").text
    assert "provisional" in page
    assert "<b>3</b> / 5" in page
    assert "gradebook" not in page


def test_a_course_page_leads_staff_to_the_gradebook(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    path = f"/courses/{world.course.slug}"
    sign_in(world.instructor)
    assert f'href="{path}/gradebook"' in client.get(path).text
    sign_in(make_user(session))
    assert "gradebook" not in client.get(path).text
