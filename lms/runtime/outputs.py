"""The outputs of one cell as they arrive from a kernel: kept up to a size, counted beyond it."""

from typing import Any

KINDS = (
    "text/plain",
    "text/html",
    "text/markdown",
    "text/latex",
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "application/json",
)
RESULT_CHARACTERS = 1_000  # more is no number of points
ERROR_CHARACTERS = 4_000
EACH_BYTES = 64  # what an output takes up beside its content
MOST_OUTPUTS = 1_000  # of one cell
CELL_BYTES = 64 << 10  # of one cell, whatever the notebook may keep in all
FLOOD = 16  # times the limit: then the cell is ended
LINE_CHARACTERS = 4_000  # of one part of a traceback, where the last of a cell is kept
HEAD = 2  # parts of a traceback that tell where it began


class CellOutputs:
    """Collects notebook outputs; `left` is what may still be kept, shared by the cells of a run."""

    def __init__(self, limit_bytes: int) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.truncated = False
        self.result: str | None = None
        self.error: tuple[str, str] | None = None
        self.received_bytes = 0
        self.kept_bytes = 0
        self._limit = min(limit_bytes, CELL_BYTES)
        self._clear_next = False

    def take(self, kind: str, content: dict[str, Any], size: int) -> None:
        """Add what a message of the kernel shows; unknown kinds are ignored."""
        self.received_bytes += size
        if kind == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear()
            return
        maker = {
            "stream": _stream,
            "display_data": _display,
            "execute_result": _display,
            "error": _error,
        }.get(kind)
        output = maker(kind, content) if maker else None
        if output is None:
            return
        self._note(kind, output)
        if self._clear_next:
            self._clear()
        self._keep(output)

    @property
    def taken_bytes(self) -> int:
        """Return what the kept outputs take away from the cells that follow."""
        return self.kept_bytes + EACH_BYTES * len(self.outputs)

    def _note(self, kind: str, output: dict[str, Any]) -> None:
        if kind == "execute_result":
            self.result = str(output["data"].get("text/plain", ""))[:RESULT_CHARACTERS]
        elif kind == "error":
            self.error = (output["ename"], output["evalue"])

    def _clear(self) -> None:
        self._clear_next = False
        self.outputs = []

    def _keep(self, output: dict[str, Any]) -> None:
        room = self._limit - self.kept_bytes
        size = _size(output)
        if len(self.outputs) >= MOST_OUTPUTS:
            room = -1
        if size > room:
            self.truncated = True
            if output["output_type"] != "stream" or room <= 0:
                return
            output["text"] = output["text"].encode()[:room].decode(errors="ignore")
            size = room
        self.kept_bytes += size
        last = self.outputs[-1] if self.outputs else {}
        if output["output_type"] == "stream" == last.get("output_type") and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            self.outputs.append(output)


class LastTexts(CellOutputs):
    """Keeps text alone, and the last of it: what stands before a fault tells more than how a cell began."""

    def __init__(self) -> None:
        super().__init__(CELL_BYTES)

    def _clear(self) -> None:
        super()._clear()
        self.kept_bytes = 0

    def _keep(self, output: dict[str, Any]) -> None:
        _shorten(output, self._limit)
        last = self.outputs[-1] if self.outputs else {}
        self.kept_bytes += _size(output)
        if output["output_type"] == "stream" == last.get("output_type"):
            last["text"] += output["text"]
        else:
            self.outputs.append(output)
        while self.kept_bytes > self._limit or len(self.outputs) > MOST_OUTPUTS:
            self._drop()

    def _drop(self) -> None:
        """Let go of the first output, or of as much of it as is too much."""
        self.truncated = True
        first = self.outputs[0]
        size, over = _size(first), self.kept_bytes - self._limit
        if first["output_type"] == "stream" and 0 < over < size:
            first["text"] = first["text"].encode()[over:].decode(errors="ignore")
            self.kept_bytes += _size(first) - size
        else:
            del self.outputs[0]
            self.kept_bytes -= size


def _shorten(output: dict[str, Any], limit: int) -> None:
    """Cut one output: of a stream the end is kept, of a traceback both ends, of a value the start."""
    if output["output_type"] == "stream":
        output["text"] = output["text"].encode()[-limit:].decode(errors="ignore")
    elif output["output_type"] == "error":
        output["traceback"] = _both_ends([line[:LINE_CHARACTERS] for line in output["traceback"]], limit // 2)
    else:
        text = output["data"].get("text/plain", "")
        output["data"] = {"text/plain": text.encode()[:limit].decode(errors="ignore")}


def _both_ends(lines: list[str], limit: int) -> list[str]:
    """Return the first lines and as many of the last as have room."""
    head, rest = lines[:HEAD], lines[HEAD:]
    left = limit - sum(len(line.encode()) for line in head)
    for at in range(len(rest) - 1, -1, -1):
        left -= len(rest[at].encode())
        if left < 0:
            return [*head, "…", *rest[at + 1 :]]
    return lines


def _text(value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    text = "".join(part if isinstance(part, str) else _written(part) for part in parts)
    return text.encode(errors="replace").decode()  # lone surrogates cannot be stored


def _written(value: object) -> str:
    """Write what should have been text; a structure that is nested too deeply says nothing."""
    try:
        return str(value)
    except RecursionError:
        return ""


def _stream(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    name = "stderr" if content.get("name") == "stderr" else "stdout"
    return {"output_type": kind, "name": name, "text": _text(content.get("text", ""))}


def _display(kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    found = content.get("data")
    if not isinstance(found, dict):
        return None
    kept = {name: _text(found[name]) for name in KINDS if name in found and name != "application/json"}
    output: dict[str, Any] = {"output_type": kind, "data": kept, "metadata": {}}
    if kind == "execute_result":
        output["execution_count"] = None
    return output


def _error(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    lines = content.get("traceback")
    return {
        "output_type": kind,
        "ename": _text(content.get("ename", ""))[:200],
        "evalue": _text(content.get("evalue", ""))[:ERROR_CHARACTERS],
        "traceback": [_text(line) for line in lines][-100:] if isinstance(lines, list) else [],
    }


def _size(output: dict[str, Any]) -> int:
    if output["output_type"] == "stream":
        return len(output["text"].encode())
    if output["output_type"] == "error":
        return len(output["evalue"]) + sum(len(line.encode()) for line in output["traceback"])
    return sum(len(value.encode()) for value in output["data"].values())
