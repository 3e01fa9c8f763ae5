"""The student's side of what does not cross as data. It is in the student's hands and guards nothing."""

import contextlib
import enum
import inspect
import sys
import traceback
import types
from collections.abc import Callable, Iterable
from typing import Any

from lms.runtime.inside import faults, instances
from lms.runtime.inside.borrowed import Borrowed, borrowed
from lms.runtime.inside.codec import Change, Decoder, Encoder, Node, Rule
from lms.runtime.inside.finding import NOTEBOOK, is_exception, locate, path_of
from lms.runtime.inside.frames import TooLarge
from lms.runtime.inside.operations import CAPABILITIES


class Locked:
    """The definitions of locked cells as they stand in the student's namespace."""

    def __init__(self, names: Iterable[str], namespace: dict[str, Any]) -> None:
        self._names = frozenset(names)
        self._namespace = namespace

    def get(self, name: str) -> Any:
        """Return a definition."""
        return self._namespace.get(name) if name in self._names else None


class Showing:
    """Reads and writes for the student's kernel."""

    def __init__(self, namespace: dict[str, Any], call_back: Callable[..., Any]) -> None:
        self.locked = Locked((), namespace)
        self.epoch = 0
        self._namespace = namespace
        self._call_back = call_back
        self._things: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._next = 0
        self._able: dict[type, list[str]] = {}
        self._own: dict[int, int] = {}  # id of our own version of what was lent -> its number
        self._received: dict[int, tuple[BaseException, int]] = {}
        self._classes: dict[tuple[str, type], type] = {}

    def begin(self, names: Iterable[str]) -> None:
        """Begin a test: what the last one lent is over."""
        self.epoch += 1
        self.locked = Locked(names, self._namespace)
        self._own.clear()
        self._received.clear()

    def drop(self, dropped: Iterable[tuple[int, int]]) -> None:
        """Let go of what the checker no longer holds."""
        for number, count in dropped:
            left = self._counts.get(number, 0) - count
            if left > 0:
                self._counts[number] = left
            elif number in self._things:
                self._numbers.pop(id(self._things.pop(number)), None)
                self._counts.pop(number, None)

    # Out of the student's kernel.

    def rule(self, value: object) -> Rule | None:
        """Return how an instance of an author's class, or a named tuple, crosses."""
        return instances.rule(value, self.locked)  # type: ignore[arg-type]  # as much of a mapping as is needed

    def locked_class(self, name: str) -> Any:
        """Return a class that a locked cell defines."""
        found = self.locked.get(name)
        return found if isinstance(found, type) else None

    def change(self) -> Change:
        """Take every change of the checker's over."""
        return Change.KEPT

    def write(self, encoder: Encoder, value: Any) -> Node:
        """Write what is no data."""
        known = self._known(value)
        if known is not None:
            return known
        if isinstance(value, BaseException):
            return self._write_exception(encoder, value)
        if isinstance(value, inspect.Signature):
            return _signature(encoder, value)
        if isinstance(value, type):
            return self._write_class(value)
        base = instances.as_plain(value)
        return self._handle(value, self._instead(encoder, value)) if base is None else encoder.node(base)

    def _known(self, value: Any) -> Node:
        """Write what the checker has itself: what it lent, and what a locked cell defines."""
        if isinstance(value, Borrowed):
            return ["lent", Borrowed.number(value)]
        if id(value) in self._own:
            return ["lent", self._own[id(value)]]
        if isinstance(value, (type, types.FunctionType)) and self.locked.get(value.__name__) is value:
            return ["locked", value.__name__]
        if isinstance(value, enum.Enum) and self.locked.get(type(value).__name__) is type(value):
            return ["enum", type(value).__name__, value.name]
        return None

    def _write_class(self, value: type) -> Node:
        if instances.is_shape(value):
            return instances.shape_node(value)
        found = locate(value)
        if is_exception(value) and found is None:
            return self._exception_class(value)
        return self._handle(value, None if found is None else ["q", *found])

    def _instead(self, encoder: Encoder, value: Any) -> Node:
        """Write what the checker might use instead of a handle."""
        with contextlib.suppress(TooLarge, AttributeError):
            if isinstance(value, types.ModuleType):
                return ["m", value.__name__]
            found = locate(value) if callable(value) else None
            if found is not None:
                return ["q", *found]
            base = instances.as_container(value)
            if base is not None:
                return ["base", encoder.node(base)]
            return instances.estimator_node(encoder, value)
        return None

    def _handle(self, value: Any, instead: Node = None) -> Node:
        number = self._keep(value)
        claims = [list(path_of(one)) for one in type.mro(type(value))[:20] if one is not object]
        return ["h", number, type(value).__name__, claims, self._abilities(type(value)), instead]

    def _keep(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            self._next += 1
            number = self._numbers[id(value)] = self._next
            self._things[number] = value
        self._counts[number] = self._counts.get(number, 0) + 1
        return number

    def _abilities(self, kind: type) -> list[str]:
        if kind not in self._able:
            self._able[kind] = [
                name for name in CAPABILITIES
                if getattr(kind, name, None) not in (None, getattr(object, name, None))
            ]  # fmt: skip
            if {"__float__", "__index__"} & set(self._able[kind]):
                self._able[kind] += {"__index__": ["__int__"]}.get(
                    "__index__" * hasattr(kind, "__index__"), []
                )
        return self._able[kind]

    def _write_exception(self, encoder: Encoder, error: BaseException) -> Node:
        received = self._received.get(id(error))
        if received is not None:
            return ["cx", received[1]]
        kind = faults.class_node(type(error), self._exception_class)
        number = None if kind[0] == "q" else self._keep(error)
        return ["x", kind, faults.content_node(encoder, error), trace_of(error), number]

    def _exception_class(self, kind: type) -> Node:
        if self.locked.get(kind.__name__) is kind:
            return ["locked", kind.__name__]
        bases = [faults.class_node(one, self._exception_class) for one in kind.__bases__ if is_exception(one)]
        return ["class", self._keep(kind), kind.__name__, bases]

    # Into the student's kernel.

    def read(self, decoder: Decoder, node: list[Any]) -> Any:
        """Read what is no data."""
        return getattr(self, f"_read_{node[0]}")(decoder, node)

    def _read_mine(self, _: Decoder, node: list[Any]) -> Any:
        return self._things[node[1]]

    def _read_lent(self, _: Decoder, node: list[Any]) -> Any:
        number, able, hint = node[1:]
        own = self._namespace.get(hint) if hint is not None else None
        if getattr(own, "__module__", None) == NOTEBOOK and getattr(own, "__qualname__", None) == hint:
            self._own[id(own)] = number
            return own
        return borrowed(number, able, self.epoch, self._call_back)

    def _read_m(self, _: Decoder, node: list[Any]) -> Any:
        return _imported(node[1])

    def _read_q(self, _: Decoder, node: list[Any]) -> Any:
        found = _imported(node[1])
        for part in node[2].split("."):
            found = getattr(found, part)
        return found

    def _read_enum(self, _: Decoder, node: list[Any]) -> Any:
        return self._namespace[node[1]][node[2]]

    def _read_estimator(self, decoder: Decoder, node: list[Any]) -> Any:
        _imported(node[1])
        return instances.estimator(decoder, node)

    def _read_x(self, decoder: Decoder, node: list[Any]) -> BaseException:
        _, kind, content, number = node
        error = faults.fill(decoder, self._named_class(kind), content)
        self._received[id(error)] = (error, number)
        return error

    def _named_class(self, node: Any) -> type:
        if node[0] == "mine":
            found: type = self._things[node[1]]
            return found
        if node[0] == "q":
            _imported(node[1])
            return faults.read_library_class(node)
        base = self._named_class(node[2])
        if (node[1], base) not in self._classes:
            self._classes[node[1], base] = type(node[1], (base,), {"__module__": NOTEBOOK})
        return self._classes[node[1], base]


def _imported(name: str) -> Any:
    __import__(name)
    return sys.modules[name]


def _signature(encoder: Encoder, value: inspect.Signature) -> Node:
    def given(one: Any) -> Node:
        return None if one is inspect.Parameter.empty else [encoder.node(one)]

    parameters = [
        [one.name, int(one.kind), given(one.default), given(one.annotation)]
        for one in value.parameters.values()
    ]
    return ["signature", parameters, given(value.return_annotation)]


def trace_of(error: BaseException) -> str:
    """Return a traceback's text without our own part of it."""
    try:
        lines = traceback.extract_tb(error.__traceback__)
        ours = [one for one in lines if f"{'runtime'}/inside/" not in one.filename]
        return "".join(traceback.format_list(ours))[-faults.TRACE :]
    except Exception as other:  # noqa: BLE001  # student code may have broken its own objects
        return f"<no traceback: {type(other).__name__}>"
