"""Where a challenge may stand: for whom, and with which lab."""

from lms.accounts.models import User
from lms.accounts.policy import is_site_admin
from lms.courses.models import Course, Enrolment
from lms.courses.policy import is_course_teacher
from lms.errors import N_, DomainError, NotAllowed
from lms.leaderboards.models import Challenge
from lms.leaderboards.policy import check_can_see_challenge


def check_can_publish_for(user: User | None, course: Course) -> None:
    """Refuse whoever may not add a challenge to a course's lab; None is the command line.

    Raises:
        NotAllowed: the user may not: its teachers will run the challenge too, and give points by it.
    """
    if user is not None and not is_course_teacher(user, course) and not is_site_admin(user):
        raise NotAllowed(N_("Only instructors of the course can add a challenge to one of its labs."))


def can_see_challenge(user: User | None, challenge: Challenge, enrolment: Enrolment | None) -> bool:
    """Say whether a challenge is for this person.

    Args:
        enrolment: the person's own in the course of the challenge's lab.
    """
    try:
        check_can_see_challenge(user, challenge, enrolment)
    except DomainError:
        return False
    return True
