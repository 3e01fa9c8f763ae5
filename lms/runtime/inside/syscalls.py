"""System calls that Python does not offer: namespaces, mounts, capabilities, filters."""

import ctypes
import os
import platform
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION = 0x2008_0522
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_REFER = 2  # the first version with which files can be moved between folders

# Keeps the interpreter's lock: what a clone copies is one thread in the middle of one call.
_libc = ctypes.PyDLL(None, use_errno=True)
_CLONE = {"x86_64": 56, "aarch64": 220}


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def clone(namespaces: int, signal: int) -> int:
    """Copy this process into new namespaces; return 0 in the copy, which must stay a single thread.

    The C library is not told, so the copy may wait, mount and fork, and nothing that needs threads.
    """
    number = _CLONE[platform.machine()]
    nothing = ctypes.c_ulong(0)
    return _check(
        _libc.syscall(number, ctypes.c_ulong(namespaces | signal), nothing, nothing, nothing, nothing),
        "clone",
    )


def unshare(namespaces: int) -> None:
    """Leave namespaces for new ones."""
    _check(_libc.unshare(namespaces), "unshare")


def prctl(option: int, value: int = 0, address: int = 0) -> None:
    """Change something of this process."""
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(address), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(_libc.prctl(option, *arguments), f"prctl {option}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or bind a path to another."""
    words = [word.encode() or None for word in (source, target, kind)]
    result = _libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None)
    _check(result, f"mount {target}")


def drop_capabilities() -> None:
    """Give up every capability, and the possibility to gain one."""
    last = 63
    for number in range(last + 1):
        if _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0) != 0:
            break
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


def filter_calls(program: bytes) -> None:
    """Load a compiled seccomp filter; for good."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    described = ctypes.create_string_buffer(header, len(header))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(described))


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; below 1 there is none."""
    return int(_libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1))


def landlock(writable: tuple[str, ...]) -> bool:
    """Let this process and its children write below these folders only; False where that cannot be."""
    version = landlock_version()
    if version < LANDLOCK_REFER:
        return False
    rights = (1 << 14) - 1  # of the file system, up to moving between folders
    for since, right in ((3, 1 << 14), (5, 1 << 15)):  # truncate; commands to devices
        rights |= right if version >= since else 0
    scope = 3 if version >= 6 else 0  # noqa: PLR2004  # abstract sockets and signals: of this domain only
    attributes = struct.pack("QQQ", rights, 0, scope)[: 24 if scope else 8]
    size = ctypes.c_size_t(len(attributes))
    rules = _check(_libc.syscall(LANDLOCK_CREATE, attributes, size, 0), "landlock_create_ruleset")
    reading = 1 | 4 | 8  # run, read, list
    for path, allowed in (("/", reading), *((folder, rights) for folder in writable)):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", allowed, opened)
        _check(_libc.syscall(LANDLOCK_ADD, rules, 1, rule, 0), f"landlock {path}")
        os.close(opened)
    _check(_libc.syscall(LANDLOCK_RESTRICT, rules, 0), "landlock_restrict_self")
    os.close(rules)
    return True
