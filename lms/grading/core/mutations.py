"""Wrong variants of a lab's reference solution, to find out what its tests do not notice.

The same notebook always gives the same variants in the same order. A variant that keeps all points shows
a gap in the tests, or is no error at all: nobody can tell the two apart by machine, so a person looks.
"""

import ast
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

from lms.grading.core.contracts import Survivor
from lms.grading.core.imports import without_shell
from lms.grading.core.mutators import Edit, Text, edits

BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
SHOWN_CHARACTERS = 400
Item = TypeVar("Item")


@dataclass(frozen=True)
class Mutant:
    """One wrong variant: a cell of the notebook with one small change."""

    cell: int  # index in the notebook, from 0
    source: str  # of the whole cell
    change: Survivor


def mutants_of(notebook: bytes) -> tuple[Mutant, ...]:
    """Return every wrong variant of the solutions in a source notebook, no two alike.

    Only code between the solution's marks is changed: the rest of an answer cell is what students get.
    """
    cells = json.loads(notebook)["cells"]
    return tuple(mutant for index, cell in enumerate(cells) for mutant in _mutants(index, cell))


def with_mutant(notebook: bytes, mutant: Mutant) -> bytes:
    """Return the source notebook with one variant in it, as if somebody had handed it in."""
    document = json.loads(notebook)
    document["cells"][mutant.cell]["source"] = mutant.source
    return json.dumps(document, ensure_ascii=False).encode()


def sampled(mutants: Iterable[Mutant], most: int) -> tuple[Mutant, ...]:
    """Choose variants spread over cells, then over lines, by chance that is the same each time."""
    by_cell = _grouped(sorted(mutants, key=_chance), lambda mutant: mutant.cell)
    cells = [_in_turn(_grouped(cell, lambda mutant: mutant.change.line)) for cell in by_cell]
    return tuple(_in_turn(cells)[:most])


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    groups: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())


def _in_turn(groups: list[list[Item]]) -> list[Item]:
    """Take one of each group, then the next of each, until none is left."""
    nothing = object()
    return [item for turn in zip_longest(*groups, fillvalue=nothing) for item in turn if item is not nothing]  # type: ignore[misc]  # nothing but items is left


def _chance(mutant: Mutant) -> bytes:
    return hashlib.sha256(f"{mutant.cell}\0{mutant.source}".encode()).digest()


def _mutants(index: int, cell: dict[str, Any]) -> Iterator[Mutant]:
    marks = cell.get("metadata", {}).get("nbgrader") or {}
    if cell.get("cell_type") != "code" or not marks.get("solution") or marks.get("grade"):
        return
    source = "".join(cell["source"])
    parsed = without_shell(source)
    try:
        tree = ast.parse(parsed)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    seen = {ast.dump(tree)}
    text, wanted = Text(parsed), _solution_lines(source)
    for edit in sorted(set(edits(parsed, tree))):
        if text.line(edit.start) not in wanted:
            continue
        changed = text.applied(edit)
        shape = _shape(changed)
        if shape and shape not in seen:
            seen.add(shape)
            yield Mutant(index, changed, _change(str(marks.get("grade_id", "")), text, edit))


def _shape(source: str) -> str:
    try:
        return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _solution_lines(source: str) -> frozenset[int]:
    lines = source.split("\n")
    if BEGIN not in source:
        return frozenset(range(1, len(lines) + 1))
    found: set[int] = set()
    inside = False
    for number, line in enumerate(lines, 1):
        inside = (inside or BEGIN in line) and END not in line
        if inside and BEGIN not in line:
            found.add(number)
    return frozenset(found)


def _change(grade_id: str, text: Text, edit: Edit) -> Survivor:
    """Describe an edit by the whole lines that it touches, before and after."""
    begin = text.content.rfind(b"\n", 0, edit.start) + 1
    end = text.content.find(b"\n", edit.end)
    end = len(text.content) if end < 0 else end
    before = text.content[begin:end]
    after = text.content[begin : edit.start] + edit.text.encode() + text.content[edit.end : end]
    return Survivor(grade_id, text.line(edit.start), _shown(before), _shown(after), edit.kind)


def _shown(line: bytes) -> str:
    text = line.decode().strip("\n")
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
