from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.board_csv import Line, csv_text, defused

AT = datetime(2026, 11, 22, 9, 30, 5, tzinfo=timezone(timedelta(hours=9)))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("  @sum", "'@sum"),
        ("\t-2", "'-2"),
        ("\uff1dcmd", "'\uff1dcmd"),
        ("a;=cmd", "a;'=cmd"),
        ("a\n+1", "a '+1"),
        ("정상-이름 1+1", "정상-이름 1+1"),
    ],
)
def test_a_name_is_never_a_formula(name: str, safe: str) -> None:
    assert defused(name) == safe


@given(st.text(max_size=40))
def test_no_text_begins_a_cell_with_what_a_spreadsheet_runs(name: str) -> None:
    safe = defused(name)
    assert safe[:1] not in {"=", "+", "-", "@", "\t", "\r", "\uff1d"}
    assert safe == "" or safe.isprintable()


def test_a_line_has_utc_and_as_many_decimals_as_the_board_shows() -> None:
    head, line = csv_text([Line(3, 7, "셋, 넷", AT, 0.98765, 12, ("가", "나"))], 3)
    assert (
        head == "\ufeffRank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames\r\n"
    )
    assert line == '3,7,"셋, 넷",2026-11-22 00:30:05,0.988,12,"가,나"\r\n'
    assert AT.astimezone(UTC).day == AT.day
