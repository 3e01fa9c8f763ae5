"""Mutable values that live on both sides of the line: which is which, and which of them changed.

A list that a test passes to the student's function exists twice, as twins with one number. Each side
remembers how a twin looked when the other side last knew it, and sends what changed with the next message.
The numbers of the checker's twins are positive, those of the student's kernel negative.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

KEPT_BYTES = 1 << 16  # of one twin that stays known after the call that it took part in
KEPT_TOTAL_BYTES = 1 << 18
MOST_KEPT = 500
MOST_TWINS = 1_000_000


@dataclass(frozen=True)
class Habit:
    """How a kind of mutable value is looked at and changed in place."""

    look: Callable[[Any], Any]  # something to compare, independent of later changes
    same: Callable[[Any, Any], bool]  # value, look -> unchanged?
    become: Callable[[Any, Any], None]  # value, its new self
    weigh: Callable[[Any], int]
    keep: Callable[[Any], Any] = copy.copy  # a copy to become again


@dataclass
class Twin:
    """One of two; `seen` is how the other side knows it."""

    value: Any
    habit: Habit
    seen: Any = None
    looked: bool = False


class Twins:
    """All twins of one side."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._next = 0
        self._twins: dict[int, Twin] = {}
        self._numbers: dict[int, int] = {}  # id of the value -> number
        self._before: dict[int, tuple[Twin, Any]] = {}  # id of the value -> how it was before it was bent

    def number(self, value: object) -> int | None:
        """Return the number of a twin, None for a value that has none yet."""
        return self._numbers.get(id(value))

    def reserve(self) -> int:
        """Return a number for a new twin of this side."""
        self._next += 1
        return self._sign * self._next

    def own(self, number: int) -> bool:
        """Say whether this side gave out the number."""
        return number * self._sign > 0

    def value(self, number: int) -> Any:
        """Return a twin; raises KeyError."""
        return self._twins[number].value

    def __contains__(self, number: object) -> bool:
        return number in self._twins

    def add(self, number: int, value: object, habit: Habit) -> None:
        """Remember a pair of twins."""
        self._twins[number] = Twin(value, habit)
        self._numbers[id(value)] = number

    def look(self) -> None:
        """Note how all look that were not looked at yet: from here on this side may change them."""
        for twin in self._twins.values():
            if not twin.looked:
                twin.seen, twin.looked = twin.habit.look(twin.value), True

    def changed(self) -> Iterator[tuple[int, Any]]:
        """Yield the twins that differ from what the other side knows; they count as told from then on."""
        for number, twin in list(self._twins.items()):
            if twin.looked and not twin.habit.same(twin.value, twin.seen):
                twin.looked = False
                yield number, twin.value

    def become(self, number: int, new: object) -> None:
        """Change a twin into what the other side says that it is now."""
        twin = self._twins[number]
        twin.habit.become(twin.value, new)
        twin.looked = False

    def bend(self, number: int, new: object) -> None:
        """Change a twin until `straighten`."""
        twin = self._twins[number]
        if id(twin.value) not in self._before:
            self._before[id(twin.value)] = (twin, twin.habit.keep(twin.value))
        self.become(number, new)

    def straighten(self) -> None:
        """Undo what was bent."""
        for twin, before in self._before.values():
            twin.habit.become(twin.value, before)
        self._before.clear()

    def forget(self, numbers: list[int]) -> None:
        """Let twins go; those that are unknown already are gone already."""
        for number in numbers:
            twin = self._twins.pop(number, None)
            if twin is not None:
                self._numbers.pop(id(twin.value), None)

    def prune(self) -> list[int]:
        """Let go of twins that are large, or too many; return their numbers."""
        left, dropped = KEPT_TOTAL_BYTES, []
        for place, (number, twin) in enumerate(reversed(self._twins.items())):
            weight = twin.habit.weigh(twin.value)
            left -= weight
            if weight > KEPT_BYTES or left < 0 or place >= MOST_KEPT:
                dropped.append(number)
        self.forget(dropped)
        return dropped

    def clear(self) -> None:
        """Forget all."""
        self.straighten()
        self._twins.clear()
        self._numbers.clear()
