"""Question and answer between checker and student's kernel: one side at a time, nested where needed."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lms.runtime.inside import arrays, plain, tables  # what they know is known by being imported
from lms.runtime.inside.codec import Decoder, Encoder, Foreign, Node, exact, reading
from lms.runtime.inside.frames import ProtocolError, receive, send, widen
from lms.runtime.inside.twins import Twins

KNOWN = (plain, arrays, tables)
ASK, OK, RAISE, BACK, END = "ask", "ok", "raise", "back", "end"


@dataclass(frozen=True)
class Message:
    """One message: its kind, the question it belongs to, values, and what travels beside them."""

    kind: str
    number: int
    values: list[Any]
    beside: dict[str, Any]


class Talk:
    """One side of the line."""

    def __init__(self, line: socket.socket, sign: int, foreign: Foreign) -> None:
        self.twins = Twins(sign)
        self._line = line
        self._foreign = foreign
        widen(line)

    def post(
        self, kind: str, number: int, values: Sequence[Any], beside: Callable[[Encoder], Node] | None = None
    ) -> None:
        """Send a message; raises `TooLarge` before anything is sent."""
        encoder = Encoder(self.twins, self._foreign)
        body = encoder.nodes(values)
        extra = beside(encoder) if beside is not None else {}
        table = encoder.table()
        send(self._line, [kind, number, body, table, extra], encoder.buffers)
        encoder.settle()

    def take(self, before: Callable[[dict[str, Any]], None] | None = None) -> Message:
        """Receive a message; from then on it is this side's turn, which begins with `look` at the twins.

        Args:
            before: sees what travels beside the values before they are read.

        Raises:
            ProtocolError: it is not what an honest side sends.
        """
        content, buffers = receive(self._line)
        with reading():
            kind, number, body, table, extra = exact(content, list)
            if before is not None:
                before(exact(extra, dict))
            decoder = Decoder(self.twins, self._foreign, buffers)
            decoder.take(table)
            values = decoder.nodes(body)
            message = Message(exact(kind, str), exact(number, int), values, exact(extra, dict))
            if "random" in extra:
                extra["random"] = decoder.node(extra["random"])
        return message


def expect(message: Message, number: int) -> Message:
    """Return the message if it belongs to the question.

    Raises:
        ProtocolError: it answers another one, or none.
    """
    if message.number != number:
        raise ProtocolError("an answer to no question")
    return message
