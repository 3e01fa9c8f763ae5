"""What gets into the queue and out of it: priorities, seeds, cancelled runs, retries, wanted views."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent, OrganisationKind, Role
from lms.blobs import FolderBlobs
from lms.errors import Conflict, NotAllowed
from lms.grading import policy
from lms.grading.core.contracts import GradingReport, ViewReport
from lms.grading.models import GradingRun, LabRelease, Priority, ReleaseState, Resource, RunState, ViewRun
from lms.grading.queries.queue import dead_letters, dead_views, view_of
from lms.grading.services.claiming import claim
from lms.grading.services.leasing import hand_back
from lms.grading.services.marking import regrade_lab, regrade_submission
from lms.grading.services.queueing import cancel_run, retry_run, retry_view, want_view
from lms.grading.services.releases import queue_releases, record_build
from lms.grading.services.running import fail_run, fail_view, heartbeat, record_grade, record_view
from lms.grading.services.waking import wake_after_commit
from tests.factories.grading import (
    NOW,
    START,
    World,
    build_report,
    grading_report,
    lab_settings,
    make_organisation,
    make_staff,
    make_world,
    notebook,
    publish,
)

LATER = NOW + timedelta(minutes=5)
DUE = START.replace(day=22, hour=14, minute=59)
UNSEEN = replace(grading_report(), view=None)
SEEN = ViewReport(feedback=notebook(), messages={"test": "The sum is not 1."})


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


@pytest.fixture
def make(session: Session, blobs: FolderBlobs, tmp_path: Path) -> Callable[..., World]:
    return lambda **changes: make_world(session, blobs, tmp_path / "e", settings=lab_settings(**changes))


def run_of(world: World, **changes: object) -> GradingRun:
    work = world.hand_in(**changes)
    return world.session.scalars(select(GradingRun).where(GradingRun.submission_id == work.id)).one()


def graded(world: World, report: GradingReport = UNSEEN) -> GradingRun:
    run = run_of(world)
    world.claim()
    assert record_grade(world.session, run.id, run.token, report, blobs=world.blobs, at=NOW) is not None
    return run


def view(world: World, run: GradingRun) -> ViewRun:
    found = view_of(world.session, run.id)
    assert found is not None
    return found


def failed(world: World) -> GradingRun:
    run = run_of(world)
    for _ in range(3):
        world.claim()
        fail_run(world.session, run.id, run.token, reason="no jail", at=NOW)
    assert run.state is RunState.FAILED
    return run


# priority, machine, seed


@pytest.mark.parametrize(
    ("before_due", "priority"),
    [
        (timedelta(hours=24, seconds=1), Priority.PRACTICE),
        (timedelta(hours=24), Priority.DUE_SOON),
        (timedelta(0), Priority.DUE_SOON),
        (timedelta(seconds=-1), Priority.PRACTICE),
    ],
)
def test_work_of_the_last_day_before_the_due_date_goes_first(
    world: World, before_due: timedelta, priority: Priority
) -> None:
    assert run_of(world, received_at=DUE - before_due).priority == priority


def test_a_lab_without_a_due_date_is_practice(make: Callable[..., World]) -> None:
    assert run_of(make(due=None)).priority == Priority.PRACTICE


def test_an_exam_goes_before_everything(make: Callable[..., World]) -> None:
    assert run_of(make(exam=True), received_at=DUE).priority == Priority.EXAM


def test_a_lab_says_which_machine_grades_and_builds_it(make: Callable[..., World]) -> None:
    world = make(resource="gpu")
    run = run_of(world)
    release = world.lab.current_release
    assert release is not None
    assert (run.resource, release.resource) == (Resource.GPU, Resource.GPU)
    assert claim(world.session, at=NOW, lease_seconds=30, resources=[Resource.CPU]) is None
    assert claim(world.session, at=NOW, lease_seconds=30, resources=[Resource.GPU]) is run


def test_every_run_draws_a_seed_of_its_own(world: World) -> None:
    seeds = {run_of(world).seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(0 <= seed < 1 << 32 for seed in seeds)


# cancelled


def test_a_cancelled_run_is_not_taken_and_the_log_says_who_did_it(world: World) -> None:
    run = run_of(world)
    cancel_run(world.session, world.instructor, run, at=NOW)
    assert (run.state, run.finished_at) == (RunState.CANCELLED, NOW)
    assert claim(world.session, at=NOW, lease_seconds=30) is None
    event = world.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.actor_id, event.action, event.details) == (
        world.instructor.id,
        "grading.cancel_run",
        {"run": run.id},
    )


def test_a_running_run_that_is_cancelled_loses_its_lease_and_its_result(world: World) -> None:
    run = run_of(world)
    token = world.claim().token
    cancel_run(world.session, world.instructor, run, at=NOW)
    assert not heartbeat(world.session, run.id, token, at=NOW, lease_seconds=30)
    late = record_grade(world.session, run.id, token, grading_report(), blobs=world.blobs, at=LATER)
    assert late is None
    assert run.state is RunState.CANCELLED


def test_what_has_ended_cannot_be_cancelled(world: World) -> None:
    run = graded(world)
    with pytest.raises(Conflict, match="ended already"):
        cancel_run(world.session, world.instructor, run, at=LATER)


def test_instructors_and_site_administrators_steer_the_queue_and_nobody_else(world: World) -> None:
    run = run_of(world)
    admin = make_staff(
        world.session, make_organisation(world.session, OrganisationKind.OPERATOR), Role.SITE_ADMIN
    )
    for person in (world.student, world.assistant):
        with pytest.raises(NotAllowed):
            cancel_run(world.session, person, run, at=NOW)
        assert not policy.can_cancel(person, run)
    assert policy.can_cancel(world.instructor, run)
    cancel_run(world.session, admin, run, at=NOW)
    for person in (world.student, world.assistant):
        with pytest.raises(NotAllowed):
            retry_run(world.session, person, run, at=NOW)
    assert policy.can_retry(admin, run)


# again


@pytest.mark.parametrize(
    "end", [failed, lambda world: cancel_run(world.session, world.instructor, run_of(world), at=NOW)]
)
def test_what_failed_or_was_cancelled_is_tried_again_as_a_new_run(
    world: World, end: Callable[[World], GradingRun]
) -> None:
    run = end(world)
    again = retry_run(world.session, world.instructor, run, at=LATER)
    assert (again.ordinal, again.cause, again.requested_by_id) == (2, "retry", world.instructor.id)
    assert again.priority == Priority.PRACTICE
    assert world.claim(at=LATER) is again
    with pytest.raises(Conflict, match="newer run"):
        retry_run(world.session, world.instructor, run, at=LATER)


def test_what_goes_well_is_not_tried_again(world: World) -> None:
    run = run_of(world)
    with pytest.raises(Conflict, match="failed or was cancelled"):
        retry_run(world.session, world.instructor, run, at=NOW)


def test_a_run_that_failed_is_a_dead_letter_until_a_newer_one_takes_its_place(world: World) -> None:
    run = failed(world)
    graded(world)
    assert dead_letters(world.session) == [run]
    retry_run(world.session, world.instructor, run, at=LATER)
    assert dead_letters(world.session) == []


def test_a_whole_lab_waits_behind_everything_and_one_asked_for_by_hand_does_not(world: World) -> None:
    session = world.session
    works = [world.graded() for _ in range(2)]
    runs = regrade_lab(session, world.instructor, world.lab, at=LATER)
    assert {run.priority for run in runs} == {Priority.REGRADE_ALL}
    sooner = regrade_submission(session, world.instructor, works[1], at=LATER)
    assert sooner.priority == Priority.PRACTICE
    session.refresh(runs[1])
    assert runs[1].state is RunState.CANCELLED
    assert regrade_lab(session, world.instructor, world.lab, at=LATER) == [runs[0], sooner]
    assert world.claim(at=LATER) is sooner


# what students see


def test_a_run_with_hidden_tests_queues_what_the_student_sees_and_it_comes_last(world: World) -> None:
    run = graded(world)
    other = run_of(world)
    waiting = view(world, run)
    assert (waiting.state, waiting.priority) == (RunState.CANCELLED, Priority.VIEW)  # a newer attempt came
    want_view(world.session, run.id, LATER)
    assert (waiting.state, waiting.priority, waiting.queued_at) == (RunState.QUEUED, Priority.PRACTICE, LATER)
    assert claim(world.session, at=LATER, lease_seconds=30) is other
    assert claim(world.session, at=LATER, lease_seconds=30) is waiting


def test_a_view_that_nobody_waits_for_comes_after_everything(world: World) -> None:
    session, run = world.session, graded(world)
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    (release,) = queue_releases(session, version, environments=world.environments)
    order = [claim(session, at=LATER, lease_seconds=30) for _ in range(3)]
    assert order == [release, view(world, run), None]


def test_a_view_is_recorded_once_and_not_asked_for_again(world: World) -> None:
    session, run = world.session, graded(world)
    taken = claim(session, at=NOW, lease_seconds=30)
    assert isinstance(taken, ViewRun)
    old = taken.token
    again = claim(session, at=LATER, lease_seconds=30)
    assert again is taken
    assert record_view(session, taken.id, old, SEEN, blobs=world.blobs, at=LATER) is None
    assert record_view(session, taken.id, taken.token, SEEN, blobs=world.blobs, at=LATER) is taken
    assert taken.state is RunState.DONE
    assert taken.messages == {"test": "The sum is not 1."}
    assert taken.feedback_blob is not None
    assert want_view(session, run.id, LATER) is taken
    assert taken.state is RunState.DONE


def test_a_view_that_fails_three_times_stays_failed_until_staff_try_it_again(world: World) -> None:
    session, run = world.session, graded(world)
    for _ in range(3):
        taken = claim(session, at=NOW, lease_seconds=30)
        assert isinstance(taken, ViewRun)
        fail_view(session, taken.id, taken.token, reason="no jail", at=NOW)
    assert (taken.state, taken.failure) == (RunState.FAILED, "no jail")
    assert dead_views(session) == [taken]
    assert want_view(session, run.id, LATER) is taken
    assert taken.state is RunState.FAILED
    with pytest.raises(NotAllowed):
        retry_view(session, world.student, taken, at=LATER)
    retry_view(session, world.instructor, taken, at=LATER)
    assert (taken.state, taken.tries, taken.priority) == (RunState.QUEUED, 0, Priority.PRACTICE)


def test_a_run_that_is_not_graded_has_nothing_to_see(world: World) -> None:
    assert want_view(world.session, run_of(world).id, NOW) is None


# leases


def test_what_is_handed_back_costs_no_try(world: World) -> None:
    run = run_of(world)
    for _ in range(5):
        world.claim()
        assert hand_back(world.session, GradingRun, run.id, run.token)
        world.session.refresh(run)
    assert (run.state, run.tries, run.token) == (RunState.QUEUED, 0, 5)


def test_a_build_that_takes_every_worker_down_is_refused_and_says_why(world: World) -> None:
    session = world.session
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(session, version, environments=world.environments)
    for hour in range(3):
        release = claim(session, at=NOW + timedelta(hours=hour), lease_seconds=30)
        assert isinstance(release, LabRelease)
    assert claim(session, at=NOW + timedelta(hours=9), lease_seconds=30) is None
    session.refresh(release)
    assert release.state is ReleaseState.REFUSED
    assert release.report is not None
    assert "stopped 3 times" in release.report["errors"][0]["params"]["reason"]
    assert record_build(session, release.id, release.token, build_report(), blobs=world.blobs) is None


@pytest.mark.parametrize("table", [policy.RUN_STEPS, policy.VIEW_STEPS])
def test_every_state_has_its_steps(table: dict[RunState, frozenset[RunState]]) -> None:
    assert set(table) == set(RunState)


# waking


class Bell:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    def wake(self, resource: str) -> None:
        self.rung.append(resource)


def test_workers_are_woken_when_work_is_committed_and_not_before(
    sessions: sessionmaker[Session], blobs: FolderBlobs, tmp_path: Path
) -> None:
    bell = Bell()
    wake_after_commit(sessions, bell)
    with sessions() as session:
        world = make_world(session, blobs, tmp_path / "e")
        session.commit()
        assert bell.rung == ["cpu"]  # the build of its release
        bell.rung.clear()
        world.hand_in()
        with session.begin_nested():
            world.hand_in()
        assert bell.rung == []
        session.commit()
        assert bell.rung == ["cpu", "cpu"]
        bell.rung.clear()
        world.hand_in()
        session.rollback()
        session.commit()
        assert bell.rung == []
