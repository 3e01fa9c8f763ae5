"""What a notebook's outputs may take up together, whichever kernel or checker they came from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lms.grading.core.score import Ran


def capped(ran: Ran, room: int) -> tuple[Ran, int]:
    """Return a cell with as much of its outputs as there is room for, and the room that is left.

    Of a stream the beginning stays, of an error its name and message.

    Units: bytes.
    """
    kept: list[Mapping[str, Any]] = []
    for output in ran.outputs:
        fitting = output if size_of(output) <= room else _shortened(output, room)
        if fitting is not None:
            kept.append(fitting)
            room = max(room - size_of(fitting), 0)
    if list(ran.outputs) == kept:
        return ran, room
    return replace(ran, outputs=tuple(kept), truncated=True), room


def size_of(output: Mapping[str, Any]) -> int:
    """Return what an output takes up, in bytes."""
    texts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", ())]
    texts += dict(output.get("data", {})).values()
    return sum(len(str(text).encode(errors="replace")) for text in texts)


def _shortened(output: Mapping[str, Any], room: int) -> Mapping[str, Any] | None:
    kind = output.get("output_type")
    if kind == "error":
        return {**output, "traceback": []}
    if kind != "stream" or room <= 0:
        return None
    return {**output, "text": str(output["text"]).encode()[:room].decode(errors="ignore")}
