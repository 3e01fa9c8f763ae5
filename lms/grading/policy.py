"""Who may submit, see, mark and grade again, and when; once for the check and for the button."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from lms.accounts.models import Role, User
from lms.accounts.policy import has_role_in_any, is_site_admin
from lms.courses.core import due
from lms.courses.core.outline import LabFile
from lms.courses.models import Cohort, Course, Enrolment
from lms.courses.policy import is_course_teacher
from lms.errors import N_, Conflict, DomainError, NotAllowed, NotFound, TooSoon
from lms.grading.models import GradingRun, Lab, LabRelease, Priority, RunState, Submission, ViewRun

STAFF = (Role.ASSISTANT, Role.INSTRUCTOR, Role.ADMIN)
DUE_SOON = timedelta(hours=24)
"""How long before its due date a lab's work goes before practice."""

RUN_STEPS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.DONE, RunState.QUEUED, RunState.FAILED, RunState.CANCELLED}),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
"""Where a grading run may go from each state. What is over stays; grading once more is a new run."""

VIEW_STEPS: Mapping[RunState, frozenset[RunState]] = {
    **RUN_STEPS,
    RunState.FAILED: frozenset({RunState.QUEUED}),
    RunState.CANCELLED: frozenset({RunState.QUEUED}),
}
"""Likewise for what a student sees of a run: the same row is queued again, as no grade hangs on it."""


def is_staff(user: User, course: Course) -> bool:
    """Say whether `user` teaches, assists or administers at one of the course's two organisations."""
    return has_role_in_any(user, (course.university_id, course.company_id), *STAFF)


def is_teacher(user: User, course: Course) -> bool:
    """Say whether `user` is an instructor or an admin of one of the course's two organisations."""
    return is_course_teacher(user, course)


def rules_of(release: LabRelease) -> LabFile:
    """Return the settings of a release, typed."""
    return _rules(json.dumps(release.settings))


@lru_cache(maxsize=256)
def _rules(text: str) -> LabFile:
    return LabFile.model_validate_json(text)


def due_at(release: LabRelease, cohort: Cohort) -> datetime | None:
    """Return when a lab is due in a cohort, in UTC, or None where nothing is due."""
    return due.due_at(rules_of(release).due, cohort.starts_at, cohort.timezone)


def is_late(release: LabRelease, cohort: Cohort, received_at: datetime) -> bool:
    """Say whether a file that came then is late; the deadline itself is still in time."""
    deadline = due_at(release, cohort)
    return deadline is not None and received_at > deadline


def refuses_late(release: LabRelease) -> bool:
    """Say whether the lab keeps late files without grading them."""
    return rules_of(release).late == "refuse"


def check_can_submit(enrolment: Enrolment, lab: Lab, received_at: datetime) -> LabRelease:
    """Raise unless the enrolled person may hand in work for `lab` then; return the release it counts for.

    Attempts are checked by `check_attempts_left`, when their number is known for certain.
    """
    if enrolment.left_at is not None:
        raise NotAllowed(N_("You have left this course. Enrol again to hand in work."))
    if enrolment.cohort.course_id != lab.course_id:
        raise NotFound
    if received_at < enrolment.cohort.starts_at:
        raise Conflict(N_("This course has not started yet. Come back on its first day."))
    if received_at >= enrolment.cohort.ends_at:
        raise Conflict(N_("This course has ended, so work can no longer be handed in."))
    if lab.current_release is None:
        raise Conflict(N_("This lab is not open yet. Come back when your instructor has opened it."))
    return lab.current_release


def check_attempts_left(release: LabRelease, used: int) -> None:
    """Raise when all attempts of the lab are used."""
    allowed = rules_of(release).attempts
    if used >= allowed:
        raise Conflict(
            N_("All %(limit)d attempts are used. Your earlier results stay."),
            limit=allowed,
        )


def opens_at(release: LabRelease, newest: datetime | None) -> datetime | None:
    """Return when the pause after the `newest` counted attempt is over; None where there is no pause."""
    pause = rules_of(release).pause_seconds
    return newest + timedelta(seconds=pause) if newest is not None and pause else None


def check_pause_over(
    release: LabRelease, cohort: Cohort, newest: datetime | None, received_at: datetime
) -> None:
    """Raise while the pause after the `newest` counted attempt lasts."""
    opens = opens_at(release, newest)
    if opens is None or received_at >= opens:
        return
    raise TooSoon(
        N_(
            "This lab has a pause between attempts. Hand in again at %(time)s or later; "
            "no attempt was used and nothing was stored."
        ),
        retry_after_seconds=math.ceil((opens - received_at).total_seconds()),
        time=_written(opens, cohort),
    )


def hidden_results_at(work: Submission) -> datetime | None:
    """Return the last moment at which results of hidden tests are kept back; None: students see them at once.

    The lab's newest open release decides, so that a deadline that was put off holds for earlier work too.
    """
    release, cohort = work.lab.current_release or work.release, work.enrolment.cohort
    if rules_of(release).hidden_results == "at_once":
        return None
    return due_at(release, cohort) or cohort.ends_at


