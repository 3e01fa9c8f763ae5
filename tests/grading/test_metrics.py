"""What a monitoring program reads."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, Role, User
from lms.blobs import FolderBlobs
from lms.db import now
from lms.grading.models import GradingRun, RunState, Worker
from lms.grading.queries.submissions import newest_run
from tests.factories.grading import World, lab_settings, make_organisation, make_staff, make_world

SignIn = Callable[[User], None]
TOKEN = "a long secret, é"


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    rules = lab_settings(attempts=50)
    folder = tmp_path / "environments"
    return make_world(session, blobs, folder, settings=rules, started_at=now() - timedelta(days=3))


@pytest.fixture
def watched(app: Flask) -> Flask:
    app.extensions["settings"] = replace(app.extensions["settings"], metrics_token=TOKEN)
    return app


def figures(client: FlaskClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1")})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    "given", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer " + "x" * 5000, "Bearer \xff"]
)
@pytest.mark.usefixtures("watched")
def test_without_the_token_there_is_no_such_page(client: FlaskClient, given: str) -> None:
    heading = given.encode().decode("latin-1")
    assert client.get("/metrics", headers={"Authorization": heading}).status_code == 404


def test_where_no_token_is_set_nobody_gets_in(client: FlaskClient, session: Session, sign_in: SignIn) -> None:
    sign_in(make_staff(session, make_organisation(session, OrganisationKind.OPERATOR), Role.SITE_ADMIN))
    for heading in ("", "Bearer ", "Bearer"):
        assert client.get("/metrics", headers={"Authorization": heading}).status_code == 404


@pytest.mark.usefixtures("watched")
def test_the_operator_may_look_and_others_may_not(client: FlaskClient, world: World, sign_in: SignIn) -> None:
    operator = make_staff(
        world.session, make_organisation(world.session, OrganisationKind.OPERATOR), Role.SITE_ADMIN
    )
    for person, status in ((world.student, 404), (world.instructor, 404), (operator, 200)):
        sign_in(person)
        assert client.get("/metrics").status_code == status


@pytest.mark.usefixtures("watched")
def test_an_idle_site_has_figures_too(client: FlaskClient) -> None:
    found = figures(client)
    assert found["duri_grading_workers", "full", "alive"] == 0
    assert found["duri_grading_dead_letters",] == 0


@pytest.mark.usefixtures("watched")
def test_the_figures_are_those_of_the_rows(client: FlaskClient, world: World, session: Session) -> None:
    at = now()

    def run(**changes: object) -> GradingRun:
        made = newest_run(session, world.hand_in())
        assert made is not None
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    ended = {"started_at": at - timedelta(seconds=2), "finished_at": at}
    for _ in range(3):
        run(state=RunState.DONE, assurance="isolated", queued_at=at - timedelta(seconds=12), **ended)
    run(state=RunState.FAILED, assurance="shared-kernel", **ended)
    run(queued_at=at - timedelta(seconds=60))
    run(queued_at=at - timedelta(seconds=30))
    warm = {"name": "ml-basics", "memory_bytes": 1.5e8, "forks": 7}
    options = {"started_at": at, "resources": ["cpu"], "environments": [warm]}
    session.add(Worker(name="a:1", seen_at=at, isolation="full", **options))
    session.add(Worker(name="b:2", seen_at=at - timedelta(hours=1), isolation="reduced:cgroup", **options))
    session.commit()
    found = figures(client)
    assert found["duri_grading_runs_total", "isolated", "done"] == 3
    assert found["duri_grading_runs_total", "shared-kernel", "failed"] == 1
    assert found["duri_grading_queue_runs", "practice", "cpu", "waiting"] == 2
    assert 60 <= found["duri_grading_oldest_wait_seconds", "practice", "cpu"] < 120
    assert found["duri_grading_workers", "full", "alive"] == 1
    assert found["duri_grading_workers", "reduced", "silent"] == 1
    assert found["duri_grading_warm_bytes", "ml-basics", "a:1"] == 1.5e8
    assert ("duri_grading_warm_bytes", "ml-basics", "b:2") not in found
    assert found["duri_grading_recent_wait_seconds", "0.5"] == pytest.approx(10)
    assert found["duri_grading_recent_run_seconds", "0.95"] == pytest.approx(2)
    assert found["duri_grading_dead_letters",] == 1
