import pytest

from lms.grading.core.names import needed_names, student_names

LOCKED = """
import numpy as np
import pandas as pd
raw = pd.read_csv("data/rows.csv")
history, rate = [], 0.1
model = make_model()
for step in range(3):
    last = step
def helper(x): return raw
class Shape: side = 1
"""


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("raw = raw.dropna()", {"raw"}),
        ("rate += 1", {"rate"}),
        ("raw['new'] = 1", {"raw"}),
        ("raw.columns = []", {"raw"}),
        ("del history[0]", {"history"}),
        ("del rate", {"rate"}),
        ("history.append(1)", {"history"}),
        ("last_one = history.pop()", {"history"}),
        ("raw.drop(columns='a', inplace=True)", {"raw"}),
        ("clean = raw.drop(columns='a', inplace=False)", set()),
        ("np.add(1, 2, out=raw.values)", {"raw"}),
        ("np.random.shuffle(history)", {"history"}),
        ("for rate in [1]: pass", {"rate"}),
        ("with open('x') as last: pass", {"last"}),
        ("if (rate := 2): pass", {"rate"}),
        ("def add(x):\n    history.append(x)", {"history"}),
        ("def add(x):\n    global rate\n    rate = x", {"rate"}),
        ("class Student:\n    def add(self):\n        history.append(1)", {"history"}),
        ("async def add():\n    history[0] = 1", {"history"}),
    ],
)
def test_a_name_that_the_solution_changes_is_the_students(solution: str, expected: set[str]) -> None:
    assert set(student_names([LOCKED], [solution])) == expected


@pytest.mark.parametrize(
    "solution",
    [
        "print(raw, history)",
        "raw.head(3)",
        "answer = raw.sum()",
        "model.predict(raw)['x'] if rate else history",
        "def own(history):\n    history.append(1)",
        "def own():\n    history = []\n    history.append(1)",
        "own = [rate for rate in history]",
        "own = lambda history: history.append(1)",
        "class Own:\n    rate = 3",
        "scaler.fit(raw)",
        "results.append(raw)",
        "def helper(x): return x",
        "np.random.seed(0)",
        "def broken(:",
        "",
    ],
)
def test_a_name_that_is_only_used_stays_the_authors(solution: str) -> None:
    assert student_names([LOCKED], [solution]) == ()


def test_magics_hide_nothing() -> None:
    assert student_names(["%matplotlib inline\nx = 1"], ["!ls\nx = 2"]) == ("x",)


def test_tests_need_what_they_mention_and_what_that_is_made_of() -> None:
    locked = ["import math\nbase = 2\nwide = base + 1\nother = 5", "def half(x): return x / wide"]
    needed = needed_names(["assert half(3) == math.pi and 'name' in globals()"], locked)
    assert needed is not None
    assert {"half", "wide", "base", "math", "name"} <= needed
    assert "other" not in needed


def test_a_test_that_cannot_be_read_needs_everything() -> None:
    assert needed_names(["assert ("], ["x = 1"]) is None