def check_can_take_record(user: User, work: Submission, at: datetime) -> None:
    """Raise while a grade record, which lists every test, would tell what the page keeps back."""
    until = hidden_results_at(work)
    if until is None or at > until or is_staff(user, work.lab.course):
        return
    raise Conflict(
        N_("The grade record lists the hidden tests too. Download it after %(time)s."),
        time=_written(until, work.enrolment.cohort),
    )


def _written(moment: datetime, cohort: Cohort) -> str:
    """Write a moment for a sentence: on the cohort's clock, rounded up to a whole second, with the zone."""
    whole = moment + timedelta(microseconds=-moment.microsecond % 1_000_000)
    return f"{whole.astimezone(ZoneInfo(cohort.timezone)):%Y-%m-%d %H:%M:%S} ({cohort.timezone})"


def check_can_open(user: User, course: Course, enrolment: Enrolment | None) -> None:
    """Raise unless the user takes the course or is staff of it."""
    if enrolment is None and not is_staff(user, course):
        raise NotAllowed(N_("Enrol in this course to open its labs."))


def check_can_see(user: User, submission: Submission) -> None:
    """Raise unless the submission is the user's own or of a course that the user is staff of."""
    if submission.enrolment.user_id != user.id and not is_staff(user, submission.lab.course):
        raise NotFound


def can_see(user: User, submission: Submission) -> bool:
    """Say whether the user may see the submission."""
    return _allowed(check_can_see, user, submission)


def check_can_see_all(user: User, course: Course) -> None:
    """Raise unless the user may see everything of the course's labs: hidden tests, runs, gradebook."""
    if not is_staff(user, course):
        raise NotAllowed(N_("Only the course's instructors and assistants can see this page."))


def can_see_all(user: User, course: Course) -> bool:
    """Say whether the user may see everything of the course's labs."""
    return _allowed(check_can_see_all, user, course)


def check_can_mark(user: User, submission: Submission) -> None:
    """Raise unless the user may grade the submission's written answers by hand."""
    if not is_staff(user, submission.lab.course):
        raise NotAllowed(N_("Only the course's instructors and assistants can grade answers."))
    if submission.enrolment.user_id == user.id:
        raise NotAllowed(N_("Nobody grades their own work. Ask a colleague."))


def can_mark(user: User, submission: Submission) -> bool:
    """Say whether the user may grade the submission's written answers by hand."""
    return _allowed(check_can_mark, user, submission)


def check_can_regrade(user: User, course: Course) -> None:
    """Raise unless the user may have work of this course graded again."""
    if not is_teacher(user, course):
        raise NotAllowed(N_("Only the course's instructors can have work graded again."))


def can_regrade(user: User, course: Course) -> bool:
    """Say whether the user may have work of this course graded again."""
    return _allowed(check_can_regrade, user, course)


def priority_of(release: LabRelease, cohort: Cohort, at: datetime) -> Priority:
    """Return whose turn a hand-in of that moment is: exams first, then what is due within a day."""
    if rules_of(release).exam:
        return Priority.EXAM
    deadline = due_at(release, cohort)
    soon = deadline is not None and at <= deadline <= at + DUE_SOON
    return Priority.DUE_SOON if soon else Priority.PRACTICE


def check_can_cancel(user: User, run: GradingRun) -> None:
    """Raise unless the user may take the run out of the queue, and it has not ended."""
    check_can_steer(user, run)
    if RunState.CANCELLED not in RUN_STEPS[run.state]:
        raise Conflict(N_("This run has ended already, so there is nothing to cancel."))


def can_cancel(user: User, run: GradingRun) -> bool:
    """Say whether the user may take the run out of the queue now."""
    return _allowed(check_can_cancel, user, run)


def check_can_retry(user: User, run: GradingRun) -> None:
    """Raise unless the user may have a run that failed or was cancelled tried again."""
    check_can_steer(user, run)
    if run.state not in {RunState.FAILED, RunState.CANCELLED}:
        raise Conflict(N_("Only a run that failed or was cancelled can be tried again."))


def can_retry(user: User, run: GradingRun) -> bool:
    """Say whether the user may have the run tried again now."""
    return _allowed(check_can_retry, user, run)


def check_can_retry_view(user: User, view: ViewRun) -> None:
    """Raise unless the user may have what a student sees of a run tried again after it failed."""
    check_can_steer(user, view.run)
    if view.state is not RunState.FAILED:
        raise Conflict(N_("Only a run that failed or was cancelled can be tried again."))


def check_can_steer(user: User, run: GradingRun) -> None:
    """Raise unless the user runs the site or teaches the course that the run is of."""
    if not is_site_admin(user) and not is_teacher(user, run.submission.lab.course):
        raise NotAllowed(
            N_("Only the course's instructors and the site's administrators can steer the queue.")
        )


def can_steer(user: User, run: GradingRun) -> bool:
    """Say whether the user may cancel the run or have it tried again, if its state allows."""
    return _allowed(check_can_steer, user, run)


def _allowed(check: Callable[..., Any], *args: object) -> bool:
    try:
        check(*args)
    except DomainError:
        return False
    return True
