"""What people write is fit to be kept, shown and found."""

import pytest

from lms.errors import Invalid
from lms.leaderboards.services.wording import line, prose, reason, words


def test_what_no_database_takes_and_nobody_sees_is_left_out() -> None:
    assert words(" a\x00b\r\nc\td\u202e\u200b ", 9) == "ab\nc\td"
    assert reason("be\x00cause", 9) == "because"
    assert line("a\x00 \n b", 9) == "a b"


def test_joiners_that_a_script_needs_are_kept() -> None:
    assert words("می\u200cخواهم 👩\u200d🌾", 20) == "می\u200cخواهم 👩\u200d🌾"


@pytest.mark.parametrize(
    "text", ["", " \n", "\u200b\u2060", "\x00", "\u200d", "\u3164", "\u2800 \u3164", "\u0301"]
)
def test_what_cannot_be_seen_is_nothing(text: str) -> None:
    for said in (words, prose, line, reason):
        with pytest.raises(Invalid):
            said(text, 100)


@pytest.mark.parametrize(
    "text",
    ["#\n" * 4500, "$a$ " * 2000, "[a]: https://example.org/" + "x" * 2000 + "\n\n" + "[a] " * 1000],
    ids=["headings", "formulas", "links"],
)
def test_what_would_be_shown_as_far_more_than_was_written_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="to be shown") as refused:
        prose(text, 10_000)
    assert refused.value.field == "text"
    assert words(text, 10_000), "what is no Markdown is not asked"


def test_an_ordinary_long_text_is_taken() -> None:
    table = "| a | b |\n|--|--|\n| 1 | 2 |"
    part = f"## Part\n\nWe grew **300 trees** of depth $d=6$ ([how](https://example.org/how)).\n\n{table}\n\n"
    assert prose(part * 300, 40_000)
