"""Waking workers on the same machine: a named pipe for each kind of machine in the installation's folder.

One byte is one wake. It needs no server, and nobody waits: a pipe that nobody reads, or that is full, is
left alone, as every worker also looks by itself from time to time.
"""

import os
import select
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lms.grading.core.waking import Waker
from lms.grading.models import Resource

FOLDER = "wake"
MOST_BYTES = 1 << 16  # what a pipe holds


class LocalWaker:
    """Wakes workers of the installation in `instance`."""

    def __init__(self, instance: Path) -> None:
        self._folder = instance / FOLDER

    def wake(self, resource: str) -> None:
        """Wake one idle worker; nothing happens where there is none."""
        with suppress(
            OSError
        ):  # no worker ever ran (ENOENT), none lives (ENXIO), all have much to do (EAGAIN)
            pipe = os.open(self._folder / resource, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(pipe, b"!")
            finally:
                os.close(pipe)


class LocalBed:
    """Where one worker sleeps until a pipe of its kinds has a byte; a context manager."""

    def __init__(self, instance: Path, resources: Sequence[Resource]) -> None:
        folder = instance / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._pipes = [_open(folder / resource.value) for resource in resources]

    def sleep(self, seconds: float) -> None:
        """Wait for a byte and take it: the others are for others."""
        ready, _, _ = select.select(self._pipes, [], [], seconds)
        for pipe in ready[:1]:
            _read(pipe, 1)

    def clear(self) -> None:
        """Take all bytes."""
        for pipe in self._pipes:
            _read(pipe, MOST_BYTES)

    def close(self) -> None:
        """Let go of the pipes."""
        while self._pipes:
            os.close(self._pipes.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make_waker(instance: Path, queue_url: str) -> Waker:
    """Return what wakes an installation's workers: on this machine, or through a broker."""
    if not queue_url:
        return LocalWaker(instance)
    from lms.grading.adapters.celery_queue import CeleryWaker  # noqa: PLC0415 - others do without Celery

    return CeleryWaker(queue_url)


def _open(path: Path) -> int:
    """Open a pipe to read; being its writer too, the worker never meets its end."""
    with suppress(FileExistsError):
        os.mkfifo(path, 0o600)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        os.close(pipe)
        raise FileExistsError(f"{path} is in the way: move it elsewhere")
    return pipe


def _read(pipe: int, count: int) -> None:
    with suppress(BlockingIOError):  # somebody else was quicker
        os.read(pipe, count)
