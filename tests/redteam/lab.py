"""The small lab that the red team attacks: every kind of answer, visible and hidden tests."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.grading.core.contracts import BuildReport, KernelSettings, LabSource, Limits, Manifest
from tests.grading.core.making import answer, cell, graded, notebook

Edit = Callable[[list[dict[str, Any]]], list[dict[str, Any]] | None]

# Each stands in the hidden part of a test and nowhere else: in a student's hands it is a leak.
SOURCE_MARK = "thistle_of_the_hidden_source"
ARGUMENT_MARK = "kestrel-of-the-hidden-argument"
NUMBER_MARK = 918273645
HIDDEN_FILE_MARK = "marmot-of-the-hidden-folder"
DATA_MARK = "heron-of-the-open-folder"

LIMITS = Limits(cell_seconds=8, total_seconds=24, memory_bytes=768 << 20, processes=48)

SETUP = """
import contextlib
import io

import numpy as np
import pandas as pd

TOLERANCE = 1e-9


def mean_of(values):
    return sum(values) / len(values)


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
"""

# grade id -> what the reference solution holds
SOLUTIONS: Mapping[str, str] = {
    "squares-answer": (
        "def squares(n):\n"
        "    if n < 1:\n"
        "        raise ValueError('n must be 1 or more')\n"
        "    return [number ** 2 for number in range(1, n + 1)]"
    ),
    "shout-answer": "def shout(text):\n    return text.upper() + '!'",
    "scale-answer": "def scale(array):\n    return array / np.abs(array).max()",
    "top-answer": "def top(frame):\n    return frame.groupby('kind')['value'].mean()",
    "counter-answer": (
        "class Counter:\n"
        "    def __init__(self):\n"
        "        self.seen = {}\n"
        "    def add(self, word):\n"
        "        self.seen[word] = self.seen.get(word, 0) + 1\n"
        "    def count(self, word):\n"
        "        return self.seen.get(word, 0)"
    ),
    "hello-answer": "def hello(name):\n    print(f'Hello, {name}.')",
    "order-answer": "def order(items):\n    items.sort()",
    "double-answer": "def double(number):\n    return 2 * number",
    "rate-answer": "def rate():\n    return 2",
    "apply-answer": "def apply(function, items):\n    return [function(item) for item in items]",
    "mirror-answer": "def mirror(point):\n    return Point(-point.x, point.y)",
    "mean-answer": "def mean(values):\n    return sum(values) / len(values)",
    "biggest-answer": "def biggest(items):\n    return max(items)",
    "sum-answer": "def sum_of_squares(n):\n    return sum(squares(n))",
}

HIDE = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"


def _hidden(text: str) -> str:
    return HIDE.format(f"# {SOURCE_MARK}\n{text}")


# grade id -> points, source
TESTS: Mapping[str, tuple[float, str]] = {
    "squares": (2, "assert squares(1) == [1], 'one'\nassert squares(2) == [1, 4]"),
    "squares-hidden": (
        3,
        "assert squares(3) == [1, 4, 9]\n"
        + _hidden(
            "assert squares(7) == [1, 4, 9, 16, 25, 36, 49], 'seven'\n"
            "try:\n    squares(0)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('zero')"
        ),
    ),
    "shout": (
        1,
        "assert shout('a') == 'A!'\n"
        + _hidden(f"assert shout({ARGUMENT_MARK!r}) == {ARGUMENT_MARK.upper() + '!'!r}"),
    ),
    "scale": (
        2,
        "np.testing.assert_allclose(scale(np.array([1.0, 2.0])), [0.5, 1.0])\n"
        + _hidden(
            "np.testing.assert_allclose(scale(np.array([-4.0, 1.0])), [-1.0, 0.25])\n"
            "np.random.seed(5)\ndrawn = np.random.normal(size=20)\n"
            "np.testing.assert_allclose(scale(drawn), drawn / np.abs(drawn).max())"
        ),
    ),
    "top": (
        2,
        "table = pd.DataFrame({'kind': ['a', 'a', 'b'], 'value': [1.0, 3.0, 5.0]})\n"
        "assert top(table).to_dict() == {'a': 2.0, 'b': 5.0}\n"
        + _hidden(
            f"table = pd.DataFrame({{'kind': [{ARGUMENT_MARK!r}, 'c'], 'value': [{NUMBER_MARK}.0, 1.0]}})\n"
            "wanted = table.groupby('kind')['value'].mean()\n"
            "pd.testing.assert_series_equal(top(table), wanted)"
        ),
    ),
    "counter": (
        2,
        "words = Counter()\nwords.add('x')\nassert words.count('x') == 1\n"
        + _hidden(
            f"for _ in range(3):\n    words.add({ARGUMENT_MARK!r})\n"
            f"assert words.count({ARGUMENT_MARK!r}) == 3\nassert words.count('never') == 0"
        ),
    ),
    "hello": (
        1,
        (
            "with contextlib.redirect_stdout(io.StringIO()) as said:\n    hello('Duri')\n"
            "assert said.getvalue() == 'Hello, Duri.\\n'"
        ),
    ),
    "order": (1, "given = [3, 1, 2]\norder(given)\nassert given == [1, 2, 3]"),
    "double": (
        2,
        "earned = 0\nif double(2) == 4:\n    earned += 1\n"
        + _hidden(f"if double({NUMBER_MARK}) == {2 * NUMBER_MARK}:\n    earned += 1")
        + "\nassert earned\nearned",
    ),
    "rate": (2, "rate()"),
    "apply": (
        2,
        "assert apply(lambda value: value + 1, [1, 2]) == [2, 3]\n"
        + _hidden(
            f"secret = [{ARGUMENT_MARK!r}, {NUMBER_MARK}]\n"
            "def step(value, kept=secret):\n    secret_here = kept\n    return value * len(secret_here)\n"
            "assert apply(step, [3, 4]) == [6, 8]"
        ),
    ),
    "mirror": (
        2,
        "assert mirror(Point(1, 2)).x == -1\n"
        + _hidden(
            f"turned = mirror(Point({NUMBER_MARK}, 5))\n"
            f"assert isinstance(turned, Point)\nassert (turned.x, turned.y) == (-{NUMBER_MARK}, 5)"
        ),
    ),
    "mean": (
        2,
        "assert mean([1.0, 3.0]) == 2.0\n"
        + _hidden("values = [1.0, 2.0, 6.0]\nassert mean(values) == mean_of(values)"),
    ),
    "biggest": (
        1,
        "items = [3, 1, 2]\nassert biggest(items) == 3\nassert items == [3, 1, 2], 'leave the list as it is'",
    ),
    "sum": (
        1,
        (
            "kept = squares\ndel squares\ntry:\n    sum_of_squares(1)\nexcept NameError:\n    pass\n"
            "else:\n    raise AssertionError('use squares')\nfinally:\n    squares = kept\n"
            "assert sum_of_squares(3) == 14"
        ),
    ),
}
ORDER = (
    ("squares-answer", "squares", "squares-hidden"),
    ("shout-answer", "shout"),
    ("scale-answer", "scale"),
    ("top-answer", "top"),
    ("counter-answer", "counter"),
    ("hello-answer", "hello"),
    ("order-answer", "order"),
    ("double-answer", "double"),
    ("rate-answer", "rate"),
    ("apply-answer", "apply"),
    ("mirror-answer", "mirror"),
    ("mean-answer", "mean"),
    ("biggest-answer", "biggest"),
    ("sum-answer", "sum"),
)
FULL: Mapping[str, float] = {grade_id: points for grade_id, (points, _) in TESTS.items()}
NOTHING: Mapping[str, float] = dict.fromkeys(TESTS, 0)
HIDDEN_TESTS = tuple(grade_id for grade_id, (_, source) in TESTS.items() if SOURCE_MARK in source)


def solution_cell(grade_id: str) -> dict[str, Any]:
    """Wrap a solution as an author writes it."""
    head, _, body = SOLUTIONS[grade_id].partition("\n")
    source = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION" if body else head
    return answer(source, grade_id)


def write_lab(folder: Path, environment: Path, **settings: Any) -> LabSource:
    """Write the lab's folder as an author has it; returns what the builder takes."""
    cells = [cell("# A small lab", kind="markdown"), cell(SETUP.strip(), "setup", locked=True)]
    for group in ORDER:
        cells.append(solution_cell(group[0]))
        cells += [graded(TESTS[name][1], name, TESTS[name][0]) for name in group[1:]]
    folder.mkdir(parents=True)
    (folder / f"{folder.name}.ipynb").write_bytes(notebook(*cells))
    for name, mark in (("hidden", HIDDEN_FILE_MARK), ("data", DATA_MARK)):
        (folder / name).mkdir()
        (folder / name / "table.csv").write_text(f"word\n{mark}\n")
    settings.setdefault("kernel", KernelSettings(libraries=("numpy", "pandas")))
    return LabSource(folder, folder.name, environment, LIMITS, **settings)


