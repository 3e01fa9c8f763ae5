import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.errors import TooLarge
from lms.leaderboards.core.predictions import (
    MOST_FAULTS,
    BadPredictions,
    Column,
    Form,
    Kind,
    Table,
    _csv_rows,
    _filled,
    _read_at_once,
    read_predictions,
)

IDS = {"a": 0, "b": 1, "c": 2}
DIGIT = Column("digit", Kind.LABEL, frozenset({"0", "1", "7"}))
LABELS = Form("id", (DIGIT,), IDS)
NUMBERS = Form("id", (Column("price", Kind.NUMBER),), IDS)
CHANCES = Form("id", (Column("chance", Kind.PROBABILITY),), IDS)


def faults(content: bytes, form: Form = LABELS) -> list[tuple[int | None, str]]:
    with pytest.raises(BadPredictions) as refused:
        read_predictions(content, form)
    assert refused.value.params["count"] == len(refused.value.faults)
    return [(fault.line, fault.message % fault.params) for fault in refused.value.faults]


@pytest.mark.parametrize(
    "content",
    [
        b"id,digit\na,0\nb,1\nc,7\n",
        b"\xef\xbb\xbfid,digit\r\na,0\r\nb,1\r\nc,7",
        b"digit,id\n7,c\n0,a\n1,b\n\n",
        b'"id" , digit\na, 0 \n b,1\nc,7\n',
        b'[{"id": "a", "digit": 0}, {"id": "c", "digit": "7"}, {"digit": 1, "id": "b"}]',
        b' {"id": ["b", "a", "c"], "digit": ["1", "0", "7"]}',
    ],
)
def test_one_table_has_many_ways_to_be_written(content: bytes) -> None:
    form = Form("id", (DIGIT,), IDS)
    if content.startswith(b'"id" '):  # quotation marks end before the space
        assert faults(content)[0][0] == 1
    else:
        assert read_predictions(content, form) == {"digit": ["0", "1", "7"]}


def test_numbers_are_read_to_the_last_digit() -> None:
    found = read_predictions(b"id,price\na,0.1\nb,-1e-300\nc,123456789.123456789\n", NUMBERS)
    assert found == {"price": [0.1, -1e-300, 123456789.123456789]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [(None, "The file is empty. Send one row for each id.")]),
        (
            b"id,digit\na,0\nb,\xff\nc,7",
            [(3, "This is not UTF-8 text. Save the file as CSV (UTF-8) and send it again.")],
        ),
        (
            b"id,digit\na,0\nb,\0\n",
            [(3, "There is a zero character. Save the file as plain CSV and send it again.")],
        ),
        (b"id\na\n", [(1, 'The column "digit" is missing. The first line must name: id, digit.')]),
        (b"id,digit,x\na,0,1\n", [(1, 'The column "x" is not asked for. Leave it out.')]),
        (b"id,digit,digit\na,0,1\n", [(1, 'The column "digit" stands there twice.')]),
        (b"id,digit\na,0,9\n", [(2, "There are 3 values where the header names 2 columns.")]),
        (b'id,digit\na,"0\n', [(2, "This line cannot be read as CSV. Check its quotation marks.")]),
        (b"id,digit\na,0\nb,1\n", [(None, 'Ids that are missing: 1, the first of them "c".')]),
        (b"id,digit\na,0\nb,1\nc,7\nd,0\n", [(5, 'The id "d" is not among those asked for.')]),
        (b"id,digit\na,0\nb,1\nc,7\na,1\n", [(5, 'The id "a" stood already in line 2.')]),
        (b"id,digit\na,0\nb,1\nc,8\n", [(4, '"8" in "digit" is not one of the classes.')]),
        (b"id,digit\na,0\nb,\nc,7\n", [(3, '"" in "digit" is not one of the classes.')]),
        (b'{"id": ["a"], "digit": 3}', [(None, "Each column must be a list, all of the same length.")]),
        (b'{"id": ["a"], "digit": []}', [(None, "Each column must be a list, all of the same length.")]),
        (b'[{"id": "a"}]', [(1, "Each row must be an object with: id, digit.")]),
        (b"[3]", [(1, "Each row must be an object with: id, digit.")]),
        (b'[{"id": "a",\n]', [(2, "This line cannot be read as JSON.")]),
        (b"[" * 1_000_000, [(None, "This cannot be read as a table in JSON.")]),
        (b"[" + b"9" * 5_000 + b"]", [(None, "This cannot be read as a table in JSON.")]),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value[0][1])[:40],
)
def test_each_fault_has_its_line(content: bytes, expected: list[tuple[int | None, str]]) -> None:
    assert faults(content) == expected


