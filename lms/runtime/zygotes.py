"""A warm environment, from the worker's side: one jail whose program forks kernels and checkers."""

import array
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lms.runtime import cgroups, forks, inside, seccomp
from lms.runtime.faults import JailUnavailable
from lms.runtime.jail import Bounds, JailSpec, prefixes
from lms.runtime.jailed import Jailed

HOME = "/opt/duri"
WARM_SECONDS = 180  # large libraries, on a loaded machine, for the first time
LEAD_BYTES = 1 << 20
PROGRAM = (
    f"import sys; sys.path.insert(0, {HOME!r}); "
    "from lms.runtime.inside.zygote import main; main(int(sys.argv[1]))"
)
# Its own use and that of children before the worker counts them; libraries may be large.
BOUNDS = Bounds(memory_bytes=16 << 30, processes=512, cpu_seconds=1 << 30, open_files=4096)
VARIABLES = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # as kernels set it for themselves


class ZygoteDead(Exception):
    """The warm environment ended; another can be started."""


class _Spoilt(Exception):
    """An import started threads, after which nothing may be forked; the message names it."""


@dataclass(frozen=True)
class Warmth:
    """What a warm environment imports, and what became of it."""

    libraries: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # they start threads, so each kernel imports them by itself
    learnt: tuple[str, ...] | None = None  # modules that a sample kernel imports late; None: find out
    failed: Mapping[str, str] | None = None  # library -> why it could not be imported


class Zygote:
    """A running warm environment."""

    def __init__(self, python: Path, shelf: Path, warmth: Warmth, *, bare: bool = False) -> None:
        self.forks = 0
        self.started_at = time.time()
        self._lead, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lead.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._lead.settimeout(WARM_SECONDS)
        spec = JailSpec(
            python=python,
            command=("-c", PROGRAM, str(theirs.fileno())),
            files={**_program_files(), f"{HOME}/filter": seccomp.program() or b""},
            environment=VARIABLES,
            bounds=BOUNDS,
            live={shelf: forks.SHELF},
            nests=True,
        )
        try:
            self._jailed = Jailed.start(spec, handed=[theirs.fileno()])
        except BaseException:
            self._lead.close()
            raise
        finally:
            theirs.close()
        self._pid = 0
        self._places = {
            "uid": self.owner[0],
            "gid": self.owner[1],
            "kept": [str(path) for path in prefixes(spec.python) if path.is_relative_to("/tmp")],  # noqa: S108
        }
        self.warmth = warmth
        try:
            self._warm(bare=bare)
        except BaseException:
            self.close()
            raise

    @property
    def owner(self) -> tuple[int, int]:
        """Return user and group id, outside, of the environment and of all its children."""
        uid = self._jailed.uid
        return (uid, uid) if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def _warm(self, *, bare: bool) -> None:
        order = {
            "bare": bare,
            "libraries": self.warmth.libraries,
            "excluded": self.warmth.excluded,
            "learnt": self.warmth.learnt,
            **self._places,
        }
        self._lead.send(json.dumps(order).encode())
        report = self._hear()
        if report.get("spoilt"):
            raise _Spoilt(report["spoilt"])
        if report["threads"] != 1:
            raise JailUnavailable("the warm environment has threads before any library is imported")
        self.warmth = Warmth(
            self.warmth.libraries, self.warmth.excluded, tuple(report["learnt"]), report["failed"]
        )

    def _hear(self) -> dict[str, Any]:
        try:
            text, extra, _, _ = self._lead.recvmsg(LEAD_BYTES, forks.ROOM)
        except OSError as error:
            raise JailUnavailable("the warm environment did not start in time") from error
        if not text:
            raise JailUnavailable("the warm environment ended while it started; does its Python run?")
        report: dict[str, Any] = json.loads(text)
        if "error" in report:
            raise JailUnavailable(f"the warm environment cannot start: {report['error'][-600:]}")
        for level, kind, content in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self._pid = forks.CREDENTIALS.unpack(content)[0]
        return report

    def fork(self, child: forks.Fork, request: Mapping[str, Any], handed: Sequence[int] = ()) -> None:
        """Ask for a child.

        Raises:
            ZygoteDead: nobody is there to ask.
        """
        files = array.array("i", [child.theirs.fileno(), *handed])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)]
        try:
            self._lead.sendmsg([json.dumps({**self._places, **request}).encode()], rights)
        except OSError as error:
            raise ZygoteDead(str(error)) from error
        self.forks += 1
        child.handed_over()

    def alive(self) -> bool:
        """Say whether it still runs."""
        return self._jailed.alive()

    def memory_bytes(self) -> int:
        """Return its own memory, without its children's; what is shared counts in part."""
        return cgroups.memory_bytes(self._pid)

    def close(self) -> None:
        """End it and all its children, at once."""
        self._lead.close()
        self._jailed.close()


def start(python: Path, shelf: Path, warmth: Warmth) -> Zygote:
    """Start a warm environment; libraries whose import starts threads are left to each kernel.

    Raises:
        JailUnavailable: it cannot start.
    """
    while True:
        try:
            return Zygote(python, shelf, warmth)
        except _Spoilt as spoilt:
            name = str(spoilt)
            if name in warmth.excluded:
                raise JailUnavailable(f"importing {name} starts threads") from spoilt
            warmth = Warmth(warmth.libraries, (*warmth.excluded, name), warmth.learnt)


def _program_files() -> dict[str, bytes]:
    """Return our own modules that run inside, and the packages on the way to them."""
    (home,) = inside.__path__
    files = {f"{HOME}/lms/runtime/inside/{path.name}": path.read_bytes() for path in Path(home).glob("*.py")}
    return {f"{HOME}/lms/__init__.py": b"", f"{HOME}/lms/runtime/__init__.py": b"", **files}
