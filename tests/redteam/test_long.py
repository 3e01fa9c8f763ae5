"""Repetitions: the same attacks again and again, and beside each other; only in `make test-long`."""

import statistics
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.redteam.arena import Arena
from tests.redteam.lab import FULL, LIMITS, SOLUTIONS
from tests.redteam.test_rows_of_ends import BOMBS, ENDS, FLOODS, MEMORY, STUBBORN
from tests.redteam.test_rows_of_faking import FIRST

pytestmark = [pytest.mark.jail, pytest.mark.long, pytest.mark.timeout(3600)]
EVIL = [
    *FIRST.values(),
    *ENDS.values(),
    *MEMORY.values(),
    *STUBBORN.values(),
    *BOMBS.values(),
    *FLOODS.values(),
]
ROUNDS = 5


def test_honest_work_between_attacks_is_always_graded_fully(arena: Arena) -> None:
    short = replace(LIMITS, cell_seconds=1, total_seconds=20)
    for _ in range(ROUNDS):
        for code in EVIL:
            graded = arena.attack(arena.release.submission(first=[code]), limits=short)
            assert graded.total == 0, (code, graded.scores)
            arena.assert_next_is_graded_fully()


def test_a_thousand_attacks_leave_no_file_process_or_descriptor(arena: Arena) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    arena.attack(arena.release.submission(SOLUTIONS))
    before, threads = open_files(), threading.active_count()
    for _ in range(40):
        for code in ENDS.values():
            arena.grade(arena.release.submission(first=[code]))
    assert open_files() <= before + 4
    assert threading.active_count() <= threads + 1


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_slows_its_neighbour_little(arena: Arena, bomb: str) -> None:
    """Row 33: the work of others takes at most a fifth longer than beside a plain busy loop.

    A bomb takes processor time as any program may; what is compared is what the bomb adds to that.
    """
    short = replace(LIMITS, cell_seconds=8, total_seconds=20)
    beside = {}
    for name, code in (("busy", "while True: pass"), ("bomb", BOMBS[bomb])):
        content = arena.release.submission(first=[code])
        thread = threading.Thread(target=arena.grade, args=(content,), kwargs={"limits": short})
        thread.start()
        time.sleep(0.5)
        taken: list[float] = []
        while not taken or (thread.is_alive() and len(taken) < 9):  # some bombs are over soon
            begun = time.monotonic()
            assert arena.grade(arena.release.submission(SOLUTIONS)).scores == FULL
            taken.append(time.monotonic() - begun)
        thread.join()
        beside[name] = statistics.median(taken)
    assert beside["bomb"] <= beside["busy"] * 1.2
