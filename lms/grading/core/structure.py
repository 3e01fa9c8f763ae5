"""Put a submission back into the shape of its release, and say what was done.

Only sources of the student's own cells are taken from the file. Which cells exist, what is graded, for
how many points, and all metadata come from the manifest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lms.grading.core.contracts import CellKind, Manifest, ManifestCell, Notice
from lms.grading.core.notices import Unreadable
from lms.grading.core.reading import ReadCell, ReadNotebook, read_notebook

LOCKED = (CellKind.TEST, CellKind.READ_ONLY, CellKind.MANUAL_TASK)
OWN_SHARE = 3  # below one third of the lab's cells, and with more of another lab: the wrong file


@dataclass(frozen=True)
class Placed:
    """One cell of the assembled notebook; `origin` is set for cells of the release."""

    cell_type: str
    source: str
    origin: ManifestCell | None = None
    attachments: dict[str, Any] = field(default_factory=dict)

    def code(self, *, full: bool) -> str:
        """Return what is executed: with `full`, hidden tests included; nothing for text."""
        if self.cell_type != "code":
            return ""
        if self.origin is not None and self.origin.kind in LOCKED:
            return self.origin.full_source if full else self.origin.source
        return self.source


@dataclass(frozen=True)
class Assembled:
    """A submission in the shape of its release."""

    cells: tuple[Placed, ...]
    notices: tuple[Notice, ...]


def check_structure(content: bytes, manifest: Manifest) -> tuple[Notice, ...]:
    """Say at once what is odd about an uploaded file; `notices.is_fatal` tells what cannot be graded."""
    try:
        return assemble(content, manifest).notices
    except Unreadable as error:
        return (error.notice,)


def assemble(content: bytes, manifest: Manifest) -> Assembled:
    """Put a submission back into the shape of its release.

    The lab's cells come in the order of the release. A cell of the student's own stays with the lab's
    cell that follows it in the file. A locked cell that is missing is put back as late as possible, so
    that everything the student wrote for it stands before it.

    Raises:
        Unreadable: it cannot be graded; the notice says why.
    """
    notebook = read_notebook(content)
    known = {cell.grade_id: cell for cell in manifest.cells}
    _refuse_another_lab(notebook, known)
    counting = _counting(notebook.cells, known)
    segments, rest = _segments(notebook.cells, counting)
    cells: list[Placed] = []
    for origin in manifest.cells:
        cells += _place(origin, segments.get(origin.grade_id))
    cells += [_own(cell) for cell in rest]
    return Assembled(tuple(cells), tuple(_notices(notebook, manifest, known, list(segments))))


def _refuse_another_lab(notebook: ReadNotebook, known: dict[str, ManifestCell]) -> None:
    if not known:
        return
    here = {cell.grade_id for cell in notebook.cells if cell.grade_id}
    ours = len(here & known.keys())
    foreign = len(here - known.keys())
    if ours == 0 or (ours * OWN_SHARE < len(known) and foreign > ours):
        raise Unreadable("wrong-lab")


def _counting(cells: Iterable[ReadCell], known: dict[str, ManifestCell]) -> dict[int, str]:
    """Return index -> grade id of those cells that count: the last of each id."""
    last = {cell.grade_id: index for index, cell in enumerate(cells) if cell.grade_id in known}
    return {index: grade_id for grade_id, index in last.items()}


def _segments(
    cells: tuple[ReadCell, ...], counting: dict[int, str]
) -> tuple[dict[str, list[ReadCell]], list[ReadCell]]:
    segments: dict[str, list[ReadCell]] = {}
    waiting: list[ReadCell] = []
    for index, cell in enumerate(cells):
        waiting.append(cell)
        if index in counting:
            segments[counting[index]] = waiting
            waiting = []
    return segments, waiting


def _place(origin: ManifestCell, segment: list[ReadCell] | None) -> list[Placed]:
    if segment is None:
        restored = Placed(origin.cell_type, origin.source, origin)
        # A stub put back would undo an answer that stands in another cell.
        return [] if origin.kind is CellKind.ANSWER else [restored]
    *before, cell = segment
    source = origin.source if origin.kind in LOCKED else cell.source
    attachments = {} if origin.kind in LOCKED or origin.cell_type == "code" else cell.attachments
    return [*(_own(one) for one in before), Placed(origin.cell_type, source, origin, attachments)]


def _own(cell: ReadCell) -> Placed:
    return Placed(cell.cell_type, cell.source, None, {} if cell.cell_type == "code" else cell.attachments)


def _notices(
    notebook: ReadNotebook, manifest: Manifest, known: dict[str, ManifestCell], order: list[str]
) -> Iterator[Notice]:
    if notebook.kernel and notebook.kernel != manifest.kernel:
        yield Notice("kernel-replaced", {"kernel": notebook.kernel})
    for number in notebook.zeroed:
        yield Notice("zero-characters", {"cell": number})
    if any(cell.tagged for cell in notebook.cells):
        yield Notice("tags-dropped")
    yield from _count_notices(notebook, known)
    present = {cell.grade_id: cell for cell in notebook.cells if cell.grade_id in known}
    for origin in manifest.cells:
        code = _cell_notice(origin, present.get(origin.grade_id))
        if code:
            yield Notice(code, {"grade_id": origin.grade_id})
    if order != [grade_id for grade_id in known if grade_id in order]:
        yield Notice("cells-moved")


def _count_notices(notebook: ReadNotebook, known: dict[str, ManifestCell]) -> Iterator[Notice]:
    counts = Counter(cell.grade_id for cell in notebook.cells if cell.grade_id)
    claimed = {cell.grade_id for cell in notebook.cells if cell.claims}
    for grade_id, count in counts.items():
        if grade_id not in known and grade_id in claimed:
            yield Notice("unknown-graded-cell", {"grade_id": grade_id})
        elif grade_id in known and count > 1:
            yield Notice("cell-duplicated", {"grade_id": grade_id, "count": count})


MISSING = {
    CellKind.TEST: "test-restored",
    CellKind.READ_ONLY: "readonly-restored",
    CellKind.MANUAL_TASK: "readonly-restored",
    CellKind.ANSWER: "answer-missing",
    CellKind.MANUAL_ANSWER: "manual-answer-missing",
}


def _cell_notice(origin: ManifestCell, cell: ReadCell | None) -> str:
    if cell is None:
        return MISSING.get(origin.kind, "")
    if cell.cell_type != origin.cell_type:
        return "cell-type-restored"
    edited = origin.kind in LOCKED and cell.source.strip() != origin.source.strip()
    return "test-edited" if edited else ""


def metadata_of(cell: ManifestCell) -> dict[str, Any]:
    """Return the nbgrader metadata of a released cell, as schema version 3 has it."""
    marks: dict[str, Any] = {
        "schema_version": 3,
        "grade_id": cell.grade_id,
        "grade": cell.kind in {CellKind.TEST, CellKind.MANUAL_ANSWER},
        "solution": cell.kind in {CellKind.ANSWER, CellKind.MANUAL_ANSWER},
        "locked": cell.kind in LOCKED,
        "task": cell.kind is CellKind.MANUAL_TASK,
        "checksum": cell.checksum,
        "cell_type": cell.cell_type,
    }
    if cell.points or marks["grade"] or marks["task"]:
        marks["points"] = cell.points
    return marks
