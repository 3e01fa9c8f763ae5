"""Grade the light lab 10,000 times in one worker and look for what grows: memory, files, processes, folders.

One submission in fifty kills its own kernel, so that restoring is in the soak too.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.submissions import FOLDER, distinct
from lms.config import ROOT
from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import GradingJob, LabSource, Limits
from lms.runtime.environments import prepare

GRADINGS = 10_000
EVERY = 500
DEADLY = 50
FATAL = b"import os; os._exit(1)\\ndef square"


def main(gradings: int = GRADINGS) -> None:
    """Grade and print what is held."""
    environment = prepare(ROOT, "ml-basics")
    runner = JailedRunner.probed(Path(sys.executable))
    report = runner.build(LabSource(FOLDER / "labs" / "light", "light", environment.path, Limits()))
    assert report.manifest is not None, report.errors
    good = distinct(report.student_notebook, "light", 1)[0]
    deadly = good.replace(b"def square", FATAL)
    assert deadly != good
    print(f"isolation {runner.isolation}; light lab, {gradings} gradings, one in {DEADLY} kills its kernel")
    print("  done  per s   worker      all  files  processes  temporary")
    begun = time.monotonic()
    for number in range(1, gradings + 1):
        ends_early = number % DEADLY == 0
        job = GradingJob(
            deadly if ends_early else good, report.manifest, report.student_notebook,
            environment.path, Limits(), seed=number,
        )  # fmt: skip
        graded = runner.grade(job, lambda _step: None)
        score = sum(check.score or 0 for check in graded.checks)
        assert score == (report.maximum - 1 if ends_early else report.maximum), (number, graded.checks)
        if number % EVERY == 0 or number == gradings:
            _print_held(number, number / (time.monotonic() - begun))
    runner.close()
    print("after the end: ", end="")
    _print_held(gradings, gradings / (time.monotonic() - begun))


def _print_held(number: int, rate: float) -> None:
    family = _family()
    own = _resident_mib(os.getpid())
    everything = sum(_resident_mib(pid) for pid in family)
    files = len(list(Path("/proc/self/fd").iterdir()))
    folders = len(list(Path(tempfile.gettempdir()).glob("duri-*")))
    print(
        f"{number:6} {rate:6.2f} {own:5.0f} MB {everything:5.0f} MB {files:6} {len(family):10} {folders:10}",
        flush=True,
    )


def _family() -> list[int]:
    found = [os.getpid()]
    for member in found:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue  # ended meanwhile
    return found


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except (OSError, IndexError):
        return 0.0  # ended meanwhile


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else GRADINGS)
