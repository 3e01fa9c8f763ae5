"""Who may do what with courses, and when."""

from datetime import datetime

from lms.accounts.models import Organisation, Role, User
from lms.accounts.policy import STAFF, has_role, has_role_in_any
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment
from lms.errors import N_, Conflict, NotAllowed, NotFound

TEACHERS = (Role.INSTRUCTOR, Role.ADMIN)


def organisations_of(course: Course) -> tuple[Organisation, Organisation]:
    """Return the two that give the course, the university first."""
    return course.university, course.company


def is_course_staff(user: User | None, course: Course) -> bool:
    """Say whether a user teaches, signs or administers for one of the course's two organisations."""
    return user is not None and has_role_in_any(user, (course.university_id, course.company_id), *STAFF)


def is_course_teacher(user: User | None, course: Course) -> bool:
    """Say whether a user is an instructor or admin of one of the course's two organisations."""
    return user is not None and has_role_in_any(user, (course.university_id, course.company_id), *TEACHERS)


def check_is_course_staff(user: User | None, course: Course) -> None:
    """Refuse whoever is no staff of the course's organisations.

    Raises:
        NotAllowed: the user is not.
    """
    if not is_course_staff(user, course):
        raise NotAllowed(N_("Only staff of this course's two organisations can see this. Ask one of them."))


def can_see_version(user: User | None, version: CourseVersion) -> bool:
    """Say whether a user may see a version: everybody the open one, staff all of them."""
    return version.course.current_version_id == version.id or is_course_staff(user, version.course)


def check_can_see_version(user: User | None, version: CourseVersion) -> None:
    """Hide a version that is not open from everyone but staff.

    Raises:
        NotFound: it is not open, and the user is no staff.
    """
    if not can_see_version(user, version):
        raise NotFound


def check_can_publish(user: User, university: Organisation, company: Organisation) -> None:
    """Refuse to publish in the name of organisations in which the user does not teach.

    Raises:
        NotAllowed: the user is an instructor of neither.
    """
    if not has_role_in_any(user, (university.id, company.id), Role.INSTRUCTOR):
        raise NotAllowed(
            N_("Only an instructor of this course's organisations can publish it. Ask one of them.")
        )


def approvable(user: User | None, version: CourseVersion) -> Organisation | None:
    """Return the organisation in whose name this user can still approve the version."""
    if user is None or any(approval.approved_by_id == user.id for approval in version.approvals):
        return None  # two organisations are two people
    done = {approval.organisation_id for approval in version.approvals}
    for organisation in organisations_of(version.course):
        if organisation.id not in done and has_role(user, organisation.id, Role.INSTRUCTOR):
            return organisation
    return None


def can_approve(user: User | None, version: CourseVersion) -> bool:
    """Say whether this user can approve the version now."""
    return approvable(user, version) is not None


def check_can_approve(user: User, version: CourseVersion) -> Organisation:
    """Return the organisation in whose name this user approves.

    Raises:
        NotAllowed: the user is an instructor of neither organisation, or approved for the other one.
        Conflict: the user's organisation has approved already.
    """
    organisation = approvable(user, version)
    if organisation is not None:
        return organisation
    ids = (version.course.university_id, version.course.company_id)
    if not has_role_in_any(user, ids, Role.INSTRUCTOR):
        raise NotAllowed(
            N_("Only an instructor of this course's organisations can approve it. Ask one of them.")
        )
    if any(has_role(user, missing, Role.INSTRUCTOR) for missing in missing_approvals(version)):
        raise NotAllowed(
            N_("You approved this for one organisation. Another person has to approve it for the other.")
        )
    raise Conflict(N_("Your organisation has approved this version already. Nothing is left to do."))


def missing_approvals(version: CourseVersion) -> tuple[int, ...]:
    """Return the ids of the organisations that have not approved the version."""
    done = {approval.organisation_id for approval in version.approvals}
    return tuple(one.id for one in organisations_of(version.course) if one.id not in done)


def can_see_what_it_certifies(user: User | None, version: CourseVersion) -> bool:
    """Say whether a user may see what a version certifies: everybody, once both organisations approved it."""
    return not missing_approvals(version) or is_course_staff(user, version.course)


