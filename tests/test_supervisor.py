import os
import sys
import time
from pathlib import Path

import pytest

from lms.supervisor import HOPELESS_DEATHS, Process, Supervisor


def process(tmp_path: Path, program: str) -> Process:
    return Process("worker-1", [sys.executable, "-c", program], dict(os.environ), tmp_path / "worker-1.log")


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor([process(tmp_path, "import time; time.sleep(60)")])
    supervisor.start()
    first = supervisor.processes[0].running
    assert first is not None
    first.kill()
    first.wait()
    deadline = time.monotonic() + 20
    while supervisor.processes[0].running is first and time.monotonic() < deadline:
        supervisor.tend()
        time.sleep(0.02)
    second = supervisor.processes[0].running
    assert second is not None
    assert second is not first
    assert second.poll() is None
    supervisor.end()
    assert second.poll() is not None


def test_what_dies_again_and_again_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.supervisor.LONGEST_PAUSE_SECONDS", 0.01)
    supervisor = Supervisor([process(tmp_path, "raise SystemExit('the jail is not good enough')")])
    supervisor.start()
    deadline = time.monotonic() + 30
    while supervisor.hopeless() is None and time.monotonic() < deadline:
        supervisor.tend()
        time.sleep(0.02)
    lost = supervisor.hopeless()
    assert lost is not None
    assert lost.early_deaths >= HOPELESS_DEATHS
    assert lost.last_words == "the jail is not good enough"
    supervisor.end()


def test_whoever_does_not_end_when_asked_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lms.supervisor.GRACE_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    deaf += "print('deaf', flush=True); time.sleep(60)"
    supervisor = Supervisor([process(tmp_path, deaf)])
    supervisor.start()
    deadline = time.monotonic() + 20
    while supervisor.processes[0].last_words != "deaf" and time.monotonic() < deadline:
        time.sleep(0.02)
    supervisor.end()
    running = supervisor.processes[0].running
    assert running is not None
    assert running.returncode == -9
