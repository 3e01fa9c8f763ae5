"""One process in the jail: started, reached, measured, ended."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Collection
from types import TracebackType
from typing import Self

from lms.runtime import cgroups, desk
from lms.runtime.faults import JailUnavailable
from lms.runtime.jail import DESK, Descriptors, JailSpec, command_line
from lms.runtime.slots import Slot


class Jailed:
    """A running jailed process; leaving the context ends everything in it."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", init_pid: int, slot: Slot, meter: cgroups.Meter
    ) -> None:
        self.process = process
        self.meter = meter
        self._init_pid = init_pid
        self._slot = slot
        self._exit = os.pidfd_open(process.pid)
        self._peak = 0
        self._cpu = 0.0

    @classmethod
    def start(cls, spec: JailSpec, *, talk: bool = False, handed: Collection[int] = ()) -> Self:
        """Start the program; with `talk`, its standard streams are pipes; `handed` files stay open in it.

        Raises:
            JailUnavailable: bubblewrap is missing or refuses.
        """
        slot = Slot.take()
        meter = cgroups.make_meter(slot.number, spec.bounds.memory_bytes, spec.bounds.processes)
        try:
            process, init_pid = _spawn(spec, slot, meter, talk=talk, handed=handed)
        except BaseException:
            meter.close()
            slot.release()
            raise
        return cls(process, init_pid, slot, meter)

    @property
    def uid(self) -> int:
        """Return the user id that the program becomes when we are root."""
        return self._slot.uid

    def outside(self, path: str) -> str:
        """Return the path by which the worker reaches a file of the jail."""
        return f"/proc/{self._init_pid}/root{path}"

    def put(self, name: str, content: bytes) -> None:
        """Lay a file on the desk for the program to read; an existing one is not overwritten."""
        desk.put(self.outside(f"{DESK}/{name}"), content)

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Read a file that the program wrote; None if it is missing, special or longer than the limit.

        `path` is a bare name directly below `DESK` or `WORK`, which the program cannot replace.
        """
        return desk.fetch(self.outside(path), limit)

    def alive(self) -> bool:
        """Say whether the program still runs."""
        return self.process.poll() is None

    def fileno(self) -> int:
        """Return a number that becomes readable when the program ends."""
        return self._exit

    def send_signal(self, number: int) -> None:
        """Signal the jail; what runs inside hears of it only by ending."""
        self.process.send_signal(number)

    def memory(self) -> int:
        """Return the bytes in use now."""
        return self.meter.sample(self.process.pid)

    def peak_memory_bytes(self) -> int:
        """Return the most bytes that were seen in use, also after the end."""
        self._peak = max(self._peak, self.meter.peak())
        return self._peak

    def cpu_seconds(self) -> float:
        """Return the processor time that was taken, also after the end."""
        self._cpu = max(self._cpu, self.meter.cpu_seconds(self.process.pid))
        return self._cpu

    def close(self) -> None:
        """Kill all that runs inside, at once; a second call does nothing."""
        if self._exit < 0:
            return
        self.cpu_seconds()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.peak_memory_bytes()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self.cpu_seconds()
        self.meter.close()
        os.close(self._exit)
        self._exit = -1
        self._slot.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spawn(
    spec: JailSpec, slot: Slot, meter: cgroups.Meter, *, talk: bool, handed: Collection[int]
) -> "tuple[subprocess.Popen[bytes], int]":
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise JailUnavailable("bubblewrap is not installed: apt install bubblewrap")
    stream = subprocess.PIPE if talk else subprocess.DEVNULL
    with contextlib.ExitStack() as stack:
        told, tell = os.pipe()
        stack.callback(os.close, told)
        descriptors = Descriptors(stack)
        arguments = command_line(spec, slot.uid, descriptors)
        command = _tied(meter.wrap([bubblewrap, "--info-fd", str(tell), *arguments]))
        try:
            process = subprocess.Popen(
                command, stdin=stream, stdout=stream, stderr=stream, env={},
                pass_fds=[tell, *descriptors.numbers, *handed], start_new_session=True,
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
