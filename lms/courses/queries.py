"""Reads of courses."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.courses.core.changes import Changes, compare
from lms.courses.core.due import due_at
from lms.courses.core.outline import Item, Outline, read_outline
from lms.courses.core.search import relevance
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment, LessonReading
from lms.errors import N_, NotFound

PER_PAGE = 20
ROSTER_PER_PAGE = 50


@dataclass(frozen=True)
class CatalogueRow:
    """One course in the catalogue."""

    course: Course
    outline: Outline


@dataclass(frozen=True)
class CataloguePage:
    """One page of the catalogue."""

    rows: Sequence[CatalogueRow]
    total: int
    number: int
    count: int


@dataclass(frozen=True)
class Cohorts:
    """The cohorts of a course by what time it is for them."""

    current: Sequence[Cohort]
    upcoming: Sequence[Cohort]
    ended: Sequence[Cohort]


@dataclass(frozen=True)
class RosterPage:
    """One page of a cohort's people."""

    rows: Sequence[Enrolment]
    total: int
    number: int
    count: int
    unconfirmed: int
    """In the whole cohort: names that nobody has confirmed."""


@dataclass(frozen=True)
class Progress:
    """How far a person is in a course."""

    read: frozenset[str]
    """Lessons read."""
    lessons: int
    next_item: Item | None
    """The first lesson that was not read."""


def outline_of(version: CourseVersion) -> Outline:
    """Return what a version is made of."""
    return _outline(json.dumps(version.outline, sort_keys=True))


@lru_cache(maxsize=64)
def _outline(text: str) -> Outline:
    return read_outline(json.loads(text))


def course_by_slug(session: Session, slug: str) -> Course:
    """Return a course, open or not.

    Raises:
        NotFound: there is none.
    """
    course = session.scalar(select(Course).where(Course.slug == slug))
    if course is None:
        raise NotFound(N_("There is no such course. Look in the catalogue."))
    return course


def versions(session: Session, course: Course) -> Sequence[CourseVersion]:
    """Return all versions of a course, the newest first."""
    found = select(CourseVersion).where(CourseVersion.course_id == course.id)
    return session.scalars(found.order_by(CourseVersion.number.desc())).all()


def version_by_number(session: Session, course: Course, number: int | None = None) -> CourseVersion:
    """Return one version of a course, or the open one.

    Raises:
        NotFound: there is no such version, or none is open.
    """
    if number is None:
        if course.current_version is None:
            raise NotFound(N_("This course is not open yet. Come back when both organisations approved it."))
        return course.current_version
    found = select(CourseVersion).where(CourseVersion.course_id == course.id, CourseVersion.number == number)
    version = session.scalar(found)
    if version is None:
        raise NotFound
    return version


def changes_since_before(session: Session, version: CourseVersion) -> Changes:
    """Return what a version changed against the one before it."""
    found = select(CourseVersion).where(
        CourseVersion.course_id == version.course_id, CourseVersion.number < version.number
    )
    before = session.scalars(found.order_by(CourseVersion.number.desc()).limit(1)).first()
    return compare(before.files if before else {}, version.files)


