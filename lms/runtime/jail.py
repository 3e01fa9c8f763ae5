"""The jail: bubblewrap's command line, and one process started in it.

As root, bubblewrap makes the namespaces with root's own power, then the program becomes a user id that
exists nowhere else: a user namespace made by root would still read root's files. As a plain user,
bubblewrap makes a user namespace. In both cases the program has no capability, cannot gain one, and sees
read-only system folders, its interpreter, what is handed to it, and memory file systems with a size.

Its own memory folders are reached from outside through `/proc/<pid>/root`, so a jail leaves nothing on
any disk, however it ends.
"""

import contextlib
import functools
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lms.runtime import cgroups, seccomp
from lms.runtime.faults import JailUnavailable
from lms.runtime.slots import Slot

WORK = "/lab"  # where programs start; a memory file system
DESK = "/run/desk"  # where jail and worker exchange sockets and files; a memory file system
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SYSTEM_FILES = ("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108  # the jail's own
    "TMPDIR": "/tmp",  # noqa: S108  # the jail's own
    "USER": "student",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """What a jailed program may use up."""

    memory_bytes: int = 2 << 30
    processes: int = 64
    cpu_seconds: int = 300
    disk_bytes: int = 256 * MEBIBYTE
    file_bytes: int = 64 * MEBIBYTE
    open_files: int = 512


@dataclass(frozen=True)
class JailSpec:
    """One program and all that it may see.

    `command` follows the interpreter; `mounts` are outside path -> inside path, read-only; `files` are
    inside path -> content, read-only; `environment` is added to a short list of harmless variables.
    """

    python: Path
    command: tuple[str, ...]
    mounts: Mapping[Path, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)


class Jailed:
    """A running jailed process; leaving the context ends everything in it."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", init_pid: int, slot: Slot, meter: cgroups.Meter
    ) -> None:
        self.process = process
        self.meter = meter
        self._init_pid = init_pid
        self._slot = slot
        self._peak = 0

    @classmethod
    def start(cls, spec: JailSpec, *, talk: bool = False) -> Self:
        """Start the program; with `talk`, its standard streams are pipes.

        Raises:
            JailUnavailable: bubblewrap is missing or refuses.
        """
        slot = Slot.take()
        meter = cgroups.make_meter(slot.number, spec.bounds.memory_bytes, spec.bounds.processes)
        try:
            process, init_pid = _spawn(spec, slot, meter, talk=talk)
        except BaseException:
            meter.close()
            slot.release()
            raise
        return cls(process, init_pid, slot, meter)

    def outside(self, path: str) -> str:
        """Return the path by which the worker reaches a file of the jail."""
        return f"/proc/{self._init_pid}/root{path}"

    def put(self, name: str, content: bytes) -> None:
        """Lay a file on the desk for the program to read; an existing one is not overwritten."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.outside(f"{DESK}/{name}"), flags, 0o644), "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Read a file that the program wrote; None if it is missing, special or longer than the limit.

        `path` is a bare name directly below `DESK` or `WORK`, which the program cannot replace.
        """
        try:
            opened = os.open(self.outside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(opened).st_mode):  # a folder would not even become a file object
            os.close(opened)
            return None
        with os.fdopen(opened, "rb") as file:
            content = file.read(limit + 1)
        return content if len(content) <= limit else None

    def memory(self) -> int:
        """Return the bytes in use now."""
        return self.meter.sample(self.process.pid)

    def peak_memory_bytes(self) -> int:
        """Return the most bytes that were seen in use, also after the end."""
        self._peak = max(self._peak, self.meter.peak())
        return self._peak

    def close(self) -> None:
        """Kill all that runs inside, at once; a second call does nothing."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.peak_memory_bytes()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self.meter.close()
        self._slot.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spawn(
    spec: JailSpec, slot: Slot, meter: cgroups.Meter, *, talk: bool
) -> "tuple[subprocess.Popen[bytes], int]":
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise JailUnavailable("bubblewrap is not installed: apt install bubblewrap")
    stream = subprocess.PIPE if talk else subprocess.DEVNULL
    with contextlib.ExitStack() as stack:
        told, tell = os.pipe()
        stack.callback(os.close, told)
        descriptors = _Descriptors(stack)
        arguments = command_line(spec, slot.uid, descriptors)
        command = _tied(meter.wrap([bubblewrap, "--info-fd", str(tell), *arguments]))
        try:
            process = subprocess.Popen(
                command, stdin=stream, stdout=stream, stderr=stream, env={},
                pass_fds=[tell, *descriptors.numbers], start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(tell)
        return process, _init_pid(told, process)


def _tied(command: list[str]) -> list[str]:
    """Let a command die with us from its first instant, long before bubblewrap sees to that itself.

    The signal is armed first and the parent looked at then: whoever died before the one is seen by the other.
    """
    alive = ["/bin/sh", "-c", '[ "$PPID" = "$0" ] || exit 1; exec "$@"', str(os.getpid())]
    return ["/usr/bin/setpriv", "--pdeathsig", "KILL", *alive, *command]


def _init_pid(told: int, process: "subprocess.Popen[bytes]") -> int:
    text = b""
    while chunk := os.read(told, 4096):
        text += chunk
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError) as error:
        process.kill()
        reason = process.stderr.read(2000).decode(errors="replace") if process.stderr else ""
        process.wait()
        raise JailUnavailable(f"bubblewrap did not start the jail. {reason}".strip()) from error


class _Descriptors:
    """Files in memory that are handed to bubblewrap by number."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.numbers: list[int] = []
        self._stack = stack

    def add(self, content: bytes) -> str:
        number = os.memfd_create("duri", os.MFD_CLOEXEC)
        self._stack.callback(os.close, number)
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
        os.lseek(number, 0, os.SEEK_SET)
        self.numbers.append(number)
        return str(number)


def command_line(spec: JailSpec, uid: int, descriptors: _Descriptors) -> list[str]:
    """Return bubblewrap's arguments for a program, up to and including the program."""
    return [
        *_namespaces(),
        *_filter(descriptors),
        *_system(),
        *_memory_folders(spec.bounds),
        *_handed_in(spec, uid, descriptors),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK),
        *_variables(spec),
        "--",
        *_limits(spec.bounds),
        *_become(uid),
        str(spec.python),
        *spec.command,
    ]


