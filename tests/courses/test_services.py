from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import AuditEvent, OrganisationKind, Role, User
from lms.accounts.policy import has_role
from lms.blobs import FolderBlobs
from lms.courses.models import Course, CourseVersion
from lms.courses.queries import catalogue as courses
from lms.courses.queries import people
from lms.courses.services import enrolling
from lms.courses.services.cohorts import CohortPlan, change_cohort, open_cohort
from lms.courses.services.publishing import Unpublishable, approve, publish
from lms.db import now
from lms.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.factories.accounts import make_member, make_organisation, make_user
from tests.factories.courses import (
    ENVIRONMENTS,
    make_cohort,
    make_enrolment,
    make_instructor,
    make_open_course,
    make_version,
    write_course,
)


@pytest.fixture
def version(session: Session, blobs: FolderBlobs, tmp_path: Path) -> CourseVersion:
    return make_version(session, blobs, tmp_path)


@pytest.fixture
def course(session: Session, blobs: FolderBlobs, tmp_path: Path) -> Course:
    return make_open_course(session, blobs, tmp_path)


def folder_of(course: Course, tmp_path: Path) -> Path:
    return tmp_path / course.slug


def actions(session: Session) -> list[str]:
    return [event.action for event in session.scalars(select(AuditEvent).order_by(AuditEvent.id))]


def test_publishing_keeps_every_file_under_its_hash(version: CourseVersion, blobs: FolderBlobs) -> None:
    assert b"<svg" in blobs.get(version.files["assets/v.svg"])
    assert set(version.files) >= {"course.yml", "labs/products/lab.yml", "lessons/02-more.en.md"}


def test_the_same_files_twice_are_the_same_version(
    session: Session, version: CourseVersion, blobs: FolderBlobs, tmp_path: Path
) -> None:
    again = publish(session, None, folder_of(version.course, tmp_path), blobs, ENVIRONMENTS)
    assert again.id == version.id


def test_a_changed_file_makes_the_next_version_and_leaves_the_first(
    session: Session, version: CourseVersion, blobs: FolderBlobs, tmp_path: Path
) -> None:
    before = dict(version.files)
    folder = folder_of(version.course, tmp_path)
    (folder / "lessons" / "02-more.md").write_text("# 다른 글\n", encoding="utf-8")
    second = publish(session, None, folder, blobs, ENVIRONMENTS)
    assert (second.number, version.number) == (2, 1)
    assert version.files == before
    changes = courses.changes_since_before(session, second)
    assert (changes.added, changes.changed, changes.removed) == ((), ("lessons/02-more.md",), ())


def test_a_broken_folder_publishes_nothing(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    folder = write_course(tmp_path / "matrices", {"lessons/02-more.md": None})
    with pytest.raises(Unpublishable) as caught:
        publish(session, None, folder, blobs, ENVIRONMENTS)
    assert "lesson_missing" in {problem.code for problem in caught.value.problems}
    assert session.scalars(select(CourseVersion)).all() == []
    assert not (tmp_path / "blobs").exists()


def test_unknown_organisations_are_named(session: Session, blobs: FolderBlobs, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="hangang-university"):
        publish(session, None, write_course(tmp_path / "matrices"), blobs, ENVIRONMENTS)


def test_a_company_cannot_stand_in_for_the_university(
    session: Session, blobs: FolderBlobs, tmp_path: Path
) -> None:
    two = [make_organisation(session, kind=OrganisationKind.COMPANY) for _ in range(2)]
    with pytest.raises(Invalid):
        make_version(session, blobs, tmp_path, university=two[0], company=two[1])


def test_a_course_cannot_be_taken_over_by_other_organisations(
    session: Session, version: CourseVersion, blobs: FolderBlobs, tmp_path: Path
) -> None:
    other = make_organisation(session, kind=OrganisationKind.COMPANY)
    folder = folder_of(version.course, tmp_path)
    text = (folder / "course.yml").read_text(encoding="utf-8")
    changed = text.replace(version.course.company.slug, other.slug)
    (folder / "course.yml").write_text(changed, encoding="utf-8")
    with pytest.raises(Conflict):
        publish(session, None, folder, blobs, ENVIRONMENTS)


def test_only_instructors_of_the_two_organisations_publish(
    session: Session, version: CourseVersion, blobs: FolderBlobs, tmp_path: Path
) -> None:
    folder = folder_of(version.course, tmp_path)
    stranger = make_member(session, role=Role.INSTRUCTOR).user
    assistant = make_instructor(session, version.course.university, Role.ASSISTANT)
    for user in (stranger, assistant, make_user(session)):
        with pytest.raises(NotAllowed):
            publish(session, user, folder, blobs, ENVIRONMENTS)
    teacher = make_instructor(session, version.course.company)
    assert publish(session, teacher, folder, blobs, ENVIRONMENTS) is version


def test_a_version_opens_with_the_second_yes(session: Session, version: CourseVersion) -> None:
    course = version.course
    approve(session, make_instructor(session, course.company), version)
    assert course.current_version is None
    approve(session, make_instructor(session, course.university), version)
    assert course.current_version is version
    done = [action for action in actions(session) if action.startswith("courses.")]
    assert done == ["courses.publish", "courses.approve", "courses.approve", "courses.open"]


def test_one_person_cannot_say_yes_for_both(session: Session, version: CourseVersion) -> None:
    both = make_instructor(session, version.course.university)
    make_member(session, user=both, organisation=version.course.company, role=Role.INSTRUCTOR)
    session.refresh(both)
    approve(session, both, version)
    with pytest.raises(NotAllowed):
        approve(session, both, version)
    assert version.course.current_version is None


def test_an_organisation_says_yes_once(session: Session, version: CourseVersion) -> None:
    approve(session, make_instructor(session, version.course.university), version)
    with pytest.raises(Conflict):
        approve(session, make_instructor(session, version.course.university), version)


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.ADMIN, Role.SIGNATORY])
def test_only_instructors_approve(session: Session, version: CourseVersion, role: Role) -> None:
    with pytest.raises(NotAllowed):
        approve(session, make_instructor(session, version.course.university, role), version)


