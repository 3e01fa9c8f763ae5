from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms import workflows
from lms.blobs import FolderBlobs
from lms.certs.models import IssuanceRequest
from lms.grading.models import Grade, LabRelease
from lms.grading.services.marking import mark_manually
from tests.factories.grading import NOW, ONLY_TESTS, World, grading_report, lab_settings, make_world, publish


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "env")


@pytest.fixture
def automatic(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "env", manifest=ONLY_TESTS)


def grade_of(world: World) -> Grade:
    return world.session.scalars(select(Grade).order_by(Grade.id.desc())).first() or pytest.fail("no grade")


def requests(world: World) -> int:
    return world.session.scalar(select(func.count()).select_from(IssuanceRequest)) or 0


def test_a_grade_that_meets_the_rule_asks_for_a_certificate_once(automatic: World) -> None:
    automatic.graded(report=grading_report(manual=False))
    grade = grade_of(automatic)
    workflows.settle(automatic.session, grade, NOW)
    assert grade.settled_at == NOW
    assert automatic.enrolment.completed_at == NOW
    assert requests(automatic) == 1
    grade.settled_at = None
    workflows.settle(automatic.session, grade, NOW)
    assert requests(automatic) == 1


def test_a_grade_below_the_rule_is_settled_without_a_certificate(automatic: World) -> None:
    automatic.graded(report=grading_report(score=0, manual=False))
    workflows.settle(automatic.session, grade_of(automatic), NOW)
    assert grade_of(automatic).settled_at == NOW
    assert requests(automatic) == 0


def test_a_provisional_grade_waits_for_the_person_who_marks_it(world: World) -> None:
    work = world.graded(report=grading_report())
    grade = grade_of(world)
    assert grade.provisional
    workflows.settle(world.session, grade, NOW)
    assert grade.settled_at is None
    assert requests(world) == 0
    mark_manually(world.session, world.instructor, work, grade_id="essay", score=2, comment="", at=NOW)
    workflows.settle(world.session, grade, NOW)
    assert grade.settled_at == NOW
    assert requests(world) == 1


def test_a_required_lab_below_its_share_holds_the_certificate_back(automatic: World) -> None:
    outline = dict(automatic.version.outline)
    outline["certificate"] = outline["certificate"] | {"required_labs": ["softmax"], "required_share": 0.8}
    automatic.version.outline = outline
    automatic.graded(report=grading_report(score=2, manual=False))
    workflows.settle(automatic.session, grade_of(automatic), NOW)
    assert requests(automatic) == 0
    automatic.graded(report=grading_report(score=3, manual=False))
    workflows.settle(automatic.session, grade_of(automatic), NOW)
    assert requests(automatic) == 1


def test_the_facts_of_the_certificate_are_those_of_the_counting_grades(automatic: World) -> None:
    work = automatic.graded(report=replace(grading_report(manual=False), assurance="shared-kernel"))
    workflows.settle(automatic.session, grade_of(automatic), NOW)
    claim = automatic.session.scalars(select(IssuanceRequest)).one().claim
    assert (claim["score"], claim["maximum"], claim["assurance"]) == ("3", "5", "shared-kernel")
    (lab,) = claim["labs"]
    assert lab["submission_sha256"] == work.blob
    assert lab["release_digest"] == work.release.digest
    assert lab["environment_sha256"] == work.release.environment_sha256


def test_a_new_version_has_its_labs_queued_and_opened_repeatably(automatic: World) -> None:
    session = automatic.session
    publish(session, automatic.course, automatic.blobs, lab=b"source 2", settings=lab_settings())
    for _ in range(2):
        workflows.open_what_is_ready(session, automatic.environments, NOW)
    assert session.scalar(select(func.count()).select_from(LabRelease)) == 2
    assert automatic.lab.current_release is not None
    assert automatic.lab.current_release.number == 1  # the new one is neither built nor approved


def test_a_lab_that_left_the_course_counts_no_longer_and_stops_nothing(automatic: World) -> None:
    automatic.graded(report=grading_report(manual=False))
    automatic.version.outline = automatic.version.outline | {"labs": {}}
    workflows.settle(automatic.session, grade_of(automatic), NOW)
    assert grade_of(automatic).settled_at == NOW
    assert requests(automatic) == 0
