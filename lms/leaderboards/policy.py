"""Who may see which board."""

from lms.accounts.models import User
from lms.courses.models import Enrolment
from lms.errors import NotFound
from lms.grading.policy import can_see_all
from lms.leaderboards.models import Board


def check_can_see(user: User, board: Board, enrolment: Enrolment | None) -> None:
    """Let the cohort's students and the staff of both organisations see a board.

    Args:
        enrolment: the user's own in the board's cohort, if there is one.

    Raises:
        NotFound: it is not for this person.
    """
    enrolled = enrolment is not None and enrolment.user_id == user.id and enrolment.left_at is None
    if not enrolled and not can_see_all(user, board.lab.course):
        raise NotFound


def can_see(user: User, board: Board, enrolment: Enrolment | None) -> bool:
    """Say whether `check_can_see` would let the person in."""
    try:
        check_can_see(user, board, enrolment)
    except NotFound:
        return False
    return True
