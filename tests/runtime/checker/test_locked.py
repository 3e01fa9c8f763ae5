"""Locked cells in the checker: what is its own, what stays the student's, what is not run."""

import ast

import pytest

from lms.runtime.inside.locked import order
from lms.runtime.kernel import RunStatus
from tests.runtime.checker.pairs import PlainPair

CELL = """
import math as m
from collections import deque
LIMIT = 10
table = [1, 2, 3]
table.append(4)
unused = sum(range(10))
def helper(x): return x + LIMIT
class Thing: pass
try:
    import nothing_like_it as extra
except ImportError:
    extra = None
total = sum(table)
"""


def decided(cell: str, student: set[str], needed: set[str] | None) -> dict[str, bool | None]:
    return {
        ast.unparse(one.node).splitlines()[0]: runs for one, runs in order(ast.parse(cell), student, needed)
    }


def test_definitions_are_always_run_and_what_they_mention_is_needed() -> None:
    assert decided(CELL, set(), set()) == {
        "import math as m": True,
        "from collections import deque": True,
        "LIMIT = 10": True,
        "table = [1, 2, 3]": None,
        "table.append(4)": None,
        "unused = sum(range(10))": None,
        "def helper(x):": True,
        "class Thing:": True,
        "try:": True,
        "total = sum(table)": None,
    }


def test_what_a_needed_name_is_made_of_is_run_too() -> None:
    found = decided(CELL, set(), {"total"})
    assert [name for name, runs in found.items() if runs is None] == ["unused = sum(range(10))"]
    assert all(decided(CELL, set(), None).values())


@pytest.mark.parametrize(
    ("cell", "student", "run"),
    [
        ("x = 1\ny = x + 1\nz = y", {"x"}, [False, False, False]),
        ("def f(): return x\ny = 2", {"x"}, [True, True]),
        ("def f(a=x): return a\nf()", {"x"}, [False, False]),
        ("class A(B): pass", {"B"}, [False]),
        ("@deco\ndef f(): pass", {"deco"}, [False]),
        ("get_ipython().run_line_magic('x', '')\ny = 1", set(), [False, True]),
        ("from a import *", set(), [True]),
    ],
)
def test_statements_that_need_the_students_names_are_left_to_the_student(
    cell: str, student: set[str], run: list[bool]
) -> None:
    assert list(decided(cell, student, None).values()) == run


def test_definitions_of_locked_cells_cannot_be_shadowed(pair: PlainPair) -> None:
    pair.locked("import math\nRATE = 2\ndef expected(x): return x * RATE\nnames = ['a']")
    pair.cell(
        "RATE = 0\nexpected = lambda x: 0\nmath.sqrt = lambda x: 0\nnames.append('b')\ndef f(x): return 0"
    )
    pair.passes("assert expected(3) == 6 and RATE == 2 and math.sqrt(4) == 2 and names == ['a']", allowed=())
    assert pair.fails("assert f(3) == expected(3)", allowed=()).error == ("AssertionError", "")


def test_variables_that_the_solution_changes_are_the_students(pair: PlainPair) -> None:
    pair.locked("log = []\ncount = 0\ndef seen(): return len(log)\nstart = count + 1", {"log", "count"})
    pair.cell("log.append('x'); count = 5")
    pair.passes("assert log == ['x'] and count == 5 and seen() == 1 and start == 1", allowed=())


def test_a_locked_statement_that_fails_leaves_no_gap_for_the_student(pair: PlainPair) -> None:
    pair.student.run("answer = 42\nother = 1")
    done = pair.checker.prepare("first = 1\nanswer = 1 / 0\nother = 2")
    assert (done.status, done.error) == (RunStatus.ERROR, ("ZeroDivisionError", "division by zero"))
    pair.passes("assert first == 1")
    assert pair.fails("answer").error == ("NameError", "name 'answer' is not defined")
    assert pair.fails("other").error == ("NameError", "name 'other' is not defined")


def test_what_nobody_needs_is_not_run_and_not_the_students_either(pair: PlainPair) -> None:
    pair.locked("costly = 1\nused = 2", needed={"used"})
    assert pair.passes("used").result == "2"
    assert pair.fails("costly").error == ("NameError", "name 'costly' is not defined")


def test_a_locked_cell_that_does_not_end_is_ended(pair: PlainPair) -> None:
    done = pair.checker.prepare("while True: pass", seconds=0.3)
    assert done.status is RunStatus.TIME
    assert pair.checker.prepare("x = 1").status is RunStatus.OK