def _namespaces() -> list[str]:
    shared = [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        "lab",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]
    if os.geteuid() == 0:
        needed = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")  # to drop to the slot's user, then gone
        return [*shared, *(word for name in needed for word in ("--cap-add", name))]
    return [*shared, "--unshare-user", "--disable-userns"]


def _filter(descriptors: _Descriptors) -> list[str]:
    compiled = seccomp.program()
    return [] if compiled is None else ["--seccomp", descriptors.add(compiled)]


def _system() -> list[str]:
    words: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    for name in SYSTEM_FILES:
        words += ["--ro-bind-try", name, name]
    return [*words, "--proc", "/proc", "--dev", "/dev"]


def _memory_folders(bounds: Bounds) -> list[str]:
    words: list[str] = []
    sizes = {
        "/dev/shm": 64 * MEBIBYTE,  # noqa: S108  # the jail's own, like the next
        "/tmp": bounds.disk_bytes,  # noqa: S108
        WORK: bounds.disk_bytes,
        DESK: 64 * MEBIBYTE,
    }
    for folder, size in sizes.items():
        words += ["--perms", "1777", "--size", str(size), "--tmpfs", folder]
    return words


def _handed_in(spec: JailSpec, uid: int, descriptors: _Descriptors) -> list[str]:
    own_folders = prefixes(spec.python)
    words = _parents([*map(str, own_folders), *spec.mounts.values(), *spec.files, "/etc/passwd"])
    for prefix in own_folders:
        words += ["--ro-bind", str(prefix), str(prefix)]
    copied: dict[str, bytes] = {}
    for outside, inside in spec.mounts.items():
        if os.geteuid() == 0 and not _open_to_all(outside):
            copied |= _contents(outside, inside)  # the slot's user may not read what root keeps to itself
        else:
            words += ["--ro-bind", str(outside), inside]
    own = uid if os.geteuid() == 0 else os.geteuid()
    known = {
        "/etc/passwd": f"student:x:{own}:{own}:student:/tmp:/bin/sh\n".encode(),
        "/etc/hosts": b"127.0.0.1 localhost\n",
    }
    for inside, content in {**known, **copied, **spec.files}.items():
        words += [*_parents([inside]), "--perms", "0444", "--ro-bind-data", descriptors.add(content), inside]
    return words


def _open_to_all(path: Path) -> bool:
    mode = path.stat().st_mode
    if not stat.S_ISDIR(mode):
        return bool(mode & stat.S_IROTH)
    if not mode & stat.S_IXOTH or not mode & stat.S_IROTH:
        return False
    return all(_open_to_all(inner) for inner in path.iterdir() if not inner.is_symlink())


def _contents(path: Path, inside: str) -> dict[str, bytes]:
    if not path.is_dir():
        return {inside: path.read_bytes()}
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink()]
    return {f"{inside}/{file.relative_to(path)}": file.read_bytes() for file in files}


def _parents(paths: list[str]) -> list[str]:
    # What bubblewrap makes on the way would be closed to the slot's user.
    made = {str(parent) for path in paths for parent in Path(path).parents}
    made -= {"/", *SYSTEM, "/tmp", WORK, DESK}  # noqa: S108  # the jail's own
    inner = {name for name in made if Path(name).is_relative_to("/usr")}
    return [word for name in sorted(made - inner) for word in ("--perms", "0755", "--dir", name)]


def _variables(spec: JailSpec) -> list[str]:
    words: list[str] = []
    for name, value in {**ENVIRONMENT, **spec.environment}.items():
        words += ["--setenv", name, value]
    return words


def _limits(bounds: Bounds) -> list[str]:
    # Address space is more than memory: a clean MemoryError for the greedy, the group's limit for the rest.
    return [
        "prlimit",
        f"--as={bounds.memory_bytes + (1 << 30)}",
        f"--nproc={bounds.processes}",
        f"--fsize={bounds.file_bytes}",
        f"--nofile={bounds.open_files}",
        f"--cpu={bounds.cpu_seconds}",
        "--core=0",
        "--",
    ]


def _become(uid: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    drop = f"--reuid={uid} --regid={uid} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs"
    return ["setpriv", *drop.split(), "--"]


@functools.cache
def prefixes(python: Path) -> tuple[Path, ...]:
    """Return the folders that an interpreter needs beyond `/usr`, by asking it.

    Raises:
        JailUnavailable: there is no such interpreter.
    """
    question = "import sys; print(sys.prefix, sys.base_prefix, sys.base_exec_prefix, sep='\\n')"
    try:
        answer = subprocess.run(
            [str(python), "-I", "-c", question], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise JailUnavailable(f"{python} does not run; build the environment again") from error
    named = [Path(line) for line in answer.stdout.splitlines()]
    found = {*named, *(path.resolve() for path in named), python.resolve().parent.parent}
    return tuple(sorted(path for path in found if not path.is_relative_to("/usr") and path != Path("/")))
