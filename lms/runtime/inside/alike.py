"""Whether a table still is as it was: by what would be written of it."""

from collections.abc import Callable
from typing import Any

from lms.runtime.inside.codec import Change, Decoder, Encoder, Node
from lms.runtime.inside.frames import ProtocolError
from lms.runtime.inside.twins import Habit, Twins


class Apart:
    """Stands for whatever is no data of the table: the same object looks the same."""

    def rule(self, value: object) -> None:
        """Know nothing."""
        del value

    def change(self) -> Change:
        """Change nothing."""
        return Change.REFUSED

    def locked_class(self, name: str) -> None:
        """Know nothing."""
        del name

    def write(self, encoder: Encoder, value: object) -> Node:
        """Note which object it is."""
        del encoder
        return ["id", id(value)]

    def read(self, decoder: Decoder, node: list[Any]) -> Any:
        """Read nothing."""
        del decoder, node
        raise ProtocolError("this is only compared")


def _looker(write: Callable[[Encoder, Any], Node]) -> Callable[[Any], Any]:
    def look(value: Any) -> Any:
        encoder = Encoder(Twins(1), Apart())
        node = write(encoder, value)
        return node, [bytes(one) for one in encoder.buffers]

    return look


def habit(write: Callable[[Encoder, Any], Node]) -> Habit:
    """Return the habit of tables that are written so."""
    look = _looker(write)
    return Habit(
        look, lambda value, seen: bool(look(value) == seen), _become, lambda value: 16 * int(value.size) + 256
    )


def _become(value: Any, new: Any) -> None:
    value._update_inplace(new)  # noqa: SLF001  # pandas has no public way to replace a table's content
