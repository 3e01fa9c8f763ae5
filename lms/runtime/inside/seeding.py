"""One seed for every library that has a random state of its own, also those that are imported later."""

import importlib.abc
import importlib.machinery
import importlib.util
import random
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

WORD = 1 << 32
# Module -> how its state is set.
STATES: dict[str, Callable[[Any, int], object]] = {
    "numpy.random": lambda module, number: module.seed(number % WORD),
    "torch": lambda module, number: module.manual_seed(number),
}


def seed(number: int) -> None:
    """Set the random state of what is imported, and of the rest when it is."""
    random.seed(number)
    later = set()
    for name, set_state in STATES.items():
        module = sys.modules.get(name)
        if module is None:
            later.add(name)
        else:
            set_state(module, number)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Later)]
    sys.meta_path.insert(0, _Later(number, later))


class _Later(importlib.abc.MetaPathFinder):
    """Stands before the usual finders until the last of its modules was imported."""

    def __init__(self, number: int, names: set[str]) -> None:
        self._number = number
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module as usual; one of ours gets its state when it is loaded."""
        del path, target
        if fullname not in self._names:
            return None
        self._names.discard(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Seeded(spec, spec.loader, self._number)
        return spec


class _Seeded(importlib.abc.Loader):
    def __init__(self, spec: importlib.machinery.ModuleSpec, loader: Any, number: int) -> None:
        self._spec = spec
        self._loader = loader
        self._number = number

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Leave it to the usual loader."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Load as usual, without a trace of us, then set the state."""
        self._spec.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        STATES[module.__name__](module, self._number)
