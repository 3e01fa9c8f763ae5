import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.leaderboards.core.loss_tables import losses_of, read_losses, read_outcomes
from lms.leaderboards.core.tables import TableProblem


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(TableProblem) as refused:
        read_losses(text.encode())
    assert all(refused.value.sentences("ko"))
    return [(one.line, one.code) for one in refused.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "team,losses\na,010\nb,1 0 1\n",
        "team,i1,i2,i3\na,0,1,0\nb,1,0,1\n",
        "team , losses\r\na,0 1 0\r\nb,101\r\n",
    ],
)
def test_both_forms_say_the_same(text: str) -> None:
    found = read_losses(text.encode())
    assert {team: losses.tolist() for team, losses in found.items()} == {"a": [0, 1, 0], "b": [1, 0, 1]}
    assert {losses.dtype for losses in found.values()} == {np.dtype(np.uint8)}


def test_losses_may_be_any_finite_numbers() -> None:
    found = read_losses(b"team,losses\na,0.25 -1e-3\nb,1 0\n")
    assert losses_of(found, ["b", "a"], frozenset("ab")).tolist() == [[1, 0], [0.25, -0.001]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(0, "empty")]),
        ("name,losses\n", [(1, "missing_column")]),
        ("team\na\n", [(1, "no_items")]),
        ("team,losses\na,\n", [(2, "no_items")]),
        ("team,losses\na,012\n", []),
        ("team,losses\na,0 x\n", [(2, "bad_loss")]),
        ("team,losses\na,0 nan\n", [(2, "bad_loss")]),
        ("team,x,y\na,0,inf\n", [(2, "bad_loss")]),
        ("team,x,y\na,0,\n", [(2, "bad_loss")]),
        ("team,x,y\na,0\n", [(2, "wrong_width")]),
        ("team,losses\n,01\n", [(2, "no_team")]),
        ("team,losses\na,01\na,01\n", [(3, "duplicate_team")]),
        ("team,losses\na,01\na ,01\n", [(3, "duplicate_team")]),
        ("team,losses\na,01\nb,011\nc,0\n", [(3, "other_items"), (4, "other_items")]),
    ],
)
def test_every_fault_has_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    if expected:
        assert faults(text) == expected
    else:  # one number, not three characters
        assert read_losses(text.encode())["a"].tolist() == [12.0]


def test_losses_must_be_there_for_every_team_and_for_no_other() -> None:
    found = read_losses(b"team,losses\na,01\nb,10\n")
    with pytest.raises(TableProblem, match='"c" are missing'):
        losses_of(found, ["a", "c"], frozenset("abc"))
    with pytest.raises(TableProblem, match='"b" is not in the table'):
        losses_of(found, ["a"], frozenset("a"))


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_submission_is_a_line_of_zeros_and_ones(end: bytes) -> None:
    assert read_outcomes(1, b"0110" + end, 4).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("content", "expected", "said"),
    [
        (b"0120\n", 4, 'Character 3 is "2"'),
        ("01가0\n".encode(), None, 'Character 3 is "가"'),
        (b"01\xff0\n", None, "Character 3 is"),
        (b"0 1\n", None, 'Character 2 is " "'),
        (b"01\x1b[2J", None, "Character 3 is"),
        (b"\n", None, "empty"),
        (b"010\n", 4, "3 characters, but 4"),
    ],
)
def test_any_other_line_is_refused(content: bytes, expected: int | None, said: str) -> None:
    with pytest.raises(TableProblem, match=said) as refused:
        read_outcomes(7, content, expected)
    (sentence,) = refused.value.sentences("en")
    assert sentence.startswith("line 7: ")
    assert sentence.isprintable()


def test_a_line_longer_than_any_test_set_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.leaderboards.core.loss_tables.MOST_ITEMS", 3)
    with pytest.raises(TableProblem, match="more than 3"):
        read_outcomes(1, b"0101", None)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_with_a_sentence(content: bytes) -> None:
    for read in (lambda: read_losses(b"team,losses\n" + content), lambda: read_outcomes(1, content, None)):
        said = ["read"]
        try:
            read()
        except TableProblem as problem:
            said = problem.sentences("ko") + problem.sentences("en")
        assert all(said)
