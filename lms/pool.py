"""A supervised pool: forks processes, starts again what dies, and ends all of them within seconds."""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger()

LOOK_SECONDS = 0.1
GRACE_SECONDS = 5.0  # for those told to end; then they are killed, and nothing is lost by that
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
STEADY_SECONDS = 10.0  # who lived so long, or ended of its own accord, starts again at once
_SET_PDEATHSIG = 1  # of prctl(2)


@dataclass
class Member:
    """One process of the pool; `work` runs in it until it is told to end."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    pause_seconds: float = FIRST_PAUSE_SECONDS


@dataclass
class Pool:
    """Processes that live and end together, and with the one that runs this."""

    members: list[Member]
    _stopping: bool = field(default=False, init=False)

    def run(self) -> None:
        """Keep all members running until TERM or INT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        while not self._stopping:
            self.tend()
            time.sleep(LOOK_SECONDS)
        self.end()

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping = True

    def tend(self) -> None:
        """Bury who died; start who is not there, once its pause is over."""
        for member in self.members:
            if member.pid:
                self._bury(member)
            if not member.pid and time.monotonic() >= member.due_at:
                self._start(member)

    def _start(self, member: Member) -> None:
        parent = os.getpid()
        member.started_at = time.monotonic()
        member.pid = os.fork()
        if not member.pid:
            _live(member, parent)

    def _bury(self, member: Member) -> None:
        """Notice a member's end and set when it starts again: later each time that it dies young."""
        pid, status = os.waitpid(member.pid, os.WNOHANG)
        if not pid:
            return
        moment = time.monotonic()
        code = os.waitstatus_to_exitcode(status)
        if code == 0 or moment - member.started_at > STEADY_SECONDS:
            member.pause_seconds = FIRST_PAUSE_SECONDS
            member.due_at = moment
        else:
            log.warning("pool.died", name=member.name, status=code)
            member.due_at = moment + member.pause_seconds
            member.pause_seconds = min(member.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        member.pid = 0

    def end(self) -> None:
        """End all members: ask first, kill after the grace."""
        self._tell(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(member.pid for member in self.members) and time.monotonic() < deadline:
            for member in self.members:
                if member.pid:
                    self._bury(member)
            time.sleep(LOOK_SECONDS / 4)
        self._tell(signal.SIGKILL)
        for member in self.members:
            if member.pid:
                os.waitpid(member.pid, 0)
                member.pid = 0

    def _tell(self, number: int) -> None:
        for member in self.members:
            if member.pid:  # not buried yet, so the number is still its own
                os.kill(member.pid, number)


def _live(member: Member, parent: int) -> None:
    """Be a member: end with the pool, work, and never return into the pool's own code."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:  # it did not die meanwhile
            member.work()
        code = 0
    except Exception:
        log.exception("pool.member_failed", name=member.name)
    finally:
        os._exit(code)