def catalogue(session: Session, query: str = "", number: int = 1) -> CataloguePage:
    """Return open courses that answer `query`, the best first; without one by name."""
    courses = session.scalars(
        select(Course).where(Course.current_version_id.is_not(None)).order_by(Course.slug)
    ).all()
    rows = [
        CatalogueRow(course, outline_of(course.current_version))
        for course in courses
        if course.current_version
    ]
    scored = [(relevance(query, _texts(row)), row) for row in rows]
    found = [row for score, row in sorted(scored, key=lambda pair: -pair[0]) if score > 0]
    count = max(1, -(-len(found) // PER_PAGE))
    number = min(max(number, 1), count)
    return CataloguePage(found[(number - 1) * PER_PAGE : number * PER_PAGE], len(found), number, count)


def _texts(row: CatalogueRow) -> Iterable[str]:
    outline = row.outline
    yield " ".join(outline.title.values())
    yield " ".join(outline.summary.values())
    yield " ".join([*row.course.university.name.values(), *row.course.company.name.values()])
    yield " ".join(text for skill in outline.skills for text in skill.name.values())
    yield " ".join(text for module in outline.modules for text in module.title.values())
    yield " ".join(outline.description.values())


def open_courses(session: Session) -> Sequence[Course]:
    """Return all courses that are open."""
    return session.scalars(
        select(Course).where(Course.current_version_id.is_not(None)).order_by(Course.slug)
    ).all()


def courses_of_staff(session: Session, user: User) -> Sequence[Course]:
    """Return the courses of the organisations in which a user has a role, open or not."""
    ids = {membership.organisation_id for membership in user.memberships if membership.ended_at is None}
    found = select(Course).where(or_(Course.university_id.in_(ids), Course.company_id.in_(ids)))
    return session.scalars(found.order_by(Course.slug)).all()


def cohorts(session: Session, course: Course, at: datetime) -> Cohorts:
    """Return the cohorts of a course as they stand at a moment."""
    found = session.scalars(
        select(Cohort).where(Cohort.course_id == course.id).order_by(Cohort.starts_at)
    ).all()
    return Cohorts(
        current=[one for one in found if one.starts_at <= at < one.ends_at],
        upcoming=[one for one in found if at < one.starts_at],
        ended=[one for one in found if one.ends_at <= at][::-1],
    )


def cohort_by_slug(session: Session, course: Course, slug: str) -> Cohort:
    """Return a cohort of a course.

    Raises:
        NotFound: there is none.
    """
    found = select(Cohort).where(Cohort.course_id == course.id, Cohort.slug == slug)
    cohort = session.scalar(found)
    if cohort is None:
        raise NotFound(N_("There is no such cohort. Look on the course page."))
    return cohort


def enrolment_in(session: Session, user: User | None, course: Course) -> Enrolment | None:
    """Return the enrolment under which a user takes a course now: of several, the latest cohort's."""
    if user is None:
        return None
    found = (
        select(Enrolment)
        .join(Cohort)
        .where(Enrolment.user_id == user.id, Cohort.course_id == course.id, Enrolment.left_at.is_(None))
        .order_by(Cohort.starts_at.desc(), Enrolment.id.desc())
    )
    return session.scalars(found.limit(1)).first()


def enrolment_by_id(session: Session, cohort: Cohort, enrolment_id: int) -> Enrolment:
    """Return a person in a cohort.

    Raises:
        NotFound: there is none.
    """
    found = select(Enrolment).where(Enrolment.id == enrolment_id, Enrolment.cohort_id == cohort.id)
    enrolment = session.scalar(found)
    if enrolment is None:
        raise NotFound(N_("There is no such person in this cohort. Look at the roster."))
    return enrolment


def enrolments_of(session: Session, user: User) -> Sequence[Enrolment]:
    """Return what a user takes, the latest first."""
    found = select(Enrolment).where(Enrolment.user_id == user.id, Enrolment.left_at.is_(None))
    return session.scalars(found.order_by(Enrolment.enrolled_at.desc(), Enrolment.id.desc())).all()


def enrolments_in(session: Session, cohort: Cohort) -> Sequence[Enrolment]:
    """Return everybody who is in a cohort, by name."""
    found = select(Enrolment).where(Enrolment.cohort_id == cohort.id, Enrolment.left_at.is_(None))
    return session.scalars(found.order_by(Enrolment.requested_name, Enrolment.id)).all()


def roster(session: Session, cohort: Cohort, query: str = "", number: int = 1) -> RosterPage:
    """Return one page of the people of a cohort; names to be confirmed come first."""
    here = (
        select(Enrolment)
        .join(User, Enrolment.user_id == User.id)
        .where(Enrolment.cohort_id == cohort.id, Enrolment.left_at.is_(None))
    )
    unconfirmed = _count(session, here.where(Enrolment.confirmed_name.is_(None)))
    if query.strip():
        wanted = query.strip()[:100]
        here = here.where(
            or_(
                Enrolment.requested_name.icontains(wanted, autoescape=True),
                Enrolment.confirmed_name.icontains(wanted, autoescape=True),
                User.name.icontains(wanted, autoescape=True),
                User.email.icontains(wanted, autoescape=True),
            )
        )
    total = _count(session, here)
    count = max(1, -(-total // ROSTER_PER_PAGE))
    number = min(max(number, 1), count)
    ordered = here.order_by(Enrolment.confirmed_name.is_not(None), Enrolment.requested_name, Enrolment.id)
    rows = session.scalars(ordered.offset((number - 1) * ROSTER_PER_PAGE).limit(ROSTER_PER_PAGE)).all()
    return RosterPage(rows, total, number, count, unconfirmed)


def _count(session: Session, found: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(found.subquery())) or 0


def lessons_read(session: Session, enrolment: Enrolment) -> frozenset[str]:
    """Return the lessons that were read in an enrolment."""
    found = select(LessonReading.lesson).where(LessonReading.enrolment_id == enrolment.id)
    return frozenset(session.scalars(found))


def progress(session: Session, enrolment: Enrolment, outline: Outline) -> Progress:
    """Return how far a person is; lessons that are no longer in the course do not count."""
    lessons = [item for item in outline.items if item.kind == "lesson"]
    read = lessons_read(session, enrolment) & {item.slug for item in lessons}
    following = next((item for item in lessons if item.slug not in read), None)
    return Progress(read, len(lessons), following)


def lab_due_at(outline: Outline, lab: str, cohort: Cohort) -> datetime | None:
    """Return when a lab is due for a cohort, in UTC."""
    return due_at(outline.labs[lab].settings.due, cohort.starts_at, cohort.timezone)