def test_an_older_version_never_replaces_a_newer_one(
    session: Session, version: CourseVersion, blobs: FolderBlobs, tmp_path: Path
) -> None:
    folder = folder_of(version.course, tmp_path)
    (folder / "lessons" / "02-more.md").write_text("# 다른 글\n", encoding="utf-8")
    second = publish(session, None, folder, blobs, ENVIRONMENTS)
    teachers = [make_instructor(session, one) for one in (version.course.university, version.course.company)]
    for which in (second, version):
        for teacher in teachers:
            approve(session, teacher, which)
    assert version.course.current_version is second


def test_whoever_comes_back_finds_the_old_enrolment(session: Session, course: Course) -> None:
    cohort = make_cohort(session, course)
    enrolment = make_enrolment(session, cohort)
    enrolling.mark_lesson_read(session, enrolment.user, enrolment, "01-vectors")
    enrolling.leave(session, enrolment.user, enrolment)
    assert people.enrolment_in(session, enrolment.user, course) is None
    with pytest.raises(Conflict):
        enrolling.leave(session, enrolment.user, enrolment)
    again = enrolling.enrol(session, enrolment.user, cohort, "김하늘")
    assert again is enrolment
    assert people.lessons_read(session, again) == {"01-vectors"}


def test_enrolling_makes_a_student_of_the_university_and_shows_nothing_of_staff(
    session: Session, version: CourseVersion, course: Course
) -> None:
    student = make_enrolment(session, make_cohort(session, course)).user
    assert has_role(student, course.university_id, Role.STUDENT)
    assert not has_role(student, course.company_id)
    employer = make_member(session, organisation=version.course.company, role=Role.EMPLOYER).user
    signatory = make_member(session, organisation=version.course.company, role=Role.SIGNATORY).user
    assert [courses.courses_of_staff(session, each) for each in (student, employer)] == [[], []]
    assert version.course in courses.courses_of_staff(session, signatory)


def test_a_second_click_enrols_once(session: Session, course: Course) -> None:
    cohort = make_cohort(session, course)
    user = make_user(session)
    first = enrolling.enrol(session, user, cohort, "김하늘")
    assert enrolling.enrol(session, user, cohort, "다른 이름") is first
    assert first.requested_name == "김하늘"


def test_nobody_leaves_for_somebody_else(session: Session, course: Course) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course))
    with pytest.raises(NotAllowed):
        enrolling.leave(session, make_user(session), enrolment)


