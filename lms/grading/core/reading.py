"""Read a notebook that anyone may have sent: every way of being broken has a notice, none a crash.

What is cheap is checked first, so that a hostile file costs less than it weighs.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lms.grading.core.notices import Unreadable

LIMIT_BYTES = 50 << 20
LIMIT_PARTS = 1_000_000
LIMIT_CELLS = 2_000
LIMIT_CELL_BYTES = 1 << 20
FORMAT = 4
KINDS = ("code", "markdown", "raw")
# An unclosed string ends with the file, which keeps the scan linear.
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z|\\\Z)', re.DOTALL)


@dataclass(frozen=True)
class ReadCell:
    """One cell of a submission: only what grading uses."""

    cell_type: str
    source: str
    grade_id: str = ""
    claims: bool = False  # says that it is graded, an answer, or locked
    tagged: bool = False
    attachments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadNotebook:
    """A submission, read; `zeroed` are the cells (from 1) whose zero characters were removed."""

    cells: tuple[ReadCell, ...]
    kernel: str = ""
    zeroed: tuple[int, ...] = ()


def read_notebook(content: bytes, limit_bytes: int = LIMIT_BYTES) -> ReadNotebook:
    """Read a notebook.

    Raises:
        Unreadable: it cannot be graded; the notice says why.
    """
    found = _parse(_text(content, limit_bytes))
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise Unreadable("not-notebook")
    if found["nbformat"] != FORMAT:
        minor = found.get("nbformat_minor", 0)
        version = f"{found['nbformat']}.{minor}" if isinstance(minor, int) else str(found["nbformat"])
        raise Unreadable("old-format", version=version[:20])
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise Unreadable("not-notebook")
    if len(cells) > LIMIT_CELLS:
        raise Unreadable("too-many-cells", count=len(cells), limit=LIMIT_CELLS)
    sources = [_source(number, cell) for number, cell in enumerate(cells, 1)]
    return ReadNotebook(
        cells=tuple(_cell(cell, source) for cell, source in zip(cells, sources, strict=True)),
        kernel=_kernel(found.get("metadata")),
        zeroed=tuple(number for number, source in enumerate(sources, 1) if "\0" in source),
    )


def _text(content: bytes, limit_bytes: int) -> str:
    if len(content) > limit_bytes:
        raise Unreadable("too-large", limit_mib=limit_bytes >> 20)
    if not content.strip():
        raise Unreadable("empty")
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise Unreadable("not-utf8")
    if b"\0" in content:
        raise Unreadable("null-bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not-utf8") from None
    if text.lstrip()[:1] != "{":
        raise Unreadable("not-notebook")
    if _parts(content) > LIMIT_PARTS and (_has_many_strings(content) or _has_many_parts(content)):
        raise Unreadable("too-complex")
    return text


def _has_many_strings(content: bytes) -> bool:
    """Say at little cost that there are more strings than so many parts can hold: a name and a value each."""
    return content.count(b'"') - content.count(b'\\"') > 2 * 2 * LIMIT_PARTS


def _has_many_parts(content: bytes) -> bool:
    return _parts(STRING.sub(b"", content)) > LIMIT_PARTS


def _parts(content: bytes) -> int:
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def _parse(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Unreadable("broken-json", line=error.lineno) from None
    except RecursionError:
        raise Unreadable("too-deep") from None
    except ValueError:  # an integer of thousands of digits
        raise Unreadable("not-a-number", value="…") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable("duplicate-keys", key=_clean(twice)[:40])
    return found


def _no_constant(value: str) -> NoReturn:
    raise Unreadable("not-a-number", value=value)


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()  # lone surrogates can be neither stored nor shown


def _source(number: int, cell: object) -> str:
    if not isinstance(cell, dict) or cell.get("cell_type") not in KINDS:
        raise Unreadable("bad-cell", cell=number)
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Unreadable("bad-cell", cell=number)
    source = _clean(source)
    if len(source.encode()) > LIMIT_CELL_BYTES:
        raise Unreadable("cell-too-large", cell=number, limit_kib=LIMIT_CELL_BYTES >> 10)
    return source


def _cell(cell: dict[str, Any], source: str) -> ReadCell:
    metadata = _mapping(cell.get("metadata"))
    marks = _mapping(metadata.get("nbgrader"))
    grade_id = marks.get("grade_id")
    return ReadCell(
        cell_type=cell["cell_type"],
        source=source.replace("\0", ""),
        grade_id=_clean(grade_id)[:200] if isinstance(grade_id, str) else "",
        claims=any(marks.get(name) for name in ("grade", "solution", "locked", "task")),
        tagged=bool(metadata.get("tags")),
        attachments=_pictures(cell.get("attachments")),
    )


def _pictures(found: object) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, kinds in _mapping(found).items():
        pictures = {
            kind: value
            for kind, value in _mapping(kinds).items()
            if kind in {"image/png", "image/jpeg"} and isinstance(value, str)
        }
        if pictures:
            kept[_clean(name)[:200]] = pictures
    return kept


def _kernel(metadata: object) -> str:
    name = _mapping(_mapping(metadata).get("kernelspec")).get("name")
    return _clean(name)[:100] if isinstance(name, str) else ""


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
