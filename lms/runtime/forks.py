"""One forked child of a warm environment, from the worker's side: admitted, reached, measured, ended."""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from lms.runtime import cgroups, desk
from lms.runtime.jail import DESK, MEBIBYTE, WORK, Bounds
from lms.runtime.slots import Slot

SHELF = "/run/shelf"  # where warm environments see the worker's shelf
UNBOUNDED, PROCESSES = 4 << 30, 64  # of a child that still waits for its run
START_SECONDS = 30
MESSAGE_BYTES = 1 << 16
CREDENTIALS = struct.Struct("3i")
ROOM = socket.CMSG_SPACE(CREDENTIALS.size)


class ForkFailed(Exception):
    """The child could not come to be; the message is for operators."""


class Fork:
    """A child in its enclosure; ended with `close`, by itself, or with whoever holds its control socket.

    Args:
        owner: user and group id, outside.
        later: takes work that nobody need wait for, such as tidying up after the dead.
    """

    def __init__(
        self, owner: tuple[int, int], later: Callable[[Callable[[], None]], object] | None = None
    ) -> None:
        self._slot = Slot.take()
        self.meter = cgroups.make_meter(self._slot.number, UNBOUNDED, PROCESSES)
        self.control, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.control.settimeout(START_SECONDS)
        self._owner = owner
        self._later = later or (lambda work: work())
        self._pid = 0
        self._exit = -1
        self._root = -1
        self._program = -1
        self._peak = 0
        self._cpu = 0.0
        self._waited = 0.0  # processor time before the run
        self._open = True

    def handed_over(self) -> None:
        """Let go of the child's end of the control socket, which the warm environment has by now."""
        self.theirs.close()

    def admit(self) -> None:
        """Wait until the child's first process is there, bound it, and let it go on.

        Raises:
            ForkFailed: it did not come.
        """
        message, pid = self._hear()
        if "hello" not in message:
            raise ForkFailed(message.get("error", "an unknown greeting"))
        self._pid = pid
        try:
            self._exit = os.pidfd_open(pid)
            self._root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self.meter.admit(pid)
            self.control.send(b"go")
        except OSError as error:
            raise ForkFailed(f"the child ended at once: {error}") from error

    def await_word(self) -> dict[str, Any]:
        """Wait for what the child's program says first.

        Raises:
            ForkFailed: it ended or said that it cannot start.
        """
        message, pid = self._hear()
        if "error" in message or "exit" in message:
            raise ForkFailed(str(message.get("error", "it ended before it was ready")))
        if self._program < 0 and "ready" in message:
            self._program = _handle(pid)
        return message

    def begin(self, bounds: Bounds, binds: Sequence[tuple[str, str]], orders: Mapping[str, Any]) -> None:
        """Lay and limit what this run gets, and let the program go on; `begun` says when that is done."""
        self.meter.bound(bounds.memory_bytes, bounds.processes)
        try:
            self.control.send(json.dumps({**_described(bounds, binds), "orders": orders}).encode())
        except OSError as error:
            raise ForkFailed(f"the child ended while it waited: {error}") from error

    def begun(self) -> dict[str, Any]:
        """Wait until the child is as this run wants it; return what it has to say.

        Raises:
            ForkFailed: it ended instead.
        """
        word = self.await_word()
        if "begun" not in word:
            raise ForkFailed("the child said something else")
        self._waited = self.meter.cpu_seconds(self._pid)
        return word

    def _hear(self) -> tuple[dict[str, Any], int]:
        try:
            text, extra, _, _ = self.control.recvmsg(MESSAGE_BYTES, ROOM)
        except OSError as error:
            raise ForkFailed(f"no word from the child: {error}") from error
        if not text:
            raise ForkFailed("the child ended before it was ready")
        pid = 0
        for level, kind, content in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid = CREDENTIALS.unpack(content)[0]
        message: dict[str, Any] = json.loads(text)
        return message, pid

    def outside(self, path: str) -> str:
        """Return the path by which the worker reaches a file of the child, which is never another's."""
        return f"/proc/self/fd/{self._root}{path}"

    def put(self, name: str, content: bytes) -> None:
        """Lay a file on the desk for the program to read; an existing one is not overwritten."""
        desk.put(self.outside(f"{DESK}/{name}"), content, self._owner[0])

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Read a file that the program wrote; None if it is missing, special or longer than the limit.

        `path` is a bare name directly below `DESK` or `WORK`, which the program cannot replace.
        """
        return desk.fetch(self.outside(path), limit)

    def alive(self) -> bool:
        """Say whether the child still runs."""
        return self._exit >= 0 and not _readable(self._exit, 0)

    def fileno(self) -> int:
        """Return a number that becomes readable when the child ends."""
        return self._exit

    def send_signal(self, number: int) -> None:
        """Signal the program itself, not its reaper."""
        if self._program >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._program, number)

    def memory(self) -> int:
        """Return the bytes in use now."""
        return self.meter.sample(self._pid)

    def peak_memory_bytes(self) -> int:
        """Return the most bytes that were seen in use, also after the end."""
        if self._open:
            self._peak = max(self._peak, self.meter.peak())
        return self._peak

    def cpu_seconds(self) -> float:
        """Return the processor time that was taken since the run began, also after the end."""
        if self._open:
            self._cpu = max(self._cpu, self.meter.cpu_seconds(self._pid) - self._waited)
        return self._cpu

    def close(self) -> None:
        """Kill all that runs inside, at once; a second call does nothing."""
        if not self._open:
            return
        self.cpu_seconds()
        self.peak_memory_bytes()
        self._open = False
        if self._exit >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._exit, signal.SIGKILL)
        self.theirs.close()
        self.control.close()
        self._later(functools.partial(self._tidy, self._exit, self._root, self._program))
        self._exit = self._root = self._program = -1

    def _tidy(self, exit_: int, *others: int) -> None:
        if exit_ >= 0:
            _readable(exit_, START_SECONDS)
        for number in (exit_, *others):
            if number >= 0:
                os.close(number)
        self.meter.close()
        self._slot.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _handle(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise ForkFailed(f"the child ended when it was ready: {error}") from error


def _readable(number: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(number, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _described(bounds: Bounds, binds: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "memory": {
            "/tmp": bounds.disk_bytes,  # noqa: S108  # the child's own, like the next
            WORK: bounds.disk_bytes,
            DESK: 64 * MEBIBYTE,
            "/dev/shm": 64 * MEBIBYTE,  # noqa: S108
        },
        "binds": [(f"{SHELF}/{path}", inside) for path, inside in binds],
        "covered": [SHELF],
        "limits": {
            "address": bounds.memory_bytes + (1 << 30),
            "processes": bounds.processes,
            "file": bounds.file_bytes,
            "open": bounds.open_files,
            "cpu": bounds.cpu_seconds,
        },
    }
