"""Answers that wait to be graded by hand, and the courses whose staff may do it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from lms.accounts.models import User
from lms.courses.models import Course
from lms.grading import policy
from lms.grading.core.contracts import CheckStatus
from lms.grading.models import Grade, Lab, LabRelease, ManualMark, Submission
from lms.grading.queries.labs import manifest
from lms.grading.queries.submissions import checks


@dataclass(frozen=True)
class Unmarked:
    """One written answer that waits for a person."""

    submission: Submission
    grade_id: str
    maximum: float
    title: Mapping[str, str]  # by language; empty where the author gave none


def unmarked_answers(session: Session, courses: Iterable[Course], lab: Lab | None = None) -> list[Unmarked]:
    """Return the answers that wait to be graded by hand in these courses, the oldest first."""
    ids = [course.id for course in courses]
    if not ids:
        return []
    work = (
        select(Grade)
        .join(Lab, Grade.lab_id == Lab.id)
        .where(Grade.provisional.is_(True), Lab.course_id.in_(ids))
    )
    if lab is not None:
        work = work.where(Grade.lab_id == lab.id)
    submission = joinedload(Grade.submission)
    shown = (
        joinedload(Grade.run),
        submission.joinedload(Submission.enrolment),
        submission.selectinload(Submission.release),
    )
    grades = session.scalars(work.options(*shown).order_by(Grade.submission_id)).all()
    marked = _marked(session, [grade.submission_id for grade in grades])
    return [
        Unmarked(
            grade.submission, check.grade_id, check.maximum, _title(grade.submission.release, check.grade_id)
        )
        for grade in grades
        for check in checks(grade.run)
        if check.status is CheckStatus.MANUAL and (grade.submission_id, check.grade_id) not in marked
    ]


def _title(release: LabRelease, grade_id: str) -> Mapping[str, str]:
    return next((cell.title for cell in manifest(release).cells if cell.grade_id == grade_id), {})


def _marked(session: Session, ids: Sequence[int]) -> set[tuple[int, str]]:
    rows = session.execute(
        select(ManualMark.submission_id, ManualMark.grade_id).where(ManualMark.submission_id.in_(ids))
    )
    return {(submission_id, grade_id) for submission_id, grade_id in rows}


def staff_courses(session: Session, user: User) -> list[Course]:
    """Return the courses of whose two organisations the user is staff."""
    places = {
        each.organisation_id
        for each in user.memberships
        if each.ended_at is None and each.role in policy.STAFF
    }
    if not places:
        return []
    found = session.scalars(
        select(Course)
        .where(or_(Course.university_id.in_(places), Course.company_id.in_(places)))
        .order_by(Course.id)
    )
    return [course for course in found if policy.can_see_all(user, course)]


@dataclass(frozen=True)
class Neighbours:
    """The waiting answers before and after one."""

    before: Unmarked | None
    after: Unmarked | None


def neighbours(waiting: Sequence[Unmarked], submission_id: int, grade_id: str) -> Neighbours:
    """Return what waits before and after an answer, which itself may be graded already."""
    here = (submission_id, grade_id)
    before = [each for each in waiting if (each.submission.id, each.grade_id) < here]
    after = [each for each in waiting if (each.submission.id, each.grade_id) > here]
    return Neighbours(before[-1] if before else None, after[0] if after else None)
