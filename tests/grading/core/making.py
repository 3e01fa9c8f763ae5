"""Small notebooks and manifests for tests."""

import json
from typing import Any

from lms.grading.core.contracts import CellKind, Manifest, ManifestCell

HIDDEN = "\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"


def cell(
    source: str = "",
    grade_id: str = "",
    kind: str = "code",
    *,
    metadata: dict[str, Any] | None = None,
    **marks: Any,
) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": kind, "source": source, "metadata": dict(metadata or {})}
    if grade_id:
        flags = {
            "grade": False,
            "solution": False,
            "locked": False,
            "schema_version": 3,
            "grade_id": grade_id,
        }
        made["metadata"]["nbgrader"] = {**flags, **marks}
    if kind == "code":
        made |= {"outputs": [], "execution_count": None}
    return made


def answer(source: str, grade_id: str = "answer") -> dict[str, Any]:
    return cell(source, grade_id, solution=True)


def graded(source: str, grade_id: str = "test", points: float = 1) -> dict[str, Any]:
    return cell(source, grade_id, grade=True, locked=True, points=points)


def notebook(*cells: dict[str, Any], kernel: str = "python3", **more: Any) -> bytes:
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    whole = {
        "cells": list(cells),
        "metadata": {"kernelspec": spec},
        "nbformat": 4,
        "nbformat_minor": 4,
        **more,
    }
    return json.dumps(whole).encode()


def entry(
    grade_id: str,
    kind: CellKind,
    source: str,
    points: float = 0,
    *,
    hidden: str = "",
    cell_type: str = "code",
) -> ManifestCell:
    full = source + HIDDEN.format(hidden) if hidden else source
    return ManifestCell(grade_id, kind, cell_type, points, source, full, "0" * 32)


def manifest(*cells: ManifestCell) -> Manifest:
    return Manifest(cells, "python3", "python")


LAB = manifest(
    entry("setup", CellKind.READ_ONLY, "import math"),
    entry("answer", CellKind.ANSWER, "def double(x):\n    raise NotImplementedError()"),
    entry("test", CellKind.TEST, "assert double(2) == 4, '두 배가 아니에요. | Not the double.'", 2),
    entry("hidden", CellKind.TEST, "assert double(1) == 2", 3, hidden="assert double(7) == 14, 'try again'"),
    entry("essay", CellKind.MANUAL_ANSWER, "YOUR ANSWER HERE", 5, cell_type="markdown"),
)


def released(lab: Manifest = LAB) -> list[dict[str, Any]]:
    """Return the cells that students download."""
    flags = {
        CellKind.TEST: {"grade": True, "locked": True},
        CellKind.ANSWER: {"solution": True},
        CellKind.READ_ONLY: {"locked": True},
        CellKind.MANUAL_ANSWER: {"grade": True, "solution": True},
        CellKind.MANUAL_TASK: {"task": True, "locked": True},
    }
    return [
        cell(one.source, one.grade_id, one.cell_type, points=one.points, **flags[one.kind])
        for one in lab.cells
    ]


def submission(code: str = "def double(x):\n    return 2 * x", lab: Manifest = LAB) -> bytes:
    cells = released(lab)
    cells[1]["source"] = code
    return notebook(*cells)
