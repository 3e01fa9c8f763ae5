"""Reads of enrolments: who takes what, and how far they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from lms.accounts.models import User
from lms.courses.core.outline import Item, Outline
from lms.courses.models import Cohort, Course, Enrolment, LessonReading
from lms.errors import N_, NotFound

ROSTER_PER_PAGE = 50


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


def enrolment_in(session: Session, user: User | None, course: Course) -> Enrolment | None:
    """Return the enrolment under which a user takes a course now: of several, the latest cohort's."""
    if user is None:
        return None
    found = (
        select(Enrolment)
        .join(Enrolment.cohort)
        .options(contains_eager(Enrolment.cohort))
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
    course = joinedload(Enrolment.cohort).joinedload(Cohort.course)
    loaded = (
        course.joinedload(Course.university),
        course.joinedload(Course.company),
        course.selectinload(Course.current_version),
    )
    found = select(Enrolment).where(Enrolment.user_id == user.id, Enrolment.left_at.is_(None))
    found = found.options(*loaded)
    return session.scalars(found.order_by(Enrolment.enrolled_at.desc(), Enrolment.id.desc())).all()


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
    people = ordered.options(joinedload(Enrolment.user))
    rows = session.scalars(people.offset((number - 1) * ROSTER_PER_PAGE).limit(ROSTER_PER_PAGE)).all()
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
