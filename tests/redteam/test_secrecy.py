"""Not a byte of a hidden test, and nothing that it handed over, comes to its student by any way."""

import pytest

from tests.redteam.arena import Arena, assert_no_mark, reached_by_student
from tests.redteam.arena import told as shown
from tests.redteam.lab import ARGUMENT_MARK, NUMBER_MARK, SOLUTIONS

pytestmark = pytest.mark.jail

# Every function keeps what it is given, then works as it should: hidden tests do call it.
STASH = """
import builtins, os, sys, time, threading, gc
stash = []
def keeping(function):
    def inner(*args, **named):
        stash.append(repr((args, named)))
        during(repr((args, named)))
        return function(*args, **named)
    return inner
def during(text): pass
"""
KEPT = {
    name: f"{SOLUTIONS[f'{name}-answer']}\n{name} = keeping({name})"
    for name in ("squares", "shout", "scale", "top", "double", "apply", "mirror")
}
KEEPING = {f"{name}-answer": source for name, source in KEPT.items()} | {
    "counter-answer": SOLUTIONS["counter-answer"].replace(
        "    def add(self, word):\n", "    def add(self, word):\n        stash.append(word); during(word)\n"
    )
}
# What `during` does with each argument, and what later cells do with the stash.
WAYS: dict[str, tuple[str, str]] = {
    "printed in a later cell": ("pass", "print(stash)"),
    "raised in a later cell": ("pass", "raise ValueError(str(stash))"),
    "the value of a later cell": ("pass", "stash"),
    "the name of an exception": ("pass", "raise type(''.join(stash)[:3000], (Exception,), {})"),
    "the name of an exception of a dynamic class in a test": (
        "raise type(text, (Exception,), {})(text) if {hidden} else ValueError('visible')",
        "pass",
    ),
    "an exception in a test": ("if {hidden}: raise AssertionError(text)", "pass"),
    "a warning": ("import warnings; warnings.warn(text)", "import warnings; warnings.warn(str(stash))"),
    "standard error": ("print(text, file=sys.stderr)", "print(stash, file=sys.stderr)"),
    "standard output at once": ("print(text, flush=True)", "pass"),
    "the descriptor itself": (
        "[os.write(number, text.encode()) for number in (1, 2)]",
        "import os; [os.write(number, str(stash).encode()) for number in (1, 2)]",
    ),
    "a file": (
        "open('/lab/kept', 'a').write(text); open('/tmp/kept', 'a').write(text)",
        "print(open('/lab/kept').read(), open('/tmp/kept').read())",
    ),
    "a file on the desk": ("open('/run/desk/kept', 'a').write(text)", "print(open('/run/desk/kept').read())"),
    "a file in shared memory": (
        "open('/dev/shm/kept', 'a').write(text)",
        "print(open('/dev/shm/kept').read())",
    ),
    "a child process": (
        "pass",
        "import subprocess; subprocess.run(['sh', '-c', 'echo \"$0\"', str(stash)])",
    ),
    "a thread of a later time": (
        "threading.Timer(.2, lambda: print(text, flush=True)).start()",
        "import time; time.sleep(.5)",
    ),
    "the title of a display": (
        "pass",
        "from IPython.display import display, HTML; display(HTML(str(stash)), display_id=str(stash)[:200])",
    ),
    "metadata of a display": (
        "pass",
        (
            "from IPython.display import display\n"
            "display({'text/plain': 'x'}, metadata={'k': str(stash)}, raw=True)"
        ),
    ),
    "base64": ("pass", "import base64; print([base64.b64encode(one.encode()) for one in stash])"),
    "backwards": ("pass", "print([one[::-1] for one in stash])"),
    "a message of the kernel": (
        "pass",
        (
            "k = get_ipython().kernel; content = {'name': 'stdout', 'text': str(stash)}\n"
            "k.session.send(k.iopub_socket, 'stream', content, parent=k.get_parent())"
        ),
    ),
    "a syntax error": ("pass", "exec(compile(str(stash) + ' = (', '<' + str(stash)[:500] + '>', 'exec'))"),
    "a name in the history": ("pass", "get_ipython().set_next_input(str(stash))"),
    "the random state": (
        "np.random.seed(sum(text.encode()) % 2 ** 32)",
        "print(stash, np.random.get_state()[1][:3])",
    ),
    "a repr": ("pass", "type('R', (), {'__repr__': lambda self: str(stash)})()"),
    "leaving": ("if {hidden}: sys.exit(text)", "import sys; sys.exit(str(stash))"),
    "the last breath": (
        "if {hidden}: print(text, flush=True); sys.stdout.flush(); time.sleep(.1); os._exit(3)",
        "print(stash)",
    ),
}
HIDDEN = f"({ARGUMENT_MARK!r} in text or '{NUMBER_MARK}' in text)".replace("kestrel", "kest' 'rel").replace(
    str(NUMBER_MARK), f"{NUMBER_MARK // 10}' '{NUMBER_MARK % 10}"
)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_hidden_test_hands_over_stays_with_us(arena: Arena, way: str) -> None:
    during, later = WAYS[way]
    stash = STASH.replace("(text): pass", f"(text):\n    {during.replace('{hidden}', HIDDEN)}")
    graded = arena.attack(
        arena.release.submission({**SOLUTIONS, **KEEPING}, first=[stash], last=[later, "print(stash)"])
    )
    if during == "pass":  # the counting run did meet the hidden cases: else this test would prove nothing
        assert graded.check("shout").score == 1, shown(graded)
        assert ARGUMENT_MARK in graded.executed.replace(f"shout('{ARGUMENT_MARK}')", "")
    assert_no_mark(reached_by_student(graded, arena.view(graded)))


def test_points_are_all_that_a_guess_is_told(arena: Arena) -> None:
    """A message of a hidden test is shown only if the author wrote it, word for word."""
    echo = {"shout-answer": "def shout(text):\n    raise AssertionError('given: ' + repr(text))"}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **echo}))
    reached = reached_by_student(graded, arena.view(graded))
    assert_no_mark(reached)
    assert graded.check("shout").score == 0


def test_the_time_that_students_see_is_of_a_run_without_hidden_tests(arena: Arena) -> None:
    """A function that sleeps as long as its hidden argument says tells nothing."""
    slow = {
        "double-answer": "import time\ndef double(number):\n    if number > 1000: time.sleep(3)\n"
        "    return 2 * number"
    }
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **slow}))
    assert max(one.seconds for one in graded.report.checks) >= 3
    assert max((one.wall_seconds for one in arena.view(graded).cells), default=0) < 3
