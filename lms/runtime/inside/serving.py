"""The student's kernel answers the checker: one question at a time, until a test is over."""

import builtins
import contextlib
import dis
import inspect
import io
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from lms.runtime.inside.codec import Encoder, Node
from lms.runtime.inside.frames import Gone, ProtocolError, TooLarge
from lms.runtime.inside.operations import DEEDS
from lms.runtime.inside.shaking import shake
from lms.runtime.inside.showing import Showing
from lms.runtime.inside.talk import ASK, BACK, END, OK, RAISE, Message, Talk, expect

OUTPUT_CHARACTERS = 1 << 18  # of one answer
INPUT = builtins.input
_servers: dict[int, "Server"] = {}


def serve(line: socket.socket, shell: Any) -> bool:
    """Answer until the test is over; False: the checker is gone."""
    server = _servers.get(line.fileno())
    if server is None:
        server = _servers[line.fileno()] = Server(line, shell.user_ns)
    try:
        return server.run()
    except KeyboardInterrupt:  # between two questions of a test that has had its time
        return True


class Server:
    """What the checker can ask of one namespace."""

    def __init__(self, line: socket.socket, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._showing = Showing(namespace, self._call_back)
        self._talk = Talk(line, -1, self._showing)
        self._written: list[tuple[str, str]] = []
        self._room = OUTPUT_CHARACTERS
        self._current = 0
        self._working = False
        self._interrupted = False
        self._deeds: dict[str, Callable[..., Any]] = {
            **DEEDS,
            "call": lambda thing, *values, **named: thing(*values, **named),
            "begin": self._showing.begin,
            "name": self._name,
            "has": lambda name: name in namespace,
            "names": lambda: [name for name in namespace if isinstance(name, str)],
            "assign": namespace.__setitem__,
            "delete": namespace.__delitem__,
            "used": lambda: sorted(_used(namespace)),
            "bindings": lambda: {
                name: id(value) for name, value in namespace.items() if isinstance(name, str)
            },
            "signature": inspect.signature,
            "source": inspect.getsource,
        }

    def run(self) -> bool:
        """Answer questions until the end, and say then that student code has come to rest."""
        with self._interruptible(), self._captured():
            try:
                while True:
                    message = self._take()
                    if message.kind == END:
                        break
                    self._answer(message)
                self._talk.twins.clear()
                self._talk.post(END, message.number, [])
            except (Gone, ProtocolError):
                return False
            finally:
                self._talk.twins.clear()
        return True

    def _answer(self, message: Message) -> None:
        before, self._current = self._current, message.number
        if message.beside.get("random") is not None:
            shake(message.beside["random"])
        try:
            kind, value = OK, self._do(*message.values)
        except (Gone, ProtocolError):
            raise
        except BaseException as error:  # noqa: BLE001  # whatever student code raises is raised in the test
            kind, value = RAISE, error
        try:
            self._post(kind, message.number, [value])
        except (TooLarge, RecursionError, TypeError, ValueError, AttributeError) as error:
            self._post(RAISE, message.number, [TypeError(f"unsupported value: {error}")])
        self._current = before

    def _do(self, deed: str, names: tuple[str, ...], *values: Any) -> Any:
        split = len(values) - len(names)
        work = self._deeds[deed]
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        was, self._working = self._working, True
        try:
            return work(*values[:split], **dict(zip(names, values[split:], strict=True)))
        finally:
            self._working = was

    def _call_back(self, number: int, epoch: int, deed: str, values: Any, named: Any) -> Any:
        """Let the checker do something with what a test lent."""
        if epoch != self._showing.epoch or threading.current_thread() is not threading.main_thread():
            raise RuntimeError("this was lent by a test that is over, or to another thread")
        was, self._working = self._working, False
        current = self._current
        try:
            self._post(BACK, current, [number, deed, tuple(named), *values, *named.values()])
            while True:
                message = self._take()
                if message.kind != ASK:
                    expect(message, current)
                    break
                self._answer(message)
        finally:
            self._working = was
        if message.kind == RAISE:
            raise message.values[0]
        return message.values[0]

    def _name(self, name: str) -> Any:
        return (True, self._namespace[name]) if name in self._namespace else (False, None)

    # What travels beside the values.

    def _take(self) -> Message:
        message = self._talk.take(self._beside_me)
        self._talk.twins.look()
        return message

    def _post(self, kind: str, number: int, values: list[Any]) -> None:
        self._talk.post(kind, number, values, self._beside_others)

    def _beside_others(self, _: Encoder) -> Node:
        written, self._written = self._written, []
        self._room = OUTPUT_CHARACTERS
        return {"out": written} if written else {}

    def _beside_me(self, extra: dict[str, Any]) -> None:
        self._talk.twins.forget(extra.get("forget", []))
        self._showing.drop(extra.get("drop", ()))

    # Surroundings of student code.

    def _note(self, name: str, text: str) -> None:
        text = text[: max(self._room, 0)]
        self._room -= len(text)
        if not text:
            return
        if self._written and self._written[-1][0] == name:
            self._written[-1] = (name, self._written[-1][1] + text)
        else:
            self._written.append((name, text))

    @contextlib.contextmanager
    def _captured(self) -> Iterator[None]:
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Stream(self._note, "stdout"), Stream(self._note, "stderr")
        if builtins.input is INPUT:
            builtins.input = _no_input
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            if builtins.input is _no_input:
                builtins.input = INPUT

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _on_interrupt(self, number: int, frame: types.FrameType | None) -> None:
        del number, frame
        if self._working:
            raise KeyboardInterrupt
        self._interrupted = True  # in the middle of a message: student code hears of it as soon as it runs


class Stream(io.TextIOBase):
    """A standard stream of student code while the checker asks."""

    def __init__(self, note: Callable[[str, str], None], name: str) -> None:
        self._note = note
        self.name = name

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return what text would be encoded in."""
        return "utf-8"

    def writable(self) -> bool:
        """Say that text can be written."""
        return True

    def write(self, text: str) -> int:
        """Keep some text for the next answer."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._note(self.name, text)
        return len(text)


def _no_input(prompt: object = "") -> str:
    del prompt
    raise RuntimeError("input() cannot be answered while a test runs")


def _used(namespace: dict[str, Any]) -> set[str]:
    """Return the global names that the notebook's functions use."""
    found: set[str] = set()
    for value in list(namespace.values()):
        kept = vars(value).values() if isinstance(value, type) and value.__module__ == "__main__" else [value]
        for one in kept:
            code = getattr(getattr(one, "__func__", one), "__code__", None)
            if isinstance(code, types.CodeType) and getattr(one, "__globals__", namespace) is namespace:
                found |= _globals_of(code)
    return found


def _globals_of(code: types.CodeType) -> set[str]:
    found = {
        str(one.argval) for one in dis.get_instructions(code) if one.opname.endswith(("_GLOBAL", "_NAME"))
    }
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            found |= _globals_of(one)
    return found
