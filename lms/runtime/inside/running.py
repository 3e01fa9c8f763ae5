"""Run the cells of an author in the checker: statement by statement what is locked, whole what is a test."""

import ast
import contextlib
import functools
import io
import linecache
import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from lms.runtime.inside import faults
from lms.runtime.inside.asking import Conversation
from lms.runtime.inside.locked import order
from lms.runtime.inside.names import Names

RESULT = 1_000  # characters
NUMBER = "result:number"  # asked of a test's own last value: partial credit
OUTPUT = 40_000  # of one test; together with its traceback no more than any cell keeps
TRACE = 16_000


class Desk:
    """Where cells are run: one set of names, one conversation."""

    def __init__(self, talk: Conversation, names: Names, locked: dict[str, Any]) -> None:
        self._talk = talk
        self._names = names
        self._locked = locked
        self._theirs: set[str] = set()  # names of locked cells that resolve in the student's kernel
        self._cells = 0

    def expect(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Read tests that will come, so that none has to wait for it."""
        for source in given["sources"]:
            transformed(source)
        return {"status": "ok"}

    def prepare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Run a locked cell: what it defines is the checker's own from now on."""
        file = self._file(given["source"])
        account: dict[str, Any] = {"status": "ok", "error": None, "traceback": ""}
        self._theirs |= set(given["student_names"])
        with captured() as written:
            try:
                tree = ast.parse(transformed(given["source"]))
                self._run_locked(tree, file, given["needed"])
            except Exception as error:  # noqa: BLE001  # of the author's code, told to the author
                account = {"status": "error", "error": _named(error), "traceback": _trace(error, None)}
        return {**account, "outputs": written.outputs}

    def _run_locked(self, tree: ast.Module, file: str, needed: list[str] | None) -> None:
        left = order(tree, self._theirs, needed)
        try:
            while left:
                statement, runs = left[0]
                if runs:
                    exec(compile(ast.Module([statement.node], []), file, "exec"), self._names)  # noqa: S102
                    self._note(statement.node)
                    self._names.kept |= statement.binds - self._theirs
                    for name in statement.binds & self._theirs - self._locked.keys():
                        dict.pop(self._names, name, None)
                elif runs is None:
                    self._names.refused |= statement.binds - self._theirs - self._names.keys()
                else:
                    self._theirs |= statement.binds
                left.pop(0)
        finally:
            for statement, _ in left:  # it failed: nobody else's may stand in for what is missing
                self._names.refused |= statement.binds - self._theirs

    def _note(self, node: ast.stmt) -> None:
        for part in ast.walk(node):
            if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and dict.__contains__(
                self._names, part.name
            ):
                self._locked[part.name] = dict.__getitem__(self._names, part.name)

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Run a test; say how it ended, what it made, and what it asked for."""
        file = self._file(given["source"])
        error: BaseException | None = None
        result = None
        with captured() as written:
            try:
                result = self._test(given, file)
                if self._talk.bent:
                    result = min(result, self._unbent(given, file), key=_worth)
            except BaseException as caught:  # noqa: BLE001  # whatever a test raises is its outcome
                error = caught
            account = self._account(self._come_to_rest() or error)
            self._talk.end()
        shown = [] if error is None else [_error_output(account)]
        return {**account, "result": result, "outputs": written.outputs + shown}

    def _come_to_rest(self) -> BaseException | None:
        """Wait for the student's kernel; say what came between, unless it was gone already."""
        if not self._talk.broken:
            try:
                self._talk.rest()
            except BaseException as caught:  # noqa: BLE001  # the end of the time, or of the kernel
                return caught
        return None

    def _test(self, given: Mapping[str, Any], file: str) -> str | None:
        tree = ast.parse(transformed(given["source"]))
        self._talk.begin(given["allowed"], sorted(self._locked))
        self._names.handed = {
            name for one in ast.walk(tree) if isinstance(one, ast.Global) for name in one.names
        }
        self._names.begin()
        quiet = given["source"].rstrip().endswith(";")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, file, "exec"), self._names)  # noqa: S102  # the author's test
            if not isinstance(last, ast.Expr):
                return None
            value = eval(compile(ast.Expression(last.value), file, "eval"), self._names)  # noqa: S307  # likewise
            return None if quiet else self._points(value)
        finally:
            self._names._hand_over()  # noqa: SLF001  # the last assignments
            self._names.end()

    def _unbent(self, given: Mapping[str, Any], file: str) -> str | None:
        """Run a test again, on arguments that student code cannot change.

        What a test compares with may be made of an argument: `assert mean(values) == sum(values) / 3`. Who
        changes `values` to fit a wrong answer fails here; who sorts them on the way does not. A test that
        wants them unchanged has said so before.
        """
        self._talk.bending = False
        try:
            with captured():
                return self._test(given, file)
        finally:
            self._talk.bending = True

    def _points(self, value: object) -> str | None:
        """Return the text of a test's last value; where the solution gave points, only points count."""
        text = plain_text(value)
        if text is not None and text[:1] not in "<TF'\"":
            if self._talk.profile.noting:
                self._talk.may(NUMBER)
        elif NUMBER in (self._talk.profile.allowed or ()):
            return f"<{type(value).__name__}>"  # None and True mean full points elsewhere
        return text

    def _account(self, error: BaseException | None) -> dict[str, Any]:
        student = None if error is None else self._talk.seeing.trace_of(error)
        account: dict[str, Any] = {
            "status": "ok" if error is None else "error",
            "error": None if error is None else _named(error),
            "asked": sorted(self._talk.profile.asked),
            "traceback": "" if error is None else _trace(error, student),
            "student_raised": student is not None,
        }
        if type(error).__name__ == "TimeUp":
            account["status"] = "time"
        elif self._talk.broken:
            account |= {"status": "died", "error": ["StudentGone", self._talk.broken[:500]]}
        account["broken"] = bool(self._talk.broken)
        return account

    def _file(self, source: str) -> str:
        self._cells += 1
        file = f"<cell {self._cells}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        return file


