"""Warm environments of one worker: kernels, and checkers beside them, in milliseconds.

A run gets a pair: the student's kernel and, where tests are isolated, a checker, both forked from the same
warm environment into enclosures of their own. A dead environment is replaced without the run noticing.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from lms.runtime import zygotes
from lms.runtime.faults import JailUnavailable
from lms.runtime.forks import ForkFailed
from lms.runtime.kernel import Kernel, KernelSpec
from lms.runtime.shelf import Shelf
from lms.runtime.spares import Spare, Wanted
from lms.runtime.zygotes import Warmth, Zygote, ZygoteDead

if TYPE_CHECKING:
    from lms.runtime.checker import Checker

log = logging.getLogger(__name__)
T = TypeVar("T")


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


class _Kept:
    """One warm environment, how many pairs live in it, and the pair that waits for the next run."""

    def __init__(self, zygote: Zygote) -> None:
        self.zygote = zygote
        self.pairs = 0
        self._spare: Future[Spare] | None = None

    def renew(self, keeper: "_Keeper", *, checked: bool) -> None:
        """Prepare the next pair, while nobody waits."""
        if self._spare is None and self.zygote.alive():
            self._spare = keeper.submit(
                lambda: Spare.prepare(self.zygote, checked=checked, later=keeper.later)
            )

    def spare(self, *, checked: bool) -> Spare | None:
        """Return the pair that waits, if it is there and of that kind."""
        waiting, self._spare = self._spare, None
        try:
            spare = waiting.result() if waiting is not None else None
        except (ForkFailed, ZygoteDead, JailUnavailable):
            return None  # the caller makes one now, and says what is wrong if that fails too
        if spare is None or (spare.checked is checked and spare.alive()):
            return spare
        spare.close()
        return None

    def close(self) -> None:
        """End the environment and what waits in it."""
        self.zygote.close()
        spare = self.spare(checked=False)
        if spare is not None:
            spare.close()


class _Keeper:
    """The thread that starts what must not die with its starter's thread, and does what can wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "warm")
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have work done; the caller may wait for its result."""
        return self._thread.submit(work)

    def later(self, work: Callable[[], None]) -> None:
        """Have work done that nobody waits for; once the thread is gone, at once."""
        with self._lock:
            if not self._closed:
                self._thread.submit(work).add_done_callback(_log_failure)
                return
        work()

    def close(self) -> None:
        """Finish what is left."""
        with self._lock:
            self._closed = True
        self._thread.shutdown()


def _log_failure(done: "Future[None]") -> None:
    error = done.exception()
    if error is not None:
        log.error("tidying up after a kernel failed", exc_info=error)


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
        self._keeper = _Keeper()

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
            wanted = Wanted(spec, seed, checked, laid)
            try:
                return self._open(WarmSpec(warm.environment) if fresh else warm, wanted, fresh=fresh)
            except BaseException:
                laid.clear()
                raise

    def _open(self, warm: WarmSpec, wanted: Wanted, *, fresh: bool) -> Pair:
        for last in (False, True):
            kept = _Kept(self._start(warm)) if fresh else self._take(warm)
            try:
                return self._pair(kept, wanted, fresh=fresh)
            except (ForkFailed, ZygoteDead, JailUnavailable) as error:
                self._discard(warm, kept)
                if last:
                    raise JailUnavailable(f"no kernel could be started. {error}") from error
        raise AssertionError("unreachable")

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
        kept.close()

    def _start(self, warm: WarmSpec) -> Zygote:
        known = self._warmth.get(warm, Warmth(warm.libraries))
        zygote = self._keeper.submit(
            lambda: zygotes.start(warm.environment / "bin" / "python", self.shelf, known)
        ).result()
        self._warmth[warm] = zygote.warmth
        return zygote

    def _pair(self, kept: _Kept, wanted: Wanted, *, fresh: bool) -> Pair:
        spare = kept.spare(checked=wanted.checked)
        if spare is None:
            spare = Spare.prepare(kept.zygote, checked=wanted.checked, later=self._keeper.later)
        try:
            kernel, checker = spare.begin(wanted)
        except BaseException:
            spare.close()
            raise
        kept.pairs += 1
        return Pair(kernel, checker, lambda: self._ended(kept, wanted, fresh=fresh))

    def _ended(self, kept: _Kept, wanted: Wanted, *, fresh: bool) -> None:
        with self._lock:
            kept.pairs -= 1
            self._keeper.later(wanted.laid.clear)
            if fresh:
                kept.close()
            elif kept in self._kept.values() and not self._worn(kept):
                kept.renew(self._keeper, checked=wanted.checked)

    def environments(self) -> list[WarmReport]:
        """Return what is warm now."""
        kept = list(self._kept.items())
        return [_report(warm, one.zygote) for warm, one in kept]

    def close(self) -> None:
        """End every environment, and what lives in them."""
        with self._lock:
            for warm, kept in list(self._kept.items()):
                self._discard(warm, kept)
            self._keeper.close()
            self._shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _report(warm: WarmSpec, zygote: Zygote) -> WarmReport:
    warmth = zygote.warmth
    name = " ".join([warm.environment.name, *warm.libraries])
    failed = tuple(f"{library}: {reason}" for library, reason in (warmth.failed or {}).items())
    return WarmReport(name, zygote.memory_bytes(), zygote.forks, zygote.started_at, failed, warmth.excluded)
