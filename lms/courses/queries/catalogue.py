"""Reads of courses, their versions and their cohorts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from lms.accounts.models import User
from lms.accounts.policy import is_staff
from lms.courses.core.changes import Changes, compare
from lms.courses.core.due import due_at
from lms.courses.core.outline import Outline, read_outline
from lms.courses.core.search import relevance
from lms.courses.models import Cohort, Course, CourseVersion
from lms.errors import N_, NotFound

PER_PAGE = 20
WITH_PARTIES = (joinedload(Course.university), joinedload(Course.company))


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
    course = session.scalar(select(Course).where(Course.slug == slug).options(*WITH_PARTIES))
    if course is None:
        raise NotFound(N_("There is no such course. Look in the catalogue."))
    return course


def versions(session: Session, course: Course) -> Sequence[CourseVersion]:
    """Return all versions of a course, the newest first."""
    found = select(CourseVersion).where(CourseVersion.course_id == course.id)
    approved = found.options(selectinload(CourseVersion.approvals))
    return session.scalars(approved.order_by(CourseVersion.number.desc())).all()


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


def course_title(session: Session, course: Course) -> dict[str, str]:
    """Return a course's title by language, of its open or else its newest version."""
    version = course.current_version or next(iter(versions(session, course)), None)
    return {str(name): text for name, text in outline_of(version).title.items()} if version else {}


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
        select(Course)
        .where(Course.current_version_id.is_not(None))
        .options(*WITH_PARTIES, selectinload(Course.current_version))
        .order_by(Course.slug)
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


def courses_of_staff(session: Session, user: User) -> Sequence[Course]:
    """Return the courses of the organisations whose staff a user is, open or not."""
    ids = {each.organisation_id for each in user.memberships if is_staff(user, each.organisation_id)}
    if not ids:
        return []
    found = select(Course).where(or_(Course.university_id.in_(ids), Course.company_id.in_(ids)))
    opened = found.options(*WITH_PARTIES, selectinload(Course.current_version))
    return session.scalars(opened.order_by(Course.slug)).all()


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


def lab_due_at(outline: Outline, lab: str, cohort: Cohort) -> datetime | None:
    """Return when a lab is due for a cohort, in UTC."""
    return due_at(outline.labs[lab].settings.due, cohort.starts_at, cohort.timezone)
