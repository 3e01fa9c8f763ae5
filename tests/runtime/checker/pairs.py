"""A checker and a student's kernel as two plain processes with the lab's Python, for tests that need no jail."""

import json
import signal
import socket
import subprocess
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lms.runtime.checker import Checked, Checker, Prepared
from lms.runtime.kernel import RunStatus

ROOT = Path(__file__).parents[3]
CHECK = "import sys; sys.path.insert(0, sys.argv[3]); {imports}from lms.runtime.inside import checking; import socket; checking.main(socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))"
SECONDS = 20


class Student:
    """A process that runs cells; what the checker needs of a kernel."""

    def __init__(self, python: Path, rpc: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        self.ended: RunStatus | None = None
        program = str(Path(__file__).with_name("student.py"))
        self.process = subprocess.Popen(
            [python, program, str(rpc.fileno()), str(theirs.fileno()), str(ROOT)],
            pass_fds=(rpc.fileno(), theirs.fileno()),
        )
        theirs.close()
        self._socket = ours
        self._orders = ours.makefile("rw")
        self.interrupts = 0

    def run(self, code: str) -> str:
        self._orders.write(json.dumps(code) + "\n")
        self._orders.flush()
        return str(json.loads(self._orders.readline()))

    def begin_checks(self) -> None:
        self._orders.write("null\n")
        self._orders.flush()

    def end_checks(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        if not self._orders.readline():
            self.ended = RunStatus.DIED
        self._socket.settimeout(None)

    def interrupt(self) -> None:
        self.interrupts += 1
        self.process.send_signal(signal.SIGINT)

    def look(self, milliseconds: int = 0) -> RunStatus | None:
        if self.ended is None and self.process.poll() is not None:
            self.ended = RunStatus.DIED
        return self.ended

    def stop(self) -> None:
        self.ended = self.ended or RunStatus.TIME
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._orders.close()
        self._socket.close()


class Killed:
    """What ends a plain process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def close(self) -> None:
        self._process.kill()


class PlainPair:
    """Both, side by side."""

    def __init__(self, python: Path, imports: str = "") -> None:
        rpc = socket.socketpair()
        control = socket.socketpair()
        self.student = Student(python, rpc[0])
        checker = [
            python,
            "-c",
            CHECK.format(imports=imports),
            str(control[1].fileno()),
            str(rpc[1].fileno()),
            str(ROOT),
        ]
        self.process = subprocess.Popen(checker, pass_fds=(control[1].fileno(), rpc[1].fileno()))
        for one in (*rpc, control[1]):
            one.close()
        self.checker = Checker(control[0], Killed(self.process))

    def locked(
        self, source: str, student_names: Collection[str] = (), needed: Collection[str] | None = None
    ) -> Prepared:
        """Run a locked cell on both sides."""
        assert self.student.run(source) == ""
        return self.checker.prepare(source, student_names, needed, SECONDS)

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

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self.checker.close()
        self.process.wait()
        self.student.close()