@pytest.mark.parametrize(
    "value", ["nan", "NaN", "inf", "-Infinity", "1e999", "", "1_000", "٣", "0x10", "True", "1,5", "=1+1"]
)
@pytest.mark.parametrize("form", [NUMBERS, CHANCES], ids=["number", "probability"])
def test_what_is_no_finite_number_is_refused(value: str, form: Form) -> None:
    cell = f'"{value}"'
    content = f"id,{form.columns[0].name}\na,0\nb,{cell}\nc,1\n".encode()
    assert [line for line, _ in faults(content, form)] == [3]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "true", "null", "[1]", '{"a": 1}', '"nan"'])
def test_json_holds_no_more_numbers_than_csv(value: str) -> None:
    content = f'{{"id": ["a", "b", "c"], "price": [0, {value}, 1]}}'.encode()
    assert [line for line, _ in faults(content, NUMBERS)] == [2]


@pytest.mark.parametrize("value", ["-0.001", "1.0001", "50%"])
def test_a_probability_lies_between_0_and_1(value: str) -> None:
    assert faults(f"id,chance\na,0\nb,{value}\nc,1\n".encode(), CHANCES)[0][0] == 3


def test_many_faults_are_counted_and_the_first_are_shown() -> None:
    content = "id,digit\n" + "".join(f"x{number},0\n" for number in range(1000))
    with pytest.raises(BadPredictions) as refused:
        read_predictions(content.encode(), LABELS)
    assert len(refused.value.faults) == MOST_FAULTS
    assert refused.value.params["count"] == 1001  # and three ids are missing, which is one fault


def test_a_file_that_its_rows_do_not_need_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        read_predictions(b"id,digit\n" + b" " * (2 << 20), LABELS)


def test_a_hostile_value_is_shown_short_and_without_control_characters() -> None:
    content = ("id,digit\na,0\nb,1\nc,\x1b[31m" + "z" * 500 + "\u202e\n").encode()
    ((_, sentence),) = faults(content)
    assert len(sentence) < 100
    assert sentence.isprintable()


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(str.strip),
        min_size=1,
        unique=True,
    ),
    st.randoms(use_true_random=False),
)
def test_what_csv_can_hold_comes_back_in_the_order_of_the_truth(names: Sequence[str], order: object) -> None:
    names = [name for name in names if name]
    if not names:
        return
    rows = [(name, number / 7) for number, name in enumerate(names)]
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    form = Form("id", (Column("y", Kind.NUMBER),), {name: at for at, name in enumerate(names)})
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("id", "y"), *shuffled])
    expected = {"y": [value for _, value in rows]}
    assert read_predictions(text.getvalue().encode(), form) == expected
    plain = json.dumps([{"id": name, "y": value} for name, value in shuffled], ensure_ascii=False)
    assert read_predictions(plain.encode(), form) == expected


def _outcome(read: Callable[[], Table]) -> object:
    try:
        return read()
    except BadPredictions as refused:
        return refused.faults


CELLS = st.sampled_from(["0", "1", "7", " 1", "2", "", "0.5", "1e3", "1_0", "nan", "１", '"7"', "a,b"])


@given(
    st.permutations(["id", "y"]),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", " a", "d"]), CELLS), min_size=2, max_size=4),
    st.sampled_from(
        [DIGIT, Column("y", Kind.LABEL), Column("y", Kind.NUMBER), Column("y", Kind.PROBABILITY)]
    ),
    st.sampled_from(["", "\n", "\n\n"]),
)
def test_a_file_read_at_once_says_what_its_rows_say(
    header: list[str], rows: list[tuple[str, str]], column: Column, end: str
) -> None:
    form = Form("id", (replace(column, name="y"),), IDS)
    lines = [",".join(dict(zip(["id", "y"], row, strict=True))[name] for name in header) for row in rows]
    content = "\n".join([",".join(header), *lines]) + end
    by_rows, in_all = (_outcome(read) for read in (
        lambda: _filled(_csv_rows(content, form), form), lambda: read_predictions(content.encode(), form)
    ))  # fmt: skip
    assert in_all == by_rows


