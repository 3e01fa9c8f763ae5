"""Prove at start, by trying, that a jailed program reaches nothing of ours."""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lms.runtime.cgroups import TreeMeter, make_meter
from lms.runtime.faults import JailUnavailable
from lms.runtime.forks import SHELF, Fork, ForkFailed
from lms.runtime.jail import Bounds, JailSpec, prefixes
from lms.runtime.jobs import run_job
from lms.runtime.slots import Slot
from lms.runtime.zygotes import Warmth, Zygote, ZygoteDead

REAPER = ("/proc/1/environ", "/proc/1/fd", "/proc/1/root")  # the one process beside it that is of its user
VARIABLES = 10  # at most
SYSTEM_USERS = 1000  # user ids below belong to the machine
PROGRAM = Path(__file__).with_name("inside") / "probing.py"


class IsolationLevel(StrEnum):
    """How far the jail can be trusted."""

    FULL = "full"
    REDUCED = "reduced"  # holds, but a second wall is missing
    REFUSE = "refuse"  # a wall has a hole: nothing may be run


@dataclass(frozen=True)
class Isolation:
    """What the probe found; `missing` names what is not there, or what could be reached."""

    level: IsolationLevel
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return `full`, `reduced:…` or `refuse:…`, as grading runs record it."""
        return ":".join([self.level.value, *([",".join(self.missing)] if self.missing else [])])


def probe(python: Path, secret_paths: Iterable[Path] = ()) -> Isolation:
    """Run a probe in a fresh jail, and in a fork of a warm environment.

    `secret_paths` (database, keys, settings) must be out of the reach of both.
    """
    paths = [Path("/etc/shadow"), Path("/root"), *secret_paths]
    found = []
    for where, attempt in (("jail", _try), ("warm", _try_fork)):
        try:
            found.append(attempt(python, paths))
        except (JailUnavailable, ForkFailed, ZygoteDead) as error:
            return Isolation(IsolationLevel.REFUSE, (f"{where} ({error})",))
        except ValueError:
            return Isolation(IsolationLevel.REFUSE, ("probe",))
    holes = [*_holes(found[0]), *(f"{hole} (warm)" for hole in _holes(found[1]))]
    if holes:
        return Isolation(IsolationLevel.REFUSE, tuple(holes))
    missing = [] if all(one["seccomp"] for one in found) else ["seccomp"]
    if not _has_group():
        missing.append("cgroup")
    return Isolation(IsolationLevel.REDUCED if missing else IsolationLevel.FULL, tuple(missing))


@contextlib.contextmanager
def _canaries(python: Path, paths: list[Path]) -> Iterator[dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.NamedTemporaryFile() as canary:
        # A folder that lies on the way to the interpreter is made anew in the jail, and empty but for that.
        on_the_way = [path for path in paths if python.is_relative_to(path) or _holds_prefix(python, path)]
        asked = [str(path) for path in [*paths, Path(canary.name)] if path not in on_the_way]
        yield {"paths": asked, "port": listener.getsockname()[1], "forked": False}


def _try_fork(python: Path, paths: list[Path]) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        canaries = stack.enter_context(_canaries(python, paths))
        shelf = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shelf.chmod(0o755)
        (shelf / "canary").write_text("of another run")
        zygote = stack.enter_context(contextlib.closing(Zygote(python, shelf, Warmth(), bare=True)))
        fork = stack.enter_context(Fork(zygote.owner))
        zygote.fork(fork, {"kind": "probe"})
        fork.admit()
        fork.await_word()
        asked = [*canaries["paths"], f"{SHELF}/canary", SHELF, *REAPER]
        fork.begin(Bounds(), [], {**canaries, "paths": asked, "forked": True})
        found: dict[str, Any] = fork.begun()["found"]
        return found


def _try(python: Path, paths: list[Path]) -> dict[str, Any]:
    with _canaries(python, paths) as canaries:
        spec = JailSpec(python, ("-I", "-c", PROGRAM.read_text()))
        result = run_job(spec, json.dumps(canaries).encode(), seconds=20, output_bytes=100_000)
    if not result.ok:
        raise ValueError(result.errors)
    found: dict[str, Any] = json.loads(result.output)
    return found


def _holds_prefix(python: Path, path: Path) -> bool:
    return any(prefix.is_relative_to(path) for prefix in prefixes(python))


def _holes(found: dict[str, Any]) -> list[str]:
    holes = [str(path) for path in found["readable"]]
    holes += [f"writable {name}" for name in found["writable"]]
    for name in ("network", "processes", "mounts", "capabilities", "new-privileges"):
        if found[name]:
            holes.append(name)
    if found["user"] == 0 or (os.geteuid() == 0 and found["user"] < SYSTEM_USERS):
        holes.append("user")
    if len(found["variables"]) > VARIABLES:
        holes.append("variables")
    if not found["limits"]:
        holes.append("limits")
    return holes


def _has_group() -> bool:
    slot = Slot.take()
    try:
        meter = make_meter(slot.number, 1 << 30, 8)
        meter.close()
        return not isinstance(meter, TreeMeter)
    finally:
        slot.release()
