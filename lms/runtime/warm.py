"""Warm environments of one worker: kernels, and checkers beside them, in milliseconds.

A run gets a pair: the student's kernel and, where tests are isolated, a checker, both forked from the same
warm environment into enclosures of their own. A dead environment is replaced without the run noticing.
"""

import contextlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lms.runtime import zygotes
from lms.runtime.faults import JailUnavailable
from lms.runtime.forks import Fork, ForkFailed
from lms.runtime.kernel import Kernel, KernelSpec
from lms.runtime.shelf import Laid, Shelf
from lms.runtime.wires import Wires
from lms.runtime.zygotes import Warmth, Zygote, ZygoteDead

if TYPE_CHECKING:
    from lms.runtime.checker import Checker


@dataclass(frozen=True)
class WarmSpec:
    """What a warm environment is made of: a lab environment and the libraries imported beforehand."""

    environment: Path
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class WarmReport:
    """One warm environment, for operators.

    Units: bytes, its own, with what it shares counted in part; started_at in seconds since the epoch.
    """

    name: str
    memory_bytes: int
    forks: int
    started_at: float
    failed: tuple[str, ...] = ()  # libraries that could not be imported, with the reason
    left_out: tuple[str, ...] = ()  # libraries that start threads when imported; kernels import them late


@dataclass
class Pair:
    """A student's kernel and the checker beside it; leaving the context ends both."""

    kernel: Kernel
    checker: "Checker | None"
    _after: Callable[[], None] = field(default=lambda: None, repr=False)

    def close(self) -> None:
        """End both; a second call does nothing."""
        if self.checker is not None:
            self.checker.close()
        self.kernel.close()
        after, self._after = self._after, lambda: None
        after()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Wanted:
    spec: KernelSpec
    seed: int
    checked: bool
    laid: Laid


