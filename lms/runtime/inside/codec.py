"""Values as JSON and raw buffers, without pickle: what crosses is data, and data cannot choose code.

A value is a JSON atom or a list that begins with its tag. Mutable values are written once, in the message's
table, and referred to by number, so that sharing and circles survive. What is no plain value goes to the
side's `Foreign`, which makes a handle of it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from lms.runtime.inside.frames import Buffer, ProtocolError, TooLarge
from lms.runtime.inside.twins import MOST_TWINS, Habit, Twins

DEEPEST = 100  # of values that are written in place: tuples in tuples
MOST_VALUES = 1_000_000
TEXT_IN_PLACE = 1 << 14  # characters
MANY = 16  # from here on it pays to look at the types of all elements first
LATE = 3  # the turn of tables
Node = Any
_T = TypeVar("_T")


class Change(Enum):
    """What becomes of a change that the other side made to something of this side's."""

    KEPT = "kept"
    BENT = "bent"  # until the test is over
    REFUSED = "refused"  # who refers to it gets a copy of its own


class Foreign(Protocol):
    """What one side does about values that do not cross."""

    def rule(self, value: object) -> "Rule | None":
        """Return how a value crosses that only this side knows, such as an author's class."""

    def locked_class(self, name: str) -> Any:
        """Return a class that a locked cell defines, None if there is none of the name."""

    def change(self) -> "Change":
        """Say what becomes of a change that the other side made to something of this side's."""

    def write(self, encoder: "Encoder", value: object) -> Node:
        """Write something in place of the value."""

    def read(self, decoder: "Decoder", node: list[Any]) -> Any:
        """Read what the other side wrote in place of a value; raises `ProtocolError`."""


@dataclass(frozen=True)
class Rule:
    """How one kind of value is written; a mutable one has a habit."""

    write: Callable[["Encoder", Any], Node]
    habit: Habit | None = None
    fits: Callable[[Any], bool] | None = None  # None: every value of the kind is plain


@dataclass(frozen=True)
class Reader:
    """How a tag is read: made first, filled when everything of the message is made."""

    make: Callable[["Decoder", list[Any]], Any]
    fill: Callable[["Decoder", Any, list[Any]], None] | None = None
    turn: int = 1  # instances are filled first, what needs hashes last


TEXTS = frozenset({str, type(None)})
RULES: dict[type, Rule] = {}
READERS: dict[str, Reader] = {}
SHELVES: dict[str, Callable[[type], Rule | None]] = {}  # top-level package -> finds the rule for its kinds


def rule_of(kind: type) -> Rule | None:
    """Return how values of exactly this type are written; None if they are not plain."""
    if kind in RULES:
        return RULES[kind]
    find = SHELVES.get(str(kind.__module__).partition(".")[0])
    rule = find(kind) if find is not None else None
    if rule is not None:  # what has none is not noted: kinds of notebooks come and go
        RULES[kind] = rule
    return rule


class Encoder:
    """Writes the values of one message."""

    def __init__(self, twins: Twins, foreign: Foreign) -> None:
        self.foreign = foreign
        self.buffers: list[Buffer] = []
        self._twins = twins
        self._fresh: dict[int, tuple[int, Any, Habit]] = {}
        self._queue: deque[tuple[int, Any, Rule]] = deque()
        self._depth = 0
        self._count = 0

    def node(self, value: Any) -> Node:
        """Write one value.

        Raises:
            TooLarge: it has too many parts or is nested too deeply.
        """
        kind = type(value)
        if value is None or kind is bool:
            return value
        self._count += 1
        if self._count > MOST_VALUES:
            raise TooLarge("the value has too many parts")
        rule = RULES.get(kind) or self._rule(value)
        if rule is None or (rule.fits is not None and not rule.fits(value)):
            return self.foreign.write(self, value)
        if rule.habit is not None:
            return ["r", self._number(value, rule)]
        return self._deeper(rule, value)

    def _rule(self, value: Any) -> Rule | None:
        return rule_of(type(value)) or self.foreign.rule(value)

    def _deeper(self, rule: Rule, value: Any) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise TooLarge("the value is nested too deeply")
        try:
            return rule.write(self, value)
        finally:
            self._depth -= 1

    def nodes(self, values: Any) -> list[Node]:
        """Write several values."""
        values = list(values)
        if len(values) >= MANY and TEXTS.issuperset(map(type, values)):
            self._count += len(values)
            if self._count <= MOST_VALUES and max(map(len, filter(None, values)), default=0) <= TEXT_IN_PLACE:
                return list[Node](values)
        return [self.node(one) for one in values]

    def buffer(self, content: Buffer) -> int:
        """Add raw bytes; return their number in the message."""
        self.buffers.append(content)
        return len(self.buffers) - 1

    def _number(self, value: Any, rule: Rule) -> int:
        known = self._twins.number(value)
        if known is not None:
            return known
        if id(value) not in self._fresh and rule.habit is not None:
            number = self._twins.reserve()
            self._fresh[id(value)] = (number, value, rule.habit)
            self._queue.append((number, value, rule))
        return self._fresh[id(value)][0]

    def table(self) -> list[Node]:
        """Write every mutable value of the message, and twins that have changed; call it last."""
        table: list[Node] = []
        for number, value in self._twins.changed():
            rule = self._rule(value)
            if rule is not None:
                self._queue.append((number, value, rule))
        while self._queue:
            number, value, rule = self._queue.popleft()
            table.append([number, rule.write(self, value)])
        return table

    def settle(self) -> None:
        """Remember the new twins, once the message is on its way."""
        for number, value, habit in self._fresh.values():
            self._twins.add(number, value, habit)


