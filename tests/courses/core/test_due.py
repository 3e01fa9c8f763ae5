from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.courses.core.due import due_at
from lms.courses.core.outline import Due

ZONES = ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
EARLIEST, LATEST = datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2035-01-01")
moments = st.datetimes(EARLIEST, LATEST).map(lambda at: at.replace(tzinfo=UTC))
days = st.integers(0, 400)
clocks = st.times().map(lambda at: at.strftime("%H:%M"))


@settings(deadline=None)
@given(moments, st.sampled_from(ZONES), days, clocks)
def test_a_due_date_reads_as_it_was_written_or_lies_just_after_a_skipped_hour(
    start: datetime, zone: str, after: int, clock: str
) -> None:
    due = due_at(Due(after_days=after, at=clock), start, zone)
    assert due is not None
    local = due.astimezone(ZoneInfo(zone))
    wanted = start.astimezone(ZoneInfo(zone)).date() + timedelta(days=after)
    wall = datetime.fromisoformat(f"{wanted}T{clock}")
    assert timedelta(0) <= local.replace(tzinfo=None) - wall <= timedelta(days=1)
    there_and_back = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    if there_and_back.replace(tzinfo=None) == wall:
        assert local.replace(tzinfo=None) == wall


@settings(deadline=None)
@given(moments, st.sampled_from(ZONES), days, clocks)
def test_a_later_day_is_never_due_earlier(start: datetime, zone: str, after: int, clock: str) -> None:
    one = due_at(Due(after_days=after, at=clock), start, zone)
    next_one = due_at(Due(after_days=after + 1, at=clock), start, zone)
    assert one is not None
    assert next_one is not None
    assert one <= next_one


@settings(deadline=None)
@given(moments, clocks)
def test_seoul_has_days_of_24_hours(start: datetime, clock: str) -> None:
    first = due_at(Due(after_days=1, at=clock), start, "Asia/Seoul")
    later = due_at(Due(after_days=8, at=clock), start, "Asia/Seoul")
    assert first is not None
    assert later is not None
    assert later - first == timedelta(days=7)


def test_an_hour_shown_twice_means_the_second_one() -> None:
    start = datetime(2026, 10, 31, 12, tzinfo=ZoneInfo("America/New_York"))
    due = due_at(Due(after_days=1, at="01:30"), start, "America/New_York")
    assert due == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_a_skipped_hour_means_the_moment_after_it() -> None:
    start = datetime(2026, 3, 7, 12, tzinfo=ZoneInfo("America/New_York"))
    due = due_at(Due(after_days=1, at="02:30"), start, "America/New_York")
    assert due == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_an_absolute_moment_does_not_depend_on_the_cohort() -> None:
    moment = datetime.fromisoformat("2026-12-20T23:59+09:00")
    due = due_at(Due(moment=moment), datetime(2000, 1, 1, tzinfo=UTC), "UTC")
    assert due == moment


def test_without_a_due_date_nothing_is_due() -> None:
    assert due_at(None, datetime(2026, 1, 1, tzinfo=UTC), "UTC") is None


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        due_at(Due(after_days=1), datetime.fromisoformat("2026-01-01"), "UTC")
