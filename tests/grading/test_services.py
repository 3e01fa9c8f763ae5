"""Releases, hand-ins, runs and marks through the services, with a stand-in for the runner only."""

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent
from lms.blobs import FolderBlobs
from lms.errors import Conflict, Invalid, NotAllowed, NotFound, TooLarge
from lms.grading.core.contracts import CellState, CheckResult, CheckStatus, GateReport, Notice, Survivor
from lms.grading.core.waiting import USUAL_SECONDS
from lms.grading.core.wire import from_plain
from lms.grading.models import Grade, GradingRun, ReleaseState, RunState, Submission, Worker
from lms.grading.queries import labs as lab_queries
from lms.grading.queries import submissions as work_queries
from lms.grading.queries.marking import unmarked_answers
from lms.grading.services.marking import mark_manually, regrade_lab, regrade_submission
from lms.grading.services.releases import (
    claim_release,
    keep_building,
    open_labs,
    put_back_release,
    queue_releases,
    record_build,
)
from lms.grading.services.running import (
    claim_run,
    fail_run,
    heartbeat,
    record_grade,
    record_progress,
    settled,
)
from lms.grading.services.submitting import NotThisLab, display_name
from tests.factories.grading import (
    NOW,
    ONLY_TESTS,
    START,
    World,
    build_report,
    enrol,
    grading_report,
    lab_settings,
    make_user,
    make_world,
    notebook,
    publish,
)

LATER = NOW + timedelta(minutes=5)
AFTER_DUE = START + timedelta(days=30)


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


def in_queue(session: Session) -> list[int]:
    return list(session.scalars(select(GradingRun.submission_id).where(GradingRun.state == RunState.QUEUED)))


# releases


def test_an_open_version_lets_students_have_the_ready_release(world: World) -> None:
    release = world.lab.current_release
    assert release is not None
    assert release.state is ReleaseState.READY
    assert (release.number, release.maximum) == (1, 5)
    assert lab_queries.manifest(release).cells[1].hidden
    assert lab_queries.limits(release).memory_bytes == 2048 << 20


def test_the_same_files_and_packages_are_built_once(world: World) -> None:
    again = publish(world.session, world.course, world.blobs, lab=b"source 1", settings=lab_settings())
    assert queue_releases(world.session, again, environments=world.environments) == [
        world.lab.current_release
    ]


def test_another_lock_of_packages_makes_another_release(world: World) -> None:
    (world.environments / "ml-basics.txt").write_text("numpy==2.1\n")
    (release,) = queue_releases(world.session, world.version, environments=world.environments)
    assert (release.number, release.state) == (2, ReleaseState.QUEUED)


def test_a_lab_without_its_environment_is_refused(world: World) -> None:
    (world.environments / "ml-basics.txt").unlink()
    with pytest.raises(Invalid, match="ml-basics"):
        queue_releases(world.session, world.version, environments=world.environments)


def test_a_new_version_opens_when_it_is_approved_and_its_release_is_ready(world: World) -> None:
    session, old = world.session, world.lab.current_release
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(session, version, environments=world.environments)
    assert lab_queries.unready_labs(session, version) == {"softmax": ReleaseState.QUEUED}
    world.course.current_version = version
    open_labs(session, version)
    assert world.lab.current_release is old
    release = claim_release(session, at=NOW, lease_seconds=30)
    assert release is not None
    record_build(session, release.id, release.token, build_report(), blobs=world.blobs)
    assert world.lab.current_release is release
    assert lab_queries.unready_labs(session, version) == {}


