"""Messages between the student's kernel and the checker: a header, JSON, raw buffers; every length capped."""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

MARK = b"DuR1"
HEADER = struct.Struct("<4sIIQ")  # mark, bytes of JSON, number of buffers, bytes of all buffers
JSON_BYTES = 16 << 20
BUFFER_BYTES = 256 << 20
MOST_BUFFERS = 10_000
JOINED_BYTES = 1 << 16  # up to here one system call with a copy is faster than several without
SOCKET_BYTES = 4 << 20

Buffer = bytes | bytearray | memoryview


class ProtocolError(Exception):
    """The other side sent what no honest side sends."""


class TooLarge(ValueError):
    """A value does not fit into a message."""


class Gone(Exception):
    """The other side closed its end."""


def widen(line: socket.socket) -> None:
    """Let large arrays pass in few turns."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        line.setsockopt(socket.SOL_SOCKET, option, SOCKET_BYTES)


def send(line: socket.socket, message: Any, buffers: Sequence[Buffer] = ()) -> None:
    """Send one message.

    Raises:
        TooLarge: it is beyond the caps; nothing was sent.
        Gone: nobody is there to take it.
    """
    text = json.dumps(message, separators=(",", ":")).encode()
    lengths = [len(one) for one in buffers]
    if len(text) > JSON_BYTES or sum(lengths) > BUFFER_BYTES or len(lengths) > MOST_BUFFERS:
        raise TooLarge("the value is too large to pass between a test and the student's code")
    head = HEADER.pack(MARK, len(text), len(lengths), sum(lengths))
    start = b"".join((head, struct.pack(f"<{len(lengths)}Q", *lengths), text))
    try:
        if sum(lengths) <= JOINED_BYTES:
            line.sendall(b"".join((start, *buffers)))
            return
        line.sendall(start)
        for one in buffers:
            line.sendall(one)
    except OSError as error:
        raise Gone(str(error)) from error


def receive(line: socket.socket) -> tuple[Any, list[bytearray]]:
    """Receive one message.

    Raises:
        ProtocolError: it lies about its lengths, is beyond the caps, or is no JSON.
        Gone: the other side closed its end.
    """
    mark, size, count, total = HEADER.unpack(_exactly(line, HEADER.size))
    if mark != MARK or size > JSON_BYTES or count > MOST_BUFFERS or total > BUFFER_BYTES:
        raise ProtocolError("the head of a message is wrong")
    lengths = struct.unpack(f"<{count}Q", _exactly(line, 8 * count)) if count else ()
    if sum(lengths) != total:
        raise ProtocolError("the lengths of a message contradict each other")
    text = _exactly(line, size)
    return parse(text), [_exactly(line, length) for length in lengths]


def parse(text: bytes | bytearray) -> Any:
    """Read JSON that may be hostile."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message is no JSON: {type(error).__name__}") from error


def _exactly(line: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        try:
            got = line.recv_into(rest)
        except OSError as error:
            raise Gone(str(error)) from error
        if got == 0:
            raise Gone("closed")
        rest = rest[got:]
    return content
