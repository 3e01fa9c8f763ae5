"""Notebooks: read strictly, and shown as a lesson with the outputs they were saved with."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lms.courses.core.markdown import Page, Resolve, code, render
from lms.courses.core.sanitise import sanitise, sanitise_table

LARGEST = 10_000_000
MOST_CELLS = 1_000
LONGEST_OUTPUT = 20_000
LARGEST_IMAGE = 4_000_000  # characters of base64
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+\Z")
_FIGURE = {"ko": "셀의 출력 그림", "en": "Figure made by the cell"}


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook."""

    number: int
    """From 1."""
    kind: str
    source: str
    metadata: dict[str, Any]
    outputs: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Notebook:
    """A notebook as far as we use it."""

    nbformat: Any
    metadata: dict[str, Any]
    cells: tuple[Cell, ...]

    @property
    def language(self) -> str:
        """Return the language of its code, for highlighting."""
        named = _mapping(self.metadata.get("language_info")).get("name")
        named = named or _mapping(self.metadata.get("kernelspec")).get("language")
        return named if isinstance(named, str) else "python"


def read_notebook(content: bytes) -> Notebook:
    """Read a notebook of format 4.

    Raises:
        ValueError: it is no notebook; the text says why.
    """
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    try:
        document = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}, line {error.lineno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    document = _mapping(document)
    cells = document.get("cells")
    if isinstance(cells, list) and len(cells) <= MOST_CELLS:
        read = tuple(_cell(number, cell) for number, cell in enumerate(cells, start=1))
        return Notebook(document.get("nbformat"), _mapping(document.get("metadata")), read)
    raise ValueError(f"no list of at most {MOST_CELLS} cells")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _cell(number: int, cell: Any) -> Cell:
    if not isinstance(cell, dict) or cell.get("cell_type") not in {"code", "markdown", "raw"}:
        raise ValueError(f"cell {number} has no type")
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise ValueError(f"cell {number} has no list of outputs")
    return Cell(
        number, cell["cell_type"], _joined(cell.get("source")), _mapping(cell.get("metadata")), tuple(outputs)
    )


def notebook_title(notebook: Notebook) -> str:
    """Return the text of the first `# heading`, or nothing."""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            return render(cell.source, lambda _: None).title
    return ""


def render_notebook(notebook: Notebook, resolve: Resolve, key: str = "", language: str = "en") -> Page:
    """Render a notebook as a lesson: text, code, and saved outputs; nothing of it can run."""
    parts: list[str] = []
    headings: list[Any] = []
    title = ""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            page = render(cell.source, resolve, key, f"{cell.number}-")
            title = title or page.title
            headings.extend(page.headings)
            parts.append(page.html)
        elif cell.kind == "code":
            parts.append(sanitise(code(cell.source, notebook.language)))
            parts.extend(f"<div>{shown}</div>" for shown in _outputs(cell, language) if shown)
    return Page("\n".join(parts), title, tuple(headings))


def _outputs(cell: Cell, language: str) -> Iterator[str]:
    for output in cell.outputs:
        kind = output.get("output_type")
        if kind == "stream":
            yield _preformatted(_joined(output.get("text")))
        elif kind == "error":
            yield _preformatted("\n".join(_lines(output.get("traceback"))))
        elif kind in {"display_data", "execute_result"}:
            yield _richest(_mapping(output.get("data")), language)


def _richest(bundle: dict[str, Any], language: str) -> str:
    """Return the best form of an output that is safe to show: image, table, text."""
    for kind in ("image/png", "image/jpeg"):
        image = _joined(bundle.get(kind))
        if image and len(image) <= LARGEST_IMAGE and _BASE64.match(image):
            words = _FIGURE.get(language, _FIGURE["en"])
            source = f"data:{kind};base64,{''.join(image.split())}"
            return sanitise(f'<img src="{source}" alt="{words}">')
    table = _joined(bundle.get("text/html"))
    if "<table" in table and len(table) <= LONGEST_OUTPUT * 10:
        return sanitise_table(table)
    return _preformatted(_joined(bundle.get("text/plain")))


def _preformatted(text: str) -> str:
    text = _ANSI.sub("", text)
    if not text.strip():
        return ""
    cut = text[:LONGEST_OUTPUT] + ("\n…" if len(text) > LONGEST_OUTPUT else "")
    return f'<pre tabindex="0">{html.escape(cut)}</pre>'


def _joined(value: Any) -> str:
    return value if isinstance(value, str) else "".join(_lines(value))


def _lines(value: Any) -> list[str]:
    return [line for line in value if isinstance(line, str)] if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
