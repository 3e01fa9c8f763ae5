"""The worker's hold on a checker: it hands in cells, keeps the time, and says how each test ended.

The checker is another process in an enclosure of its own; tests run in it and reach the student's kernel
over a line of their own. What comes back is read like anything from outside: by length, size and type.
"""

import contextlib
import json
import select
import socket
import struct
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lms.runtime.kernel import RunStatus

LENGTH = struct.Struct("<I")
ANSWER_BYTES = 8 << 20
LOOK_EVERY_SECONDS = 0.1
INTERRUPT_SECONDS = 2.0  # between the polite and the final end
CHECKER_GRACE_SECONDS = 1.0  # by which the checker's own clock is later than ours
ENDED = {RunStatus.DIED, RunStatus.MEMORY, RunStatus.OUTPUT, RunStatus.TIME}


class Examined(Protocol):
    """A student's kernel that can be questioned; `lms.runtime.kernel.Kernel` is one."""

    ended: RunStatus | None

    def begin_checks(self) -> None:
        """Know that the kernel answers the checker from now on."""

    def end_checks(self) -> None:
        """Know that the test is over and the kernel at rest."""

    def look(self, milliseconds: int = 0) -> RunStatus | None:
        """Say how the kernel ended, None while it runs."""

    def interrupt(self) -> None:
        """Interrupt what runs."""

    def stop(self) -> None:
        """End the kernel."""


class Process(Protocol):
    """The process that the checker runs in."""

    def cpu_seconds(self) -> float:
        """Return the processor time that it took."""

    def peak_memory_bytes(self) -> int:
        """Return the most memory that was seen in use."""

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True)
class Prepared:
    """A locked cell that ran in the checker."""

    status: RunStatus
    error: tuple[str, str] | None = None
    outputs: tuple[Mapping[str, Any], ...] = ()
    traceback: str = ""
    seconds: float = 0


@dataclass(frozen=True)
class Checked:
    """A test that ran in the checker.

    `asked` names what it asked of the student's objects; `result` is the text of its last value, if that is a
    plain number, text or truth value.
    """

    status: RunStatus
    error: tuple[str, str] | None = None
    result: str | None = None
    outputs: tuple[Mapping[str, Any], ...] = ()
    asked: tuple[str, ...] = ()
    seconds: float = 0
    traceback: str = ""
    student_raised: bool = False


class CheckerLost(Exception):
    """The checker ended, or does not answer."""