def test_reading_twice_counts_once_and_unknown_lessons_do_not(session: Session, course: Course) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course))
    for _ in range(2):
        enrolling.mark_lesson_read(session, enrolment.user, enrolment, "01-vectors")
    with pytest.raises(NotFound):
        enrolling.mark_lesson_read(session, enrolment.user, enrolment, "03-nothing")
    with pytest.raises(NotAllowed):
        enrolling.mark_lesson_read(session, make_user(session), enrolment, "02-more")
    assert course.current_version is not None
    found = people.progress(session, enrolment, courses.outline_of(course.current_version))
    assert (found.read, found.lessons) == ({"01-vectors"}, 2)
    assert found.next_item is not None
    assert found.next_item.slug == "02-more"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("  김   하늘 ", "김 하늘"), ("김하늘", "김하늘"), ("Jose\u0301", "José")],
)
def test_names_are_kept_in_one_form(typed: str, kept: str) -> None:
    assert enrolling.clean_name(typed) == kept


@pytest.mark.parametrize("typed", ["", "   ", "가" * 121, "a\u202eb", "a\x00b", "a\u200bb", "\ud800"])
def test_names_that_cannot_be_printed_are_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        enrolling.clean_name(typed)


def test_nobody_confirms_their_own_name(session: Session, course: Course) -> None:
    teacher = make_instructor(session, course.university)
    enrolment = make_enrolment(session, make_cohort(session, course), teacher)
    with pytest.raises(NotAllowed):
        enrolling.confirm_name(session, teacher, enrolment, enrolment.requested_name)


def confirmers(session: Session, course: Course) -> Iterator[User]:
    yield make_user(session)
    yield make_instructor(session, course.company, Role.ASSISTANT)
    yield make_member(session, role=Role.ADMIN).user


def test_only_teachers_of_the_two_confirm_names(session: Session, course: Course) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course))
    for user in confirmers(session, course):
        with pytest.raises(NotAllowed):
            enrolling.confirm_name(session, user, enrolment, enrolment.requested_name)
    enrolling.confirm_name(
        session, make_instructor(session, course.company, Role.ADMIN), enrolment, enrolment.requested_name
    )
    assert enrolment.confirmed_name == enrolment.requested_name
    with pytest.raises(Conflict):
        enrolling.request_name(session, enrolment.user, enrolment, "박바다")


def test_completion_is_noted_once(session: Session, course: Course) -> None:
    enrolment = make_enrolment(session, make_cohort(session, course))
    first = now() - timedelta(days=1)
    assert enrolling.mark_completed(session, enrolment, first)
    assert not enrolling.mark_completed(session, enrolment)
    assert enrolment.completed_at == first


def plan(**changes: object) -> CohortPlan:
    starts_at = now()
    whole = {
        "slug": "winter",
        "title": {"ko": "겨울", "en": "Winter"},
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(days=1),
    }
    return CohortPlan(**{**whole, **changes})  # type: ignore[arg-type]  # the point is to give anything


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slug": "Win ter"}, "slug"),
        ({"slug": "../x"}, "slug"),
        ({"title": {"ko": "겨울"}}, "title_ko"),
        ({"ends_at": now() - timedelta(days=9)}, "ends_at"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
    ],
)
def test_a_wrong_plan_says_where(
    session: Session, course: Course, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        open_cohort(session, None, course, plan(**changes))
    assert caught.value.field == field


def test_two_cohorts_cannot_share_an_address(session: Session, course: Course) -> None:
    cohort = open_cohort(session, None, course, plan())
    with pytest.raises(Invalid):
        open_cohort(session, None, course, plan())
    assert (
        change_cohort(session, None, cohort, plan(title={"ko": "봄", "en": "Spring"})).title["en"] == "Spring"
    )


def test_the_log_holds_no_names(session: Session, course: Course) -> None:
    make_enrolment(session, make_cohort(session, course), name="김하늘")
    events = session.scalars(select(AuditEvent)).all()
    assert "courses.enrol" in {event.action for event in events}
    assert all("하늘" not in str(event.details) for event in events)


def test_the_catalogue_has_pages(
    session: Session, blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courses, "PER_PAGE", 2)
    slugs = sorted(make_open_course(session, blobs, tmp_path).slug for _ in range(3))
    first, second = courses.catalogue(session, "행렬을"), courses.catalogue(session, "행렬을", 2)
    assert [first.total, first.count] == [3, 2]
    assert sorted(row.course.slug for page in (first, second) for row in page.rows) == slugs
    assert courses.catalogue(session, "", 99).number == 2
    assert courses.catalogue(session, "통계").rows == []
