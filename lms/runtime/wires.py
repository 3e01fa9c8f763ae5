"""The sockets between a worker and one kernel: Jupyter's protocol over files of the jail.

The kernel belongs to the student, so nothing that arrives is trusted: messages have a size, a broken one
is skipped and counted like any other, nobody is listened to for longer than a turn, and no socket connects
a second time (the program could have put another's in its place).
"""

import contextlib
import functools
import hmac
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import zmq
from jupyter_client.session import Session

from lms.runtime.faults import JailUnavailable
from lms.runtime.jail import DESK

PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
WELCOME = "iopub_welcome"  # new kernels greet a new subscriber
ASK_EVERY_SECONDS = 0.1
LOOK_EVERY_SECONDS = 0.005
SEND_MILLISECONDS = 1_000  # a kernel that closed its end takes nothing, and must not stop the worker
TURN_MESSAGES = 1_000  # then clock and memory are looked at again
TURN_BYTES = 8 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Message = tuple[str, str, dict[str, Any], int]  # kind, id of the request it answers, content, bytes


class Wires:
    """Request and answer with one kernel."""

    def __init__(self) -> None:
        self._key = secrets.token_hex(32).encode()
        self._session = Session(key=self._key, check_pid=False)
        self._context = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self.received_bytes = 0  # of everything that came, read or skipped
        self.poller = zmq.Poller()

    def connection(self) -> dict[str, str | int]:
        """Return what the kernel is told at its start."""
        return {
            "transport": "ipc",
            "ip": f"{DESK}/s",
            "key": self._key.decode(),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "python3",
            **PORTS,
        }

    def await_sockets(self, outside: Callable[[str], str], alive: Callable[[], bool], seconds: float) -> None:
        """Wait until the kernel listens.

        Raises:
            JailUnavailable: it does not listen in time.
        """
        deadline = time.monotonic() + seconds
        for port in PORTS.values():
            while not _listens(outside(f"{DESK}/s-{port}")):
                if time.monotonic() > deadline or not alive():
                    raise JailUnavailable("the kernel did not start; is ipykernel in the environment?")
                time.sleep(LOOK_EVERY_SECONDS)

    def connect(self, outside: Callable[[str], str]) -> None:
        """Connect to a kernel that listens; there is no second attempt."""
        for name, kind in (("shell", zmq.DEALER), ("control", zmq.DEALER), ("iopub", zmq.SUB)):
            self._open(name, kind, outside(f"{DESK}/s-{PORTS[f'{name}_port']}"))

    def greet(self, alive: Callable[[], bool], seconds: float) -> None:
        """Ask until answers come on both sockets: a subscription takes a moment, and what is missed is lost.

        Raises:
            JailUnavailable: there is no answer in time.
        """
        deadline = time.monotonic() + seconds
        asked: set[str] = set()
        replied = heard = False
        while not (replied and heard):
            if time.monotonic() > deadline or not alive():
                raise JailUnavailable("the kernel does not answer")
            asked.add(self.ask("shell", "kernel_info_request", {}))
            again = time.monotonic() + ASK_EVERY_SECONDS
            while not (replied and heard) and time.monotonic() < again:
                self.poller.poll(int(ASK_EVERY_SECONDS * 1000))
                heard |= any(kind == WELCOME or to in asked for kind, to, _, _ in self.hear("iopub"))
                replied |= any(to in asked for _, to, _, _ in self.hear("shell"))

    def _open(self, name: str, kind: int, path: str) -> None:
        opened = self._context.socket(kind)
        opened.setsockopt(zmq.LINGER, 0)
        opened.setsockopt(zmq.RECONNECT_IVL, -1)
        opened.setsockopt(zmq.SNDTIMEO, SEND_MILLISECONDS)
        opened.setsockopt(zmq.MAXMSGSIZE, 64 << 20)
        if kind == zmq.SUB:
            opened.setsockopt(zmq.SUBSCRIBE, b"")
        opened.connect(f"ipc://{path}")
        self._sockets[name] = opened
        if name != "control":
            self.poller.register(opened, zmq.POLLIN)

    def ask(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a request; return its id."""
        message = self._session.msg(kind, content)
        with contextlib.suppress(zmq.Again):
            self._session.send(self._sockets[channel], message)
        return str(message["header"]["msg_id"])

    def hear(self, channel: str) -> Iterator[Message]:
        """Yield the messages that wait on a channel, for one turn at most; broken ones are skipped."""
        end = self.received_bytes + TURN_BYTES
        for _ in range(TURN_MESSAGES):
            try:
                frames = self._sockets[channel].recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.received_bytes += sum(map(len, frames))
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                yield self._read(frames)
            if self.received_bytes > end:
                return

    def _read(self, frames: list[bytes]) -> Message:
        """Read what counts of a message; the library's own way also looks for dates in all that it says."""
        _, rest = self._session.feed_identities(frames)
        signature, header, parent, metadata, body = (bytes(one) for one in rest[:5])  # type: ignore[arg-type]
        if not hmac.compare_digest(self._session.sign([header, parent, metadata, body]), signature):
            raise ValueError("a message is not signed")
        content = json.loads(body)
        if not isinstance(content, dict):
            raise TypeError("content is no object")
        answers = str(json.loads(parent).get("msg_id", ""))
        return str(json.loads(header)["msg_type"]), answers, content, sum(map(len, frames))

    def close(self) -> None:
        """Close every socket at once."""
        self._context.destroy(linger=0)


def own_memory_bytes() -> int:
    """Return what this process holds in memory: the only place where an unfinished message shows."""
    return int(os.pread(_statm(os.getpid()), 200, 0).split()[1]) * PAGE_BYTES


@functools.cache
def _statm(pid: int) -> int:
    """Open the account of this process once; a fork of it has its own."""
    return os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
