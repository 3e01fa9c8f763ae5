"""`lms run`: starts web, worker and signers, starts again what dies, and ends all of them together."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog

log = structlog.get_logger()

GRACE_SECONDS = 8.0  # a worker may finish its cell; then it is killed, and nothing is lost by that
LONGEST_PAUSE_SECONDS = 30.0
HOPELESS_DEATHS = 3
STEADY_SECONDS = 20.0  # who ran so long starts again at once


@dataclass
class Process:
    """One supervised program."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    folder: Path | None = None
    running: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_seconds: float = 0.5
    due_at: float = 0.0
    early_deaths: int = 0

    def start(self) -> None:
        """Start the program; it ends with this process, however that ends."""
        tied = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        with self.log_file.open("ab") as output:
            self.running = subprocess.Popen(
                [*tied, *self.command],
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def tend(self) -> None:
        """Start the program again after it died, later each time it dies young."""
        if self.running is None or self.running.poll() is None:
            return
        moment = time.monotonic()
        if not self.due_at:
            steady = moment - self.started_at > STEADY_SECONDS
            self.early_deaths = 0 if steady else self.early_deaths + 1
            self.pause_seconds = 0.5 if steady else min(self.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            self.due_at = moment + self.pause_seconds
            log.warning(
                "process.died", name=self.name, status=self.running.returncode, log=str(self.log_file)
            )
        elif moment >= self.due_at:
            self.due_at = 0.0
            self.start()

    @property
    def last_words(self) -> str:
        """Return the last line of what the program wrote."""
        if not self.log_file.exists():
            return ""
        return self.log_file.read_text(errors="replace").strip().rpartition("\n")[2]

    def tell(self, number: int) -> None:
        """Send a signal to the program and all that it started."""
        if self.running is None or self.running.poll() is not None:
            return
        try:
            os.killpg(self.running.pid, number)
        except ProcessLookupError:
            log.debug("process.gone", name=self.name)


@dataclass
class Supervisor:
    """A set of programs that live and end together."""

    processes: list[Process]
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start everything, in order."""
        for process in self.processes:
            process.start()

    def watch(self) -> None:
        """Keep everything running until Ctrl-C or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._told_to_stop)
        while not self.stop.wait(0.5):
            self.tend()

    def tend(self) -> None:
        """Start again whatever died."""
        for process in self.processes:
            process.tend()

    def hopeless(self) -> Process | None:
        """Return a program that died young again and again, if there is one."""
        return next((process for process in self.processes if process.early_deaths >= HOPELESS_DEATHS), None)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.stop.set()

    def end(self) -> None:
        """End everything: ask first, kill after the grace."""
        for process in reversed(self.processes):
            process.tell(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self.processes:
            if process.running is None:
                continue
            try:
                process.running.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.tell(signal.SIGKILL)
                process.running.wait()


def answers(url: str, *, seconds: float, authority: Path | None = None) -> bool:
    """Wait until a web address answers; False if it does not in time.

    Args:
        authority: who has signed the server's certificate, where no public authority has.
    """
    deadline = time.monotonic() + seconds
    context = None if authority is None else ssl.create_default_context(cafile=authority)
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2, context=context):  # noqa: S310 - our own loopback address
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
    return False


def program(name: str) -> str:
    """Return the path of a program of this virtual environment."""
    return str(Path(sys.executable).with_name(name))
