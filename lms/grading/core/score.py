"""Points of one graded cell from how it ran: nbgrader's `determine_grade`, with its quirks mended.

Mended on purpose: text on standard error is no failure; an error anywhere in the cell is; a number of
points must be finite and within the cell's own; a cell that did not come to rest gets nothing.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lms.grading.core.contracts import CellKind, CheckResult, CheckStatus, ManifestCell, Notice
from lms.grading.core.messages import hidden_message, visible_message

# NumPy 2 writes its numbers so.
NUMPY_NUMBER = re.compile(r"(?:np|numpy)\.(?:float|int|uint)\d+\((.+)\)\Z", re.DOTALL)
SHOWN = 60


class RanStatus(StrEnum):
    """How a cell ended."""

    OK = "ok"
    ERROR = "error"
    TIME = "time"
    DIED = "died"
    MEMORY = "memory"
    OUTPUT = "output"
    UNSETTLED = "unsettled"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True)
class Ran:
    """One executed cell. `result` is the text of its last expression, if it had one."""

    status: RanStatus
    outputs: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0
    error: tuple[str, str] | None = None  # name and text of the exception
    result: str | None = None
    truncated: bool = False
    by_student: bool = False  # the exception came out of the student's own code
    asked: tuple[str, ...] = ()  # what a test asked of the student's objects, where it was noted
    traceback: str = ""  # with the student's part; staff only


@dataclass(frozen=True)
class Points:
    """Points, and what is odd about them."""

    score: float
    notice: Notice | None = None


def points_of(cell: ManifestCell, ran: Ran) -> Points:
    """Return the points of a test cell that ran.

    Units: points, never outside of 0 and the cell's own.
    Source: nbgrader 0.9.6, `nbgrader.utils.determine_grade` and `get_partial_grade`.
    """
    if ran.status is not RanStatus.OK or _shows_error(ran):
        return Points(0)
    text = (ran.result or "").strip()
    if text in {"", "None", "True"}:
        return Points(cell.points)
    number = _number(text)
    params: dict[str, str | float] = {"grade_id": cell.grade_id, "value": text[:SHOWN]}
    if number is None or not math.isfinite(number):
        return Points(0, Notice("partial-not-a-number", params, for_staff=True))
    if not 0 <= number <= cell.points:
        params["maximum"] = f"{cell.points:g}"
        return Points(0, Notice("partial-out-of-range", params, for_staff=True))
    return Points(number)


def _shows_error(ran: Ran) -> bool:
    return ran.error is not None or any(output.get("output_type") == "error" for output in ran.outputs)


def _number(text: str) -> float | None:
    wrapped = NUMPY_NUMBER.match(text)
    try:
        return float(wrapped.group(1) if wrapped else text)
    except ValueError:
        return None


def check_of(cell: ManifestCell, ran: Ran | None, answer: str | None, *, clean: bool = False) -> CheckResult:
    """Return the outcome of one graded cell.

    Args:
        cell: the cell of the release.
        ran: how it ran, for a test.
        answer: what the student wrote, for an answer that a person grades; None if missing.
        clean: no hidden test called student code before this one ended, so that its message may be shown.
    """
    if cell.kind is not CellKind.TEST:
        return _manual(cell, answer)
    if ran is None or ran.status not in {RanStatus.OK, RanStatus.ERROR}:
        return CheckResult(cell.grade_id, 0, cell.points, CheckStatus.ERROR, hidden=cell.hidden)
    points = points_of(cell, ran)
    result = CheckResult(
        grade_id=cell.grade_id,
        score=points.score,
        maximum=cell.points,
        status=_status(points, cell, ran),
        hidden=cell.hidden,
        seconds=round(ran.seconds, 3),
        notice=points.notice,
    )
    if result.status is CheckStatus.PASSED:
        return result
    return replace(result, message=_message(cell, ran, clean=clean))


def _status(points: Points, cell: ManifestCell, ran: Ran) -> CheckStatus:
    if ran.status is RanStatus.OK and not _shows_error(ran) and points.score >= cell.points:
        return CheckStatus.PASSED
    return CheckStatus.PARTIAL if points.score > 0 else CheckStatus.FAILED


def _message(cell: ManifestCell, ran: Ran, *, clean: bool) -> str:
    if clean:
        return visible_message(ran.error)
    # Student code could choose among the author's sentences by what a hidden test handed it.
    return "" if ran.by_student else hidden_message(ran.error, cell.full_source)


def _manual(cell: ManifestCell, answer: str | None) -> CheckResult:
    untouched = answer is None or answer.strip() in {cell.source.strip(), ""}
    if cell.kind is CellKind.MANUAL_ANSWER and untouched:
        return CheckResult(cell.grade_id, 0, cell.points, CheckStatus.FAILED)
    return CheckResult(cell.grade_id, None, cell.points, CheckStatus.MANUAL)
