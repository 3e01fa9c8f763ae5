"""The enclosure of one forked child: namespaces, memory folders, limits, and no way back.

A child is two processes. The first is made with all new namespaces at once and is the head of the new
process namespace: it builds the enclosure, waits until the worker has put it into its control group, and
becomes a reaper that student code can neither read nor signal. The second is forked from it, gives up all
power and runs the program. What one run gets - folders, sizes, limits - comes last, before any student
code: the reaper lays it and then gives up its own power. When the first ends - because the program ended,
or the worker let go of the control socket, or the warm environment died - the kernel ends everything in
the enclosure with it.
"""

import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from lms.runtime.inside import syscalls as call

WORK = "/lab"
MEMORY = ("/tmp", WORK, "/run/desk", "/dev/shm")  # noqa: S108  # each child's own
FILTER = "/opt/duri/filter"
USER = 1000
USUAL_BYTES = 1 << 29  # mapped by an interpreter with the usual libraries
NICENESS = 10
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


class Orders:
    """What one run wants of a program, once there is a run; until then, the program's word to the worker."""

    def __init__(self, number: int, control: socket.socket) -> None:
        self.number = number  # becomes readable when the orders are there
        self._control = control

    def ready(self) -> None:
        """Say that the program is as far as it can be without orders."""
        self._control.send(b'{"ready": 1}')

    def take(self) -> dict[str, Any]:
        """Wait for the orders."""
        with os.fdopen(self.number) as file:
            orders: dict[str, Any] = json.loads(file.read())
        return orders

    def begun(self, answer: Mapping[str, Any] | None = None) -> None:
        """Say that the orders are carried out, and let go of the worker: what follows may be student code."""
        self._control.send(json.dumps({"begun": 1, **(answer or {})}).encode())
        self._control.close()


Program: TypeAlias = Callable[[Orders], None]


def enclose(request: Mapping[str, Any], handed: Sequence[int], program: Program) -> int:
    """Start a program in an enclosure of its own; return the number of its first process.

    `handed` are open files: the control socket first, then what the program gets. They become the numbers
    from `CONTROL` on, and every other open file is closed. The program prepares itself, then asks for its
    orders, which come when a run needs it; what it does before that is the same for every run.
    """
    pid = call.clone(NAMESPACES, signal.SIGCHLD)
    if pid == 0:
        _first(request, handed, program)
    return pid


def _first(request: Mapping[str, Any], handed: Sequence[int], program: Program) -> None:
    """Become the head of the enclosure; never returns."""
    control: socket.socket | None = None
    try:
        keep_only(handed)
        control = socket.socket(fileno=CONTROL)
        call.prctl(call.PR_SET_PDEATHSIG, signal.SIGKILL)
        control.send(b'{"hello": 1}')  # the kernel adds our number as the worker sees it
        os.setsid()
        _step_back()
        _map_user(request["uid"], request["gid"])
        _furnish(request["kept"])
        if control.recv(16) != b"go":  # by now the worker counts us
            os._exit(70)
        call.unshare(call.CLONE_NEWCGROUP)  # only now: its root is the group that the worker chose
        call.prctl(call.PR_SET_DUMPABLE, 0)  # no one looks into the reaper, or at its open files
        wake = _woken_by_children()
        orders = os.pipe2(os.O_CLOEXEC)
        second = os.fork()
        if second == 0:
            for number in (*wake, orders[1]):
                os.close(number)
            _second(program, Orders(orders[0], control))
        for number in (*range(CONTROL + 1, CONTROL + len(handed)), orders[0]):
            os.close(number)  # the program's alone: who it talks to hears at once when it ends
        _Reaper(second, control, wake[0], orders[1]).watch()
    except BaseException as error:  # noqa: BLE001  # told to the worker, then the process ends
        if control is not None:
            tell_failure(control, error)
    os._exit(70)


def tell_failure(control: socket.socket, error: BaseException) -> None:
    """Say on the control socket why a child cannot go on."""
    import traceback  # noqa: PLC0415  # only on the way out

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


