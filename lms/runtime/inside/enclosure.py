"""The enclosure of one forked child: namespaces, memory folders, limits, and no way back.

A child is two processes. The first is made with all new namespaces at once and is the head of the new
process namespace: it builds the enclosure, waits until the worker has put it into its control group, gives
up all power and becomes a reaper that student code can neither read nor signal. The second is forked from
it and runs the program. When the first ends - because the program ended, or the worker let go of the
control socket, or the warm environment died - the kernel ends everything in the enclosure with it.
"""

import fcntl
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lms.runtime.inside import syscalls as call

WORK = "/lab"
FILTER = "/opt/duri/filter"
USER = 1000
CONTROL = 3  # the control socket's number in every child
NAMESPACES = (
    call.CLONE_NEWUSER
    | call.CLONE_NEWNS
    | call.CLONE_NEWPID
    | call.CLONE_NEWNET
    | call.CLONE_NEWIPC
    | call.CLONE_NEWUTS
)
LIMITS = {
    "address": resource.RLIMIT_AS,
    "processes": resource.RLIMIT_NPROC,
    "file": resource.RLIMIT_FSIZE,
    "open": resource.RLIMIT_NOFILE,
    "cpu": resource.RLIMIT_CPU,
}
HARMLESS = call.MS_NOSUID | call.MS_NODEV
LOOPBACK_UP = (0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))


def enclose(request: Mapping[str, Any], handed: Sequence[int], program: Callable[[], None]) -> int:
    """Start a program in an enclosure of its own; return the number of its first process.

    `handed` are open files: the control socket first, then what the program gets. They become the numbers
    from `CONTROL` on, and every other open file is closed.
    """
    pid = call.clone(NAMESPACES, signal.SIGCHLD)
    if pid == 0:
        _first(request, handed, program)
    return pid


def _first(request: Mapping[str, Any], handed: Sequence[int], program: Callable[[], None]) -> None:
    """Become the head of the enclosure; never returns."""
    control: socket.socket | None = None
    try:
        keep_only(handed)
        control = socket.socket(fileno=CONTROL)
        call.prctl(call.PR_SET_PDEATHSIG, signal.SIGKILL)
        control.send(b'{"hello": 1}')  # the kernel adds our number as the worker sees it
        os.setsid()
        _map_user(request["uid"], request["gid"])
        _furnish(request)
        if control.recv(16) != b"go":  # by now the worker counts us
            os._exit(70)
        _close_off(request)
        wake = _woken_by_children()
        second = os.fork()
        if second == 0:
            os.close(wake[0])
            os.close(wake[1])
            _second(program)
        for number in range(CONTROL + 1, CONTROL + len(handed)):
            os.close(number)  # the program's alone: who it talks to hears at once when it ends
        _watch(second, control, wake[0])
    except BaseException as error:  # noqa: BLE001  # told to the worker, then the process ends
        if control is not None:
            tell_failure(control, error)
    os._exit(70)


def tell_failure(control: socket.socket, error: BaseException) -> None:
    """Say on the control socket why a child cannot go on."""
    import json  # noqa: PLC0415  # only on the way out
    import traceback  # noqa: PLC0415

    reason = "".join(traceback.format_exception(error))[-3000:]
    try:
        control.send(json.dumps({"error": reason}).encode())
    except OSError:
        return  # nobody is there to hear it


def keep_only(handed: Sequence[int]) -> None:
    """Close every file but those handed in, which get the numbers from `CONTROL` on."""
    aside = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for number in handed]
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # a pipe that nobody reads would fill up and stop every child
        os.dup2(nothing, number)
    for number, file in enumerate(aside, CONTROL):
        os.dup2(file, number, inheritable=False)
    os.closerange(CONTROL + len(aside), 1 << 20)


def _map_user(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{USER} {gid} 1"),
        ("uid_map", f"{USER} {uid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  # no pathlib before the program
            file.write(text)


def _furnish(request: Mapping[str, Any]) -> None:
    call.mount("", "/", flags=call.MS_REC | call.MS_PRIVATE)
    for folder, size in request["memory"].items():
        options = f"size={size},mode=1777,nr_inodes=32k"
        call.mount("tmpfs", folder, "tmpfs", HARMLESS, options)
    call.mount("devpts", "/dev/pts", "devpts", call.MS_NOSUID | call.MS_NOEXEC, "newinstance,ptmxmode=0666")
    call.mount("proc", "/proc", "proc", HARMLESS | call.MS_NOEXEC)
    for source, target in request["binds"]:
        _bind(source, target)
    for folder in request["covered"]:
        call.mount("tmpfs", folder, "tmpfs", HARMLESS | call.MS_RDONLY, "size=4k,mode=000")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, *LOOPBACK_UP)
    os.chdir(WORK)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112  # as above
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    call.mount(source, target, flags=call.MS_BIND)  # read-only, as the shelf is; that cannot be undone here


def _close_off(request: Mapping[str, Any]) -> None:
    call.unshare(call.CLONE_NEWCGROUP)  # only now: its root is the group that the worker chose
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in request["limits"].items():
        resource.setrlimit(LIMITS[name], (value, value))
    call.drop_capabilities()
    call.prctl(call.PR_SET_NO_NEW_PRIVS, 1)
    call.landlock((*request["memory"], "/dev", "/proc"))
    call.prctl(call.PR_SET_DUMPABLE, 0)  # no one looks into the reaper, or at its open files
    with open(FILTER, "rb") as file:  # noqa: PTH123  # as above
        program = file.read()
    if program:
        call.filter_calls(program)


def _woken_by_children() -> tuple[int, int]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader, writer


def _second(program: Callable[[], None]) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL if number is signal.SIGCHLD else signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call.prctl(call.PR_SET_DUMPABLE, 1)
    os.setsid()
    program()
    os._exit(0)


def _watch(second: int, control: socket.socket, woken: int) -> None:
    """Reap until the program ends or the worker lets go."""
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(woken, select.POLLIN)
    while True:
        for number, _ in poller.poll():
            if number != woken:
                os._exit(0)
            os.read(woken, 4096)
            _reap(second, control)


def _reap(second: int, control: socket.socket) -> None:
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if pid == second:
            code = os.waitstatus_to_exitcode(status)
            control.send(b'{"exit": %d}' % code)
            os._exit(0)