@functools.lru_cache(maxsize=500)
def transformed(source: str) -> str:
    """Return a cell as Python, with IPython's own forms spelt out where IPython is there."""
    manager = sys.modules.get("IPython.core.inputtransformer2")
    return source if manager is None else str(manager.TransformerManager().transform_cell(source))


def plain_text(value: Any) -> str | None:
    """Return the text of a plain value, as points are read from it; never what an object says of itself."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(type(value), numpy.generic) and type(value).__module__ == "numpy":
        value = value.item()
    if type(value) is float and not math.isfinite(value):
        return str(value)
    if type(value) in {int, float, bool, str}:
        return repr(value)[:RESULT]
    return None if value is None else f"<{type(value).__name__}>"


def _worth(text: str | None) -> float:
    """Return how much a test's last value is worth, only to be compared."""
    try:
        return math.inf if text in {None, "True"} else float(str(text))
    except ValueError:
        return -math.inf


def _named(error: BaseException) -> list[str]:
    return [type(error).__name__[:200], faults.message_of(error)]


def _trace(error: BaseException, student: str | None) -> str:
    lines = [
        one for one in traceback.extract_tb(error.__traceback__) if "runtime/inside/" not in one.filename
    ]
    text = "".join(traceback.format_list(lines))
    if student:
        text += f"In the student's kernel:\n{student}"
    return f"{text}{type(error).__name__}: {faults.message_of(error)}"[-TRACE:]


def _error_output(account: Mapping[str, Any]) -> dict[str, Any]:
    name, message = account["error"]
    lines = account["traceback"].splitlines()[-100:]
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": lines}


class Written:
    """What was written, in order, up to a size."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self._room = OUTPUT

    def note(self, name: str, text: str) -> None:
        """Keep some text."""
        text = text[: self._room].encode(errors="replace").decode()
        self._room -= len(text)
        last = self.outputs[-1] if self.outputs else {}
        if text and last.get("name") == name:
            last["text"] += text
        elif text:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})


class _Stream(io.TextIOBase):
    def __init__(self, written: Written, name: str) -> None:
        self._written = written
        self._stream = name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._written.note(self._stream, str.__str__(text))
        return len(text)


@contextlib.contextmanager
def captured() -> Iterator[Written]:
    """Catch what is written to the standard streams."""
    written, before = Written(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = _Stream(written, "stdout"), _Stream(written, "stderr")
    try:
        yield written
    finally:
        sys.stdout, sys.stderr = before
