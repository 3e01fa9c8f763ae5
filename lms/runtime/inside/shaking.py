"""Random state: what a test sets governs the student's code too; nothing comes back."""

import functools
import random
import sys
from collections.abc import Callable
from typing import Any

SETTERS = (
    ("random", "seed"), ("random", "setstate"), ("numpy.random", "seed"), ("numpy.random", "set_state"),
    ("torch", "manual_seed"), ("torch", "set_rng_state"),
)  # fmt: skip


class Random:
    """The random state of this process, as the other side was last told."""

    def __init__(self) -> None:
        self._told = state()
        self._set = False
        self._watched: set[tuple[str, str]] = set()

    def watch(self) -> None:
        """Notice from now on when a state is set, be it to what it was before."""
        for module, name in SETTERS:
            found = getattr(sys.modules.get(module), name, None)
            if found is not None and (module, name) not in self._watched:
                self._watched.add((module, name))
                setattr(sys.modules[module], name, self._noting(found))

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def setter(*values: Any, **named: Any) -> Any:
            self._set = True
            return original(*values, **named)

        return setter

    def news(self) -> tuple[Any, ...] | None:
        """Return the state if it was set, or has changed, since this was last asked."""
        now = state()
        if now == self._told and not self._set:
            return None
        self._told, self._set = now, False
        return now


def state() -> tuple[Any, Any, Any]:
    """Return the state of Python's, NumPy's and PyTorch's generators; None for what is not imported."""
    numpy, torch = sys.modules.get("numpy.random"), sys.modules.get("torch")
    drawn = None
    if numpy is not None:
        name, keys, *rest = numpy.get_state()
        drawn = (name, keys.tobytes(), *rest)
    deep = None if torch is None else torch.get_rng_state().numpy().tobytes()
    return random.getstate(), drawn, deep


def shake(told: tuple[Any, ...]) -> None:
    """Set the state that the other side told."""
    python, drawn, deep = told
    random.setstate(python)
    if drawn is not None and "numpy" in sys.modules:
        import numpy as np  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # of the lab

        name, keys, *rest = drawn
        np.random.set_state((name, np.frombuffer(keys, "u4"), *rest))  # noqa: NPY002  # the state that old code uses
    if deep is not None and "torch" in sys.modules:
        import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # likewise

        torch.set_rng_state(torch.frombuffer(bytearray(deep), dtype=torch.uint8))
