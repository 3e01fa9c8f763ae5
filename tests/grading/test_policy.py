"""Who may do what, and when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, Role
from lms.blobs import FolderBlobs
from lms.errors import Conflict
from lms.grading import policy
from tests.factories.grading import World, lab_settings, make_organisation, make_staff, make_world


@pytest.fixture
def world(session: Session, blobs: FolderBlobs, tmp_path: Path) -> World:
    return make_world(session, blobs, tmp_path / "environments")


@pytest.mark.parametrize(
    ("role", "sees", "regrades"),
    [
        (Role.ASSISTANT, True, False),
        (Role.INSTRUCTOR, True, True),
        (Role.ADMIN, True, True),
        (Role.STUDENT, False, False),
        (Role.EMPLOYER, False, False),
        (Role.SIGNATORY, False, False),
    ],
)
def test_roles_of_both_organisations_say_what_staff_may(
    world: World, role: Role, *, sees: bool, regrades: bool
) -> None:
    for organisation in (world.course.university, world.course.company):
        user = make_staff(world.session, organisation, role)
        assert policy.can_see_all(user, world.course) is sees
        assert policy.can_regrade(user, world.course) is regrades


def test_a_role_elsewhere_or_one_that_has_ended_opens_nothing(world: World) -> None:
    other = make_organisation(world.session, OrganisationKind.UNIVERSITY)
    assert not policy.can_see_all(make_staff(world.session, other), world.course)
    world.instructor.memberships[0].ended_at = datetime.now(UTC)
    assert not policy.can_see_all(world.instructor, world.course)


def test_a_submission_is_seen_by_its_owner_and_by_staff(world: World) -> None:
    work = world.hand_in()
    other = make_staff(world.session, make_organisation(world.session, OrganisationKind.COMPANY))
    assert policy.can_see(world.student, work)
    assert policy.can_see(world.assistant, work)
    assert not policy.can_see(other, work)


def test_nobody_grades_their_own_work(world: World) -> None:
    work = world.hand_in()
    assert policy.can_mark(world.assistant, work)
    assert not policy.can_mark(world.student, work)
    world.enrolment.user_id = world.assistant.id
    assert not policy.can_mark(world.assistant, work)


def test_a_due_date_is_counted_on_the_cohorts_calendar_through_a_clock_change(
    session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    # New York leaves summer time on 1 November 2026: the same wall-clock time is an hour later in UTC.
    start = datetime(2026, 10, 30, 12, tzinfo=UTC)
    settings = lab_settings(due={"after_days": 7, "at": "23:59"})
    world = make_world(session, blobs, tmp_path / "e", settings=settings, started_at=start)
    world.cohort.timezone = "America/New_York"
    release = world.lab.current_release
    assert release is not None
    due = datetime(2026, 11, 7, 4, 59, tzinfo=UTC)
    assert policy.due_at(release, world.cohort) == due
    assert not policy.is_late(release, world.cohort, due)
    assert policy.is_late(release, world.cohort, due + timedelta(microseconds=1))


def test_a_lab_without_due_date_is_never_late(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    world = make_world(session, blobs, tmp_path / "e", settings=lab_settings(due=None))
    assert not world.hand_in(received_at=world.cohort.ends_at - timedelta(seconds=1)).late


def test_the_last_attempt_is_given_and_no_more(world: World) -> None:
    release = world.lab.current_release
    assert release is not None
    policy.check_attempts_left(release, 2)
    with pytest.raises(Conflict, match="All 3 attempts are used"):
        policy.check_attempts_left(release, 3)
