"""Honest notebooks of every shape keep all their points, whatever the red team made us refuse."""

from typing import Any

import pytest

from tests.grading.core.making import cell
from tests.redteam.arena import Arena, wrong
from tests.redteam.lab import FULL, SOLUTIONS, find

pytestmark = pytest.mark.jail
Cells = list[dict[str, Any]]

FIRST = {
    "warnings": "import warnings\nwarnings.warn('careful')\nwarnings.simplefilter('always')",
    "prints": "for number in range(500): print('line', number)",
    "a plot": "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
    "a figure that stays open": "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
    "figure, axes = plt.subplots()\naxes.imshow([[1, 2], [3, 4]])\nfigure",
    "names of the tests' own": "said = given = words = earned = kept = table = 'mine'",
    "an alias of a library": "import numpy\nimport pandas as panda\nfrom math import *",
    "display options": "import pandas as pd, numpy as np\npd.set_option('display.max_rows', 3)\n"
    "np.set_printoptions(precision=2)",
    "a seed": "import random, numpy as np\nrandom.seed(1)\nnp.random.seed(1)\nnp.random.rand(3)",
    "a file of its own": "open('notes.txt', 'w').write('mine')\nopen('notes.txt').read()",
    "open data": "import csv\nlist(csv.reader(open('data/table.csv')))",
    "a thread pool": "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, -2])))",
    "a child process": "import subprocess, sys\n"
    "print(subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout)",
    "top-level await": "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')",
    "an error of its own": "1 / 0",
    "magic": "%time sum(range(10))\n!echo hello",
}


@pytest.mark.parametrize("first", FIRST)
def test_a_cell_of_ones_own_costs_nothing(arena: Arena, first: str) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[FIRST[first]]))
    assert graded.scores == FULL, wrong(first, graded)


ANSWERS: dict[str, dict[str, str]] = {
    "numpy numbers": {
        "squares-answer": "import numpy as np\ndef squares(n):\n    if n < 1: raise ValueError\n"
        "    return list(np.arange(1, n + 1) ** 2)",
        "double-answer": "import numpy as np\ndef double(number): return np.int64(number) * 2",
        "rate-answer": "import numpy as np\ndef rate(): return np.float64(2)",
        "shout-answer": "import numpy as np\ndef shout(text): return np.str_(text.upper() + '!')",
    },
    "a class behind it": {
        "squares-answer": "class Squarer:\n    def __init__(self, n):\n"
        "        if n < 1: raise ValueError('small')\n"
        "        self.n = n\n    def all(self): return [k * k for k in range(1, self.n + 1)]\n"
        "def squares(n): return Squarer(n).all()",
    },
    "a callable object": {
        "double-answer": "class Double:\n    def __call__(self, number): return 2 * number\n"
        "double = Double()",
        "shout-answer": "import functools\n"
        "shout = functools.partial(lambda end, text: text.upper() + end, '!')",
    },
    "a decorated function": {
        "squares-answer": "import functools, time\ndef timed(function):\n    @functools.wraps(function)\n"
        "    def inner(*args):\n        print('called'); return function(*args)\n    return inner\n"
        "@timed\n@functools.lru_cache\ndef squares(n):\n    if n < 1: raise ValueError\n"
        "    return [k * k for k in range(1, n + 1)]",
    },
    "an exception of its own": {
        "squares-answer": "class TooSmall(ValueError): pass\ndef squares(n):\n"
        "    if n < 1: raise TooSmall(n)\n"
        "    return [k * k for k in range(1, n + 1)]",
    },
    "a frame with an index of its own": {
        "top-answer": "def top(frame):\n    found = frame.copy()\n"
        "    return found.pivot_table(index='kind', values='value', aggfunc='mean')['value']",
    },
    "dataclasses and slots": {
        "counter-answer": "from collections import Counter as Bag, defaultdict\n"
        "from dataclasses import dataclass, field\n"
        "@dataclass\nclass Counter:\n    seen: Bag = field(default_factory=Bag)\n"
        "    def add(self, word): self.seen[word] += 1\n    def count(self, word): return self.seen[word]",
    },
    "another way in place": {"order-answer": "def order(items): items[:] = sorted(items)"},
    "printed piece by piece": {
        "hello-answer": "import sys\ndef hello(name):\n    print('Hello', end=', ')\n"
        "    sys.stdout.write(name)\n    print('.')"
    },
    "figures drawn while it works": {
        "scale-answer": "import matplotlib.pyplot as plt\ndef scale(array):\n"
        "    plt.plot(array); plt.show(); plt.close('all')\n"
        "    import warnings; warnings.warn('scaled')\n    return array / np.abs(array).max()",
    },
}


@pytest.mark.parametrize("how", ANSWERS)
def test_an_answer_in_another_style_is_a_right_answer(arena: Arena, how: str) -> None:
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **ANSWERS[how]}))
    assert graded.scores == FULL, wrong(how, graded)


def _helpers_inserted(cells: Cells) -> None:
    find(cells, "squares-answer")["source"] = (
        "def squares(n):\n    check(n)\n    return [square(k) for k in range(1, n + 1)]"
    )
    at = cells.index(find(cells, "squares-answer"))
    helper = "def square(k):\n    return k * k\ndef check(n):\n    if n < 1: raise ValueError(n)"
    cells.insert(at, cell(helper))


def _cells_split(cells: Cells) -> None:
    find(cells, "double-answer")["source"] = "def double(number):\n    return number"
    at = cells.index(find(cells, "double-answer"))
    cells.insert(at + 1, cell("once = double\ndef double(number):\n    return 2 * once(number)"))


def _text_added(cells: Cells) -> None:
    for at in range(len(cells), 0, -3):
        cells.insert(at, cell("## A thought\n$e^{i\\pi}$", kind="markdown"))
    cells.append(cell("raw words", kind="raw"))


def _tried_out(cells: Cells) -> None:
    for name in ("squares", "double"):
        at = cells.index(find(cells, f"{name}-answer"))
        cells.insert(at + 1, cell(f"{name}(3)\nprint({name}(4))\n{name}(5)"))


@pytest.mark.parametrize("edit", [_helpers_inserted, _cells_split, _text_added, _tried_out])
def test_a_notebook_that_was_worked_in_is_graded_fully(arena: Arena, edit: Any) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, edit=edit))
    assert graded.scores == FULL, wrong(edit.__name__, graded)


def test_a_test_that_takes_a_name_away_reaches_the_students_namespace(arena: Arena) -> None:
    """A function that does not use the one that it should use is found out, as in nbgrader's own example."""
    alone = {"sum-answer": "def sum_of_squares(n):\n    return n * (n + 1) * (2 * n + 1) // 6"}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **alone}))
    assert graded.scores == {**FULL, "sum": 0}, wrong("sum", graded)


def test_the_student_sees_the_own_outputs_in_full(arena: Arena) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=["print('my own words')\n40 + 2"]))
    feedback = arena.view(graded).feedback.decode()
    assert "my own words" in feedback
    assert "42" in feedback
