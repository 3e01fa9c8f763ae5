"""A checker and a student's kernel as two plain processes with the lab's Python: no jail, but quick."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Self

from lms.runtime.checker import Checked, Checker, Prepared
from lms.runtime.kernel import RunStatus

ROOT = Path(__file__).parents[3]
SECONDS = 90.0


class Plain:
    """One forked process."""

    def __init__(self, pid: int) -> None:
        self._file = os.pidfd_open(pid)

    def ended(self) -> bool:
        return bool(select.select([self._file], [], [], 0)[0])

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._file, number)

    def close(self) -> None:
        if self._file >= 0:
            self.send(signal.SIGKILL)
            os.close(self._file)
        self._file = -1


class Student:
    """A process that runs cells; what the checker needs of a kernel."""

    def __init__(self, orders: socket.socket, process: Plain) -> None:
        self.ended: RunStatus | None = None
        self.process = process
        self.interrupts = 0
        self._socket = orders
        self._orders = orders.makefile("rw")

    def run(self, code: str) -> str:
        self._orders.write(json.dumps(code) + "\n")
        self._orders.flush()
        return str(json.loads(self._orders.readline()))

    def begin_checks(self) -> None:
        self._orders.write("null\n")
        self._orders.flush()

    def end_checks(self) -> None:
        self._socket.settimeout(2)
        if not self._orders.readline():
            self.ended = RunStatus.DIED
        self._socket.settimeout(None)

    def interrupt(self) -> None:
        self.interrupts += 1
        self.process.send(signal.SIGINT)

    def look(self, milliseconds: int = 0) -> RunStatus | None:
        if self.ended is None and select.select([self.process._file], [], [], milliseconds / 1000)[0]:
            self.ended = RunStatus.DIED
        return self.ended

    def stop(self) -> None:
        self.ended = self.ended or RunStatus.TIME
        self.process.send(signal.SIGKILL)

    def close(self) -> None:
        self.process.close()
        self._orders.close()
        self._socket.close()


class Nursery:
    """Forks pairs."""

    def __init__(self, python: Path) -> None:
        self._lead, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = str(Path(__file__).with_name("nursery.py"))
        with theirs:
            self._process = subprocess.Popen(
                [python, program, str(theirs.fileno()), str(ROOT)], pass_fds=[theirs.fileno()]
            )

    def pair(self, rpc: tuple[socket.socket, socket.socket] | None = None) -> "PlainPair":
        """Fork both; `rpc` are the ends of the line between them, if somebody listens in."""
        rpc, orders, control = rpc or socket.socketpair(), socket.socketpair(), socket.socketpair()
        handed = (rpc[0], orders[1], rpc[1], control[1])
        socket.send_fds(self._lead, [b"fork"], [one.fileno() for one in handed])
        for one in handed:
            one.close()
        kernel, checker = json.loads(self._lead.recv(100))
        return PlainPair(Student(orders[0], Plain(kernel)), Checker(control[0], Plain(checker)))

    def close(self) -> None:
        self._lead.close()
        self._process.wait()


class PlainPair:
    """Both, side by side."""

    def __init__(self, student: Student, checker: Checker) -> None:
        self.student = student
        self.checker = checker

    def cell(self, source: str) -> None:
        """Run a cell of the student's."""
        assert self.student.run(source) == ""

    def locked(
        self, source: str, student_names: Collection[str] = (), needed: Collection[str] | None = None
    ) -> Prepared:
        """Run a locked cell on both sides."""
        self.cell(source)
        done = self.checker.prepare(source, student_names, needed, SECONDS)
        assert done.status is RunStatus.OK, done
        return done

    def check(self, source: str, allowed: Collection[str] | None = None, seconds: float = SECONDS) -> Checked:
        return self.checker.check(self.student, source, allowed=allowed, seconds=seconds)

    def passes(self, source: str, allowed: Collection[str] | None = None) -> Checked:
        """Run a test that must pass."""
        done = self.check(source, allowed)
        assert done.status is RunStatus.OK, (done.error, done.traceback)
        return done

    def fails(self, source: str, allowed: Collection[str] | None = None) -> Checked:
        """Run a test that must fail."""
        done = self.check(source, allowed)
        assert done.status is RunStatus.ERROR, done
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.checker.close()
        self.student.close()
