"""Students' notebooks as HTML in which nothing can run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from lms.courses.core.notebooks import Cell, Notebook, read_notebook, render_notebook
from lms.web.language import language

NAME = re.compile(r"\A\s*<!--\s*title:.*?-->\s*")


def cells_html(content: bytes) -> list[tuple[int, Markup]]:
    """Return the number and HTML of each cell; none if the notebook is too large to be shown."""
    notebook = _read(content)
    if notebook is None:
        return []
    return [(cell.number, _html(notebook, cell)) for cell in notebook.cells]


def answer_html(content: bytes, grade_id: str) -> Markup:
    """Return the HTML of one written answer: its cell, and what the student added below it."""
    notebook = _read(content)
    if notebook is None:
        return Markup()
    return Markup("\n").join(_html(notebook, cell) for cell in _answer(notebook.cells, grade_id))


def scheme_html(content: bytes, grade_id: str) -> Markup:
    """Return the HTML of the author's own cell, without the comment that names it."""
    notebook = _read(content)
    if notebook is None:
        return Markup()
    cells = (replace(cell, source=NAME.sub("", cell.source)) for cell in _answer(notebook.cells, grade_id))
    return Markup("\n").join(_html(notebook, cell) for cell in cells)


def _read(content: bytes) -> Notebook | None:
    try:
        return read_notebook(content)
    except ValueError:
        return None


def _answer(cells: Sequence[Cell], grade_id: str) -> Iterator[Cell]:
    within = False
    for cell in cells:
        marks: Any = cell.metadata.get("nbgrader")
        if isinstance(marks, dict) and marks.get("grade_id"):
            within = marks["grade_id"] == grade_id
        if within:
            yield cell


def _html(notebook: Notebook, cell: Cell) -> Markup:
    alone = Notebook(notebook.nbformat, notebook.metadata, (cell,))
    page = render_notebook(alone, lambda _: None, "submission", language())
    heading = Markup("<h2>{}</h2>").format(page.title) if page.title else Markup()
    return heading + Markup(page.html)  # noqa: S704 - sanitised by the course renderer