class Checker:
    """One checker, for one run; not for several threads."""

    def __init__(self, control: socket.socket, process: Process) -> None:
        self._control = control
        self._process = process
        self._lost = False
        control.setblocking(False)

    @property
    def alive(self) -> bool:
        """Say whether it can take another cell."""
        return not self._lost

    def expect(self, sources: Collection[str], seconds: float = 30) -> None:
        """Name the tests that will come, to be read while the student's cells run."""
        order = {"order": "expect", "sources": list(sources), "seconds": seconds}
        with contextlib.suppress(CheckerLost):  # the first test finds it lost, and says so
            self._ask(order, time.monotonic() + seconds, None)

    def prepare(
        self,
        source: str,
        student_names: Collection[str] = (),
        needed: Collection[str] | None = None,
        seconds: float = 30,
    ) -> Prepared:
        """Run a locked cell of the author's, so that what it defines is the checker's own.

        Args:
            source: the cell.
            student_names: variables of locked cells that resolve in the student's kernel all the same.
            needed: names that tests use; what nobody needs is not run. None: all is run.
            seconds: the most that it may take.
        """
        names = None if needed is None else sorted(needed)
        order = {
            "order": "prepare",
            "source": source,
            "student_names": sorted(student_names),
            "needed": names,
        }
        begun = time.monotonic()
        try:
            answer = self._ask(
                {**order, "seconds": max(seconds, 0.01)}, begun + seconds + INTERRUPT_SECONDS, None
            )
        except CheckerLost:
            return Prepared(RunStatus.DIED, ("CheckerLost", ""), seconds=time.monotonic() - begun)
        return Prepared(
            _status(answer),
            _error(answer),
            _outputs(answer),
            _text(answer, "traceback"),
            time.monotonic() - begun,
        )

    def check(
        self, kernel: Examined, source: str, *, allowed: Collection[str] | None, seconds: float
    ) -> Checked:
        """Run a test against a student's kernel.

        Args:
            kernel: the student's.
            source: the test.
            allowed: what it may ask of the student's objects; None: everything (the reference solution).
            seconds: the most that it may take.
        """
        begun = time.monotonic()
        if self._lost or kernel.ended is not None:
            return Checked(RunStatus.NOT_REACHED)
        own = max(seconds, 0.01) + CHECKER_GRACE_SECONDS
        order = {"order": "check", "source": source, "allowed": None if allowed is None else sorted(allowed),
                 "seconds": own}  # fmt: skip
        kernel.begin_checks()
        ended: RunStatus | None = None
        try:
            answer = self._ask(order, begun + seconds, kernel)
        except CheckerLost:
            kernel.stop()
            return Checked(RunStatus.TIME, ("TimeoutError", ""), seconds=time.monotonic() - begun)
        if time.monotonic() > begun + seconds:
            ended = RunStatus.TIME
        return self._checked(kernel, answer, ended, time.monotonic() - begun)

    def _checked(
        self, kernel: Examined, answer: Mapping[str, Any], late: RunStatus | None, seconds: float
    ) -> Checked:
        if answer.get("broken") is True:
            died = kernel.look() or kernel.ended or RunStatus.DIED
            kernel.stop()
            kernel.ended = late or died
        else:
            kernel.end_checks()
        return Checked(
            status=kernel.ended or late or _status(answer),
            error=_error(answer),
            result=_text(answer, "result") if isinstance(answer.get("result"), str) else None,
            outputs=_outputs(answer),
            asked=tuple(str(one)[:300] for one in _list(answer, "asked")),
            seconds=seconds,
            traceback=_text(answer, "traceback"),
            student_raised=answer.get("student_raised") is True,
        )

    def cpu_seconds(self) -> float:
        """Return the processor time that it took."""
        return self._process.cpu_seconds()

    def peak_memory_bytes(self) -> int:
        """Return the most memory that was seen in use."""
        return self._process.peak_memory_bytes()

    def close(self) -> None:
        """End it."""
        self._lost = True
        self._control.close()
        self._process.close()

    # The control socket.

    def _ask(self, order: Mapping[str, Any], deadline: float, kernel: Examined | None) -> Mapping[str, Any]:
        if self._lost:
            raise CheckerLost
        text = json.dumps(order).encode()
        waits = _Waits(self._control, kernel, deadline)
        try:
            waits.send(LENGTH.pack(len(text)) + text)
            answer = json.loads(waits.answer())
        except (OSError, ValueError, RecursionError, CheckerLost):
            self._lost = True
            self._process.close()
            raise CheckerLost from None
        return answer if isinstance(answer, dict) else {}


class _Waits:
    """Waits on the checker while it looks after the student's kernel."""

    def __init__(self, control: socket.socket, kernel: Examined | None, deadline: float) -> None:
        self._control = control
        self._kernel = kernel
        self._deadline = deadline
        self._interrupted = kernel is None

    def send(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            self._wait(writing=True)
            rest = rest[self._control.send(rest) :]

    def receive(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            self._wait(writing=False)
            more = self._control.recv(size - len(content))
            if not more:
                raise CheckerLost
            content += more
        return bytes(content)

    def answer(self) -> bytes:
        """Return the next answer; raises `CheckerLost` if there is none, or too much of it."""
        (size,) = LENGTH.unpack(self.receive(LENGTH.size))
        if size > ANSWER_BYTES:
            raise CheckerLost
        return self.receive(size)

    def _wait(self, *, writing: bool) -> None:
        files = [self._control.fileno()]
        while True:
            turn = min(max(self._deadline - time.monotonic(), 0), LOOK_EVERY_SECONDS)
            ready = select.select([] if writing else files, files if writing else [], [], turn)
            if ready[0] or ready[1]:
                return
            if self._kernel is not None:
                self._kernel.look()  # ends what is too large or dead, and the checker hears of it on its line
            if time.monotonic() > self._deadline:
                self._late()

    def _late(self) -> None:
        if self._interrupted or self._kernel is None:
            raise CheckerLost
        self._interrupted = True
        self._kernel.interrupt()
        self._deadline = time.monotonic() + INTERRUPT_SECONDS


def _status(answer: Mapping[str, Any]) -> RunStatus:
    known = {"ok": RunStatus.OK, "error": RunStatus.ERROR, "time": RunStatus.TIME, "died": RunStatus.DIED}
    return known.get(str(answer.get("status")), RunStatus.ERROR)


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _list(answer: Mapping[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    return value if isinstance(value, list) else []


def _error(answer: Mapping[str, Any]) -> tuple[str, str] | None:
    found = [str(one).encode(errors="replace").decode() for one in _list(answer, "error")]
    return (found[0], found[1]) if len(found) == 2 else None  # noqa: PLR2004  # name and text


def _outputs(answer: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(one for one in _list(answer, "outputs") if isinstance(one, dict))
