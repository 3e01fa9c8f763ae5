import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.tables import SENTENCES, TableProblem, printable, read_table

HEAD = "team,score,received_at\n"
TIME = "2026-03-02 10:00:00"


def faults(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(TableProblem) as refused:
        read_table(text if isinstance(text, bytes) else text.encode())
    assert all(refused.value.sentences("ko")), "every fault is said in Korean too"
    return [(one.line, one.code) for one in refused.value.problems]


@pytest.fixture
def in_korea() -> Iterator[None]:
    """Set this machine's own zone to another one than UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


def test_a_table_is_read_as_it_is_written() -> None:
    text = (
        "received_at,note,team,score,private_score,baseline,selected\r\n"
        f'{TIME},"two\r\nlines","a, b",0.9,0.8,0,1\r\n\r\n'
        f"{TIME}, ,c,-1e-3,,1,\r\n"
    )
    first, second = read_table(b"\xef\xbb\xbf" + text.encode()).rows
    assert (first.line, first.team, first.score, first.private_score) == (2, "a, b", 0.9, 0.8)
    assert (first.selected, first.baseline, second.selected, second.baseline) == (True, False, False, True)
    assert (second.line, second.score, math.isnan(second.private_score)) == (5, -0.001, True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-02 10:00:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T10:00:00Z", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02t10:00:00z", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ("2026-03-02T19:00:00+09:00", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        (" 2026-03-02 ", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-02 10:00:00.25", datetime(2026, 3, 2, 10, 0, 0, 250000, tzinfo=UTC)),
    ],
)
@pytest.mark.usefixtures("in_korea")
def test_a_time_without_a_zone_is_utc(written: str, meant: datetime) -> None:
    assert read_table(f"{HEAD}a,1,{written}\n".encode()).rows[0].received_at == meant


@pytest.mark.parametrize("written", ["1", "1.0", "True", "true", "TRUE"])
def test_a_yes_is_taken_as_other_programs_write_it(written: str) -> None:
    assert read_table(f"team,score,received_at,selected\na,1,{TIME},{written}\n".encode()).rows[0].selected


@pytest.mark.parametrize("written", ["", "0", "0.0", "False", "false"])
def test_a_no_is_taken_as_other_programs_write_it(written: str) -> None:
    assert (
        not read_table(f"team,score,received_at,baseline\na,1,{TIME},{written}\n".encode()).rows[0].baseline
    )


@pytest.mark.parametrize(
    "written",
    ["Cafe\N{COMBINING ACUTE ACCENT}", "Café ", "\N{NO-BREAK SPACE}Café", "\tCafé\N{IDEOGRAPHIC SPACE}"],
)
def test_a_name_is_composed_and_without_space_around_it(written: str) -> None:
    assert read_table(f"{HEAD}{written},1,{TIME}\n".encode()).rows[0].team == "Café"


@pytest.mark.parametrize(
    "score", ["", "nan", "NaN", "-nan", "inf", "-Infinity", "n/a", "NA", "None", "null", "1e999"]
)
def test_a_score_that_is_none_is_read_and_is_no_finite_number(score: str) -> None:
    assert not math.isfinite(read_table(f"{HEAD}a,{score},{TIME}\n".encode()).rows[0].score)


@pytest.mark.parametrize("score", ["0,9", "abc", "1_000", "0x1p3", "１２", "--1", "1.2.3", "1 2", "=1", "١"])
def test_a_score_that_is_no_number_is_refused_at_its_line(score: str) -> None:
    assert faults(f'{HEAD}b,1,{TIME}\na,"{score}",{TIME}\n') == [(3, "bad_number")]


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2026-02-30",
        "02/03/2026",
        "1767000000",
        "2026-03-02 25:00",
        "0001-01-01T00:00+10:00",
        "nan",
    ],
)
def test_a_time_that_is_none_is_refused_at_its_line(time: str) -> None:
    assert faults(f"{HEAD}b,1,{TIME}\na,1,{time}\n") == [(3, "bad_time")]


@pytest.mark.parametrize("column", ["team", "score", "received_at"])
def test_a_missing_column_is_named(column: str) -> None:
    left = [name for name in ("team", "score", "received_at") if name != column]
    with pytest.raises(TableProblem, match=f'"{column}"'):
        read_table((",".join(left) + "\na,1\n").encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", [(0, "empty")]),
        (b"\xef\xbb\xbf", [(0, "empty")]),
        (b" \n\n", [(0, "empty")]),
        (HEAD.encode() + b"a,1,\xff\xfe\n", [(2, "not_utf8")]),
        ("팀,점수\n".encode("cp949"), [(1, "not_utf8")]),
        (HEAD.encode("utf-16"), [(1, "not_utf8")]),
        (f'{HEAD}"a,1,{TIME}\n', [(2, "not_csv")]),
        (f'{HEAD}"a"b,1,{TIME}\n', [(2, "not_csv")]),
        (f"{HEAD}{'x' * 200_000},1,{TIME}\n", [(2, "long_value")]),
        (f"{HEAD}{'x' * 100_001},1,{TIME}\n", [(2, "long_name")]),
        ("team,score,score,received_at\n", [(1, "duplicate_column")]),
        (f"{HEAD}a,1\n", [(2, "wrong_width")]),
        (f"{HEAD}a,1,{TIME},\n", [(2, "wrong_width")]),
        (f"{HEAD}a;1;{TIME}\n", [(2, "wrong_width")]),
        (f"{HEAD} ,1,{TIME}\n", [(2, "no_team")]),
        (f"team,score,received_at,baseline\na,1,{TIME},yes\n", [(2, "bad_flag")]),
        (f"team,score,received_at,selected\na,1,{TIME},2\n", [(2, "bad_flag")]),
        (f"team,score,received_at,baseline\na,1,{TIME},1\na,2,{TIME},0\n", [(3, "mixed_team")]),
        (f"team,score,received_at,baseline\na,1,{TIME},0\na,2,{TIME},1\n", [(3, "mixed_baseline")]),
        (f"{HEAD},x,y\n", [(2, "no_team"), (2, "bad_number"), (2, "bad_time")]),
    ],
)
def test_every_fault_has_its_line(text: str | bytes, expected: list[tuple[int, str]]) -> None:
    assert faults(text) == expected


def test_a_table_with_a_header_only_is_an_empty_board() -> None:
    assert read_table(HEAD.encode()).rows == []


def test_many_faults_are_cut_short_and_counted() -> None:
    with pytest.raises(TableProblem) as refused:
        read_table((HEAD + "a,x,2026-03-02\n" * 100).encode())
    said = refused.value.sentences("en")
    assert (len(said), said[-1]) == (21, "And 80 more lines like these.")


def test_a_table_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.leaderboards.core.tables.LIMIT_MEGABYTES", 0)
    assert faults(HEAD) == [(0, "too_large")]


def test_private_scores_are_there_if_any_is_given() -> None:
    head = "team,score,received_at,private_score\n"
    assert not read_table(f"{head}a,1,{TIME},\nb,1,{TIME},\n".encode()).has_private
    assert read_table(f"{head}a,1,{TIME},\nb,1,{TIME},0.5\n".encode()).has_private
    assert read_table(f"{head}a,1,{TIME},0.5\nb,1,{TIME},\n".encode()).has_private


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "1e999", "n/a"])
def test_a_private_score_that_is_no_finite_number_is_none(given: str) -> None:
    head = "team,score,received_at,private_score\n"
    assert not read_table(f"{head}a,1,{TIME},{given}\nb,1,{TIME},\n".encode()).has_private


def test_a_private_score_of_a_baseline_alone_makes_no_private_board() -> None:
    head = "team,score,received_at,private_score,baseline\n"
    assert not read_table(f"{head}a,1,{TIME},,0\nbase,1,{TIME},0.5,1\n".encode()).has_private


def test_what_a_fault_repeats_is_short_and_steers_no_terminal() -> None:
    with pytest.raises(TableProblem) as refused:
        read_table(f"{HEAD}a,\x1b[2J\u202e{'9' * 500}x,{TIME}\n".encode())
    (said,) = refused.value.sentences("en")
    assert printable(said) == said
    assert len(said) < 200


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes) -> None:
    for head in (b"", HEAD.encode()):
        said = ["read"]
        try:
            read_table(head + content)
        except TableProblem as problem:
            said = problem.sentences("ko") + problem.sentences("en")
        assert all(said)


def test_every_sentence_is_there_in_both_languages_with_the_same_values() -> None:
    for both in SENTENCES.values():
        assert both.keys() == {"en", "ko"}
        values = [sorted(part.split(")")[0] for part in text.split("%(")[1:]) for text in both.values()]
        assert values[0] == values[1]
