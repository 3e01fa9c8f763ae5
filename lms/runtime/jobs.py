"""One program, once, in the jail: bytes in, bytes out, nothing else."""

import contextlib
import os
import selectors
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from lms.runtime.jail import JailSpec
from lms.runtime.jailed import Jailed

LOOK_EVERY_SECONDS = 0.1
CHUNK = 1 << 16


class JobStatus(StrEnum):
    """How a job ended."""

    DONE = "done"  # by itself; `exit_code` says how
    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "output"


@dataclass(frozen=True)
class JobResult:
    """What a job left behind."""

    status: JobStatus
    exit_code: int
    output: bytes
    errors: str  # the end of what it wrote to standard error; for staff
    seconds: float
    peak_memory_bytes: int

    @property
    def ok(self) -> bool:
        """Say whether it ran to its end without complaint."""
        return self.status is JobStatus.DONE and self.exit_code == 0


class _Streams:
    """Feeds one pipe and drains two, none of which may block."""

    def __init__(self, jailed: Jailed, stdin: bytes, limit: int) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.flooded = False
        self._limit = limit
        self._rest = memoryview(stdin)
        self._selector = selectors.DefaultSelector()
        process = jailed.process
        for stream, event in (
            (process.stdin, selectors.EVENT_WRITE),
            (process.stdout, selectors.EVENT_READ),
            (process.stderr, selectors.EVENT_READ),
        ):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, event)
        self._sinks = {process.stdout: self.output, process.stderr: self.errors}

    @property
    def open(self) -> bool:
        """Say whether any pipe is left."""
        return bool(self._selector.get_map())

    def turn(self, seconds: float) -> None:
        """Move what can be moved within the time."""
        for key, events in self._selector.select(seconds):
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]  # only pipes are registered
            if events & selectors.EVENT_WRITE:
                self._feed(stream)
            else:
                self._drain(stream)

    def _feed(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            if self._rest:
                self._rest = self._rest[os.write(stream.fileno(), self._rest[:CHUNK]) :]
                if self._rest:
                    return
        self._drop(stream)

    def _drain(self, stream: IO[bytes]) -> None:
        chunk = os.read(stream.fileno(), CHUNK)
        if not chunk:
            self._drop(stream)
            return
        sink = self._sinks[stream]
        sink += chunk
        if sink is self.errors:
            del sink[: -CHUNK * 2]
        elif len(sink) > self._limit:
            self.flooded = True

    def _drop(self, stream: IO[bytes]) -> None:
        self._selector.unregister(stream)
        stream.close()


def run_job(
    spec: JailSpec, stdin: bytes = b"", *, seconds: float = 60, output_bytes: int = 64 << 20
) -> JobResult:
    """Run a program in the jail until it ends or a bound is met.

    Raises:
        JailUnavailable: the jail itself cannot start.
    """
    begun = time.monotonic()
    with Jailed.start(spec, talk=True) as jailed:
        streams = _Streams(jailed, stdin, output_bytes)
        status = _watch(jailed, streams, begun + seconds, spec.bounds.memory_bytes)
        if status is JobStatus.DONE:
            jailed.process.wait()
        if jailed.meter.exhausted():
            status = JobStatus.MEMORY
        peak = jailed.peak_memory_bytes()
    return JobResult(
        status=status,
        exit_code=jailed.process.returncode,
        output=bytes(streams.output) if status is JobStatus.DONE else b"",
        errors=streams.errors.decode(errors="replace"),
        seconds=time.monotonic() - begun,
        peak_memory_bytes=peak,
    )


def _watch(jailed: Jailed, streams: _Streams, deadline: float, memory_bytes: int) -> JobStatus:
    while streams.open:
        if time.monotonic() > deadline:
            return JobStatus.TIME
        streams.turn(LOOK_EVERY_SECONDS)
        if streams.flooded:
            return JobStatus.OUTPUT
        if jailed.memory() > memory_bytes:
            return JobStatus.MEMORY
    return _await_end(jailed, deadline)


def _await_end(jailed: Jailed, deadline: float) -> JobStatus:
    while jailed.process.poll() is None:
        if time.monotonic() > deadline:
            return JobStatus.TIME
        time.sleep(0.005)
    return JobStatus.DONE
