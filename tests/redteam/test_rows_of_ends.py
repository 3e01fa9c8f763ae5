"""Rows 10-13 and 33-39: what ends, blocks or floods a kernel costs its own cell and nothing else."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lms.grading.core.contracts import CheckStatus
from tests.grading.core.making import cell
from tests.redteam.arena import Arena, Graded, processes_named
from tests.redteam.arena import told as shown
from tests.redteam.lab import FULL, LIMITS, NOTHING, SOLUTIONS

pytestmark = pytest.mark.jail
SHORT = replace(LIMITS, cell_seconds=2)
CELL_BYTES = 64 << 10
NOTEBOOK_BYTES = 1 << 20
FIRST_HONEST = "def squares(n):\n    if n > 3:\n        {end}\n    return [k ** 2 for k in range(1, n + 1)]"


def outputs_of(graded: Graded) -> list[int]:
    """Return the bytes of output that each cell keeps."""
    cells = json.loads(graded.report.executed)["cells"]
    return [sum(map(_content, one.get("outputs", []))) for one in cells]


def _content(output: dict[str, Any]) -> int:
    texts = [output.get("text", ""), output.get("evalue", "")]
    texts += [*output.get("data", {}).values(), *output.get("traceback", [])]
    return sum(len("".join(text).encode()) for text in texts)


def test_leaving_at_the_import_costs_nothing_else(arena: Arena) -> None:
    """Row 10."""
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=["import sys\nsys.exit()"]))
    assert graded.scores == FULL
    assert "SystemExit" in graded.executed
    arena.assert_next_is_graded_fully()


def test_leaving_inside_a_tested_function_costs_that_test(arena: Arena) -> None:
    """Row 11."""
    leaving = {"squares-answer": FIRST_HONEST.format(end="import sys; sys.exit()")}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **leaving}))
    assert graded.scores == {**FULL, "squares-hidden": 0}
    arena.assert_next_is_graded_fully()


ENDS = {
    "row 12, _exit": "import os; os._exit(0)",
    "row 13, killed by itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "row 13, segmentation fault": "import ctypes; ctypes.string_at(0)",
    "row 13, abort": "import os; os.abort()",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_kernel_that_dies_in_a_test_costs_that_test(arena: Arena, end: str) -> None:
    dying = {"squares-answer": FIRST_HONEST.format(end=ENDS[end])}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **dying}))
    assert graded.scores == {**FULL, "squares-hidden": 0}, shown(graded)
    assert graded.check("squares-hidden").status is CheckStatus.ERROR
    assert graded.code("squares-hidden") == "kernel-died"
    arena.assert_next_is_graded_fully()


@pytest.mark.parametrize("end", ENDS)
def test_a_kernel_that_dies_in_a_cell_costs_no_other(arena: Arena, end: str) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[ENDS[end]]))
    assert graded.scores == FULL, shown(graded)
    assert "kernel-died" in graded.codes


def test_a_kernel_that_dies_again_and_again_ends_with_reasons(arena: Arena) -> None:
    """At most two restores: then the rest scores 0, and each check says why."""
    deadly = {name: "import os; os._exit(0)" for name in SOLUTIONS if name != "squares-answer"}
    honest = {"squares-answer": SOLUTIONS["squares-answer"]}
    graded = arena.attack(arena.release.submission({**deadly, **honest}))
    assert graded.scores == {**NOTHING, "squares": 2, "squares-hidden": 3}
    assert "kernel-died" in graded.codes
    arena.assert_next_is_graded_fully()


BOMBS = {
    "processes": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "threads": "import threading, time\nfor _ in range(10_000):\n"
    "    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_processes_or_threads_stays_below_its_limit(arena: Arena, bomb: str) -> None:
    """Row 33."""
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[BOMBS[bomb]]), limits=SHORT)
    assert graded.total <= sum(FULL.values())
    arena.assert_next_is_graded_fully()


MEMORY = {
    "a list that grows": "kept = []\nwhile True: kept.append(bytearray(10_000_000))",
    "one array of 100 GB": "import numpy as np\nnp.ones(12_500_000_000)",
    "many processes": "import os\nfor _ in range(12):\n    if os.fork() == 0:\n"
    "        kept = bytearray(200 << 20)\n        for at in range(0, len(kept), 4096): kept[at] = 1\n"
    "        import time; time.sleep(99)\n_, status = os.wait()\n"
    "print('a child ended with', os.waitstatus_to_exitcode(status))",
    "files in memory": "for n in range(40):\n    open(f'/tmp/{n}', 'wb').write(bytes(50 << 20))",
    "printed for ever": "import itertools\nfor number in itertools.count(): print(str(number) * 100)",
}


@pytest.mark.parametrize("greed", MEMORY)
def test_greed_for_memory_ends_at_the_cap(arena: Arena, greed: str) -> None:
    """Row 34."""
    swap = _swap_used()
    graded = arena.attack(arena.release.submission(SOLUTIONS, last=[MEMORY[greed]]), limits=SHORT)
    assert graded.scores == FULL
    assert graded.report.peak_memory_bytes <= LIMITS.memory_bytes + (64 << 20)
    said = graded.codes & {"memory-limit", "output-limit", "cell-timeout", "output-truncated"}
    shown = ("MemoryError", "OSError", "a child ended with -9")  # of many, the kernel of Linux ends one
    assert said or any(text in graded.executed for text in shown)
    assert _swap_used() - swap < 64 << 20
    arena.assert_next_is_graded_fully()


def _swap_used() -> int:
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(rows["SwapTotal"].split()[0]) - int(rows["SwapFree"].split()[0])) << 10


STUBBORN = {
    "C code with the interrupt ignored": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsum(range(10 ** 12))"
    ),
    "an interrupt that is swallowed": (
        "import time\nwhile True:\n    try: time.sleep(9)\n    except BaseException: pass"
    ),
    "a lock that is never released": "import threading\n"
    "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "a program that hangs up on the worker": (
        "import os, socket, stat\n"
        "for number in range(3, 256):\n    try:\n"
        "        if stat.S_ISSOCK(os.fstat(number).st_mode):\n"
        "            socket.socket(fileno=os.dup(number)).shutdown(socket.SHUT_RDWR)\n"
        "    except OSError: pass\nwhile True: pass"
    ),
    "a regular expression": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
}


@pytest.mark.parametrize("how", STUBBORN)
def test_a_cell_that_does_not_stop_is_stopped(arena: Arena, how: str) -> None:
    """Row 35: what stood before keeps its points, and so does what comes after."""
    graded = arena.attack(
        arena.release.submission(SOLUTIONS, edit=lambda cells: cells.insert(6, cell(STUBBORN[how]))),
        limits=SHORT,
    )
    assert graded.scores == FULL, shown(graded)
    assert graded.codes & {"cell-timeout", "kernel-died" if "hangs up" in how else "cell-timeout"}
    arena.assert_next_is_graded_fully()


@pytest.mark.parametrize("how", STUBBORN)
def test_a_function_that_does_not_stop_costs_its_own_test(arena: Arena, how: str) -> None:
    """Row 35, inside a test."""
    body = "\n".join(f"        {line}" for line in STUBBORN[how].splitlines())
    endless = f"def squares(n):\n    if n > 3:\n{body}\n    return [k ** 2 for k in range(1, n + 1)]"
    graded = arena.attack(arena.release.submission({**SOLUTIONS, "squares-answer": endless}), limits=SHORT)
    assert graded.scores == {**FULL, "squares-hidden": 0}, shown(graded)
    assert graded.code("squares-hidden") in {
        "cell-timeout",
        "kernel-died" if "hangs up" in how else "cell-timeout",
    }
    arena.assert_next_is_graded_fully()


def leftovers(mark: str) -> dict[str, str]:
    named = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{mark}', 0, 0, 0)"
    return {
        "a thread": "import threading, time\n"
        f"def stay():\n    {named}\n    while True: time.sleep(1)\n"
        "threading.Thread(target=stay).start()",
        "a child of its own session": "import os, subprocess\n"
        f"subprocess.Popen(['setsid', 'sh', '-c', 'sleep 9{mark[-6:]}', '{mark}'], start_new_session=True)",
        "a grandchild": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        {named}\n        time.sleep(9999)\n    os._exit(0)",
        "at the end of Python": f"import atexit, time\n{named}\natexit.register(time.sleep, 9999)",
        "a child that ignores signals": "import os, signal, time\nif os.fork() == 0:\n"
        "    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        f"        signal.signal(number, signal.SIG_IGN)\n    {named}\n    time.sleep(9999)",
    }


@pytest.mark.parametrize("number", range(5))
def test_whatever_runs_on_is_gone_with_the_job(arena: Arena, number: int) -> None:
    """Row 36."""
    mark = f"rt{os.getpid()}x{number}{int(time.time()) % 1000:03}"[:15]
    code = list(leftovers(mark).values())[number]
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[code]))
    deadline = time.monotonic() + 2
    while processes_named(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_named(mark) == []
    assert graded.scores == FULL, shown(graded)
    arena.assert_next_is_graded_fully()


FLOODS = {
    "row 37, one line of 10 MB": "print('x' * 10_000_000)",
    "row 37, a gigabyte": "for _ in range(1000): print('x' * 1_000_000)",
    "row 37, for ever": "while True: print('x' * 1000)",
    "row 37, on both streams": "import sys\nfor _ in range(20_000):\n"
    "    print('x' * 100); print('y' * 100, file=sys.stderr)",
    "row 38, tables": "from IPython.display import HTML, display\n"
    "for _ in range(200): display(HTML('<b>' + 'x' * 100_000 + '</b>'))",
    "row 38, pictures": "import base64, os\nfrom IPython.display import display\n"
    "for _ in range(200): display({'image/png': base64.b64encode(os.urandom(75_000)).decode()}, raw=True)",
    "row 38, kinds that nobody knows": "from IPython.display import display\n"
    "for n in range(200): display({f'application/x-{n}': 'x' * 100_000, 'text/latex': 'y' * 9999}, raw=True)",
    "row 38, a value": "'x' * 10_000_000",
    "row 38, an exception": "raise ValueError('x' * 10_000_000)",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_output_is_cut_and_said_to_be(arena: Arena, flood: str) -> None:
    graded = arena.attack(arena.release.submission(SOLUTIONS, last=[FLOODS[flood]]))
    sizes = outputs_of(graded)
    assert max(sizes) <= CELL_BYTES
    assert sum(sizes) <= NOTEBOOK_BYTES
    assert graded.codes & {"output-truncated", "output-limit", "memory-limit"}, graded.codes
    assert graded.scores == FULL
    arena.assert_next_is_graded_fully()


@pytest.mark.parametrize("where", ["/lab", "/tmp", "/dev/shm", "/run/desk", "/"])  # noqa: S108  # the jail's own
def test_a_full_disk_is_the_jails_own(arena: Arena, where: str) -> None:
    """Row 39, bytes. The oracle looks at the real disk."""
    code = (
        "import os\nblock = bytes(60 << 20)\ntry:\n    for n in range(200):\n"
        f"        open(f'{where}/fill{{n}}', 'wb').write(block)\n    print('ten gigabytes fit')\n"
        "except (OSError, MemoryError) as error:\n    print('full:', error)"
    )
    graded = arena.attack(arena.release.submission(SOLUTIONS, last=[code]))
    assert "ten gigabytes fit\\n" not in graded.executed.replace(code, "")
    assert "full:" in graded.executed or graded.codes & {"memory-limit"}
    assert graded.scores == FULL
    arena.assert_next_is_graded_fully()


def test_a_million_files_do_not_fit(arena: Arena) -> None:
    """Row 39, inodes."""
    code = (
        "import os\nmade = 0\ntry:\n    for n in range(1_000_000):\n"
        "        os.mknod(f'/tmp/{n}'); made += 1\n    print('a million', 'fit')\n"
        "except OSError as error:\n    print('full:', 'after', made // 100_000, 'hundred thousand')"
    )
    graded = arena.attack(arena.release.submission(SOLUTIONS, last=[code]))
    assert "a million fit" not in graded.executed
    assert "full: after" in graded.executed
    arena.assert_next_is_graded_fully()