def _step_back() -> None:
    """Let web server and workers go first: what they hold up, many wait for."""
    os.nice(max(NICENESS - os.nice(0), 0))
    try:
        with open("/proc/self/autogroup", "w") as file:  # noqa: PTH123  # no pathlib before the program
            file.write(str(NICENESS))  # each session has the same share as others, however nice its processes
    except OSError:  # no such groups here, or changed too often: then niceness alone counts
        return


def _map_user(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("gid_map", f"{USER} {gid} 1"),
        ("uid_map", f"{USER} {uid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  # no pathlib before the program
            file.write(text)


def _furnish(kept: Sequence[str]) -> None:
    call.mount("", "/", flags=call.MS_REC | call.MS_PRIVATE)
    opened = [(folder, os.open(folder, os.O_PATH)) for folder in kept]
    for folder in MEMORY:
        call.mount("tmpfs", folder, "tmpfs", HARMLESS, "mode=1777,nr_inodes=32k")
    for folder, number in opened:  # an interpreter that lies below /tmp, which is another one now
        os.makedirs(folder, mode=0o755, exist_ok=True)  # noqa: PTH103  # as above
        call.mount(f"/proc/self/fd/{number}", folder, flags=call.MS_BIND)
        os.close(number)
    call.mount("devpts", "/dev/pts", "devpts", call.MS_NOSUID | call.MS_NOEXEC, "newinstance,ptmxmode=0666")
    call.mount("proc", "/proc", "proc", HARMLESS | call.MS_NOEXEC)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, *LOOPBACK_UP)
    os.chdir(WORK)


def _settle(begin: Mapping[str, Any], second: int) -> None:
    """Lay and limit what one run gets, then give up the power to do so."""
    for folder, size in begin["memory"].items():
        call.mount("tmpfs", folder, flags=call.MS_REMOUNT | HARMLESS, options=f"size={size}")
    for source, target in begin["binds"]:
        _bind(source, target)
    for folder in begin["covered"]:
        call.mount("tmpfs", folder, "tmpfs", HARMLESS | call.MS_RDONLY, "size=4k,mode=000")
    # Large libraries map much that they never use: a run may map as much more as a small one could.
    beyond = max(_mapped_bytes() - USUAL_BYTES, 0)
    for name, value in begin["limits"].items():
        most = value + beyond if name == "address" else value
        resource.prlimit(second, LIMITS[name], (most, most))
    _give_up_power()


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112  # as above
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    call.mount(source, target, flags=call.MS_BIND)  # read-only, as the shelf is; that cannot be undone here


def _mapped_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123  # as above
        return int(file.read().split()[0]) * resource.getpagesize()


def _give_up_power() -> None:
    call.drop_capabilities()
    call.prctl(call.PR_SET_NO_NEW_PRIVS, 1)
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


def _second(program: Program, orders: Orders) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    _step_back()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    call.landlock((*MEMORY, "/dev", "/proc"))
    _give_up_power()
    call.prctl(call.PR_SET_DUMPABLE, 1)
    program(orders)
    os._exit(0)


class _Reaper:
    """The first process, once the second is there: passes the orders on, reaps, ends with the program."""

    def __init__(self, second: int, control: socket.socket, woken: int, orders: int) -> None:
        self._second = second
        self._control = control
        self._woken = woken
        self._orders = orders

    def watch(self) -> None:
        """Serve until the program ends or the worker lets go; never returns."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while True:
            for number, _ in poller.poll():
                if number == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                else:
                    self._begin(self._control.recv(1 << 16))

    def _begin(self, text: bytes) -> None:
        if not text or self._orders < 0:
            os._exit(0)
        begin = json.loads(text)
        _settle(begin, self._second)
        os.write(self._orders, json.dumps(begin["orders"]).encode())
        os.close(self._orders)
        self._orders = -1

    def _reap(self) -> None:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == self._second:
                self._control.send(b'{"exit": %d}' % os.waitstatus_to_exitcode(status))
                os._exit(0)
