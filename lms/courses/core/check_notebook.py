"""Check a lab's notebook: nbgrader source format, schema 3, without surprises at publication."""

import re
from collections.abc import Iterator
from typing import Any

from lms.courses.core.notebooks import Cell, Notebook, read_notebook
from lms.courses.core.problems import Problem, warning

_GRADE_ID = re.compile(r"[\w-]{1,120}\Z", re.ASCII)
_SCHEMA = 3
_FORMAT = 4
MOST_POINTS = 10_000
_SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
_HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
_SWITCHES = ("grade", "solution", "locked")


def check_notebook(file: str, content: bytes) -> tuple[float, list[Problem]]:
    """Return the points of all graded cells together, and what is wrong.

    Units: points.
    """
    try:
        notebook = read_notebook(content)
    except ValueError as error:
        return 0, [Problem(file, 1, 1, "notebook_json", {"detail": str(error)})]
    if notebook.nbformat != _FORMAT:
        return 0, [Problem(file, 1, 1, "notebook_format", {"found": notebook.nbformat})]
    return _Checker(file, content.decode("utf-8-sig"), notebook).run()


class _Checker:
    def __init__(self, file: str, text: str, notebook: Notebook) -> None:
        self.file = file
        self.lines = text.split("\n")
        self.notebook = notebook
        self.problems: list[Problem] = []
        self.seen: dict[str, int] = {}
        self.places: dict[int, tuple[int, int]] = _places(self.lines, notebook)

    def run(self) -> tuple[float, list[Problem]]:
        points = 0.0
        for cell in self.notebook.cells:
            settings = cell.metadata.get("nbgrader")
            if isinstance(settings, dict):
                points += self._graded(cell, settings)
            self._regions(cell, settings if isinstance(settings, dict) else {})
        if not any(_switched(cell, "grade") or _switched(cell, "task") for cell in self.notebook.cells):
            self.problems.append(Problem(self.file, 1, 1, "notebook_not_source"))
        self._whole()
        return points, self.problems

    def _whole(self) -> None:
        kernel = self.notebook.metadata.get("kernelspec")
        if not isinstance(kernel, dict) or not isinstance(kernel.get("name"), str):
            self.problems.append(Problem(self.file, 1, 1, "notebook_no_kernel"))
        count = sum(1 for cell in self.notebook.cells if cell.outputs)
        if count:
            self.problems.append(warning(self.file, 1, 1, "notebook_outputs", count=count))

    def _graded(self, cell: Cell, settings: dict[str, Any]) -> float:
        name = settings.get("grade_id")
        if not isinstance(name, str) or not name:
            if any(settings.get(switch) for switch in (*_SWITCHES, "task")):
                self._report(cell, "grade_id_missing", number=cell.number)
            return 0
        self._name(cell, name)
        if settings.get("schema_version") != _SCHEMA:
            self._report(cell, "schema_version", cell=name, found=settings.get("schema_version", "?"))
        for switch in _SWITCHES:
            if not isinstance(settings.get(switch), bool):
                self._report(cell, "cell_settings", cell=name, key=switch)
        self._kind(cell, name, settings)
        return self._points(cell, name, settings)

    def _name(self, cell: Cell, name: str) -> None:
        if not _GRADE_ID.match(name):
            self._report(cell, "grade_id_pattern", cell=name[:60])
        if name in self.seen:
            self._report(cell, "grade_id_twice", cell=name[:60], first=self.seen[name], second=cell.number)
        self.seen.setdefault(name, cell.number)

    def _kind(self, cell: Cell, name: str, settings: dict[str, Any]) -> None:
        if settings.get("task"):
            if cell.kind != "markdown":
                self._report(cell, "task_not_markdown", cell=name)
        elif settings.get("grade") and not settings.get("solution") and cell.kind != "code":
            self._report(cell, "markdown_test", cell=name)
        elif settings.get("solution") and cell.kind == "code" and _SOLUTION[0] not in cell.source:
            self.problems.append(warning(self.file, *self.places[cell.number], "solution_missing", cell=name))

    def _points(self, cell: Cell, name: str, settings: dict[str, Any]) -> float:
        if not settings.get("grade") and not settings.get("task"):
            return 0
        points = settings.get("points")
        if isinstance(points, int | float) and not isinstance(points, bool) and 0 <= points <= MOST_POINTS:
            return float(points)  # neither NaN nor infinity gets here
        self._report(cell, "points", cell=name, found="none" if points is None else repr(points)[:20])
        return 0

    def _regions(self, cell: Cell, settings: dict[str, Any]) -> None:
        for begin, end in (_SOLUTION, _HIDDEN):
            self._pairs(cell, begin, end)
        if _SOLUTION[0] in cell.source and not (settings.get("solution") or settings.get("task")):
            self._place(cell, _SOLUTION[0], "solution", "답")
        if _HIDDEN[0] in cell.source and not (settings.get("grade") and not settings.get("solution")):
            self._place(cell, _HIDDEN[0], "test", "검사")

    def _place(self, cell: Cell, marker: str, wanted: str, wanted_ko: str) -> None:
        params = {"marker": marker, "number": cell.number, "wanted": wanted, "wanted_ko": wanted_ko}
        self._report(cell, "region_place", **params)

    def _pairs(self, cell: Cell, begin: str, end: str) -> None:
        is_open = False
        for line in cell.source.split("\n"):
            if begin in line:
                if is_open:
                    break
                is_open = True
            elif end in line:
                if not is_open:
                    self._report(cell, "region_close", marker=begin, end=end, number=cell.number)
                is_open = False
        if is_open:
            self._report(cell, "region_open", marker=begin, end=end, number=cell.number)

    def _report(self, cell: Cell, code: str, /, **params: object) -> None:
        self.problems.append(Problem(self.file, *self.places[cell.number], code, params))


def _switched(cell: Cell, switch: str) -> bool:
    settings = cell.metadata.get("nbgrader")
    return isinstance(settings, dict) and bool(settings.get(switch))


def _places(lines: list[str], notebook: Notebook) -> dict[int, tuple[int, int]]:
    """Return line and column of each cell: of its grade id where it has one, else of its type."""
    types = _found(lines, '"cell_type"')
    names = _found(lines, '"grade_id"')
    places: dict[int, tuple[int, int]] = {}
    for cell in notebook.cells:
        place = next(types, (1, 1))
        settings = cell.metadata.get("nbgrader")
        if isinstance(settings, dict) and "grade_id" in settings:
            place = next(names, place)
        places[cell.number] = place
    return places


def _found(lines: list[str], word: str) -> Iterator[tuple[int, int]]:
    for number, line in enumerate(lines, start=1):
        column = line.find(word)
        while column >= 0:
            yield number, column + 1
            column = line.find(word, column + 1)
