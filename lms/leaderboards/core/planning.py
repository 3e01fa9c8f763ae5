"""The dates that a challenge's document says, and which of them it says anew."""

from datetime import datetime

from lms.courses.core.due import due_at
from lms.courses.core.outline import Due
from lms.leaderboards.core.challenge_file import Challenge
from lms.leaderboards.core.schedule import NAMES, Schedule

_FIELDS = {"freezes_at": "freeze", "ends_at": "ends"}  # where a document names them otherwise


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


def followed(stands: Schedule, last: Challenge, told: Challenge) -> Schedule:
    """Return the dates that stand, but those that a document says anew as it says them.

    A deadline that it leaves out follows its other dates, unless it was moved by hand.

    Args:
        last: the document of the publication before, with the same zone.
        told: the one that is published now.
    """
    before, now = (planned(document, stands.opens_at) for document in (last, told))
    said = {name for name in NAMES for document in (last, told) if _says(document, name)}
    new = {
        name
        for name in NAMES
        if now.date(name) != before.date(name) and (name in said or stands.date(name) == before.date(name))
    }
    dates = {name: (now if name in new else stands).date(name) for name in NAMES}
    return Schedule(**dates)  # type: ignore[arg-type]  # only the freeze is None


def _says(document: Challenge, name: str) -> bool:
    return getattr(document.dates, _FIELDS.get(name, name), None) is not None
