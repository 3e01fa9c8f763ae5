"""The wait that is told, read from the rows of the queue."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from lms.blobs import FolderBlobs
from lms.grading.core.waiting import USUAL_SECONDS
from lms.grading.models import GradingRun, Priority, Resource, RunState, Submission, ViewRun, Worker
from lms.grading.queries import waiting
from lms.grading.queries.scenes import MOST_WAITING, scene
from lms.grading.queries.submissions import newest_run, wait
from tests.factories.grading import World, enrol, make_user, make_world


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


def worker(world: World, name: str = "host:1", *, seconds_ago: float = 1, **changes: object) -> Worker:
    options: dict[str, object] = {"started_at": world.at, "resources": [kind.value for kind in Resource]}
    made = Worker(name=name, seen_at=world.at - timedelta(seconds=seconds_ago), **options | changes)
    world.session.add(made)
    world.session.flush()
    return made


def queued(world: World, count: int = 1) -> list[GradingRun]:
    """Runs of so many people, a second apart, the newest just now."""
    runs = []
    for number in range(count):
        person = enrol(world.session, make_user(world.session), world.cohort)
        at = world.at - timedelta(seconds=count - number)
        run = newest_run(world.session, world.hand_in(enrolment=person, received_at=at))
        assert run is not None
        runs.append(run)
    return runs


def ended(world: World, work: Submission, seconds: float, *, ordinal: int = 50, **changes: object) -> None:
    """A run of the past that took so long."""
    options: dict[str, object] = {
        "state": RunState.DONE,
        "queued_at": world.at - timedelta(hours=1, seconds=seconds),
        "started_at": world.at - timedelta(hours=1, seconds=seconds),
        "finished_at": world.at - timedelta(hours=1),
    }
    world.session.add(GradingRun(submission_id=work.id, ordinal=ordinal, **options | changes))
    world.session.flush()


def told(world: World, run: GradingRun) -> waiting.Wait:
    return waiting.wait(world.session, run, world.at)


def test_without_a_live_worker_there_is_a_place_and_no_promise(world: World) -> None:
    first, second = queued(world, 2)
    worker(world, seconds_ago=31)
    assert (told(world, first).place, told(world, second).place) == (1, 2)
    assert told(world, second).seconds is None
    assert told(world, second).workers == 0


def test_what_is_told_first_is_what_is_told_once_it_waits(world: World) -> None:
    worker(world)
    queued(world, 3)
    run = newest_run(world.session, world.hand_in(received_at=world.at))
    assert run is not None
    assert run.first_wait_seconds == pytest.approx(4 * USUAL_SECONDS)
    assert told(world, run).seconds == pytest.approx(run.first_wait_seconds)


def test_two_workers_share_the_queue(world: World) -> None:
    runs = queued(world, 4)
    worker(world)
    assert told(world, runs[3]).seconds == pytest.approx(4 * USUAL_SECONDS)
    worker(world, "host:2")
    assert told(world, runs[3]).seconds == pytest.approx(2 * USUAL_SECONDS)
    assert told(world, runs[3]).workers == 2


def test_a_worker_for_other_machines_does_not_count(world: World) -> None:
    run = queued(world)[0]
    worker(world, resources=["gpu"])
    assert told(world, run).seconds is None


def test_recent_runs_of_the_lab_say_what_one_takes(world: World) -> None:
    run, work = queued(world)[0], world.hand_in()
    world.session.delete(newest_run(world.session, work))
    worker(world)
    for number in range(5):
        ended(world, work, 40, ordinal=50 + number)
    ended(world, work, 4000, ordinal=60, state=RunState.FAILED)
    assert told(world, run).seconds == pytest.approx(40)


def test_what_a_worker_is_at_is_waited_for(world: World) -> None:
    running, run = queued(world, 2)
    worker(world)
    running.state, running.worker = RunState.RUNNING, "host:1"
    running.started_at = world.at - timedelta(seconds=1)
    running.lease_until = world.at + timedelta(seconds=30)
    found = told(world, run)
    assert found.place == 1
    assert found.seconds == pytest.approx(2 * USUAL_SECONDS - 1)


def test_whoever_holds_a_lease_is_alive_whatever_its_row_says(world: World) -> None:
    running, run = queued(world, 2)
    running.state, running.worker, running.started_at = RunState.RUNNING, "host:9", world.at
    running.lease_until = world.at + timedelta(seconds=30)
    assert told(world, run).workers == 1


def test_a_run_of_a_silent_worker_waits_again(world: World) -> None:
    silent, run = queued(world, 2)
    worker(world)
    silent.state, silent.started_at = RunState.RUNNING, world.at - timedelta(minutes=5)
    silent.lease_until = world.at - timedelta(seconds=1)
    assert told(world, run).place == 2


def test_exams_go_first_and_views_last(world: World) -> None:
    work = world.graded(enrolment=enrol(world.session, make_user(world.session), world.cohort))
    practice, exam = queued(world, 2)
    graded = newest_run(world.session, work)
    assert graded is not None
    exam.priority = int(Priority.EXAM)
    view = world.session.query(ViewRun).filter_by(run_id=graded.id).one_or_none() or ViewRun(run_id=graded.id)
    view.state, view.priority, view.queued_at = RunState.QUEUED, int(Priority.VIEW), world.at
    world.session.add(view)
    worker(world)
    world.session.flush()
    assert [waiting.wait(world.session, each, world.at).place for each in (exam, practice, view)] == [1, 2, 3]


def test_work_that_goes_first_and_keeps_coming_makes_the_wait_longer(world: World) -> None:
    runs = queued(world, 30)
    worker(world)
    for run in runs[10:]:  # exams came by and are over
        run.priority, run.state, run.finished_at = int(Priority.EXAM), RunState.CANCELLED, world.at
    found = told(world, runs[9])
    assert found.place == 10
    assert (found.seconds or 0) > 12 * USUAL_SECONDS
    assert (found.low or 0) <= 10 * USUAL_SECONDS < (found.high or 0)


def test_a_long_queue_is_played_through_once_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONG_QUEUE", 3)
    runs = queued(world, 3)
    worker(world)
    assert told(world, runs[2]).place == 3
    runs[0].state = RunState.CANCELLED
    world.session.flush()
    assert told(world, runs[2]).place == 3
    later = world.at + timedelta(seconds=waiting.KEPT_SECONDS)
    assert waiting.wait(world.session, runs[2], later).place == 2


def test_whoever_stands_further_back_than_is_played_through_is_told_by_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.grading.queries.scenes.MOST_WAITING", 2)
    runs = queued(world, 5)
    worker(world)
    assert len(scene(world.session, world.at).queue) == 2 < MOST_WAITING
    found = told(world, runs[4])
    assert (found.place, found.workers) == (5, 1)
    assert found.seconds == pytest.approx(5 * USUAL_SECONDS)


def test_people_are_told_no_finer_than_it_is_known(world: World) -> None:
    runs = queued(world, 7)
    worker(world)
    world.session.commit()
    spoken = wait(world.session, runs[6])
    assert spoken.seconds is None or spoken.seconds % 5 == 0
