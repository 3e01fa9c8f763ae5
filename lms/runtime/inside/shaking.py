"""Random state: what a test sets governs the student's code too; nothing comes back."""

import random
import sys
from typing import Any


class Random:
    """The random state of this process, as the other side was last told."""

    def __init__(self) -> None:
        self._told = state()

    def news(self) -> tuple[Any, ...] | None:
        """Return the state if it has changed since this was last asked."""
        now = state()
        changed = tuple(
            new if not _same(new, old) else None for new, old in zip(now, self._told, strict=True)
        )
        if changed == (None, None, None):
            return None
        self._told = now
        return changed


def _same(new: Any, old: Any) -> bool:
    return bool(repr(new) == repr(old)) if not isinstance(new, tuple) else new == old


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
    if python is not None:
        random.setstate(python)
    if drawn is not None and "numpy" in sys.modules:
        import numpy as np  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # of the lab

        name, keys, *rest = drawn
        np.random.set_state((name, np.frombuffer(keys, "u4"), *rest))  # noqa: NPY002  # the state that old code uses
    if deep is not None and "torch" in sys.modules:
        import torch  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  # likewise

        torch.set_rng_state(torch.frombuffer(bytearray(deep), dtype=torch.uint8))
