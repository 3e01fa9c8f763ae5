"""Which dates of a running challenge can be moved, and where to."""

from datetime import datetime, timedelta

from lms.accounts.models import User
from lms.accounts.policy import has_role
from lms.courses.policy import TEACHERS
from lms.errors import N_, Conflict, Invalid
from lms.leaderboards.core.schedule import MOVABLE, Schedule
from lms.leaderboards.models import Challenge
from lms.leaderboards.policy import ORGANISERS

LONGEST = timedelta(days=3660)
"""How far ahead a date may lie: beyond it somebody mistyped the year."""
ORDER = N_("A challenge opens, then its deadlines pass, then it ends. Put its dates in that order.")


def check_in_order(dates: Schedule, field: str | None = None) -> None:
    """Refuse dates that are out of order.

    Args:
        field: what is wrong then; None: the date itself.

    Raises:
        Invalid: they are.
    """
    misplaced = dates.misplaced
    if misplaced is not None:
        raise Invalid(ORDER, field=field or misplaced)


def check_can_reschedule(dates: Schedule, at: datetime) -> None:
    """Refuse every change of dates once a challenge has ended.

    Whoever entered after an end that was put off would have seen private scores.

    Raises:
        Conflict: it has.
    """
    if at > dates.ends_at:
        raise Conflict(
            N_(
                "This challenge has ended and its private scores have been shown, so its dates stay as they"
                " are. Publish another one if people are to go on."
            )
        )


def check_moves(before: Schedule, after: Schedule, at: datetime) -> None:
    """Refuse what would change the past, or what people have relied on: a date that has passed stays.

    So does a freeze that has begun. Later, earlier or never: each would show scores of entries that came
    while the board stood still, or hide some that were shown. A freeze ahead hides nothing yet.

    Raises:
        Invalid: something cannot be moved, or not there; `field` says what.
    """
    for name in MOVABLE:
        old, new = before.date(name), after.date(name)
        if new == old:
            continue
        if has_passed(old, at):
            raise Invalid(FREEZE_STAYS if name == "freezes_at" else PASSED, field=name)
        if new is not None and new <= at:
            raise Invalid(N_("This time has passed already. Give one that is still to come."), field=name)
        if new is not None and new > at + LONGEST:
            raise Invalid(TOO_FAR, field=name)
    check_in_order(after)


def has_passed(date: datetime | None, at: datetime) -> bool:
    """Say whether a date lies behind; a deadline itself is still in time."""
    return date is not None and at > date


PASSED = N_("This date has passed, so it no longer changes. Leave it as it was.")
FREEZE_STAYS = N_(
    "The board stands still already. Any other freeze would show entries that came since, or hide some that"
    " were shown, so leave it as it was."
)
TOO_FAR = N_("This is more than ten years away. Check the year.")


def organisation_behind(actor: User | None, challenge: Challenge) -> int:
    """Return in whose name somebody runs a challenge: its sponsor's, or their own in the lab's course.

    Args:
        actor: None for the operator's command line.
    """
    if actor is None or challenge.lab is None or has_role(actor, challenge.sponsor_id, *ORGANISERS):
        return challenge.sponsor_id
    course = challenge.lab.course
    parties = (course.university_id, course.company_id)
    return next((each for each in parties if has_role(actor, each, *TEACHERS)), challenge.sponsor_id)
