"""The checker: runs locked cells and tests, one order at a time, and accounts for what happened."""

import inspect
import json
import os
import signal
import socket
import struct
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from lms.runtime.inside import running
from lms.runtime.inside.asking import Conversation
from lms.runtime.inside.handles import RemoteKind, handle_of
from lms.runtime.inside.names import Names

LENGTH = struct.Struct("<I")
ORDER_BYTES = 32 << 20
AGAIN_SECONDS = 0.5  # until a test that catches everything is told again


class TimeUp(BaseException):
    """The time of a cell is over."""


def main(control: socket.socket, rpc: socket.socket) -> None:
    """Take orders from the worker until it lets go."""
    locked: dict[str, Any] = {}
    talk = Conversation(rpc, locked)
    desk = running.Desk(talk, Names(talk, locked), locked)
    _replace_source_of(talk)
    orders: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "expect": desk.expect,
        "prepare": desk.prepare,
        "check": desk.check,
    }
    signal.signal(signal.SIGALRM, _time_up)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        order = _receive(control)
        if order is None:
            return
        _send(control, _carry_out(orders[order["order"]], order))


def _carry_out(
    work: Callable[[Mapping[str, Any]], dict[str, Any]], order: Mapping[str, Any]
) -> dict[str, Any]:
    signal.setitimer(signal.ITIMER_REAL, order["seconds"], AGAIN_SECONDS)
    answer: dict[str, Any] = {"status": "time"}
    try:
        answer = work(order)
    except TimeUp:
        return answer
    finally:
        _stop_clock()
    return answer


def _stop_clock() -> None:
    while True:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except TimeUp:  # it came in this very moment
            continue
        return


def _time_up(number: int, frame: types.FrameType | None) -> None:
    del number, frame
    raise TimeUp


def _replace_source_of(talk: Conversation) -> None:
    """Let `inspect.getsource` find the source of the student's functions, which only their kernel has."""
    original = inspect.getsource

    def getsource(thing: Any) -> str:
        if not isinstance(type(thing), RemoteKind):
            return original(thing)
        if not talk.may("source"):
            raise TypeError(f"unsupported type: {handle_of(thing).kind} (source)")
        return str(talk.ask("source", thing))

    setattr(inspect, "getsource", getsource)  # noqa: B010  # the library's own type is narrower


def _receive(control: socket.socket) -> Any:
    head = _exactly(control, LENGTH.size)
    if head is None:
        return None
    (size,) = LENGTH.unpack(head)
    text = _exactly(control, size) if size <= ORDER_BYTES else None
    return None if text is None else json.loads(text)


def _exactly(control: socket.socket, size: int) -> bytes | None:
    content = b""
    while len(content) < size:
        more = control.recv(size - len(content))
        if not more:
            return None
        content += more
    return content


def _send(control: socket.socket, answer: Mapping[str, Any]) -> None:
    text = json.dumps(answer).encode()
    control.sendall(LENGTH.pack(len(text)) + text)


if __name__ == "__main__":  # by hand: python -m lms.runtime.inside.checking CONTROL RPC
    main(socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2])))
    os._exit(0)
