"""What a stranger's notebook printed becomes text that is bounded and steers nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.run_logs import (
    FIRST_BYTES,
    LAST_BYTES,
    LOG_BYTES,
    NAME_CHARACTERS,
    OUTCOMES,
    TEXT_BYTES,
    CellLog,
    RunLog,
    bounded,
    cell_log,
    readable,
    readable_name,
    sentences,
)
from lms.runtime.outputs import CELL_BYTES, MOST_OUTPUTS, LastTexts


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def failure(*traceback: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": list(traceback)}


@given(st.text())
def test_whatever_was_printed_steers_no_terminal_and_turns_nothing_around(text: str) -> None:
    shown = readable(text)
    assert all(one.isprintable() or one in "\n\t" for one in shown)
    assert readable(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P"]) | st.sampled_from(" \n"), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://x.example\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never closed", ""),
        ("\x1bcreset \x1b(Bset", "reset set"),
        ("\x9b2Jgone", "gone"),
        ("1%\r2%\r3%\n", "3%\n"),
        ("1%\r2%\r", "2%"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\u2028b\x0bc", "a\nb\nc"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\u202eabc\u2066\u200b", "\ufffdabc\ufffd\ufffd"),
        ("\x00\x07\x08", "\ufffd\ufffd\ufffd"),
        ("\ud800", "\ufffd"),
        ("한글 👍 <b>", "한글 👍 <b>"),
    ],
)
def test_what_a_terminal_does_with_it_is_done_or_left_out(printed: str, shown: str) -> None:
    assert readable(printed) == shown


def test_a_name_is_one_short_line() -> None:
    assert readable_name("A\nB\x1b[0m") == "A B"
    assert len(readable_name("x" * 1000)) == NAME_CHARACTERS


def test_a_cell_that_says_nothing_has_no_log() -> None:
    assert cell_log(3, []) is None
    picture = {"output_type": "display_data", "data": {"image/png": "aGk="}}
    assert cell_log(3, [picture, stream("\n \n".strip(" \n"))]) is None


def test_an_error_without_a_traceback_is_still_told() -> None:
    assert cell_log(3, [failure()]) == CellLog(3, "", "KeyError: 'a'")


def test_of_long_texts_whole_lines_of_the_end_and_of_tracebacks_both_ends_are_kept() -> None:
    found = cell_log(
        2, [stream("".join(f"줄 {at}\n" for at in range(5000))), failure("first", "m" * 50_000, "last")]
    )
    assert found is not None
    assert found.cut
    assert len(found.text.encode()) <= TEXT_BYTES
    assert found.text.startswith("줄 ")
    assert found.text.endswith("줄 4999")
    assert (found.traceback[:5], found.traceback[-4:]) == ("first", "last")
    assert len(found.traceback.encode()) <= FIRST_BYTES + LAST_BYTES + 10
    one_line = cell_log(2, [stream("x" * 10_000)])
    assert one_line == CellLog(2, "x" * TEXT_BYTES, cut=True)


def test_a_log_holds_the_last_cells() -> None:
    cells = [CellLog(number, "x" * TEXT_BYTES) for number in range(100)]
    kept = bounded(RunLog("failed", {"cell": 99, "error": "KeyError"}, cells, 30))
    assert [cell.number for cell in kept.cells] == list(range(92, 100))
    assert sum(cell.size for cell in kept.cells) <= LOG_BYTES
    assert kept.params == {"cell": 99, "error": "KeyError", "no_room": 92}
    said = [message for message, _ in sentences(kept.outcome, kept.params)]
    assert said[1:] == ["Earlier cells said something too, for which there was no room."]
    short = RunLog("ended", {}, tuple(cells[:8]))
    assert bounded(short) == short
    assert bounded(RunLog("ended", {})) == RunLog("ended", {})


def test_every_outcome_is_said_with_its_parameters() -> None:
    params: dict[str, Any] = {
        "cell": 3, "error": "KeyError", "seconds": 30, "file": "submission.csv", "limit": 4
    }  # fmt: skip
    for code in OUTCOMES:
        for message, values in sentences(code, params):
            assert "%(" not in message % values
    fault = {**params, "line": 2, "fault": "%(count)d ids", "with": {"count": 3}}
    assert [message % given for message, given in sentences("bad_file", fault)][1:] == ["Line 2:", "3 ids"]
    assert len(sentences("bad_file", {**fault, "line": None})) == 2


@pytest.mark.parametrize(
    ("fewer", "second"),
    [(True, "They are fewer than when it counts."), (False, "They are as many as when it counts.")],
)
def test_a_time_is_called_shorter_only_where_it_is(*, fewer: bool, second: str) -> None:
    said = sentences("time", {"cell": 3, "seconds": 20, "fewer": fewer})
    assert said[0][0].endswith("seconds of this run were over.")
    assert [message for message, _ in said[1:]] == [second]


@pytest.mark.parametrize("outcome", ["ended", "not_looked"])
def test_what_ran_to_its_end_does_not_prove_where_the_fault_is(outcome: str) -> None:
    said = " ".join(message for message, _ in sentences(outcome, {"limit": 4}))
    assert "not compared" in said or "not looked through" in said
    assert "Hidden files may be otherwise" in said
    assert "only" not in said.replace("only CSV and JSON", "")


def taken(*messages: tuple[str, dict[str, Any]]) -> LastTexts:
    outputs = LastTexts()
    for kind, content in messages:
        outputs.take(kind, content, len(str(content)))
    return outputs


def printed(text: str) -> tuple[str, dict[str, Any]]:
    return "stream", {"name": "stdout", "text": text}


def test_the_last_of_what_is_printed_is_kept_and_the_error_after_it() -> None:
    error = ("error", {"ename": "E", "evalue": "v", "traceback": ["a", "b" * 100_000, "c"]})
    outputs = taken(*(printed("가" * 10_000) for _ in range(20)), printed("the end"), error)
    assert outputs.truncated
    assert outputs.kept_bytes <= CELL_BYTES
    text, told = outputs.outputs
    assert text["text"].endswith("가the end")
    assert (told["traceback"][0], told["traceback"][-1]) == ("a", "c")
    assert outputs.error == ("E", "v")


def test_values_are_kept_as_text_and_thousands_of_them_are_too_many() -> None:
    value = ("execute_result", {"data": {"text/plain": "7", "text/html": "<b>7</b>", "image/png": "x" * 99}})
    [kept] = taken(value).outputs
    assert kept["data"] == {"text/plain": "7"}
    many = taken(*([value] * (MOST_OUTPUTS + 5)))
    assert len(many.outputs) == MOST_OUTPUTS
    assert many.truncated


def test_what_was_cleared_takes_no_room() -> None:
    outputs = taken(printed("x" * CELL_BYTES), ("clear_output", {"wait": False}), printed("new"))
    assert [one["text"] for one in outputs.outputs] == ["new"]
    assert (outputs.kept_bytes, outputs.truncated) == (3, False)


@given(
    st.lists(
        st.tuples(st.sampled_from(["stream", "execute_result", "error"]), st.text(max_size=9)), max_size=40
    )
)
def test_what_is_counted_is_what_is_kept(said: list[tuple[str, str]]) -> None:
    outputs = LastTexts()
    outputs._limit = 60
    for kind, text in said:
        content = {"text": text, "data": {"text/plain": text}, "evalue": "", "traceback": [text]}
        outputs.take(kind, content, 1)
    sizes = [
        len(one["text"].encode()) if one["output_type"] == "stream"
        else sum(len(line.encode()) for line in one.get("traceback", one.get("data", {}).values()))
        for one in outputs.outputs
    ]  # fmt: skip
    assert outputs.kept_bytes == sum(sizes) <= 60