def test_a_ready_release_of_an_unapproved_version_stays_closed(world: World) -> None:
    old = world.lab.current_release
    version = publish(world.session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(world.session, version, environments=world.environments)
    release = claim_release(world.session, at=NOW, lease_seconds=30)
    assert release is not None
    record_build(world.session, release.id, release.token, build_report(), blobs=world.blobs)
    assert world.lab.current_release is old


def test_a_refused_build_keeps_its_report_and_opens_nothing(world: World) -> None:
    session = world.session
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(session, version, environments=world.environments)
    release = claim_release(session, at=NOW, lease_seconds=30)
    assert release is not None
    gate = GateReport(tried=8, killed=7, survivors=(Survivor("answer", 3, "a < b", "a <= b", "comparison"),))
    report = replace(build_report(), errors=(Notice("solution-fails", {"score": 2}),), gate=gate)
    record_build(session, release.id, release.token, report, blobs=world.blobs)
    assert release.state is ReleaseState.REFUSED
    assert release.report is not None
    assert release.report["errors"][0]["code"] == "solution-fails"
    assert from_plain(GateReport, release.report["gate"]) == gate
    assert release.student_blob is None


def test_a_build_of_a_silent_worker_is_given_to_another_and_recorded_once(world: World) -> None:
    session = world.session
    version = publish(session, world.course, world.blobs, lab=b"source 2", settings=lab_settings())
    queue_releases(session, version, environments=world.environments)
    first = claim_release(session, at=NOW, lease_seconds=30)
    assert first is not None
    old = first.token
    assert keep_building(session, first.id, old, at=NOW, lease_seconds=60)
    assert claim_release(session, at=NOW + timedelta(seconds=50), lease_seconds=30) is None
    second = claim_release(session, at=LATER, lease_seconds=30)
    assert second is first
    assert record_build(session, first.id, old, build_report(), blobs=world.blobs) is None
    assert not put_back_release(session, first.id, old)
    assert record_build(session, first.id, second.token, build_report(), blobs=world.blobs) is first
    assert record_build(session, first.id, second.token, build_report(), blobs=world.blobs) is None


def test_the_files_of_a_lab_are_written_below_the_folder_only(world: World, tmp_path: Path) -> None:
    release = world.lab.current_release
    assert release is not None
    folder = lab_queries.write_files(lab_queries.data_files(release), world.blobs, tmp_path / "data")
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]
    with pytest.raises(ValueError, match="leads outside"):
        lab_queries.write_files({"../x": world.blobs.put(b"x")}, world.blobs, tmp_path / "data")


# handing in


def test_a_file_is_kept_counted_and_queued(world: World) -> None:
    content = notebook()
    work = world.hand_in(content=content)
    assert (work.attempt, work.late, work.refused) == (1, False, False)
    assert world.blobs.get(work.blob) == content
    assert in_queue(world.session) == [work.id]


def test_a_second_click_while_the_file_is_graded_is_the_same_submission(world: World) -> None:
    work = world.hand_in(content=notebook())
    assert world.hand_in(content=notebook()) is work
    world.claim()
    assert world.hand_in(content=notebook()) is work
    assert world.session.scalar(select(func.count(GradingRun.id))) == 1


def test_the_same_file_after_its_result_is_a_new_attempt(world: World) -> None:
    world.graded(content=notebook())
    assert world.hand_in(content=notebook()).attempt == 2


def test_beyond_the_attempts_nothing_is_counted(world: World) -> None:
    for _ in range(3):
        world.hand_in()
    with pytest.raises(Conflict, match="All 3 attempts"):
        world.hand_in()
    assert len(in_queue(world.session)) == 3


def test_the_database_itself_refuses_an_attempt_twice(world: World) -> None:
    work = world.hand_in()
    twin = {
        column.name: getattr(work, column.name)
        for column in Submission.__table__.columns
        if column.name != "id"
    }
    world.session.add(Submission(**twin))
    with pytest.raises(IntegrityError):
        world.session.flush()


@pytest.mark.parametrize("content", [b"", b"no json", b'{"cells": [', b"\x00\x01"])
def test_what_is_no_notebook_is_refused_with_reasons_and_not_counted(world: World, content: bytes) -> None:
    with pytest.raises(NotThisLab) as refusal:
        world.hand_in(content=content or b" ")
    assert refusal.value.field == "notebook"
    assert refusal.value.notices
    assert world.session.scalar(select(func.count(Submission.id))) == 0
    assert world.hand_in().attempt == 1


def test_a_file_that_is_too_large_is_not_read(world: World) -> None:
    with pytest.raises(TooLarge, match="1 MB"):
        world.hand_in(content=b"x" * 1_000_001, limit_bytes=1_000_000)


def test_a_late_file_is_graded_and_marked_late(world: World) -> None:
    work = world.hand_in(received_at=AFTER_DUE)
    assert (work.late, work.refused, work.attempt) == (True, False, 1)
    assert in_queue(world.session) == [work.id]


