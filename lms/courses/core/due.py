"""When something is due for a cohort, counted in the cohort's wall-clock days."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lms.courses.core.outline import Due


def due_at(due: Due | None, starts_at: datetime, timezone: str) -> datetime | None:
    """Return the moment in UTC, or None where nothing is due.

    Days are counted on the calendar of `timezone` from the day on which the cohort starts. A time that
    the clocks skip, or show twice, means the later of the moments it could be: never less time than said.

    Raises:
        ValueError: `starts_at` is naive.
        zoneinfo.ZoneInfoNotFoundError: there is no such zone.
    """
    if due is None:
        return None
    if due.moment is not None:
        return due.moment.astimezone(UTC)
    if due.after_days is None:
        return None
    if starts_at.tzinfo is None:
        raise ValueError("a cohort's start needs a zone")
    day = starts_at.astimezone(ZoneInfo(timezone)).date() + timedelta(days=due.after_days)
    return moment_on(datetime.combine(day, time.fromisoformat(due.at)), timezone)


def moment_on(wall: datetime, timezone: str) -> datetime:
    """Return the moment in UTC of a date and time, without a zone, on the calendar of `timezone`.

    A time that the clocks skip, or show twice, means the later of the moments it could be.

    Raises:
        OverflowError: it is too near to either end of what a date can be.
        zoneinfo.ZoneInfoNotFoundError: there is no such zone.
    """
    zone = ZoneInfo(timezone)
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
