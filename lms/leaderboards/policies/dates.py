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


def check_publication(
    before: Schedule, after: Schedule, told: Schedule, at: datetime, *, end_is_new: bool
) -> None:
    """Refuse dates of a document that was published anew: out of order, or an end that nobody wrote.

    Args:
        told: the dates as the document alone has them.
        end_is_new: whether the document says of the end what it did not say before.

    Raises:
        Invalid: they are out of order, by themselves or with those that were moved on the page.
        Conflict: the challenge runs and would be over at once, though its document's end is what it was.
    """
    if after == before:
        return
    if after.misplaced is not None and told.misplaced is None:
        raise Invalid(
            N_(
                "These dates are out of order with those that were moved on the challenge's page since. Write"
                " these into the file too: a challenge opens, then its deadlines pass, then it ends."
            ),
            field="dates",
        )
    check_in_order(after, "dates")
    if after.ends_at <= at <= before.ends_at and not end_is_new:
        raise Conflict(
            N_(
                "The challenge is running, and so published it would be over since %(ends)s and show its"
                " private scores, though the file says nothing new of its end. Write into its dates when it"
                ' is to end; as it stands that is ends: "%(stands)s".'
            ),
            ends=after.ends_at.isoformat(),
            stands=before.ends_at.isoformat(),
        )


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
