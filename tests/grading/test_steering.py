"""The operator's board and the pages that steer the queue."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent, OrganisationKind, Role, User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.grading.models import GradingRun, Priority, RunState, ViewRun, Worker
from lms.grading.queries import fleet
from lms.grading.queries.queue import view_of
from lms.grading.queries.submissions import newest_run
from lms.grading.services.running import record_progress
from tests.factories.grading import World, lab_settings, make_organisation, make_staff, make_world

SignIn = Callable[[User], None]
OPERATOR_PAGES = ["/operator/grading", "/operator/grading/state", "/operator/grading/queue"]
OPERATOR_PAGES += ["/operator/grading/dead-letters"]


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(
        session,
        blobs,
        tmp_path / "environments",
        settings=lab_settings(attempts=50),
        started_at=now() - timedelta(days=3),
    )


@pytest.fixture
def operator(session: Session) -> User:
    return make_staff(session, make_organisation(session, OrganisationKind.OPERATOR), Role.SITE_ADMIN)


@pytest.fixture(autouse=True)
def in_english(client: FlaskClient) -> None:
    client.set_cookie("language", "en")


def run_of(world: World, **changes: object) -> GradingRun:
    run = newest_run(world.session, world.hand_in())
    assert run is not None
    for name, value in changes.items():
        setattr(run, name, value)
    world.session.flush()
    return run


def failed(world: World) -> GradingRun:
    return run_of(world, state=RunState.FAILED, finished_at=now(), tries=3, failure="the jail <b>broke</b>")


def path(run: GradingRun, verb: str) -> str:
    return f"/submissions/{run.submission_id}/runs/{run.ordinal}/{verb}"


def newest(session: Session, run: GradingRun) -> GradingRun:
    found = newest_run(session, run.submission)
    assert found is not None
    session.refresh(found)
    return found


# the board


def test_an_idle_site_says_what_will_stand_here(client: FlaskClient, operator: User, sign_in: SignIn) -> None:
    sign_in(operator)
    page = client.get("/operator/grading").text
    assert "no worker alive" in page
    assert "lms worker" in page
    assert "No worker has started yet." in page
    assert 'hx-trigger="every 5s"' in page
    assert "hx-trigger" not in client.get("/operator/grading?still=1").text
    assert 'href="/operator/grading"' in client.get("/").text


def test_the_board_shows_workers_queue_and_warm_environments(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn
) -> None:
    session, at = world.session, now()
    options = {"started_at": at - timedelta(hours=2), "resources": ["cpu", "gpu"]}
    warm = {"name": "ml-basics", "memory_bytes": 150_000_000, "forks": 41, "started_at": at.timestamp()}
    session.add(Worker(name="a:1", seen_at=at, isolation="full", environments=[warm], **options))
    session.add(Worker(name="b:2", seen_at=at, isolation="reduced:seccomp,odd", **options))
    session.add(Worker(name="c:3", seen_at=at - timedelta(minutes=5), **options))
    run = run_of(
        world, state=RunState.RUNNING, worker="a:1", started_at=at, lease_until=at + timedelta(minutes=1)
    )
    run_of(world, priority=int(Priority.EXAM), queued_at=at - timedelta(seconds=90))
    sign_in(operator)
    page = client.get("/operator/grading/state").text
    for said in (
        "2 workers alive",
        f"submission {run.submission_id}",
        "full isolation",
        "no filter for system calls, odd",
        "silent",
        "ml-basics",
        "150 MB",
        "41",
        "exam",
        "The oldest has waited",
        "graphics card",
    ):
        assert said in page
    assert world.student.name not in page


def test_the_figures_of_the_board_are_those_of_the_rows(world: World) -> None:
    session, at = world.session, now()
    for number in range(20):
        waited = float(number)
        run_of(
            world,
            state=RunState.DONE,
            queued_at=at - timedelta(minutes=5, seconds=waited),
            started_at=at - timedelta(minutes=5),
            finished_at=at - timedelta(minutes=5) + timedelta(seconds=2),
            first_wait_seconds=(waited + 2) * 1.1,
        )
    run_of(world, state=RunState.FAILED, finished_at=at - timedelta(minutes=30))
    quarter, hour, day = fleet.periods(session, at)
    assert (quarter.graded, quarter.failed, hour.failed, day.graded) == (20, 0, 1, 20)
    assert quarter.per_minute == pytest.approx(20 / 15)
    assert quarter.wait is not None
    assert quarter.error is not None
    assert (quarter.wait.middle, quarter.wait.far) == (pytest.approx(9.5), pytest.approx(18))
    assert quarter.error.middle == pytest.approx(0.1)
    assert quarter.error.count == 16  # waits of 6 s and more


def test_of_nothing_there_are_no_figures() -> None:
    assert fleet.spread([], 0.95) is None
    one = fleet.spread([3.0], 0.95)
    assert one is not None
    assert (one.middle, one.far) == (3.0, 3.0)


def test_builds_stand_in_the_queue_between_practice_and_regrades(world: World) -> None:
    release = world.lab.current_release
    assert release is not None
    release.state = type(release).WAITING
    run_of(world)
    run_of(world, priority=int(Priority.REGRADE_ALL))
    world.session.flush()
    assert [each.name for each in fleet.backlogs(world.session, now())] == [
        "practice",
        "build",
        "regrade_all",
    ]


# who may


@pytest.mark.parametrize("address", OPERATOR_PAGES)
def test_only_the_operator_sees_the_board(
    client: FlaskClient, world: World, sign_in: SignIn, address: str
) -> None:
    for person in (world.student, world.assistant, world.instructor):
        sign_in(person)
        assert client.get(address).status_code == 403
        assert "/operator/grading" not in client.get("/").text


def test_runs_are_steered_by_teachers_and_operators_only(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    run = run_of(world)
    other = make_staff(world.session, make_organisation(world.session, OrganisationKind.UNIVERSITY))
    for person in (world.student, world.assistant, other):
        sign_in(person)
        assert client.post(path(run, "cancel")).status_code == 404
        assert client.post(path(run, "put-back")).status_code == 404
        assert client.post(path(run, "outputs")).status_code == 404
        runs = f"/courses/{world.course.slug}/grading-runs"
        assert client.get(runs).status_code == client.post(runs).status_code == 403
        assert client.post("/operator/grading/dead-letters").status_code == 403
    world.session.refresh(run)
    assert run.state is RunState.QUEUED


def test_an_instructor_steers_their_own_course_only(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    elsewhere = make_world(session, blobs, tmp_path / "other", started_at=now() - timedelta(days=3))
    foreign, own = failed(elsewhere), failed(world)
    sign_in(world.instructor)
    page = client.get(f"/courses/{world.course.slug}/grading-runs").text
    assert f'value="{own.id}"' in page
    assert f'value="{foreign.id}"' not in page
    client.post(
        f"/courses/{world.course.slug}/grading-runs",
        data={"run": [str(own.id), str(foreign.id)], "reason": "lab"},
    )
    assert newest(session, own).cause == "retry:lab"
    assert newest(session, foreign).state is RunState.FAILED


# cancel, and undo


def test_a_run_is_taken_out_and_put_back(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn, session: Session
) -> None:
    run = run_of(world)
    sign_in(operator)
    assert path(run, "cancel") in client.get("/operator/grading/queue").text
    answer = client.post(path(run, "cancel"), data={"back": "/operator/grading/queue"})
    assert (answer.status_code, answer.location) == (303, "/operator/grading/queue")
    session.refresh(run)
    assert run.state is RunState.CANCELLED
    page = client.get("/operator/grading/queue").text
    assert "You can put it back below." in page
    assert path(run, "put-back") in page
    assert client.post(path(run, "put-back"), data={"back": "//evil.example"}).location == "/"
    again = newest(session, run)
    assert (again.state, again.cause, again.ordinal) == (RunState.QUEUED, "retry:mistake", run.ordinal + 1)
    assert client.post(path(run, "put-back")).status_code == 409
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions[-2:] == ["grading.cancel_run", "grading.retry_run"]


def test_a_cancelled_hand_in_says_so_to_its_student(
    client: FlaskClient, world: World, sign_in: SignIn
) -> None:
    run = run_of(world)
    sign_in(world.instructor)
    client.post(path(run, "cancel"))
    sign_in(world.student)
    page = client.get(f"/submissions/{run.submission_id}").text
    assert "taken out of the queue" in page
    assert "hx-trigger" not in page


def test_what_is_graded_cannot_be_cancelled(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    run = newest_run(world.session, world.graded())
    assert run is not None
    sign_in(world.instructor)
    assert client.post(path(run, "cancel")).status_code == 409
    assert client.post(f"/submissions/{run.submission_id}/runs/99/cancel").status_code == 404


def test_a_running_run_loses_its_lease(
    client: FlaskClient, world: World, sign_in: SignIn, session: Session
) -> None:
    world.hand_in()
    run = world.claim(at=now())
    token = run.token
    sign_in(world.instructor)
    assert "running" in client.get(f"/courses/{world.course.slug}/grading-runs").text
    client.post(path(run, "cancel"))
    assert record_progress(session, run.id, token, []) is False


# dead letters


def test_dead_letters_say_why_and_are_tried_again_with_a_reason(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn, session: Session
) -> None:
    runs = [failed(world), failed(world)]
    sign_in(operator)
    page = client.get("/operator/grading/dead-letters").text
    assert "the jail &lt;b&gt;broke&lt;/b&gt;" in page
    assert world.student.name not in page
    assert client.get("/operator/grading/dead-letters?all=1").text.count(" checked") == 2
    chosen = {"run": [str(run.id) for run in runs]}
    letters = "/operator/grading/dead-letters"
    assert client.post(letters, data=chosen).status_code == 422
    assert client.post(letters, data=chosen | {"reason": "whim"}).status_code == 422
    assert client.post(letters, data=chosen | {"reason": "machine"}).status_code == 303
    assert "2 runs are tried again." in (page := client.get(letters).text)
    assert "Nothing failed" in page
    assert {newest(session, run).cause for run in runs} == {"retry:machine"}


@pytest.mark.parametrize("numbers", [[], ["0"], ["x"], ["-1"], ["9" * 40], ["7", "7"], ["999999"]])
def test_choosing_nothing_that_failed_changes_nothing(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn, session: Session, numbers: list[str]
) -> None:
    run = failed(world)
    sign_in(operator)
    client.post("/operator/grading/dead-letters", data={"run": numbers, "reason": "asked"})
    assert "Nothing was chosen." in client.get("/operator/grading/dead-letters").text
    assert newest(session, run).id == run.id


def test_a_run_that_was_replaced_is_no_dead_letter(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn
) -> None:
    run = failed(world)
    sign_in(operator)
    data = {"run": [str(run.id)], "reason": "asked"}
    client.post("/operator/grading/dead-letters", data=data)
    client.post("/operator/grading/dead-letters", data=data)
    assert "Nothing was chosen." in client.get("/operator/grading/dead-letters").text


def test_outputs_that_failed_are_prepared_again(
    client: FlaskClient, world: World, operator: User, sign_in: SignIn, session: Session
) -> None:
    run = newest_run(session, world.graded())
    assert run is not None
    view = view_of(session, run.id) or ViewRun(run_id=run.id, queued_at=now())
    session.add(view)
    view.state, view.failure, view.finished_at = RunState.FAILED, "no room", now()
    sign_in(operator)
    assert "no room" in client.get("/operator/grading/dead-letters").text
    assert client.post(path(run, "outputs")).status_code == 303
    session.refresh(view)
    assert view.state is RunState.QUEUED
    assert client.post(path(run, "outputs")).status_code == 409
