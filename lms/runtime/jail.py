"""The jail: bubblewrap's command line.

As root, bubblewrap makes the namespaces with root's own power, then the program becomes a user id that
exists nowhere else: a user namespace made by root would still read root's files. As a plain user,
bubblewrap makes a user namespace. In both cases the program has no capability, cannot gain one, and sees
read-only system folders, its interpreter, what is handed to it, and memory file systems with a size.

Its own memory folders are reached from outside through `/proc/<pid>/root`, so a jail leaves nothing on
any disk, however it ends.
"""

import contextlib
import functools
import os
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lms.runtime import seccomp
from lms.runtime.faults import JailUnavailable

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
NESTED_USER = 1000  # what children of a warm environment are called in their own namespace


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
    `live` are mounted even where the jail's user may read only part of them: folders that change meanwhile.
    A program that `nests` encloses others: it may make namespaces, and their limits are its business.
    """

    python: Path
    command: tuple[str, ...]
    mounts: Mapping[Path, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    live: Mapping[Path, str] = field(default_factory=dict)
    nests: bool = False


class Descriptors:
    """Files in memory that are handed to bubblewrap by number."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.numbers: list[int] = []
        self._stack = stack

    def add(self, content: bytes) -> str:
        """Make a file of the content; return its number as bubblewrap wants it."""
        number = os.memfd_create("duri", os.MFD_CLOEXEC)
        self._stack.callback(os.close, number)
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(content)
        os.lseek(number, 0, os.SEEK_SET)
        self.numbers.append(number)
        return str(number)


def command_line(spec: JailSpec, uid: int, descriptors: Descriptors) -> list[str]:
    """Return bubblewrap's arguments for a program, up to and including the program."""
    return [
        *_namespaces(nests=spec.nests),
        *_filter(descriptors, nests=spec.nests),
        *_system(),
        *_memory_folders(spec.bounds),
        *_handed_in(spec, uid, descriptors),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK),
        *_variables(spec),
        "--",
        *(_room_for_namespaces() if spec.nests else _limits(spec.bounds)),
        *_become(uid),
        str(spec.python),
        *spec.command,
    ]


def _namespaces(*, nests: bool) -> list[str]:
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
        # To drop to the slot's user, and to mount the process file system whole; then gone.
        needed = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", *(["CAP_SYS_ADMIN"] if nests else [])]
        return [*shared, *(word for name in needed for word in ("--cap-add", name))]
    return [*shared, "--unshare-user", *([] if nests else ["--disable-userns"])]


def _filter(descriptors: Descriptors, *, nests: bool) -> list[str]:
    compiled = seccomp.program(nests=nests)
    return [] if compiled is None else ["--seccomp", descriptors.add(compiled)]


def _system() -> list[str]:
    words: list[str] = []
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    words += ["--perms", "0755", "--dir", "/etc"]  # made on the way to a file, it would be closed
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


def _handed_in(spec: JailSpec, uid: int, descriptors: Descriptors) -> list[str]:
    own_folders = prefixes(spec.python)
    given = [*spec.mounts.values(), *spec.live.values(), *spec.files]
    words = _parents([*map(str, own_folders), *given, "/etc/passwd"])
    for prefix in own_folders:
        words += ["--ro-bind", str(prefix), str(prefix)]
    for outside, inside in spec.live.items():
        words += ["--ro-bind", str(outside), inside]
    copied: dict[str, bytes] = {}
    for outside, inside in spec.mounts.items():
        if os.geteuid() == 0 and not _open_to_all(outside):
            copied |= _contents(outside, inside)  # the slot's user may not read what root keeps to itself
        else:
            words += ["--ro-bind", str(outside), inside]
    own = uid if os.geteuid() == 0 else os.geteuid()
    own = NESTED_USER if spec.nests else own
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


def _room_for_namespaces() -> list[str]:
    if os.geteuid() != 0:
        return []
    # Root's bubblewrap covers parts of /proc, and then the kernel lets no namespace below mount its own.
    return ["/bin/sh", "-c", 'mount -t proc -o nosuid,nodev,noexec proc /proc && exec "$@"', "sh"]


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