def test_a_late_file_is_kept_and_says_so_where_late_work_is_refused(
    session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    world = make_world(session, blobs, tmp_path / "e", settings=lab_settings(late="refuse"))
    content = notebook()
    work = world.hand_in(received_at=AFTER_DUE, content=content)
    assert (work.late, work.refused, work.attempt) == (True, True, None)
    assert blobs.get(work.blob) == content
    assert in_queue(session) == []
    assert world.hand_in(received_at=AFTER_DUE, content=content) is work


def test_the_deadline_itself_is_in_time_and_counted_in_the_cohorts_zone(world: World) -> None:
    # the cohort starts on 1 September 09:00 in Seoul; 22 September 23:59 there is 14:59 UTC
    due = START.replace(day=22, hour=14, minute=59)
    assert not world.hand_in(received_at=due).late
    assert world.hand_in(received_at=due + timedelta(seconds=1)).late


def test_nobody_hands_in_outside_a_running_cohort(world: World) -> None:
    with pytest.raises(Conflict, match="not started"):
        world.hand_in(received_at=START - timedelta(days=1))
    with pytest.raises(Conflict, match="has ended"):
        world.hand_in(received_at=START + timedelta(days=91))
    world.enrolment.left_at = NOW
    with pytest.raises(NotAllowed, match="left this course"):
        world.hand_in()


def test_a_closed_lab_takes_nothing(world: World) -> None:
    world.lab.current_release = None
    with pytest.raises(Conflict, match="not open"):
        world.hand_in()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\work\\lab.ipynb", "lab.ipynb"),
        ("/abs/solution.ipynb", "solution.ipynb"),
        ("a\x00b\n\u202ec.ipynb", "abc.ipynb"),
        ("과제.ipynb", "과제.ipynb"),
        ("..", ".."),
        ("", "notebook.ipynb"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_file_name_is_for_display_only(given: str, shown: str) -> None:
    assert display_name(given) == shown


# running


def test_a_run_is_taken_once_and_the_oldest_comes_first(world: World) -> None:
    works = [world.hand_in(received_at=NOW + timedelta(seconds=n)) for n in (2, 1)]
    assert [world.claim().submission_id for _ in works] == [works[1].id, works[0].id]
    assert claim_run(world.session, at=NOW, lease_seconds=30) is None


def test_students_with_nothing_running_come_first(world: World) -> None:
    for second in range(3):
        world.hand_in(received_at=NOW + timedelta(seconds=second))
    other = enrol(world.session, make_user(world.session), world.cohort)
    late_comer = world.hand_in(enrolment=other, received_at=NOW + timedelta(seconds=9))
    world.claim(at=LATER)
    assert world.claim(at=LATER).submission_id == late_comer.id


def test_fresh_work_comes_before_a_whole_lab_graded_again(world: World) -> None:
    world.graded()
    regrade_lab(world.session, world.instructor, world.lab, at=NOW)
    fresh = world.hand_in(received_at=NOW + timedelta(seconds=9))
    assert world.claim().submission_id == fresh.id


def test_a_killed_worker_loses_nothing_and_the_zombie_records_nothing(world: World) -> None:
    session = world.session
    work = world.hand_in()
    first = world.claim()
    old = first.token
    assert claim_run(session, at=NOW + timedelta(seconds=29), lease_seconds=30) is None
    second = world.claim(at=LATER)
    assert second.submission_id == work.id
    assert second.token == old + 1
    zombie = record_grade(session, second.id, old, grading_report(score=0), blobs=world.blobs, at=LATER)
    assert zombie is None
    assert not heartbeat(session, second.id, old, at=LATER, lease_seconds=30)
    assert not record_progress(session, second.id, old, [CellState.DONE])
    assert fail_run(session, second.id, old, reason="late", at=LATER) is None
    grade = record_grade(session, second.id, second.token, grading_report(), blobs=world.blobs, at=LATER)
    assert grade is not None
    assert grade.score == 3
    again = record_grade(
        session, second.id, second.token, grading_report(score=0), blobs=world.blobs, at=LATER
    )
    assert again is None
    assert session.scalar(select(func.count(Grade.id))) == 1


def test_a_heartbeat_keeps_the_run(world: World) -> None:
    world.hand_in()
    run = world.claim()
    assert heartbeat(world.session, run.id, run.token, at=NOW + timedelta(seconds=25), lease_seconds=30)
    assert claim_run(world.session, at=NOW + timedelta(seconds=50), lease_seconds=30) is None


def test_progress_is_kept_while_the_run_goes_on(world: World) -> None:
    world.hand_in()
    run = world.claim()
    assert record_progress(world.session, run.id, run.token, [CellState.DONE, CellState.RUNNING])
    world.session.refresh(run)
    assert run.progress == ["done", "running"]


def test_a_failure_of_the_grader_is_tried_three_times_then_shown_to_staff(world: World) -> None:
    world.hand_in()
    for _ in range(2):
        run = world.claim()
        fail_run(world.session, run.id, run.token, reason="no jail", at=NOW)
        assert run.state is RunState.QUEUED
    run = world.claim()
    fail_run(world.session, run.id, run.token, reason="no jail " * 100, at=NOW)
    assert run.state is RunState.FAILED
    assert run.failure.startswith("no jail")
    assert claim_run(world.session, at=LATER, lease_seconds=30) is None


def test_a_run_that_kills_every_worker_ends_as_failed(world: World) -> None:
    world.hand_in()
    for hour in range(3):
        run = world.claim(at=NOW + timedelta(hours=hour))
    assert claim_run(world.session, at=NOW + timedelta(hours=9), lease_seconds=30) is None
    world.session.refresh(run)
    assert run.state is RunState.FAILED
    assert "stopped 3 times" in run.failure


# grades


def test_a_total_is_provisional_until_the_answers_are_graded_by_hand(world: World) -> None:
    session, work = world.session, world.graded()
    grade = work_queries.grade_of(session, work)
    assert grade is not None
    assert (grade.score, grade.maximum, grade.provisional) == (3, 5, True)
    assert work_queries.unsettled_grades(session) == []
    assert [each.grade_id for each in unmarked_answers(session, [world.course])] == ["essay"]
    mark_manually(session, world.assistant, work, grade_id="essay", score=1.5, comment=" 좋아요 ", at=LATER)
    assert (grade.score, grade.provisional) == (4.5, False)
    assert work_queries.unsettled_grades(session) == [grade]
    assert unmarked_answers(session, [world.course]) == []
    settled(session, grade, at=LATER)
    assert work_queries.unsettled_grades(session) == []


def test_the_newest_mark_counts_all_are_kept_and_the_grade_is_unsettled(world: World) -> None:
    session, work = world.session, world.graded()
    mark_manually(session, world.assistant, work, grade_id="essay", score=2, comment="", at=NOW)
    grade = work_queries.grade_of(session, work)
    assert grade is not None
    settled(session, grade, at=NOW)
    mark_manually(session, world.instructor, work, grade_id="essay", score=1, comment="", at=LATER)
    assert (grade.score, grade.settled_at) == (4, None)
    assert [mark.score for mark in work_queries.marks_of(session, work)] == [1, 2]


@pytest.mark.parametrize("score", [-0.1, 2.1, math.nan, math.inf])
def test_points_beyond_the_answer_are_refused(world: World, score: float) -> None:
    work = world.graded()
    with pytest.raises(Invalid, match="between 0 and 2"):
        mark_manually(world.session, world.assistant, work, grade_id="essay", score=score, comment="", at=NOW)


def test_only_written_answers_are_graded_by_hand_and_only_by_staff(world: World) -> None:
    work = world.graded()
    with pytest.raises(NotFound):
        mark_manually(world.session, world.assistant, work, grade_id="test", score=1, comment="", at=NOW)
    with pytest.raises(NotAllowed):
        mark_manually(world.session, world.student, work, grade_id="essay", score=2, comment="", at=NOW)


def test_grading_again_replaces_the_figures_unsettles_and_keeps_the_marks(world: World) -> None:
    session, work = world.session, world.graded()
    mark_manually(session, world.assistant, work, grade_id="essay", score=2, comment="", at=NOW)
    grade = work_queries.grade_of(session, work)
    assert grade is not None
    settled(session, grade, at=NOW)
    run = regrade_submission(session, world.instructor, work, at=LATER)
    assert regrade_submission(session, world.instructor, work, at=LATER) is run
    assert grade.settled_at == NOW
    claimed = world.claim(at=LATER)
    assert claimed is run
    record_grade(session, run.id, run.token, grading_report(score=1), blobs=world.blobs, at=LATER)
    assert (grade.score, grade.provisional, grade.settled_at) == (3, False, None)
    assert grade.run is run
    assert session.scalar(select(func.count(Grade.id))) == 1


def test_an_older_run_that_ends_last_does_not_replace_the_newer(world: World) -> None:
    session, work = world.session, world.hand_in()
    first = world.claim()
    second = regrade_submission(session, world.instructor, work, at=NOW)
    world.claim(at=NOW)
    record_grade(session, second.id, second.token, grading_report(score=3), blobs=world.blobs, at=NOW)
    record_grade(session, first.id, first.token, grading_report(score=0), blobs=world.blobs, at=LATER)
    grade = work_queries.grade_of(session, work)
    assert grade is not None
    assert (grade.score, grade.run_id) == (3, second.id)


def test_a_whole_lab_is_graded_again_by_instructors_only(world: World) -> None:
    works = [world.graded() for _ in range(2)]
    with pytest.raises(NotAllowed):
        regrade_lab(world.session, world.assistant, world.lab, at=LATER)
    runs = regrade_lab(world.session, world.instructor, world.lab, at=LATER, cohort=world.cohort)
    assert [run.submission_id for run in runs] == [work.id for work in works]
    event = world.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.actor_id, event.action, event.details) == (
        world.instructor.id,
        "grading.regrade_lab",
        {"submissions": 2},
    )


def test_reported_points_never_leave_their_range(world: World) -> None:
    odd = (math.nan, math.inf, -3.0, 99.0)
    checks = tuple(CheckResult(f"t{n}", score, 1, CheckStatus.PASSED) for n, score in enumerate(odd))
    work = world.graded(report=replace(grading_report(), checks=checks))
    grade = work_queries.grade_of(world.session, work)
    assert grade is not None
    assert (grade.score, grade.maximum) == (1, 4)


@pytest.mark.parametrize(("rule", "points"), [("best", 3), ("last", 1)])
def test_the_best_or_the_last_attempt_counts(
    session: Session, blobs: FolderBlobs, tmp_path: Path, rule: str, points: float
) -> None:
    world = make_world(
        session, blobs, tmp_path / "e", settings=lab_settings(counts=rule), manifest=ONLY_TESTS
    )
    for score in (0, 3, 1):
        world.graded(report=grading_report(score=score, manual=False))
    counted = work_queries.counting_grade(session, world.enrolment, world.lab)
    assert counted is not None
    assert counted.score == points
    assert work_queries.counting_grades(session, world.enrolment) == {"softmax": counted}


def test_of_equals_the_earlier_attempt_counts(world: World) -> None:
    first = world.graded()
    world.graded()
    counted = work_queries.counting_grade(world.session, world.enrolment, world.lab)
    assert counted is not None
    assert counted.submission_id == first.id


def test_what_a_person_is_told_first_is_kept_with_the_run(world: World) -> None:
    told = work_queries.newest_run(world.session, world.hand_in())
    world.session.add(Worker(name="host:1", started_at=NOW, seen_at=NOW, resources=["cpu"]))
    world.session.flush()
    promised = work_queries.newest_run(world.session, world.hand_in(received_at=NOW + timedelta(seconds=1)))
    assert told is not None
    assert promised is not None
    assert (told.first_wait_seconds, promised.first_wait_seconds) == (None, 2 * USUAL_SECONDS)


def test_a_lab_graded_again_is_not_before_a_fresh_file(world: World) -> None:
    again = world.graded()
    regrade_lab(world.session, world.instructor, world.lab, at=NOW)
    fresh = world.hand_in(received_at=NOW + timedelta(hours=1))
    places = {}
    for work in (fresh, again):
        run = work_queries.newest_run(world.session, work)
        assert run is not None
        places[work] = work_queries.wait(world.session, run).place
    assert places == {fresh: 1, again: 2}
