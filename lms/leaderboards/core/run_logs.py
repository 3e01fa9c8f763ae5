"""What a notebook said on the files that everyone has: bounded, and harmless where it is shown.

A log is made of a run that met no hidden row itself. A team that wants to can carry hidden rows into it all
the same, through what runs leave on the machine (ADR 0028), so a challenge has logs only where it says so.
The words are a stranger's: no escape moves a terminal, no sign turns the text around, and what is long is
cut.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lms.errors import N_

TEXT_BYTES = 4 << 10  # of what one cell printed, the last of it
FIRST_BYTES, LAST_BYTES = 3 << 10, 5 << 10  # of a traceback: where it began, and what it ended with
LOG_BYTES = 32 << 10  # in all; the last cells before the first
NAME_CHARACTERS = 80
CUT = "…"
OUTCOMES: Mapping[str, str] = {
    "failed": N_("It failed there too: cell %(cell)s stopped with %(error)s."),
    "memory": N_("It failed there too: cell %(cell)s needed more memory than the challenge allows."),
    "output": N_("It failed there too: cell %(cell)s printed without end."),
    "died": N_("It failed there too: the kernel ended in cell %(cell)s."),
    "time": N_(
        "It did not come to its end there: cell %(cell)s was still running when the %(seconds)s seconds of "
        "this run were over."
    ),
    "no_output": N_("It ran to its end there, and left no file %(file)s that could be taken."),
    "bad_file": N_("It ran to its end there, and the file %(file)s that it left cannot be taken."),
    "ended": N_(
        "It ran to its end there, and the columns and values of the file that it left are right. Its ids and "
        "the number of its rows were not compared with any."
    ),
    "not_looked": N_(
        "It ran to its end there. The file that it left was not looked through: only CSV and JSON of at most "
        "%(limit)s MiB are."
    ),
    "not_made": N_("The log could not be made. Nothing in your entry is to blame for that."),
}
HINT = N_("Hidden files may be otherwise: more rows, other ids, missing or unseen values.")
FEWER = N_("They are fewer than when it counts.")
AS_MANY = N_("They are as many as when it counts.")
NO_ROOM = N_("Earlier cells said something too, for which there was no room.")
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursors
    r"|(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, strings
    r"|\x1b[ -/]*[0-~]?"
)
_LINES = re.compile(r"\r\n|[\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True)
class CellLog:
    """One cell that ran and said something."""

    number: int
    text: str
    traceback: str = ""
    cut: bool = False  # there was more

    @property
    def size(self) -> int:
        """Return its bytes."""
        return len(self.text.encode()) + len(self.traceback.encode())


@dataclass(frozen=True)
class RunLog:
    """How a run on the files that everyone has ended, and what its cells said.

    Beside what the sentence of an outcome needs, its parameters may say: `fewer`, whether it had less time
    than when it counts; `no_room`, how many cells were left out; and of a file the first fault.
    """

    outcome: str  # of `OUTCOMES`
    params: Mapping[str, Any]
    cells: Sequence[CellLog] = ()
    seconds: int = 0  # that it had


def cell_log(number: int, outputs: Iterable[Mapping[str, Any]], *, cut: bool = False) -> CellLog | None:
    """Return what a cell said, of its outputs as a kernel gives them; None: nothing."""
    printed, failed = [], []
    for output in outputs:
        kind = output.get("output_type")
        if kind == "stream":
            printed.append(str(output["text"]))
        elif kind == "error":
            parts = output["traceback"] or [f"{output['ename']}: {output['evalue']}"]
            failed.append("\n".join(map(str, parts)))
        else:
            printed.append(str(output["data"].get("text/plain", "")) + "\n")
    text, is_cut = _end_of(readable("".join(printed)).strip("\n"))
    traceback, is_broken = _ends_of(readable("\n".join(failed)).strip("\n"))
    if not text and not traceback:
        return None
    return CellLog(number, text, traceback, cut or is_cut or is_broken)


def bounded(log: RunLog) -> RunLog:
    """Return a log with as many of its last cells as have room, which says so if others have none."""
    kept: list[CellLog] = []
    left = LOG_BYTES
    for cell in reversed(log.cells):
        left -= cell.size
        if left < 0:
            break
        kept.append(cell)
    missing = len(log.cells) - len(kept)
    params = {**log.params, "no_room": missing} if missing else log.params
    return replace(log, params=params, cells=tuple(reversed(kept)))


def readable(text: str) -> str:
    """Return text as a terminal would leave it, without anything that steers one or turns letters around."""
    plain = _LINES.sub("\n", _ESCAPES.sub("", text))
    lines = (
        line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")
    )  # as progress bars overwrite
    return "\n".join("".join(map(_sign, line)) for line in lines)


def readable_name(text: str) -> str:
    """Return a name on one line, short enough for a sentence."""
    return readable(text).replace("\n", " ")[:NAME_CHARACTERS]


def sentences(outcome: str, params: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the msgids, each with its parameters, that say how a run ended."""
    said: list[tuple[str, Mapping[str, Any]]] = [(OUTCOMES.get(outcome, outcome), params)]
    if "fault" in params:
        if params.get("line") is not None:
            said.append((N_("Line %(line)s:"), params))
        said.append((str(params["fault"]), params.get("with", {})))
    if "fewer" in params:
        said.append((FEWER if params["fewer"] else AS_MANY, {}))
    if outcome in {"ended", "not_looked"}:
        said.append((HINT, {}))
    if "no_room" in params:
        said.append((NO_ROOM, {}))
    return said


def _sign(one: str) -> str:
    if one.isprintable() or one == "\t":
        return one
    return " " if unicodedata.category(one) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def _end_of(text: str) -> tuple[str, bool]:
    """Return the last of a text that has room, and whether there was more."""
    content = text.encode()
    if len(content) <= TEXT_BYTES:
        return text, False
    kept = content[-TEXT_BYTES:].decode(errors="ignore")
    return kept.partition("\n")[2] or kept, True  # no half of a line


def _ends_of(text: str) -> tuple[str, bool]:
    """Return both ends of a text, and whether something between them is missing."""
    content = text.encode()
    if len(content) <= FIRST_BYTES + LAST_BYTES:
        return text, False
    first, last = content[:FIRST_BYTES], content[-LAST_BYTES:]
    return f"{first.decode(errors='ignore')}\n{CUT}\n{last.decode(errors='ignore')}", True
