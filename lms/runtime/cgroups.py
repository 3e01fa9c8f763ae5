"""How much memory a jail takes and took: a control group where one may be made, else the process tree."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Enters each group by itself before it becomes the jail, so that no child is ever outside.
ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'


class Meter(Protocol):
    """Measures and bounds one jail."""

    def wrap(self, command: list[str]) -> list[str]:
        """Return the command that starts inside the bounds."""

    def sample(self, pid: int) -> int:
        """Return the bytes in use now by the process and its descendants."""

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

    def wrap(self, command: list[str]) -> list[str]:
        """Return the command unchanged: there is nothing to enter."""
        return command

    def sample(self, pid: int) -> int:
        """Add up the resident pages of all descendants."""
        total = sum(_resident(member) for member in _tree(pid))
        self._peak = max(self._peak, total)
        return total

    def peak(self) -> int:
        """Return the most that a sample found."""
        return self._peak

    def exhausted(self) -> bool:
        """Say no: without a group the kernel does not tell."""
        return False

    def close(self) -> None:
        """Do nothing: nothing was made."""


class GroupMeter:
    """A control group (version 1 or 2) with a hard limit on memory and processes."""

    def __init__(self, folders: list[Path], memory_bytes: int, processes: int) -> None:
        self._folders = folders
        self._memory = folders[0]
        self.close()  # what a killed worker left: its counts are not ours
        for folder in folders:
            folder.mkdir(exist_ok=True)
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

    def sample(self, pid: int) -> int:  # noqa: ARG002  # the group knows its members itself
        """Return the group's present use."""
        return self._read("memory.usage_in_bytes", "memory.current")

    def peak(self) -> int:
        """Return the group's high-water mark."""
        return self._read("memory.max_usage_in_bytes", "memory.peak")

    def exhausted(self) -> bool:
        """Say whether the group's out-of-memory count is above zero."""
        for name in ("memory.oom_control", "memory.events"):
            file = self._memory / name
            if file.exists():
                rows = dict(line.split() for line in file.read_text().splitlines())
                return int(rows.get("oom_kill", 0)) > 0
        return False

    def _read(self, *names: str) -> int:
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                return int((self._memory / name).read_text())
        return 0

    def close(self) -> None:
        """Kill the members that are left, then remove the groups."""
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
    return parents if all(os.access(parent / "cgroup.procs", os.W_OK) for parent in parents) else []


def _version_2() -> list[Path]:
    control = ROOT / "cgroup.subtree_control"
    if not os.access(control, os.W_OK):
        return []
    try:
        control.write_text("+memory +pids")
    except OSError:
        return []
    return [ROOT]


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


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0  # ended meanwhile
