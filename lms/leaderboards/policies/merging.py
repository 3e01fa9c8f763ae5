"""When two teams may become one: no more entries together than one team could have had."""

from datetime import datetime, timedelta

from lms.errors import N_, Conflict
from lms.leaderboards.models import Challenge
from lms.leaderboards.policy import next_day_at, quota_day


def entries_by_now(challenge: Challenge, at: datetime) -> int:
    """Return what one team could have entered on the days that are over: limit × days elapsed.

    The day that runs does not count: its quota is the merged team's.
    """
    days = (quota_day(challenge, at) - quota_day(challenge, challenge.opens_at)).days
    allowed = challenge.daily_limit * max(0, days)
    return allowed if challenge.total_limit is None else min(allowed, challenge.total_limit)


def mergeable_at(challenge: Challenge, entries: int) -> datetime | None:
    """Return from when on teams of so many entries together can merge; None: not in this challenge."""
    if challenge.total_limit is not None and entries > challenge.total_limit:
        return None
    days = -(-entries // challenge.daily_limit)
    last = quota_day(challenge, challenge.opens_at) + timedelta(days=days - 1)
    opens = next_day_at(challenge, last)
    return opens if opens <= min(challenge.merge_deadline, challenge.ends_at) else None


def check_can_merge(challenge: Challenge, entries: int, at: datetime) -> None:
    """Refuse a merge of teams that have more entries together than one team could have.

    Raises:
        Conflict: they have; it says from when on they may merge with these.
    """
    allowed = entries_by_now(challenge, at)
    if not entries or entries <= allowed:
        return
    opens = mergeable_at(challenge, entries)
    if opens is None:
        raise Conflict(
            N_(
                "Together you have %(entries)d entries. Teams that merge may have %(limit)d for each day "
                "that is over since the opening, and no more than one team may have in all: %(allowed)d by "
                "now. With your entries you cannot merge before teams can no longer change."
            ),
            entries=entries,
            limit=challenge.daily_limit,
            allowed=allowed,
        )
    raise Conflict(
        N_(
            "Together you have %(entries)d entries. Teams that merge may have %(limit)d for each day that is "
            "over since the opening: %(allowed)d by now. With these entries you can merge from %(time)s on."
        ),
        entries=entries,
        limit=challenge.daily_limit,
        allowed=allowed,
        time=f"{opens:%Y-%m-%d %H:%M} ({challenge.timezone})",
    )
