"""The dates that a challenge's document says, and which of them it says anew."""

from datetime import datetime

from lms.courses.core.due import due_at
from lms.courses.core.outline import Due
from lms.leaderboards.core.challenge_file import Challenge
from lms.leaderboards.core.schedule import NAMES, Schedule


def planned(document: Challenge, opens_at: datetime) -> Schedule:
    """Return the dates of a document; what it leaves out follows from what it says.

    Args:
        opens_at: days count from then, on the calendar of the document's zone.

    Raises:
        ZoneInfoNotFoundError, ValueError: there is no such zone.
    """

    def moment(due: Due | None) -> datetime | None:
        return due_at(due, opens_at, document.timezone)

    ends_at = moment(document.dates.ends) or opens_at
    entry_deadline = moment(document.dates.entry_deadline) or ends_at
    merge_deadline = moment(document.dates.merge_deadline) or entry_deadline
    return Schedule(opens_at, entry_deadline, merge_deadline, moment(document.dates.freeze), ends_at)


def followed(stands: Schedule, last: Schedule, told: Schedule) -> Schedule:
    """Return the dates that stand, but those that a document says anew as it says them.

    Args:
        last: what the document said at the publication before.
        told: what it says now.
    """
    new = {name for name in NAMES if told.date(name) != last.date(name)}
    dates = {name: (told if name in new else stands).date(name) for name in NAMES}
    return Schedule(**dates)  # type: ignore[arg-type]  # only the freeze is None