def check_can_see_what_it_certifies(user: User | None, version: CourseVersion) -> None:
    """Hide a version that was never open from everyone but staff.

    Raises:
        NotFound: it was never open, and the user is no staff.
    """
    if not can_see_what_it_certifies(user, version):
        raise NotFound


def check_can_enrol(user: User, cohort: Cohort, at: datetime) -> None:
    """Refuse to enrol where it cannot be done.

    Raises:
        NotAllowed: the user's address is not confirmed.
        Conflict: the course is not open, or the cohort has ended.
    """
    if user.confirmed_at is None:
        raise NotAllowed(N_("Confirm your e-mail address first: follow the link that we sent to you."))
    if cohort.course.current_version_id is None:
        raise Conflict(N_("This course is not open yet. Come back when both organisations approved it."))
    if at >= cohort.ends_at:
        raise Conflict(N_("This cohort has ended. Choose one that is going on or coming up."))


def can_read(user: User | None, course: Course, enrolment: Enrolment | None, at: datetime) -> bool:
    """Say whether a user may read the course's lessons now."""
    if is_course_staff(user, course):
        return True
    return enrolment is not None and enrolment.left_at is None and enrolment.cohort.starts_at <= at


def check_can_read(user: User | None, course: Course, enrolment: Enrolment | None, at: datetime) -> None:
    """Refuse lessons to whoever does not take the course, or not yet.

    Raises:
        NotAllowed: not enrolled, or the cohort has not started.
    """
    if can_read(user, course, enrolment, at):
        return
    if enrolment is None or enrolment.left_at is not None:
        raise NotAllowed(N_("Lessons are for people who take the course. Enrol on the course page first."))
    raise NotAllowed(N_("Your cohort has not started yet. The course page says when it does."))


def check_can_leave(user: User, enrolment: Enrolment) -> None:
    """Refuse to end somebody else's enrolment, or one that ended.

    Raises:
        NotAllowed: it is somebody else's.
        Conflict: it has ended already.
    """
    if enrolment.user_id != user.id:
        raise NotAllowed(N_("This is somebody else's enrolment. Leave from your own course page."))
    if enrolment.left_at is not None:
        raise Conflict(N_("You have left this cohort already. Nothing is left to do."))


def check_can_request_name(user: User, enrolment: Enrolment) -> None:
    """Refuse a name that is not one's own to set, or that was confirmed.

    Raises:
        NotAllowed: it is somebody else's enrolment.
        Conflict: the name is frozen.
    """
    if enrolment.user_id != user.id:
        raise NotAllowed(N_("This is somebody else's enrolment. Set the name on your own course page."))
    if enrolment.confirmed_name is not None:
        raise Conflict(N_("The name on your certificate was confirmed and is fixed. Ask the course's staff."))


def can_confirm_names(user: User | None, course: Course) -> bool:
    """Say whether a user may confirm names for certificates of the course."""
    return is_course_teacher(user, course)


def check_can_confirm_name(user: User, enrolment: Enrolment) -> None:
    """Refuse to confirm a name that is not this user's to confirm.

    Raises:
        NotAllowed: the user does not teach for one of the organisations, or the name is the user's own.
        Conflict: the name was confirmed before.
    """
    if not can_confirm_names(user, enrolment.cohort.course):
        raise NotAllowed(
            N_("Only an instructor or admin of this course's organisations confirms names. Ask one of them.")
        )
    if enrolment.user_id == user.id:
        raise NotAllowed(N_("Nobody confirms their own name. Ask another instructor or admin."))
    if enrolment.confirmed_name is not None:
        raise Conflict(N_("This name was confirmed before and is fixed. Nothing is left to do."))


def can_manage_cohorts(user: User | None, course: Course) -> bool:
    """Say whether a user may open and change cohorts of the course."""
    return is_course_teacher(user, course)


def check_can_manage_cohorts(user: User, course: Course) -> None:
    """Refuse cohorts to whoever does not teach the course.

    Raises:
        NotAllowed: the user is neither instructor nor admin of one of the organisations.
    """
    if not can_manage_cohorts(user, course):
        raise NotAllowed(
            N_("Only an instructor or admin of this course's organisations sets cohorts. Ask one of them.")
        )
