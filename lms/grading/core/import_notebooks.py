"""Make a notebook of an nbgrader course one of ours: a lab's source, or a lesson."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lms.grading.core.contracts import Notice

FORMAT = 4
SCHEMA = 3
SWITCHES = ("grade", "solution", "locked")
GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,120}\Z")
HEADING = re.compile(r"^#\s+\S", re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?(?:\s+[^)\n]*)?\)")
ELSEWHERE = re.compile(r"(?:https?:|mailto:)", re.IGNORECASE)
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}
PICTURE_NAMES = re.compile(r"\.(?:png|jpe?g|gif|svg|webp)\Z", re.IGNORECASE)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
# nbgrader's own marks: (setting of nbgrader_config.py, the mark that it replaces)
MARKS = (
    ("ClearSolutions.begin_solution_delimeter", "BEGIN SOLUTION"),
    ("ClearSolutions.end_solution_delimeter", "END SOLUTION"),
    ("ClearHiddenTests.begin_test_delimeter", "BEGIN HIDDEN TESTS"),
    ("ClearHiddenTests.end_test_delimeter", "END HIDDEN TESTS"),
    ("ClearMarkScheme.begin_mark_scheme_delimeter", "BEGIN MARK SCHEME"),
    ("ClearMarkScheme.end_mark_scheme_delimeter", "END MARK SCHEME"),
)


class NoNotebook(Exception):
    """It cannot be brought over; `notice` says why."""

    def __init__(self, code: str, **params: str | float) -> None:
        super().__init__(code)
        self.notice = Notice(code, params, for_staff=True)


@dataclass
class Converted:
    """A notebook in our form."""

    document: dict[str, Any]
    points: float = 0
    remarks: list[Notice] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)  # name in assets/ -> content

    @property
    def content(self) -> bytes:
        """Return the file."""
        return json.dumps(self.document, ensure_ascii=False, indent=1).encode()


def read(path: str, content: bytes) -> dict[str, Any]:
    """Read a notebook.

    Raises:
        NoNotebook: it is none, or of another format.
    """
    try:
        document = json.loads(content.decode("utf-8-sig"))
        cells = document["cells"] if document.get("nbformat") == FORMAT else None
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise NoNotebook("import-notebook-unreadable", path=path) from error
    if cells is None:
        raise NoNotebook("import-notebook-format", path=path)
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NoNotebook("import-notebook-unreadable", path=path)
    return dict(document)


def is_graded(document: Mapping[str, Any]) -> bool:
    """Say whether a notebook has anything to grade."""
    return any(_marks(cell).get("grade") or _marks(cell).get("task") for cell in document["cells"])


def _marks(cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def _text(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(part for part in source if isinstance(part, str))


def lab_notebook(path: str, document: dict[str, Any], config: Mapping[str, Any]) -> Converted:
    """Return a notebook as the source of a lab: newest schema, marks as usual, no outputs."""
    made = Converted(_cleaned(document))
    taken: set[str] = set()
    for number, cell in enumerate(made.document["cells"], 1):
        cell["source"] = _with_usual_marks(_text(cell), config)
        marks = _marks(cell)
        if not marks:
            continue
        if not any(marks.get(switch) for switch in (*SWITCHES, "task")):
            del cell["metadata"]["nbgrader"]
            continue
        before = str(marks.get("grade_id", ""))
        _upgrade(marks, _free_name(before, number, taken))
        made.points += marks.get("points", 0)
        if before != marks["grade_id"]:
            params = {"path": path, "before": before[:60], "after": marks["grade_id"]}
            made.remarks.append(Notice("import-renamed-id", params, for_staff=True))
    return made


def _cleaned(document: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without outputs, with a kernel."""
    document = json.loads(json.dumps(document))
    metadata = document.get("metadata")
    document["metadata"] = metadata if isinstance(metadata, dict) else {}
    kernel = document["metadata"].get("kernelspec")
    if not isinstance(kernel, dict) or not isinstance(kernel.get("name"), str):
        document["metadata"]["kernelspec"] = dict(KERNEL)
    for cell in document["cells"]:
        cell["metadata"] = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
        if cell.get("cell_type") == "code":
            cell |= {"outputs": [], "execution_count": None}
    return dict(document)