class Decoder:
    """Reads the values of one message, which may be hostile."""

    def __init__(self, twins: Twins, foreign: Foreign, buffers: list[bytearray]) -> None:
        self.foreign = foreign
        self._twins = twins
        self._buffers = buffers
        self._made: dict[int, Any] = {}
        self._refused: dict[int, Any] = {}
        self._depth = 0
        self._count = 0

    def take(self, table: Any) -> None:
        """Read the message's table of mutable values; call it first.

        Raises:
            ProtocolError: it is not what an honest side writes.
        """
        if not isinstance(table, list) or len(table) > MOST_TWINS:
            raise ProtocolError("the table of a message is wrong")
        with reading():
            entries = [(exact(number, int), node, reader_of(node)) for number, node in table]
            # Tables are whole when they are made, so what they hold is made before, the innermost first.
            late = [entry for entry in entries if entry[2].turn == LATE]
            entries = [entry for entry in entries if entry[2].turn != LATE] + late[::-1]
            for number, node, reader in entries:
                self._announce(number, reader.make(self, node))
            entries.sort(key=lambda entry: entry[2].turn)
            for number, node, reader in entries:
                if reader.fill is not None:
                    reader.fill(self, self._made[number], node)
            for number, _, _ in entries:
                if number in self._twins:
                    self._change(number)

    def _announce(self, number: int, value: Any) -> None:
        if number in self._made or (number not in self._twins and self._twins.own(number)):
            raise ProtocolError("a mutable value has a number that cannot be")
        rule = rule_of(type(value)) or self.foreign.rule(value)
        if rule is None or rule.habit is None:
            raise ProtocolError("an immutable value stands in the table")
        self._made[number] = value
        if number not in self._twins:
            self._twins.add(number, value, rule.habit)
        elif self._twins.own(number) and self.foreign.change() is Change.REFUSED:
            self._refused[number] = value

    def _change(self, number: int) -> None:
        old, new = self._twins.value(number), self._made[number]
        if old is new or number in self._refused:
            return
        if type(old) is not type(new):
            raise ProtocolError("a mutable value has changed its type")
        bent = self._twins.own(number) and self.foreign.change() is Change.BENT
        (self._twins.bend if bent else self._twins.become)(number, new)

    def node(self, node: Node) -> Any:
        """Read one value; only below `reading`."""
        if not isinstance(node, list):
            return node
        self._count += 1
        self._depth += 1
        if self._count > MOST_VALUES or self._depth > DEEPEST + 10:
            raise ProtocolError("a value is too large")
        if node[0] == "r":
            value = self._refused[node[1]] if node[1] in self._refused else self._twins.value(node[1])
        elif node[0] in READERS:
            value = self._inline(node)
        else:
            value = self.foreign.read(self, node)
        self._depth -= 1
        return value

    def _inline(self, node: list[Any]) -> Any:
        reader = READERS[node[0]]
        if reader.fill is not None:
            raise ProtocolError("a mutable value stands in place")
        return reader.make(self, node)

    def nodes(self, nodes: Any) -> list[Any]:
        """Read several values."""
        if len(exact(nodes, list)) >= MANY and list not in set(map(type, nodes)):
            return nodes[:]  # type: ignore[no-any-return]
        return [self.node(one) for one in nodes]

    def buffer(self, number: Any) -> bytearray:
        """Return raw bytes of the message; each may be used once, for nobody else changes them then."""
        content, self._buffers[number] = self._buffers[exact(number, int)], None  # type: ignore[call-overload]
        return exact(content, bytearray)


class reading:  # noqa: N801  # reads as a statement: with reading()
    """Turn whatever goes wrong about hostile content into a `ProtocolError`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ProtocolError):
            raise ProtocolError(f"a value cannot be read: {type(error).__name__}") from error


def reader_of(node: Any) -> Reader:
    """Return how a node of the table is read; raises KeyError or TypeError."""
    return READERS[exact(node, list)[0]]


def exact(value: Any, kind: type[_T]) -> _T:
    """Return the value if it is exactly of the type.

    Raises:
        ProtocolError: it is not.
    """
    if type(value) is not kind:
        raise ProtocolError(f"expected {kind.__name__}")
    return value
