"""The names of a test: the checker's own first, then the student's."""

import builtins
import types
from collections.abc import Iterator
from typing import Any

from lms.runtime.inside.asking import Conversation
from lms.runtime.inside.handles import RemoteKind, handle_of
from lms.runtime.inside.locked import SHELL

NEEDED = "this test needs the student's kernel: assurance: shared-kernel"


class KernelNeeded(RuntimeError):
    """A test uses something that only the student's kernel has."""


class Names(dict[str, Any]):
    """Globals of locked cells and tests. Python looks into a child of `dict` by its methods.

    Which of the checker's own names give way to the student's follows from what the reference solution did
    at publication: only names that its functions use are handed over, so that a student who waits for a
    test's `expected` waits in vain.
    """

    def __init__(self, talk: Conversation, locked: dict[str, Any]) -> None:
        super().__init__(__name__="__main__", __builtins__=builtins, __doc__=None)
        self._talk = talk
        self._locked = locked
        self.testing = False
        self.kept: set[str] = set()  # bound by locked statements that ran here: never the student's
        self.refused: set[str] = set()  # of locked statements that failed, or that nobody said to need
        self.handed: set[str] = set()  # written by `global` in functions of a test
        self._given: set[str] = set()  # names of this test that live with the student
        self._used: set[str] | None = None
        self._bound: dict[str, int] = {}  # where the student's names stood after the last test
        talk.before_asking = self._hand_over

    # One test.

    def begin(self) -> None:
        """Begin a test: names that the student's cells have bound anew since are the student's again."""
        self._given.clear()
        self._used = None
        self.testing = True
        profile = self._talk.profile
        if profile.noting:
            now = self._bindings()
            own = [name for name in dict.keys(self) if name in now and now[name] != self._bound.get(name)]
            theirs = {name for name in own if self._mine_to_give(name)}
            theirs |= {name for name in now if hasattr(builtins, name) and not name.startswith("_")}
        else:
            asked = profile.allowed or ()
            theirs = {name.partition(":")[2] for name in asked if name.startswith("name:")}
        for name in theirs:
            if self._mine_to_give(name):
                super().pop(name, None)
                self._given.add(name)

    def end(self) -> None:
        """End a test."""
        if self._talk.profile.noting and not self._talk.broken:
            self._bound = self._bindings()
        self.testing = False

    def _bindings(self) -> dict[str, int]:
        found = self._talk.ask("bindings")
        return dict(found) if isinstance(found, dict) else {}

    def _mine_to_give(self, name: str) -> bool:
        own = dict.get(self, name)
        return (
            name not in self._locked
            and name not in self.kept
            and not name.startswith("__")
            and not issubclass(type(own), types.ModuleType)
        )

    # Reading.

    def __missing__(self, name: str) -> Any:
        if not self.testing or name in self.refused:
            raise KeyError(name)
        if name == SHELL:
            raise KernelNeeded(NEEDED)
        if hasattr(builtins, name) and name not in self._given:
            raise KeyError(name)
        found = self._talk.ask("name", name)
        if type(found) is not tuple or len(found) != 2 or found[0] is not True:  # noqa: PLR2004
            raise KeyError(name)
        if name in self._given:
            self._talk.profile.may(f"name:{name}")
        if isinstance(type(found[1]), RemoteKind):
            handle_of(found[1]).named = True
        return found[1]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (self._searches(name) and self._talk.ask("has", name) is True)

    def _searches(self, name: object) -> bool:
        return self.testing and isinstance(name, str) and name not in self.refused and name != SHELL

    def get(self, name: str, default: Any = None) -> Any:
        """Return a name's value like a mapping does."""
        try:
            return self[name]
        except KeyError:
            return default

    def keys(self) -> Any:
        """Return all names, the student's too."""
        theirs = self._talk.ask("names") if self.testing else []
        own = dict.fromkeys(super().keys())
        return {**own, **dict.fromkeys(one for one in theirs if isinstance(one, str))}.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    # Writing.

    def __setitem__(self, name: str, value: Any) -> None:
        if self._reaches(name, value):
            self._talk.profile.may(f"setname:{name}")
            self._given.add(name)
            self._talk.ask("assign", name, value)
            super().pop(name, None)
        else:
            self._given.discard(name)
            super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if super().__contains__(name):
            super().__delitem__(name)
        elif (
            self.testing and self._talk.profile.may(f"delname:{name}") and self._talk.ask("has", name) is True
        ):
            self._talk.ask("delete", name)
            self._given.add(name)
        else:
            raise KeyError(name)

    def _reaches(self, name: str, value: Any) -> bool:
        """Say whether an assignment of a test is meant for the student's functions."""
        if (
            not self.testing
            or issubclass(type(value), types.ModuleType)
            or name in self._locked
            or name.startswith("__")
        ):
            return False
        profile = self._talk.profile
        if not profile.noting:
            return f"setname:{name}" in (profile.allowed or ())
        if self._used is None:
            found = self._talk.ask("used")
            self._used = {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()
        return name in self._used

    def _hand_over(self) -> None:
        """Hand over what functions of the test assigned with `global`, which Python writes past us."""
        for name in self.handed if self.testing else ():
            if super().__contains__(name):
                value = super().__getitem__(name)
                if self._reaches(name, value):
                    super().pop(name)
                    self[name] = value