def _with_usual_marks(source: str, config: Mapping[str, Any]) -> str:
    for setting, usual in MARKS:
        own = config.get(setting)
        if isinstance(own, str) and own and own != usual:
            source = source.replace(own, f"### {usual}")
    return source


def _upgrade(marks: dict[str, Any], grade_id: str) -> None:
    """Bring a cell's marks to schema 3.

    Source: nbgrader 0.9.6, `nbgraderformat`, upgrades from 0 to 3.
    """
    for switch in (*SWITCHES, "task"):
        marks[switch] = bool(marks.get(switch))
    marks |= {"grade_id": grade_id, "schema_version": SCHEMA}
    marks.pop("checksum", None)
    if marks["grade"] or marks["task"]:
        marks["points"] = _points(marks.get("points"))
    else:
        marks.pop("points", None)


def _points(value: Any) -> float:
    try:
        points = float(value)
    except (TypeError, ValueError):
        return 0.0
    return points if 0 <= points <= 10_000 else 0.0  # noqa: PLR2004  # as course files allow; not NaN either


def _free_name(wanted: str, number: int, taken: set[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-")[:100] or f"cell-{number}"
    name = wanted if GRADE_ID.match(wanted) else name
    while name in taken:
        name = f"{name}-{number}"
    taken.add(name)
    return name


def lesson_notebook(
    path: str, document: dict[str, Any], title: str, files: Mapping[str, bytes], lesson: str
) -> Converted:
    """Return a notebook as a lesson: with a title, and its pictures where lessons have them.

    Args:
        path: within the nbgrader course, for remarks.
        document: the notebook.
        title: for a notebook that has none.
        files: what lies beside it.
        lesson: its short name.
    """
    made = Converted(json.loads(json.dumps(document)))
    cells = made.document["cells"]
    texts = [cell for cell in cells if cell.get("cell_type") == "markdown"]
    if not texts or not HEADING.search(_text(texts[0])):
        heading = {"cell_type": "markdown", "metadata": {}, "source": f"# {title}"}
        if made.document.get("nbformat_minor", 0) >= 5:  # noqa: PLR2004  # cells have ids since 4.5
            heading["id"] = "title"
        cells.insert(0, heading)
    for cell in texts:
        pictures = {**files, **dict(_attached(cell))}
        replaced = partial(_link, made=made, path=path, pictures=pictures, lesson=lesson)
        cell["source"] = LINK.sub(replaced, _text(cell))
        cell.pop("attachments", None)
    return made


def _attached(cell: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    attachments = cell.get("attachments")
    for name, kinds in attachments.items() if isinstance(attachments, dict) else ():
        for kind, content in kinds.items() if isinstance(kinds, dict) else ():
            if kind in PICTURES and isinstance(content, str):
                try:
                    yield f"attachment:{name}", base64.b64decode(content)
                except binascii.Error:
                    continue


def _link(
    found: re.Match[str], *, made: Converted, path: str, pictures: Mapping[str, bytes], lesson: str
) -> str:
    """Return a link that the course can follow; what leads nowhere becomes text."""
    sign, words, target = found.groups()
    picture = target.removeprefix("./")
    if sign and picture in pictures and (PICTURE_NAMES.search(picture) or picture.startswith("attachment:")):
        name = re.sub(r"[^A-Za-z0-9.]+", "-", picture.removeprefix("attachment:")).strip("-.") or "picture"
        name = f"{lesson}-{name}"[-100:]
        made.pictures[name] = pictures[picture]
        return f"![{words or picture}](../assets/{name})"
    if ELSEWHERE.match(target):
        return f"[{words or target}]({target})"
    if target.startswith("#") and not sign:
        return found[0]
    made.remarks.append(Notice("import-link-left-out", {"path": path, "link": target[:200]}, for_staff=True))
    return words or target