class _Kept:
    """One warm environment and how many pairs live in it."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote
        self.pairs = 0


class WarmPool:
    """All warm environments of a worker; a context manager.

    Args:
        most: how many are kept; the one that was not used for longest goes first.
        forks_before_recycling: after so many children an environment is started anew.
    """

    def __init__(self, *, most: int = 3, forks_before_recycling: int = 1000) -> None:
        self._most = most
        self._forks = forks_before_recycling
        self._shelf = Shelf()
        self.shelf = self._shelf.folder
        self._kept: OrderedDict[WarmSpec, _Kept] = OrderedDict()
        self._warmth: dict[WarmSpec, Warmth] = {}  # what earlier starts found out
        self._lock = threading.RLock()

    def lay(self, digest: str, write: Callable[[Path], None]) -> Path:
        """Return the folder of that digest on the shelf; `write` fills it if it is not there yet."""
        with self._lock:
            return self._shelf.lay(digest, write)

    def open(
        self, warm: WarmSpec, spec: KernelSpec, *, seed: int, checked: bool, fresh: bool = False
    ) -> Pair:
        """Start a kernel, and a checker if asked for; both are ready when this returns.

        Args:
            warm: where it comes from; its environment is the one that counts.
            spec: mounts below `shelf` are bound, others and files are copied there for this run.
            seed: of the random state of both.
            checked: with a checker.
            fresh: from an environment without libraries that serves this run alone.

        Raises:
            JailUnavailable: neither a kept environment nor a new one can do it.
        """
        with self._lock:
            laid = self._shelf.lay_for_a_run(spec.mounts or {}, spec.files or {})
            wanted = _Wanted(spec, seed, checked, laid)
            try:
                return self._open(WarmSpec(warm.environment) if fresh else warm, wanted, fresh=fresh)
            except BaseException:
                laid.clear()
                raise

    def _open(self, warm: WarmSpec, wanted: _Wanted, *, fresh: bool) -> Pair:
        for last in (False, True):
            kept = self._single(warm) if fresh else self._take(warm)
            try:
                return self._pair(kept, wanted, fresh=fresh)
            except (ForkFailed, ZygoteDead) as error:
                self._discard(warm, kept)
                if last:
                    raise JailUnavailable(f"no kernel could be started. {error}") from error
        raise AssertionError("unreachable")

    def _single(self, warm: WarmSpec) -> _Kept:
        return _Kept(self._start(warm))

    def _take(self, warm: WarmSpec) -> _Kept:
        kept = self._kept.get(warm)
        if kept is not None and (not kept.zygote.alive() or self._worn(kept)):
            self._discard(warm, kept)
            kept = None
        if kept is None:
            while len(self._kept) >= self._most and self._evict():
                pass
            kept = self._kept[warm] = _Kept(self._start(warm))
        self._kept.move_to_end(warm)
        return kept

    def _worn(self, kept: _Kept) -> bool:
        return kept.zygote.forks >= self._forks and kept.pairs == 0

    def _evict(self) -> bool:
        for warm, kept in self._kept.items():
            if kept.pairs == 0:
                self._discard(warm, kept)
                return True
        return False

    def _discard(self, warm: WarmSpec, kept: _Kept) -> None:
        if self._kept.get(warm) is kept:
            del self._kept[warm]
        kept.zygote.close()

    def _start(self, warm: WarmSpec) -> Zygote:
        known = self._warmth.get(warm, Warmth(warm.libraries))
        zygote = zygotes.start(warm.environment, self.shelf, known)
        self._warmth[warm] = zygote.warmth
        return zygote

    def _pair(self, kept: _Kept, wanted: _Wanted, *, fresh: bool) -> Pair:
        with contextlib.ExitStack() as undo:
            ends = socket.socketpair() if wanted.checked else ()
            for end in ends:
                undo.callback(end.close)
            kernel_fork = undo.enter_context(_fork(kept.zygote, wanted))
            wires = Wires()
            undo.callback(wires.close)
            _ask_for_kernel(kept.zygote, kernel_fork, wanted, wires, [end.fileno() for end in ends[:1]])
            checker = _begin_checker(undo, kept.zygote, wanted, ends[1].fileno()) if ends else None
            kernel_fork.admit()
            if checker is not None:
                checker[0].admit()
            kernel_fork.await_word()
            kernel = Kernel(wanted.spec, (kernel_fork, wires))
            kernel.await_ready()
            made = _checker(checker) if checker is not None else None
            undo.pop_all()
            for end in ends:
                end.close()
        kept.pairs += 1
        return Pair(kernel, made, lambda: self._ended(kept, wanted, fresh=fresh))

    def _ended(self, kept: _Kept, wanted: _Wanted, *, fresh: bool) -> None:
        with self._lock:
            kept.pairs -= 1
            wanted.laid.clear()
            if fresh:
                kept.zygote.close()

    def environments(self) -> list[WarmReport]:
        """Return what is warm now."""
        kept = list(self._kept.items())
        return [_report(warm, one.zygote) for warm, one in kept]

    def close(self) -> None:
        """End every environment, and what lives in them."""
        with self._lock:
            for warm, kept in list(self._kept.items()):
                self._discard(warm, kept)
            self._shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fork(zygote: Zygote, wanted: _Wanted) -> Fork:
    return Fork(wanted.spec.bounds, zygote.user)


def _request(zygote: Zygote, wanted: _Wanted, kind: str) -> dict[str, Any]:
    """Ask for a child; a checker sees the same files, since the author's locked cells read them there too."""
    return {
        **zygote.enclosure(wanted.spec.bounds, list(wanted.laid.binds)),
        "kind": kind,
        "seed": wanted.seed,
        "variables": dict(wanted.spec.variables or {}),
    }


def _ask_for_kernel(zygote: Zygote, fork: Fork, wanted: _Wanted, wires: Wires, handed: list[int]) -> None:
    request = _request(zygote, wanted, "kernel")
    zygote.fork(fork, {**request, "rpc": bool(handed), "connection": wires.connection()}, handed)


def _begin_checker(
    undo: contextlib.ExitStack, zygote: Zygote, wanted: _Wanted, rpc: int
) -> tuple[Fork, socket.socket]:
    fork = undo.enter_context(_fork(zygote, wanted))
    ours, theirs = socket.socketpair()
    undo.callback(ours.close)
    with theirs:
        zygote.fork(fork, _request(zygote, wanted, "checker"), [rpc, theirs.fileno()])
    return fork, ours


def _checker(begun: tuple[Fork, socket.socket]) -> "Checker":
    from lms.runtime.checker import Checker  # noqa: PLC0415  # only where tests are isolated

    fork, control = begun
    fork.await_word()
    return Checker(control, fork)


def _report(warm: WarmSpec, zygote: Zygote) -> WarmReport:
    warmth = zygote.warmth
    name = " ".join([warm.environment.name, *warm.libraries])
    failed = tuple(f"{library}: {reason}" for library, reason in (warmth.failed or {}).items())
    return WarmReport(name, zygote.memory_bytes(), zygote.forks, zygote.started_at, failed, warmth.excluded)
