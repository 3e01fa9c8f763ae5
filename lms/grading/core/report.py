"""The notebooks that come out of a grading run: one for staff, one for the student."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lms.grading.core.contracts import CellKind, CheckResult, Manifest, ManifestCell, Notice
from lms.grading.core.messages import visible_message
from lms.grading.core.score import Ran, RanStatus, check_of
from lms.grading.core.structure import Assembled, Placed, metadata_of

GRADED = (CellKind.TEST, CellKind.MANUAL_ANSWER, CellKind.MANUAL_TASK)
# What ended a cell, and the notice that names it.
ENDINGS = {
    RanStatus.TIME: "cell-timeout",
    RanStatus.DIED: "kernel-died",
    RanStatus.MEMORY: "memory-limit",
    RanStatus.OUTPUT: "output-limit",
    RanStatus.UNSETTLED: "not-settled",
}


def notebook_bytes(
    assembled: Assembled, runs: Sequence[Ran | None], manifest: Manifest, *, full: bool
) -> bytes:
    """Return the executed notebook; with `full`, hidden tests stand in it."""
    cells = [
        _cell(index, placed, ran, full=full)
        for index, (placed, ran) in enumerate(zip(assembled.cells, runs, strict=True))
    ]
    return dump_notebook(cells, manifest)


def dump_notebook(cells: list[dict[str, Any]], manifest: Manifest) -> bytes:
    """Return cells as a notebook of the current format with the lab's kernel."""
    kernel = {"name": manifest.kernel, "display_name": manifest.kernel, "language": manifest.language}
    metadata = {"kernelspec": kernel, "language_info": {"name": manifest.language}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1).encode()


def _cell(index: int, placed: Placed, ran: Ran | None, *, full: bool) -> dict[str, Any]:
    metadata = {"nbgrader": metadata_of(placed.origin)} if placed.origin else {}
    cell: dict[str, Any] = {"id": f"c{index}", "cell_type": placed.cell_type, "metadata": metadata}
    if placed.cell_type != "code":
        cell["source"] = placed.source
        if placed.attachments:
            cell["attachments"] = placed.attachments
        return cell
    outputs: list[Mapping[str, Any]] = list(ran.outputs) if ran else []
    return {**cell, "source": placed.code(full=full), "execution_count": None, "outputs": outputs}


def checks_of(
    assembled: Assembled,
    runs: Sequence[Ran | None],
    manifest: Manifest,
    bounds: Mapping[str, float],
    clean: int,
) -> tuple[CheckResult, ...]:
    """Return the outcomes of all graded cells in the order of the release.

    Messages of tests from the cell `clean` on are shown only where the author wrote them.
    """
    places = {placed.origin.grade_id: at for at, placed in enumerate(assembled.cells) if placed.origin}
    found = []
    for cell in manifest.cells:
        if cell.kind not in GRADED:
            continue
        at = places[cell.grade_id]  # graded cells are always there: missing ones were put back
        check = check_of(cell, runs[at], assembled.cells[at].source, clean=at < clean)
        found.append(replace(check, notice=check.notice or _ending(cell, at, runs, bounds)))
    return tuple(found)


def first_hidden(assembled: Assembled, runs: Sequence[Ran | None]) -> int:
    """Return the index of the first cell with hidden tests that began to run; without any, the length.

    From there on, whatever the student's program does may tell what a hidden test handed to it.
    """
    for at, (placed, ran) in enumerate(zip(assembled.cells, runs, strict=True)):
        hidden = placed.origin is not None and placed.origin.hidden and placed.cell_type == "code"
        if hidden and ran is not None and ran.status is not RanStatus.NOT_REACHED:
            return at
    return len(assembled.cells)


def view_messages(assembled: Assembled, runs: Sequence[Ran | None]) -> dict[str, str]:
    """Return what the visible part of each failed test said; only for runs without hidden tests."""
    found: dict[str, str] = {}
    for placed, ran in zip(assembled.cells, runs, strict=True):
        if placed.origin is not None and placed.origin.kind is CellKind.TEST and ran is not None:
            message = visible_message(ran.error)
            found |= {placed.origin.grade_id: message} if message else {}
    return found


def _ending(
    cell: ManifestCell, at: int, runs: Sequence[Ran | None], bounds: Mapping[str, float]
) -> Notice | None:
    return ending_notice(at, runs, bounds) if cell.kind is CellKind.TEST else None


def run_notices(
    runs: Sequence[Ran | None], bounds: Mapping[str, float], *, clean: int | None = None
) -> tuple[Notice, ...]:
    """Say which cells met a limit; `bounds` holds the limits that the sentences name.

    What happened from the cell `clean` on is for staff: there a program could speak of hidden tests.
    """
    clean = len(runs) if clean is None else clean
    notices = []
    for at, ran in enumerate(runs):
        if ran is not None and ran.status in ENDINGS:
            notices.append(replace(_end_of(at + 1, ran, bounds), for_staff=at >= clean))
    first = next((at for at, ran in enumerate(runs) if ran and ran.truncated), None)
    if first is not None:
        notices.append(Notice("output-truncated", {"cell": first + 1, **bounds}, for_staff=first >= clean))
    return tuple(notices)


def ending_notice(at: int, runs: Sequence[Ran | None], bounds: Mapping[str, float]) -> Notice | None:
    """Say why one cell has no result: its own end, or the cell that ended the run before it."""
    ran = runs[at]
    if ran is None or ran.status in {RanStatus.OK, RanStatus.ERROR}:
        return None
    if ran.status is not RanStatus.NOT_REACHED:
        return _end_of(at + 1, ran, bounds)
    reached = [
        number for number, one in enumerate(runs[:at], 1) if one and one.status is not RanStatus.NOT_REACHED
    ]
    return Notice("not-reached", {"cell": max(reached, default=at + 1)})


def _end_of(number: int, ran: Ran, bounds: Mapping[str, float]) -> Notice:
    if ran.status is RanStatus.TIME and ran.seconds < bounds["seconds"]:
        return Notice("total-timeout", {**bounds, "cell": number, "seconds": bounds["total_seconds"]})
    return Notice(ENDINGS[ran.status], {**bounds, "cell": number})
