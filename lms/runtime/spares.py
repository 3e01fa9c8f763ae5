"""A kernel, and a checker beside it, that wait for a run: forked, enclosed and started beforehand.

Each serves one run only. What differs between runs - data, limits, variables, seed - comes when it begins.
"""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lms.runtime.forks import START_SECONDS, Fork
from lms.runtime.kernel import Kernel, KernelSpec
from lms.runtime.shelf import Laid
from lms.runtime.wires import Wires
from lms.runtime.zygotes import Zygote

if TYPE_CHECKING:
    from lms.runtime.checker import Checker

Later = Callable[[Callable[[], None]], object]


@dataclass(frozen=True)
class Wanted:
    """What one run gets."""

    spec: KernelSpec
    seed: int
    checked: bool
    laid: Laid


class Spare:
    """A pair that waits; made by `prepare`, used up by `begin`, thrown away by `close`."""

    def __init__(self, kernel: Fork, wires: Wires, checker: tuple[Fork, socket.socket] | None) -> None:
        self._kernel = kernel
        self._wires = wires
        self._checker = checker

    @classmethod
    def prepare(cls, zygote: Zygote, *, checked: bool, later: Later | None = None) -> "Spare":
        """Fork a pair and wait until both are there.

        Raises:
            ForkFailed: one of them could not come to be.
            ZygoteDead: there is nobody to fork from.
            JailUnavailable: the kernel does not answer.
        """
        with contextlib.ExitStack() as undo:
            ours = [undo.enter_context(end) for end in (socket.socketpair() if checked else ())]
            kernel = undo.enter_context(Fork(zygote.owner, later))
            wires = Wires()
            undo.callback(wires.close)
            request = {"kind": "kernel", "rpc": checked, "connection": wires.connection()}
            zygote.fork(kernel, request, [end.fileno() for end in ours[:1]])
            checker = _ask_for_checker(undo, zygote, ours[1], later) if ours else None
            kernel.admit()
            if checker is not None:
                checker[0].admit()
            kernel.await_word()
            wires.connect(kernel.outside)
            wires.greet(kernel.alive, START_SECONDS)
            if checker is not None:
                checker[0].await_word()
            undo.pop_all()
        for end in ours:
            end.close()
        return cls(kernel, wires, checker)

    @property
    def checked(self) -> bool:
        """Say whether there is a checker."""
        return self._checker is not None

    def alive(self) -> bool:
        """Say whether both still wait."""
        return self._kernel.alive() and (self._checker is None or self._checker[0].alive())

    def begin(self, wanted: Wanted) -> "tuple[Kernel, Checker | None]":
        """Give both what this run gets; they are ready when this returns.

        Raises:
            ForkFailed: one of them ended.
        """
        spec = wanted.spec
        binds = [(str(path), inside) for path, inside in wanted.laid.binds]
        orders = {"seed": wanted.seed, "variables": dict(spec.variables or {})}
        both = [self._kernel, *([self._checker[0]] if self._checker else [])]
        for fork in both:
            fork.begin(spec.bounds, binds, orders)
        for fork in both:
            fork.begun()
        kernel = Kernel(spec, (self._kernel, self._wires))
        kernel.await_ready()
        return kernel, _checker(self._checker) if self._checker else None

    def close(self) -> None:
        """End both."""
        self._kernel.close()
        self._wires.close()
        if self._checker is not None:
            self._checker[0].close()
            self._checker[1].close()


def _ask_for_checker(
    undo: contextlib.ExitStack, zygote: Zygote, rpc: socket.socket, later: Later | None
) -> tuple[Fork, socket.socket]:
    fork = undo.enter_context(Fork(zygote.owner, later))
    ours, theirs = socket.socketpair()
    undo.callback(ours.close)
    with theirs:
        zygote.fork(fork, {"kind": "checker"}, [rpc.fileno(), theirs.fileno()])
    return fork, ours


def _checker(begun: tuple[Fork, socket.socket]) -> "Checker":
    from lms.runtime.checker import Checker  # noqa: PLC0415  # only where tests are isolated

    fork, control = begun
    return Checker(control, fork)
