"""One kernel in a jail, used once: cells go in one by one, outputs and how it ended come out."""

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import zmq

from lms.runtime.cgroups import Meter
from lms.runtime.jail import Bounds, JailSpec
from lms.runtime.jailed import Jailed
from lms.runtime.outputs import FLOOD, CellOutputs, LastTexts
from lms.runtime.wires import Wires, own_memory_bytes

CONNECTION = "/run/kernel.json"
# As `ipykernel_launcher` does, but without the debugger, which takes a tenth of the start.
LAUNCHER = (
    "import sys; sys.modules['debugpy'] = None; sys.path[:] = [p for p in sys.path if p]; "
    "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
)
START_SECONDS = 30
SETTLE_SECONDS = 4  # between the answer and the last output
INTERRUPT_SECONDS = 2  # between the polite and the final end
LOOK_EVERY_MILLISECONDS = 100
SWOLLEN_BYTES = 512 << 20  # more memory of our own within one cell is the kernel's doing


class RunStatus(StrEnum):
    """How one cell ended."""

    OK = "ok"
    ERROR = "error"  # it raised
    TIME = "time"  # interrupted at its limit
    DIED = "died"  # the kernel ended
    MEMORY = "memory"  # ended for want of memory
    OUTPUT = "output"  # ended for endless output
    UNSETTLED = "unsettled"  # it answered, but never came to rest
    NOT_REACHED = "not_reached"  # an earlier cell ended the kernel


@dataclass(frozen=True)
class CellRun:
    """One executed cell. `result` is the text of its last expression, if it had one."""

    status: RunStatus
    outputs: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0
    error: tuple[str, str] | None = None  # name and text of the exception
    result: str | None = None
    truncated: bool = False


@dataclass(frozen=True)
class KernelSpec:
    """Where a kernel runs and what it may use."""

    environment: Path
    bounds: Bounds
    output_bytes: int = 1_000_000
    mounts: Mapping[Path, str] | None = None  # outside -> inside, read-only
    files: Mapping[str, bytes] | None = None  # inside -> content, read-only
    variables: Mapping[str, str] | None = None
    last_texts: bool = False  # of each cell keep text alone, and the last of it


@dataclass
class _Wait:
    request: str
    outputs: CellOutputs
    deadline: float
    heard_before: int = 0
    held_before: int = 0
    reply: dict[str, Any] | None = None
    idle: bool = False

    @property
    def over(self) -> bool:
        return self.idle and self.reply is not None


class Program(Protocol):
    """What a kernel runs in: a jail of its own, or a fork of a warm environment."""

    meter: Meter

    def outside(self, path: str) -> str:
        """Return the path by which the worker reaches a file of it."""

    def put(self, name: str, content: bytes) -> None:
        """Lay a file on its desk."""

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Read a file that it wrote."""

    def alive(self) -> bool:
        """Say whether it still runs."""

    def fileno(self) -> int:
        """Return a number that becomes readable when it ends."""

    def send_signal(self, number: int) -> None:
        """Signal the kernel's own process."""

    def memory(self) -> int:
        """Return the bytes in use now."""

    def peak_memory_bytes(self) -> int:
        """Return the most bytes that were seen in use."""

    def cpu_seconds(self) -> float:
        """Return the processor time that was taken."""

    def close(self) -> None:
        """End it; a second call does nothing."""


