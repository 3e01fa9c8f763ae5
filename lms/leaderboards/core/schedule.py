"""When a challenge opens, what passes until when, and when it ends; and how people type these times."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lms.courses.core.due import moment_on

NAMES = ("opens_at", "entry_deadline", "merge_deadline", "freezes_at", "ends_at")
MOVABLE = NAMES[1:]
"""What can be moved while a challenge runs; its opening is when it was published."""


@dataclass(frozen=True)
class Schedule:
    """The dates of a challenge, aware, in UTC."""

    opens_at: datetime
    entry_deadline: datetime
    merge_deadline: datetime
    freezes_at: datetime | None
    ends_at: datetime

    def date(self, name: str) -> datetime | None:
        """Return the date of a name in `NAMES`; None: there is none."""
        found: datetime | None = getattr(self, name)
        return found

    def to_dict(self) -> dict[str, str | None]:
        """Return the dates as they are kept, in UTC."""
        dates = {name: self.date(name) for name in NAMES}
        return {name: None if at is None else at.astimezone(UTC).isoformat() for name, at in dates.items()}

    @property
    def mark(self) -> str:
        """Return a short text that is the same only where all dates are."""
        return hashlib.blake2b(json.dumps(self.to_dict()).encode(), digest_size=12).hexdigest()

    @property
    def misplaced(self) -> str | None:
        """Return the name of the first date that is out of order; None: all are in order.

        A challenge opens, its deadlines and its freeze pass in any order, and it ends.
        """
        if self.opens_at >= self.ends_at:
            return "ends_at"
        inner = ((name, self.date(name)) for name in NAMES[1:-1])
        return next(
            (name for name, at in inner if at is not None and not self.opens_at <= at <= self.ends_at), None
        )


def as_shown(at: datetime, timezone: str) -> datetime:
    """Return a moment as a form shows it: on the calendar of a zone, without it, to the minute."""
    return at.astimezone(ZoneInfo(timezone)).replace(tzinfo=None, second=0, microsecond=0, fold=0)


def as_meant(wall: datetime, before: datetime | None, timezone: str) -> datetime:
    """Return the moment that somebody means who typed a time where another one was shown.

    What is typed as it was shown is the moment before, to the second and also where the clocks show that
    time twice: nobody has touched it. Any other time is read as `lms.courses.core.due` reads due dates.

    Args:
        wall: without a zone, on the calendar of `timezone`.
        before: what was shown; None: nothing.

    Raises:
        OverflowError: it is too near to either end of what a date can be.
    """
    if before is not None and wall == as_shown(before, timezone):
        return before
    return moment_on(wall, timezone)