@dataclass(frozen=True)
class Release:
    """The lab as it was built, and how a submission to it is written."""

    source: LabSource
    built: BuildReport

    @property
    def manifest(self) -> Manifest:
        assert self.built.manifest is not None, self.built.errors
        return self.built.manifest

    def cells(self) -> list[dict[str, Any]]:
        """Return the cells that students download."""
        found: list[dict[str, Any]] = json.loads(self.built.student_notebook)["cells"]
        return found

    def submission(
        self,
        answers: Mapping[str, str] | None = None,
        *,
        first: Iterable[str] = (),
        last: Iterable[str] = (),
        edit: Edit | None = None,
        **top: Any,
    ) -> bytes:
        """Return a notebook with these answers; the others stay as released.

        Args:
            answers: grade id -> source.
            first: cells in front of all others.
            last: cells behind all others.
            edit: changes the list of cells at will.
            top: other members of the notebook.
        """
        cells = self.cells()
        for one in cells:
            grade_id = one["metadata"].get("nbgrader", {}).get("grade_id")
            if answers and grade_id in answers:
                one["source"] = answers[grade_id]
        cells = [*map(cell, first), *cells, *map(cell, last)]
        if edit is not None:
            cells = edit(cells) or cells
        return notebook(*cells, **top)


def marks_of(one: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's nbgrader metadata, to be changed in place."""
    found: dict[str, Any] = one["metadata"].get("nbgrader", {})
    return found


def find(cells: list[dict[str, Any]], grade_id: str) -> dict[str, Any]:
    """Return the cell of that name."""
    return next(one for one in cells if marks_of(one).get("grade_id") == grade_id)
