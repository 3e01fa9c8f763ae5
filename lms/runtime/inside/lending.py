"""What a test lends to the student's code: functions, iterators and objects of the test, by number.

The other side gets a number and the names of what Python's syntax needs. It can call a function, and
nothing else; of an object of a test's own class it can do what the reference solution did with it.
"""

import itertools
from collections.abc import Callable
from typing import Any, Protocol

from lms.runtime.inside.codec import Node
from lms.runtime.inside.finding import TEXT
from lms.runtime.inside.operations import special

DEEPEST = 40  # calls that go to and fro within each other
MOST_LENT = 10_000
ABLE = ("call", "len", "iter", "next", "getitem", "setitem", "delitem", "contains", "enter", "exit",
        "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "neg", "bool")  # fmt: skip
FREE = frozenset({"call", "iter", "next"})
WALKS = ("_", "gi_", "cr_", "ag_", "tb_", "f_", "co_")  # leads from an object to the code that made it
TOLD = frozenset(
    {"__name__", "__doc__", "__qualname__", "__signature__"}
)  # if the reference solution asks too


class Gate(Protocol):
    """Whether something may be asked of what a test lent."""

    def may(self, what: str) -> bool:
        """Note that it is asked; say whether it may be."""


class Lent:
    """Everything that the present test has lent."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._next = itertools.count(1)
        self._things: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self.depth = 0

    def node(self, thing: Any, hint: str | None) -> Node:
        """Lend something; `hint` names a definition of a locked cell, which the other side has too."""
        number = self._numbers.get(id(thing))
        if number is None:
            number = next(self._next)
            self._things[number], self._numbers[id(thing)] = thing, number
        if len(self._things) > MOST_LENT:
            raise RuntimeError("a test lends too many things to the student's code")
        return ["lent", number, sorted(_abilities(thing)), hint]

    def thing(self, number: Any) -> Any:
        """Return what was lent under a number.

        Raises:
            KeyError: nothing, or to a test that is over.
        """
        return self._things[number]

    def clear(self) -> None:
        """Take everything back."""
        self._things.clear()
        self._numbers.clear()
        self.depth = 0

    def deed(self, number: Any, name: str) -> Callable[..., Any]:
        """Return what the other side wants to do.

        Raises:
            TypeError: it is not lent for that.
            RecursionError: calls to and fro are nested too deeply.
        """
        if self.depth > DEEPEST:
            raise RecursionError("maximum recursion depth exceeded")
        try:
            thing = self.thing(number)
        except (KeyError, TypeError):
            raise RuntimeError("this belongs to a test that is over") from None
        if name.startswith("getattr:"):
            return lambda: self._attribute(thing, name.partition(":")[2])
        if name not in ABLE or not (name in FREE or self._gate.may(f"lent:{name}")):
            raise TypeError("what a test hands over can only be called")
        if name == "call":
            return thing  # type: ignore[no-any-return]
        if name == "bool":
            return lambda: bool(thing)
        return lambda *values: getattr(type(thing), special(name))(thing, *values)

    def _attribute(self, thing: Any, name: str) -> Any:
        hidden = name.startswith(WALKS) and name not in TOLD
        if hidden or len(name) > TEXT or not self._gate.may(f"lent:getattr:{name}"):
            raise AttributeError(name)
        if name == "__signature__":
            import inspect  # noqa: PLC0415  # rarely

            return inspect.signature(thing)
        return getattr(thing, name)


def _abilities(thing: Any) -> set[str]:
    kind = type(thing)
    return {
        name
        for name in ABLE
        if getattr(kind, special(name), None) is not getattr(object, special(name), None) and name != "bool"
    }