def test_a_usual_file_is_read_at_once() -> None:
    assert _read_at_once("digit,id\n7,c\n0,a\n1,b\n", LABELS) == {"digit": ["0", "1", "7"]}


@pytest.mark.parametrize("label", ["\ud800", "a\0b"])
def test_a_label_that_nobody_can_write_down_is_refused(label: str) -> None:
    form = Form("id", (Column("word", Kind.LABEL),), IDS)
    rows = [{"id": name, "word": label} for name in IDS]
    assert len(faults(json.dumps(rows).encode(), form)) == 3


WORDS = Form("id", (Column("word", Kind.LABEL),), {"a": 0})
NO_CLASSES = [
    "nan",
    "NaN",
    "-inf",
    "Infinity",
    "",
    " ",
    "1.0",
    "-.5",
    "2.",
    "1.5e3",
    "None",
    "<NA>",
    "NaT",
    "a\x1b[2J",
]


def as_files(cell: str) -> list[bytes]:
    """One cell in each form that holds text."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("id", "word"), ("a", cell)])
    return [
        text.getvalue().encode(),
        *(json.dumps(j).encode() for j in ([{"id": "a", "word": cell}], {"id": ["a"], "word": [cell]})),
    ]


@pytest.mark.parametrize("cell", NO_CLASSES)
def test_what_is_no_class_is_refused_with_its_line_in_every_form(cell: str) -> None:
    for content, line in zip(as_files(cell), (2, 1, 1), strict=True):
        ((found, said),) = faults(content, WORDS)
        assert found == line
        assert "is no class. Classes are text or whole numbers" in said


@pytest.mark.parametrize(
    "cell", ["1", "-7", "007", "none", "2023_01", "1.2.3", "v1.0", "1e5", "북쪽", "👩\u200d🔬", "True"]
)
def test_text_and_whole_numbers_are_classes_in_every_form(cell: str) -> None:
    assert [read_predictions(content, WORDS) for content in as_files(cell)] == [{"word": [cell]}] * 3


@pytest.mark.parametrize(
    ("said", "cells"),
    [("1", ["1", "7", "0"]), ("1.0", ["1.0", "7.0", "0.0"]), ("true", ["True", "False", "True"])],
)
def test_values_of_other_types_are_classes_as_their_text_is(said: str, cells: list[str]) -> None:
    form = Form("id", (Column("word", Kind.LABEL),), IDS)
    values = [json.loads(cell.lower()) for cell in cells]
    typed = json.dumps({"id": list(IDS), "word": values}).encode()
    text = "id,word\n" + "".join(f"{name},{cell}\n" for name, cell in zip(IDS, cells, strict=True))
    if said == "1.0":
        assert len(faults(typed, form)) == len(faults(text.encode(), form)) == 3
    else:
        assert read_predictions(typed, form) == read_predictions(text.encode(), form) == {"word": cells}


def test_classes_that_an_author_names_may_look_like_anything() -> None:
    form = Form("id", (Column("word", Kind.LABEL, frozenset({"1.0", "nan"})),), {"a": 0, "b": 1})
    assert read_predictions(b"id,word\na,nan\nb,1.0\n", form) == {"word": ["nan", "1.0"]}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"id,digit,digit\na,0,1\nb,1,1\nc,7,7\n", 1),
        (b'{"id": ["a", "b", "c"], "digit": [0, 1, 7], "digit": [1, 1, 1]}', None),
        (b'[{"id": "a", "digit": 0}, {"id": "b", "digit": 1, "digit": 7}, {"id": "c", "digit": 7}]', 2),
    ],
)
def test_a_column_that_stands_there_twice_is_refused_in_every_form(content: bytes, line: int | None) -> None:
    assert faults(content) == [(line, 'The column "digit" stands there twice.')]


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_crash(content: bytes) -> None:
    for start in (b"", b"id,digit\n", b"[", b"{"):
        with pytest.raises(BadPredictions):
            read_predictions(start + content, LABELS)


def test_a_header_of_very_many_names_is_refused_quickly() -> None:
    header = ",".join(f"c{number}" for number in range(100_000))
    begun = time.process_time()
    with pytest.raises(BadPredictions):
        read_predictions(header.encode(), LABELS)
    assert time.process_time() - begun < 5
