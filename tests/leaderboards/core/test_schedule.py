from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.leaderboards.core.schedule import NAMES, Schedule, as_meant, as_shown

ZONES = ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
EARLIEST, LATEST = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2035-01-01")
walls = st.datetimes(EARLIEST, LATEST)
moments = walls.map(lambda at: at.replace(tzinfo=UTC))
NEW_YORK = "America/New_York"
DAY = timedelta(days=1)


def make(opens_at: datetime, *after: float | None) -> Schedule:
    dates = {
        name: None if days is None else opens_at + days * DAY
        for name, days in zip(NAMES[1:], after, strict=True)
    }
    return Schedule(opens_at, **dates)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "misplaced"),
    [
        ((20, 20, None, 27), None),
        ((27, 0, 27, 27), None),
        ((20, 10, 5, 27), None),
        ((20, 20, None, 0), "ends_at"),
        ((20, 20, None, -1), "ends_at"),
        ((28, 20, None, 27), "entry_deadline"),
        ((20, 28, None, 27), "merge_deadline"),
        ((20, 20, 28, 27), "freezes_at"),
        ((20, -1, None, 27), "merge_deadline"),
        ((20, 20, -1, 27), "freezes_at"),
    ],
)
def test_the_first_date_out_of_order_is_named(after: tuple[float | None, ...], misplaced: str | None) -> None:
    assert make(datetime(2026, 9, 1, tzinfo=UTC), *after).misplaced == misplaced


def test_a_mark_is_that_of_the_moments_whatever_zone_they_are_written_in() -> None:
    opens = datetime(2026, 9, 1, tzinfo=UTC)
    there = opens.astimezone(ZoneInfo("Asia/Seoul"))
    assert make(opens, 20, 20, 25, 27).mark == make(there, 20, 20, 25, 27).mark
    marks = {make(opens, *after).mark for after in ((20, 20, 25, 27), (20, 20, None, 27), (20, 21, 25, 27))}
    assert len(marks) == 3


@settings(deadline=None)
@given(moments, st.sampled_from(ZONES))
def test_what_nobody_has_touched_stays_to_the_microsecond(at: datetime, zone: str) -> None:
    """Also an hour that the clocks show twice, of which the first was meant."""
    assert as_meant(as_shown(at, zone), at, zone) == at


@settings(deadline=None)
@given(walls.map(lambda at: at.replace(second=0, microsecond=0)), st.sampled_from(ZONES))
def test_what_is_typed_is_shown_again_or_lies_just_after_a_skipped_hour(wall: datetime, zone: str) -> None:
    meant = as_meant(wall, None, zone)
    assert timedelta(0) <= as_shown(meant, zone) - wall <= DAY
    there_and_back = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if as_shown(there_and_back, zone) == wall:
        assert as_shown(meant, zone) == wall
        assert meant >= there_and_back


def test_a_time_shown_twice_is_the_second_and_a_skipped_one_comes_after_the_gap() -> None:
    twice, skipped = datetime(2026, 11, 1, 1, 30), datetime(2026, 3, 8, 2, 30)  # noqa: DTZ001 - as typed
    assert as_meant(twice, None, NEW_YORK) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert as_meant(skipped, None, NEW_YORK) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert as_meant(twice, first, NEW_YORK) == first, "the first of both was shown and nobody touched it"
