import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.failures import (
    FAILURES,
    LONGEST,
    NO_PARQUET,
    SCORER_FAILED,
    EntryFailed,
    is_own,
    names_in,
    read_failure,
    sentences,
    write_failure,
)


@given(
    st.sampled_from(sorted(FAILURES)),
    st.dictionaries(st.sampled_from(["cell", "error"]), st.text() | st.integers()),
)
def test_a_failure_fits_in_one_line_and_comes_back(code: str, params: dict[str, str | int]) -> None:
    line = write_failure(EntryFailed(code, **params))
    message, found = read_failure(line)
    assert len(line) <= LONGEST
    assert message == FAILURES[code]
    assert set(found) == set(params)


def test_what_is_long_is_cut_and_the_rest_is_kept() -> None:
    line = write_failure(EntryFailed("cell_failed", cell=3, error="x" * 5000))
    _, found = read_failure(line)
    assert found["cell"] == 3
    assert str(found["error"]).endswith("…")


HOSTILE: dict[str, dict[str, str | int]] = {
    "many empty values": {f"k{number}": "" for number in range(60)},
    "many short values": {f"k{number}": "ab" for number in range(200)},
    "a long name": {"k" * 5000: ""},
    "half a character": {"reason": "\ud800" * 400, "\udfff": "x"},
    "a number of thousands of digits": {"columns": 1 << 20_000},
}


@pytest.mark.parametrize("params", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_cut_ends_in_a_line_that_can_be_kept(params: dict[str, str | int]) -> None:
    line = write_failure(EntryFailed("model_failed", **params))
    assert len(line) <= LONGEST
    assert line.encode()
    assert read_failure(line)[0] == FAILURES["model_failed"]


def test_the_names_of_a_sentence_are_known() -> None:
    assert names_in("model_unreadable") == {"version", "reason"}
    assert names_in("model_range") == set()


def test_what_an_entry_failed_by_itself_is_known_from_what_others_caused() -> None:
    others = [write_failure(EntryFailed(code)) for code in ("no_file", NO_PARQUET)]
    assert [is_own(line) for line in others] == [False] * 2
    assert is_own(SCORER_FAILED)  # predictions can be made for that
    assert is_own("not_finite")
    assert is_own(write_failure(EntryFailed("cell_failed", cell=3, error="KeyError")))


def test_a_fault_of_one_row_is_told_with_its_row() -> None:
    told = sentences(write_failure(EntryFailed('"%(value)s" is wrong.', value="x", line=7)))
    assert [message % params for message, params in told] == ["Row 7:", '"x" is wrong.']
    assert sentences("") == []
    assert len(sentences("not_finite")) == 1


def test_a_line_of_an_older_release_is_shown_as_it_stands() -> None:
    assert read_failure("not_finite") == (FAILURES["not_finite"], {})
    assert read_failure("something else") == ("something else", {})