class Kernel:
    """A running kernel; leaving the context ends it and all its children.

    Args:
        on: a program that answers already, with its wires; by default one in a jail of its own is started.
    """

    def __init__(self, spec: KernelSpec, on: tuple[Program, Wires] | None = None) -> None:
        self._spec = spec
        self._left = spec.output_bytes
        self.ended: RunStatus | None = None
        self._checks: _Wait | None = None
        self._program, self._wires = on or _in_a_jail(spec)
        self._greeted = on is not None
        self._ready = False

    def await_ready(self) -> None:
        """Wait until the kernel answers; it starts by itself, so others can be started meanwhile.

        Raises:
            JailUnavailable: it does not.
        """
        if not self._ready:
            if not self._greeted:
                self._wires.await_sockets(self._program.outside, self.alive, START_SECONDS)
                self._wires.connect(self._program.outside)
                self._wires.greet(self.alive, START_SECONDS)
            self._wires.poller.register(self._program.fileno(), zmq.POLLIN)
            self._ready = True

    def execute(self, code: str, seconds: float) -> CellRun:
        """Run one cell for at most the given time; after the end of the kernel, say `NOT_REACHED`."""
        if self.ended is not None:
            return CellRun(RunStatus.NOT_REACHED)
        self.await_ready()
        begun = time.monotonic()
        outputs = LastTexts() if self._spec.last_texts else CellOutputs(self._left)
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": False, "stop_on_error": False}  # fmt: skip
        request = self._wires.ask("shell", "execute_request", content)
        wait = _Wait(request, outputs, begun + seconds, self._wires.received_bytes, own_memory_bytes())
        status = self._await(wait)
        self._left = max(self._left - outputs.taken_bytes, 0)
        self._note_end(status)
        run = CellRun(
            status=status,
            outputs=tuple(outputs.outputs),
            seconds=time.monotonic() - begun,
            error=outputs.error,
            result=outputs.result,
            truncated=outputs.truncated,
        )
        return _with_reply(run, wait.reply or {})

    def _await(self, wait: _Wait) -> RunStatus:
        while not wait.over:
            ended = self._look(wait)
            if ended is not None:
                return ended
            if time.monotonic() > wait.deadline:
                return RunStatus.UNSETTLED if wait.reply is not None else self._interrupt(wait)
        reply = wait.reply or {}
        if _asks_to_exit(reply):
            return self._end(RunStatus.DIED)
        return RunStatus.OK if reply.get("status") == "ok" else RunStatus.ERROR

    def _look(self, wait: _Wait, milliseconds: int = LOOK_EVERY_MILLISECONDS) -> RunStatus | None:
        answered = wait.reply is not None
        self._listen(wait, milliseconds)
        if wait.reply is not None and not answered:
            wait.deadline = time.monotonic() + SETTLE_SECONDS
        if self._floods(wait):
            return self._end(RunStatus.OUTPUT)
        if self._program.memory() > self._spec.bounds.memory_bytes:
            return self._end(RunStatus.MEMORY)
        if not self.alive():
            self._listen(wait)
            return self._end(RunStatus.DIED)
        return None

    def _floods(self, wait: _Wait) -> bool:
        heard = self._wires.received_bytes - wait.heard_before
        held = own_memory_bytes() - wait.held_before
        return heard > FLOOD * max(self._spec.output_bytes, 1 << 20) or held > SWOLLEN_BYTES

    def begin_checks(self) -> None:
        """Keep an eye on the kernel while the checker asks it on a line of their own."""
        self.await_ready()
        outputs = CellOutputs(0)  # what is written meanwhile belongs to the test, and comes on that line
        self._checks = _Wait("", outputs, math.inf, self._wires.received_bytes, own_memory_bytes())

    def look(self, milliseconds: int = 0) -> RunStatus | None:
        """During checks: hear the kernel out, and say how it ended if it did: died, memory or output."""
        if self._checks is not None and self.ended is None:
            self.ended = self._look(self._checks, milliseconds)
        return self.ended

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in what runs now; does not wait."""
        if self.ended is None:
            self._wires.ask("control", "interrupt_request", {})

    def end_checks(self) -> None:
        """Let go: the checker has heard that the kernel has come to rest."""
        self._checks = None

    def fileno(self) -> int:
        """Return a number that becomes readable when the kernel ends."""
        return self._program.fileno()

    def alive(self) -> bool:
        """Say whether the kernel still runs."""
        return self._program.alive()

    def send_signal(self, number: int) -> None:
        """Signal the kernel's own process, if it is still there."""
        self._program.send_signal(number)

    def hand_over(self) -> dict[str, Any]:
        """Leave the talking to somebody else; return where the kernel listens, for any process of ours."""
        connection = self._wires.connection()
        self._wires.close()
        ip = self._program.outside(str(connection["ip"])).replace("/proc/self/", f"/proc/{os.getpid()}/")
        return {**connection, "ip": ip, "key": str(connection["key"]).encode()}

    def _note_end(self, status: RunStatus) -> None:
        if status in {RunStatus.DIED, RunStatus.MEMORY, RunStatus.OUTPUT}:
            self.ended = status

    def _interrupt(self, wait: _Wait) -> RunStatus:
        self._wires.ask("control", "interrupt_request", {})
        wait.deadline = time.monotonic() + INTERRUPT_SECONDS
        while not wait.over and time.monotonic() < wait.deadline:
            if self._look(wait) is not None:
                break
        if not wait.over:
            self.stop()
        return RunStatus.TIME

    def _end(self, status: RunStatus) -> RunStatus:
        if self._program.meter.exhausted():
            status = RunStatus.MEMORY
        self._program.close()
        return status

    def _listen(self, wait: _Wait, milliseconds: int = LOOK_EVERY_MILLISECONDS) -> None:
        self._wires.poller.poll(milliseconds)
        for kind, answers, content, size in self._wires.hear("iopub"):
            if answers != wait.request:
                continue
            if kind == "status":
                wait.idle = wait.idle or content.get("execution_state") == "idle"
            else:
                wait.outputs.take(kind, content, size)
        for _, answers, content, _ in self._wires.hear("shell"):
            if answers == wait.request:
                wait.reply = content

    def put(self, name: str, content: bytes) -> None:
        """Lay a file on the desk for the kernel."""
        self._program.put(name, content)

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Read a file directly below `WORK` or `DESK`; None if missing, special or too long."""
        return self._program.fetch(path, limit)

    def peak_memory_bytes(self) -> int:
        """Return the most memory that was seen in use."""
        return self._program.peak_memory_bytes()

    def cpu_seconds(self) -> float:
        """Return the processor time of the kernel and all that it started, also after the end."""
        return self._program.cpu_seconds()

    def stop(self) -> None:
        """End the kernel; later cells are not reached."""
        self.ended = RunStatus.TIME
        self._program.close()

    def close(self) -> None:
        """Kill the kernel and what it started."""
        self._program.close()
        self._wires.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_a_jail(spec: KernelSpec) -> tuple[Program, Wires]:
    wires = Wires()
    connection = json.dumps(wires.connection()).encode()
    try:
        jailed = Jailed.start(
            JailSpec(
                python=spec.environment / "bin" / "python",
                command=(
                    "-c", LAUNCHER, "-f", CONNECTION,
                    "--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=50",
                ),
                mounts=spec.mounts or {},
                files={**(spec.files or {}), CONNECTION: connection},
                environment=spec.variables or {},
                bounds=spec.bounds,
            )
        )  # fmt: skip
    except BaseException:
        wires.close()
        raise
    return jailed, wires


def _asks_to_exit(reply: Mapping[str, Any]) -> bool:
    payload = reply.get("payload")
    steps = payload if isinstance(payload, list) else []
    return any(isinstance(step, dict) and step.get("source") == "ask_exit" for step in steps)


def _with_reply(run: CellRun, reply: Mapping[str, Any]) -> CellRun:
    # The answer may say error although the program kept its own output quiet about it.
    if run.status is not RunStatus.ERROR or run.error is not None:
        return run
    error = (str(reply.get("ename", "Error"))[:200], str(reply.get("evalue", ""))[:4000])
    shown = {"output_type": "error", "ename": error[0], "evalue": error[1], "traceback": []}
    return replace(run, error=error, outputs=(*run.outputs, shown))
