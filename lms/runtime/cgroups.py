"""How much memory and time a jail takes: a control group where one may be made, else the process tree."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")
SHARE = {"cpu.shares": 102, "cpu.weight": 10}  # a tenth of what others get when all want the processor
SAMPLE_SECONDS = 0.05  # to look closer takes longer than it is worth
# Enters each group by itself before it becomes the jail, so that no child is ever outside.
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


class Meter(Protocol):
    """Measures and bounds one jail."""

    def wrap(self, command: list[str]) -> list[str]:
        """Return the command that starts inside the bounds."""

    def admit(self, pid: int) -> None:
        """Put a running process inside the bounds, and all that it starts from now on."""

    def bound(self, memory_bytes: int, processes: int) -> None:
        """Set other limits than at first."""

    def sample(self, pid: int) -> int:
        """Return the bytes in use now by the process and its descendants."""

    def cpu_seconds(self, pid: int) -> float:
        """Return the processor time that the process and its descendants took."""

    def peak(self) -> int:
        """Return the most bytes that were seen in use."""

    def exhausted(self) -> bool:
        """Say whether the kernel ended something in the jail for want of memory."""

    def close(self) -> None:
        """End what is left and remove the bounds."""


class TreeMeter:
    """Adds up resident memory of the process tree; sees only what is there when it looks."""

    def __init__(self) -> None:
        self._peak = 0
        self._last = 0
        self._again_at = 0.0

    def wrap(self, command: list[str]) -> list[str]:
        """Return the command unchanged: there is nothing to enter."""
        return command

    def admit(self, pid: int) -> None:
        """Do nothing: there is nothing to enter."""

    def bound(self, memory_bytes: int, processes: int) -> None:
        """Do nothing: whoever samples compares."""

    def sample(self, pid: int) -> int:
        """Add up the memory of all descendants; what they share with others counts in part."""
        if time.monotonic() >= self._again_at:
            self._last = sum(memory_bytes(member) for member in _tree(pid))
            self._again_at = time.monotonic() + SAMPLE_SECONDS
            self._peak = max(self._peak, self._last)
        return self._last

    def cpu_seconds(self, pid: int) -> float:
        """Add up the time of all descendants, those included that they have waited for."""
        return sum(_ticks(member) for member in _tree(pid)) / TICKS

    def peak(self) -> int:
        """Return the most that a sample found."""
        return self._peak

    def exhausted(self) -> bool:
        """Say no: without a group the kernel does not tell."""
        return False

    def close(self) -> None:
        """Do nothing: nothing was made."""


class Figure:
    """A file of a group that says a figure, under the first of its names that there is; kept open."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._file = -1

    def text(self) -> bytes:
        """Return what it says now; nothing where there is no such file."""
        for path in self._paths if self._file < 0 else ():
            with contextlib.suppress(OSError):
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                break
        try:
            return os.pread(self._file, 1000, 0) if self._file >= 0 else b""
        except OSError:  # the group is gone
            return b""

    def close(self) -> None:
        """Close it."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class GroupMeter:
    """A control group (version 1 or 2) with a hard limit on memory and processes."""

    def __init__(self, folders: list[Path], memory_bytes: int, processes: int) -> None:
        self._folders = folders
        self._memory = folders[0]
        self._use = Figure(self._memory / name for name in ("memory.usage_in_bytes", "memory.current"))
        self._most = Figure(self._memory / name for name in ("memory.max_usage_in_bytes", "memory.peak"))
        self._time = Figure(folder / name for folder in folders for name in ("cpuacct.usage", "cpu.stat"))
        self.close()  # what a killed worker left: its counts are not ours
        for folder in folders:
            folder.mkdir(exist_ok=True)
        self.bound(memory_bytes, processes)
        for name, share in SHARE.items():  # niceness does not count between groups
            self._set(name, share)

    def bound(self, memory_bytes: int, processes: int) -> None:
        """Set the group's hard limits."""
        self._set("memory.limit_in_bytes", memory_bytes)
        self._set("memory.max", memory_bytes)
        self._set("pids.max", processes + 8)

    def _set(self, name: str, value: int) -> None:
        for folder in self._folders:
            if (folder / name).exists():
                (folder / name).write_text(str(value))

    def wrap(self, command: list[str]) -> list[str]:
        """Enter the groups first."""
        return ["/bin/sh", "-c", ENTER, "enter", *map(str, self._folders), "--", *command]

    def admit(self, pid: int) -> None:
        """Move the process into each group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def sample(self, pid: int) -> int:  # noqa: ARG002  # the group knows its members itself
        """Return the group's present use."""
        return int(self._use.text() or 0)

    def peak(self) -> int:
        """Return the group's high-water mark."""
        return int(self._most.text() or 0)

    def exhausted(self) -> bool:
        """Say whether the group's out-of-memory count is above zero."""
        for name in ("memory.oom_control", "memory.events"):
            file = self._memory / name
            if file.exists():
                rows = dict(line.split() for line in file.read_text().splitlines())
                return int(rows.get("oom_kill", 0)) > 0
        return False

    def cpu_seconds(self, pid: int) -> float:
        """Return the group's own count, or that of the processes where no group counts."""
        words = self._time.text().split()
        if words[:1] == [b"usage_usec"]:
            return int(words[1]) / 1e6
        if words:
            return int(words[0]) / 1e9
        return sum(_ticks(member) for member in _tree(pid)) / TICKS

    def close(self) -> None:
        """Kill the members that are left, then remove the groups."""
        for figure in (self._use, self._most, self._time):
            figure.close()
        deadline = time.monotonic() + 2
        for folder in self._folders:
            while folder.exists() and time.monotonic() < deadline:
                try:
                    folder.rmdir()
                except OSError:
                    _kill_members(folder)
                    time.sleep(0.005)


def make_meter(slot: int, memory_bytes: int, processes: int) -> Meter:
    """Return a control group for the slot, or the process tree where none may be made."""
    for parents in (_version_1(), _version_2()):
        if not parents:
            continue
        folders = [parent / f"duri-{os.geteuid()}-{slot}" for parent in parents]
        try:
            return GroupMeter(folders, memory_bytes, processes)
        except OSError:
            continue  # not ours to make; the next way is tried, and the probe reports what is missing
    return TreeMeter()


def _version_1() -> list[Path]:
    parents = [ROOT / "memory", ROOT / "pids"]
    if not all(os.access(parent / "cgroup.procs", os.W_OK) for parent in parents):
        return []
    more = (ROOT / "cpuacct", ROOT / "cpu")
    return [*parents, *(one for one in more if os.access(one / "cgroup.procs", os.W_OK))]


def _version_2() -> list[Path]:
    control = ROOT / "cgroup.subtree_control"
    if not os.access(control, os.W_OK):
        return []
    for wanted in ("+memory +pids +cpu", "+memory +pids"):
        with contextlib.suppress(OSError):  # not every group has the processor to share out
            control.write_text(wanted)
            return [ROOT]
    return []


def _kill_members(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for pid in map(int, (folder / "cgroup.procs").read_text().split()):
            if pid > 0:  # zero stands for a process that is not in our sight, and to kill it would end us
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for member in found:
        try:
            children = Path(f"/proc/{member}/task/{member}/children").read_text()
        except OSError:
            continue  # ended meanwhile
        found += [int(child) for child in children.split()]
    return found


def memory_bytes(pid: int) -> int:
    """Return what a process holds in memory; pages shared with n others count as one n-th."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        return 0  # ended meanwhile
    return 0


def _ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0  # ended meanwhile
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))
