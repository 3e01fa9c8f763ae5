"""Enrolments: taking a course, leaving it, the name on the certificate, what was read."""

import unicodedata
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lms.accounts.models import Role, User
from lms.accounts.services.audit import record
from lms.accounts.services.organisations import grant_role
from lms.courses import policy
from lms.courses.models import Cohort, Enrolment, LessonReading
from lms.courses.queries.catalogue import outline_of, version_by_number
from lms.db import now
from lms.errors import N_, Conflict, Invalid, NotAllowed, NotFound

LONGEST_NAME = 120


def enrol(
    session: Session, actor: User, cohort: Cohort, requested_name: str, at: datetime | None = None
) -> Enrolment:
    """Take a cohort, as a student of its university; whoever left and comes back finds the old work.

    Raises:
        NotAllowed, Conflict: see `policy.check_can_enrol`.
        Invalid: the name cannot stand on a certificate.
    """
    at = at or now()
    policy.check_can_enrol(actor, cohort, at)
    name = clean_name(requested_name)
    found = select(Enrolment).where(Enrolment.user_id == actor.id, Enrolment.cohort_id == cohort.id)
    enrolment = session.scalar(found)
    if enrolment is not None and enrolment.left_at is None:
        return enrolment  # a second click
    if enrolment is None:
        enrolment = Enrolment(user=actor, cohort=cohort, enrolled_at=at, requested_name=name)
        session.add(enrolment)
    enrolment.left_at = None
    if enrolment.confirmed_name is None:
        enrolment.requested_name = name
    session.flush()
    record(session, actor, "courses.enrol", f"enrolment:{enrolment.id}", cohort=cohort.id)
    grant_role(session, None, user=actor, organisation=cohort.course.university, role=Role.STUDENT)
    return enrolment


def leave(session: Session, actor: User, enrolment: Enrolment) -> None:
    """End an enrolment; submissions, grades and reading stay.

    Raises:
        NotAllowed, Conflict: see `policy.check_can_leave`.
    """
    policy.check_can_leave(actor, enrolment)
    enrolment.left_at = now()
    session.flush()
    record(session, actor, "courses.leave", f"enrolment:{enrolment.id}", cohort=enrolment.cohort_id)


def clean_name(text: str) -> str:
    """Return a person's name as it can stand on a certificate: NFC, single spaces.

    Raises:
        Invalid: it is empty, too long, or holds characters that are no part of a name.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(
            N_("Write the name as it should stand on the certificate, at most %(limit)d characters."),
            field="requested_name",
            limit=LONGEST_NAME,
        )
    if any(unicodedata.category(letter).startswith("C") for letter in name):
        raise Invalid(
            N_("The name holds invisible or control characters. Type it again."), field="requested_name"
        )
    return name


def request_name(session: Session, actor: User, enrolment: Enrolment, name: str) -> None:
    """Ask for another name on the certificate, as long as none was confirmed.

    Raises:
        NotAllowed, Conflict: see `policy.check_can_request_name`.
        Invalid: the name cannot stand on a certificate.
    """
    policy.check_can_request_name(actor, enrolment)
    enrolment.requested_name = clean_name(name)
    session.flush()
    record(session, actor, "courses.request_name", f"enrolment:{enrolment.id}")


def confirm_name(session: Session, actor: User, enrolment: Enrolment, name: str) -> None:
    """Confirm the name that the student asked for; it is fixed from then on.

    `name` is what the confirming person saw: if the student changed it meanwhile, nothing is confirmed.

    Raises:
        NotAllowed, Conflict: see `policy.check_can_confirm_name`, or the name has changed.
    """
    policy.check_can_confirm_name(actor, enrolment)
    if clean_name(name) != enrolment.requested_name:
        raise Conflict(N_("The student has changed the name meanwhile. Look at it again, then confirm."))
    enrolment.confirmed_name = enrolment.requested_name
    enrolment.name_confirmed_by_id = actor.id
    enrolment.name_confirmed_at = now()
    session.flush()
    record(session, actor, "courses.confirm_name", f"enrolment:{enrolment.id}")


def correct_name(session: Session, actor: User, enrolment: Enrolment, name: str) -> None:
    """Put a confirmed name right, for what is signed from now on; who may do so, the caller decides.

    Raises:
        NotAllowed: it is the actor's own name.
        Invalid: no name.
    """
    if enrolment.user_id == actor.id:
        raise NotAllowed(N_("Nobody confirms their own name. Ask another instructor or admin."))
    enrolment.requested_name = enrolment.confirmed_name = clean_name(name)
    enrolment.name_confirmed_by_id = actor.id
    enrolment.name_confirmed_at = now()
    session.flush()
    record(session, actor, "courses.correct_name", f"enrolment:{enrolment.id}")


def mark_lesson_read(session: Session, actor: User, enrolment: Enrolment, lesson: str) -> None:
    """Remember that a lesson was read; a second time changes nothing.

    Raises:
        NotAllowed: see `policy.check_can_read`.
        NotFound: the course has no such lesson.
    """
    course = enrolment.cohort.course
    policy.check_can_read(actor, course, enrolment if enrolment.user_id == actor.id else None, now())
    version = version_by_number(session, course)
    if lesson not in outline_of(version).lessons:
        raise NotFound(N_("This course has no such lesson. Look on the course page."))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"enrolment_id": enrolment.id, "lesson": lesson, "read_at": now()}
    session.execute(insert(LessonReading).values(row).on_conflict_do_nothing())


def mark_completed(session: Session, enrolment: Enrolment, at: datetime | None = None) -> bool:
    """Note that the course's rule is met; say whether this was the first time."""
    if enrolment.completed_at is not None:
        return False
    enrolment.completed_at = at or now()
    session.flush()
    record(session, None, "courses.complete", f"enrolment:{enrolment.id}", cohort=enrolment.cohort_id)
    return True
