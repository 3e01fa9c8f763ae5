"""What a hidden test hands to a student's function shows in nothing that the student can get."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lms.grading.adapters.runner import JailedRunner
from lms.grading.core.contracts import Assurance, CellKind, GradingJob, GradingReport, Limits, ViewReport
from lms.grading.core.wire import to_plain
from tests.grading.core.making import answer, cell, entry, graded, manifest, notebook

pytestmark = pytest.mark.jail
SECRETS = (104_729, 224_737)
LIMITS = Limits(cell_seconds=2, total_seconds=60, memory_bytes=512 << 20)
KEEPS = "seen = []\ndef double(x):\n    seen.append(x)\n    return 2 * x"
THREAD = (
    "import threading, time\n"
    "def late():\n"
    "    while True:\n"
    "        print('late', seen)\n"
    "        time.sleep(0.05)\n"
    "threading.Thread(target=late, daemon=True).start()"
)
# Each begins with all that was handed over, and speaks of it in another way.
LOOKS = """
import glob, os, platform, random, resource, socket, sys
print(sorted(os.environ.items()), os.getcwd(), sorted(glob.glob("/lab/*")), sorted(os.listdir("/run")))
print(socket.gethostname(), os.getpid(), os.getppid(), os.getuid(), sys.argv, sys.flags, random.random())
print([resource.getrlimit(number) for number in range(16)], sorted(os.listdir("/proc/self/fd")))
print(sorted(name for name in os.listdir("/proc") if name.isdigit()), os.statvfs("/lab").f_blocks)
print(sorted(sys.modules), sorted(globals()), platform.uname())
def double(x): return 2 * x
"""
SPEAKS = {
    "prints": "print('caught', seen)",
    "raises": "raise ValueError(f'caught {seen}')",
    "raises a name of its own": "raise type(f'Caught{seen[-1]}', (Exception,), {})('caught')",
    "returns": "seen",
    "shows": "from IPython.display import display, HTML\ndisplay(HTML(f'<b>{seen}</b>'))",
    "writes to standard error": "import sys\nprint(seen, file=sys.stderr)",
    "updates an earlier output": "from IPython.display import display, update_display\n"
    "display(1, display_id='x')\nupdate_display(seen, display_id='x')",
    "leaves a file": "for name in ('/lab/caught.txt', '/tmp/caught.txt'): open(name, 'w').write(repr(seen))",
    "sleeps": "import time\ntime.sleep(1 if max(seen) > 200_000 else 0)",
    "ends its kernel": "import os\nif max(seen) > 200_000: os._exit(0)",
    "runs out of time": "while max(seen) > 200_000: pass",
    "floods": "while max(seen) > 200_000: print('x' * 100_000)",
}


def lab(secret: int, assurance: Assurance) -> Any:
    cells = (
        entry("answer", CellKind.ANSWER, "def double(x):\n    raise NotImplementedError()"),
        entry(
            "test",
            CellKind.TEST,
            "assert double(1) == 2",
            2,
            hidden=f"assert double({secret}) == {2 * secret}",
        ),
        entry("later", CellKind.TEST, "assert double(3) == 6, 'not six'", 1),
    )
    made = manifest(*(replace(one, asks=("call",)) if one.kind is CellKind.TEST else one for one in cells))
    return replace(made, assurance=assurance)


def run(
    runner: JailedRunner, environment: Path, secret: int, assurance: Assurance, content: bytes
) -> tuple[GradingReport, ViewReport]:
    job = GradingJob(content, lab(secret, assurance), b"", environment, LIMITS)
    return runner.grade(job, lambda _step: None), runner.view(job, lambda _step: None)


def seen_by_student(report: GradingReport, view: ViewReport) -> Mapping[str, Any]:
    """All of a run that reaches a student; exact times are the view's own and differ anyway."""
    checks = [{**to_plain(one), "seconds": 0} for one in report.checks]
    notices = [to_plain(one) for one in report.notices if not one.for_staff]
    shown = {**to_plain(replace(view, cells=())), "feedback": view.feedback.decode()}
    return {"checks": checks, "notices": notices, "view": shown}


@pytest.mark.parametrize("assurance", list(Assurance))
@pytest.mark.parametrize("speaks", SPEAKS)
def test_two_hidden_cases_look_the_same_from_outside(
    runner: JailedRunner, environment: Path, assurance: Assurance, speaks: str
) -> None:
    content = notebook(
        answer(KEEPS),
        graded("assert double(1) == 2", points=2),
        cell(SPEAKS[speaks]),
        graded("assert double(3) == 6, 'not six'", "later"),
        cell("import os\nprint([open(f).read() for f in ('/lab/caught.txt',) if os.path.exists(f)])"),
    )
    pairs = [run(runner, environment, secret, assurance, content) for secret in SECRETS]
    first, second = (seen_by_student(*pair) for pair in pairs)
    assert first == second
    assert not any(str(secret) in repr(first) for secret in SECRETS)
    assert [one.score for one in pairs[0][0].checks] == [2, 1]


@pytest.mark.parametrize("assurance", list(Assurance))
def test_a_thread_left_behind_speaks_of_nothing_hidden(
    runner: JailedRunner, environment: Path, assurance: Assurance
) -> None:
    content = notebook(answer(KEEPS), cell(THREAD), graded("assert double(1) == 2", points=2), cell("1"))
    report, view = run(runner, environment, SECRETS[0], assurance, content)
    assert str(SECRETS[0]) not in repr(seen_by_student(report, view))


@pytest.mark.parametrize("assurance", list(Assurance))
def test_a_failed_hidden_test_says_only_what_its_author_wrote(
    runner: JailedRunner, environment: Path, assurance: Assurance
) -> None:
    code = "def double(x):\n    if x > 99: raise AssertionError(f'caught {x}')\n    return 2 * x"
    content = notebook(answer(code), graded("assert double(1) == 2", points=2))
    report, view = run(runner, environment, SECRETS[0], assurance, content)
    assert report.checks[0].score == 0
    assert report.checks[0].message == ""
    assert str(SECRETS[0]) not in repr(seen_by_student(report, view))
    assert str(SECRETS[0]) in report.executed.decode()


@pytest.mark.parametrize("assurance", list(Assurance))
def test_no_cell_can_tell_the_two_runs_apart(
    runner: JailedRunner, environment: Path, assurance: Assurance
) -> None:
    content = notebook(answer(LOOKS))
    report, view = run(runner, environment, SECRETS[0], assurance, content)
    assert printed(report.executed) == printed(view.feedback) != ""


def printed(notebook: bytes) -> str:
    return "".join(out.get("text", "") for out in json.loads(notebook)["cells"][0]["outputs"])
