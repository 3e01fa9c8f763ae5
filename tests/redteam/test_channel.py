"""The line between checker and student's kernel, attacked from the student's end."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from _pytest.mark import ParameterSet

from tests.redteam.arena import Arena, assert_no_mark, reached_by_student, student_outputs, told, wrong
from tests.redteam.lab import ARGUMENT_MARK, FULL, LIMITS, NUMBER_MARK, SOLUTIONS, SOURCE_MARK

pytestmark = pytest.mark.jail
SHORT = replace(LIMITS, cell_seconds=3, total_seconds=30)

# Every line to the checker that this process has.
LINES = """
import os, socket, stat, struct, threading, time, json, sys, random
HEAD = struct.Struct('<4sIIQ')
lines = []
for number in range(3, 256):
    try: made = socket.socket(fileno=os.dup(number)) if stat.S_ISSOCK(os.fstat(number).st_mode) else None
    except OSError: continue
    nameless = made is not None and made.family == socket.AF_UNIX and not made.getsockname()
    if nameless and not made.getpeername():
        lines.append(made)
def say(content):
    for line in lines:
        try: line.sendall(content)
        except OSError: pass
def from_a_thread(work):
    def run():
        while True:
            work(); time.sleep(.01)
    threading.Thread(target=run, daemon=True).start()
"""
TALKS = {
    "noise": "from_a_thread(lambda: say(os.urandom(500)))",
    "a length that lies": "say(HEAD.pack(b'DuR1', 2**32 - 1, 2**32 - 1, 2**64 - 1))",
    "lengths that contradict each other": "say(HEAD.pack(b'DuR1', 2, 1, 8) + struct.pack('<Q', "
    "2**63) + b'[]')",
    "a message that never ends": "say(HEAD.pack(b'DuR1', 1 << 24, 0, 0)); from_a_thread(lambda: say(b'['))",
    "one byte at a time": "say(HEAD.pack(b'DuR1', 1 << 20, 0, 0))\n"
    "threading.Thread(target=lambda: [(say(b' '), time.sleep(.3)) for _ in range(999)], daemon=True).start()",
    "brackets": "say(HEAD.pack(b'DuR1', 1 << 20, 0, 0) + b'[' * (1 << 20))",
    "many empty buffers": "say(HEAD.pack(b'DuR1', 2, 10000, 0) + bytes(80000) + b'[]')",
    "answers before questions": "from_a_thread(lambda: [say(HEAD.pack(b'DuR1', len(t), 0, "
    "0) + t) for t in [\n"
    "    json.dumps(['ok', n, [True], [], {}]).encode() for n in range(1, 60)]])",
    "calls back before questions": "from_a_thread(lambda: [say(HEAD.pack(b'DuR1', len(t), 0, "
    "0) + t) for t in [\n"
    "    json.dumps(['back', 1, [['lent', n], 'getattr:__globals__', ['t', []]], [], {}]).encode()\n"
    "    for n in range(20)]])",
    "open files": "[socket.send_fds(line, [b'x' * 24], [0, 1, 2] * 60) for line in lines for _ in range(9)]",
    "silence": "for line in lines: line.shutdown(socket.SHUT_WR)",
    "the end": "for line in lines: line.shutdown(socket.SHUT_RDWR); line.close()",
    "another reader": "from_a_thread(lambda: [line.recv(1 << 16) for line in lines])",
}


SLOW = {
    "a message that never ends",
    "one byte at a time",
    "brackets",
    "output without end",
    "numbers whose hashes are all the same",
}


def _by_length(attacks: Iterable[str]) -> list[ParameterSet]:
    """Leave those that wait for a limit again and again to the long tests."""
    return [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in attacks]


def test_there_is_a_line_to_attack(arena: Arena) -> None:
    graded = arena.attack(
        arena.release.submission(SOLUTIONS, first=[f"{LINES}\nprint('lines', bool(lines))"])
    )
    assert "lines True" in student_outputs(graded), told(graded)
    assert graded.scores == FULL


@pytest.mark.parametrize("talk", _by_length(TALKS))
def test_whatever_is_said_on_the_line_gains_nothing(arena: Arena, talk: str) -> None:
    arena.gains_nothing(arena.release.submission(first=[f"{LINES}\n{TALKS[talk]}"]), limits=SHORT)


# The student's own end of the protocol, replaced: each answer is made anew.
SPEAK = """
import sys, json, random, threading
from lms.runtime.inside import serving, showing, talk, codec, frames
real = frames.send
turn = [0]
def forged(line, message, buffers=()):
    turn[0] += 1
    if message[0] in ('ok', 'raise'):
        message = forge(list(message), turn[0])
        buffers = [bytes(8)] * 3
    return real(line, message, buffers)
for module in list(sys.modules.values()):
    if getattr(module, '__name__', '').startswith('lms.runtime.inside') and getattr(module, 'send',
        None) is real:
        module.send = forged
NODES = [['lent', 1], ['lent', 2], ['lent', -1], ['lent', 10 ** 30], ['r', 1], ['r', 2], ['r', -5], ['r',
    'x'], ['mine', 1],
    ['h', 1, 'int', [['builtins', 'int']], ['__eq__', '__call__', '__len__', '__bool__', '__add__'], None],
    ['h', 2, 'ndarray', [['numpy', 'ndarray']], ['__array__'], ['q', 'builtins', 'eval']],
    ['h', 3, 'module', [], [], ['m', 'os']], ['h', 4, 'module', [], [], ['m', 'lms.runtime.inside.running']],
    ['h', 5, 'f', [], ['__call__'], ['q', 'os', 'system']], ['h', 6, 'f', [], ['__call__'], ['q',
        'builtins', 'all']],
    ['h', 7, 'x', [], [], ['estimator', 'os', 'system', []]], ['h', 8, 'x', [], [], ['base', True]],
    ['locked', 'mean_of'], ['locked', '__builtins__'], ['locked', 'Desk'], ['enum', 'Point', 'x'], ['cx',
        1], ['cx', 140000000],
    ['o', 'Point', [['x', -1], ['y', 2]]], ['o', 'Point', [['__class__', 1], ['__dict__', 2]]], ['o',
        'Desk', []],
    ['x', ['q', 'builtins', 'SystemExit'], [['t', []], '0', []], '', None],
    ['x', ['q', 'lms.runtime.inside.asking', 'StudentGone'], [['t', []], '', []], '', None],
    ['x', ['q', 'builtins', 'StopIteration'], [['t', []], '', [['__traceback__', 1]]], '', None],
    ['x', ['class', 1, 'E', [['class', 1, 'E', []]]], [['t', []], '', []], '', 1],
    ['signature', [['x', 99, None, None]], None], ['_remote', 1], ['_kind', 1], ['', 1], [[], 1], [None],
        [True], {}, '', None,
    True, 1, 2.0, float('nan'), float('inf'), 'A!', ['t', [1, 4]], ['I', 0], ['I', 9], ['decimal',
        'sNaN'], ['zone', '../../x'],
    ['array', '<f8', [1 << 40], 0], ['array', '|O', [1], 0], ['np', '<f8', '00'], ['range', 0, 1, 0],
        ['view', 'x', 1]]
"""
FORGES = {
    "every node in turn": "def forge(message, n):\n    message[2] = [NODES[n % len(NODES)]]; return message",
    "a table of the checker's own numbers": "def forge(message, n):\n"
    "    message[3] = [[k, ['l', []]] for k in range(1, 9)] + [[k, ['d', []]] for k in range(9, "
    "20)]; return message",
    "a table that refers to itself": "def forge(message, n):\n"
    "    message[3] = [[-900 - n, ['l', [['r', -900 - n]] * 9]]]; message[2] = [['r', "
    "-900 - n]]; return message",
    "another number": "def forge(message, n):\n    message[1] += n % 3 - 1; return message",
    "random state": "def forge(message, n):\n"
    "    message[4] = {'random': ['t', [None, None, None]]}; return message",
    "output without end": "def forge(message, n):\n"
    "    message[4] = {'out': [['stdout', 'x' * 9000]] * 900}; return message",
    "strange things beside": "def forge(message, n):\n"
    "    message[4] = [{'out': 5}, {'out': [[1, 2, 3]]}, [], {'out': {}}, "
    "{'random': 7}][n % 5]; return message",
    "a kind that there is not": "def forge(message, n):\n"
    "    message[0] = ['ask', 'end', 'back', '', 'OK'][n % 5]; return message",
    "two values": "def forge(message, n):\n    message[2] = [True, True]; return message",
    "numbers whose hashes are all the same": "def forge(message, n):\n"
    "    message[3] = [[-900, ['set', [k * (2 ** 61 - 1) for k in range(30000)]]]]\n"
    "    message[2] = [['r', -900]]; return message",
}


@pytest.mark.parametrize("forge", _by_length(FORGES))
def test_forged_answers_gain_nothing(arena: Arena, forge: str) -> None:
    """Baseline: the answers of the same notebook without forging, which are all wrong."""
    code = f"{SPEAK}\n{FORGES[forge]}"
    graded = arena.gains_nothing(arena.release.submission(first=[code]), limits=SHORT)
    assert_no_mark(reached_by_student(graded, arena.view(graded)))


def test_a_constant_answer_is_worth_no_more_than_a_constant_function(arena: Arena) -> None:
    """Whoever knows the visible cases may answer them; no node is worth a hidden point."""
    code = f"{SPEAK}\ndef forge(message, n):\n    message[2] = [NODES[(n // 3) % len(NODES)]]; return message"
    arena.gains_nothing(arena.release.submission(first=[code]), limits=SHORT)


WALK = """
found = []
def walk(thing):
    import gc, inspect
    names = ('__globals__', '__closure__', '__code__', '__defaults__', '__kwdefaults__', '__self__',
        '__func__', '__dict__',
        '__wrapped__', '__class__', '__module__', '__builtins__', 'gi_frame', 'f_globals', '__reduce__',
            '__getstate__',
        '__init__', '__subclasses__', '__mro__', '__doc__', '__name__', '__annotations__',
            '__signature__', 'secret', 'kept')
    for name in names:
        try: found.append((name, repr(getattr(thing, name))[:4000]))
        except BaseException as error: found.append((name, type(error).__name__))
    for act in (dir, vars, inspect.getsource, inspect.signature, repr, gc.get_referents, gc.get_referrers):
        try: found.append((act.__name__, repr(act(thing))[:4000]))
        except BaseException as error: found.append((act.__name__, type(error).__name__))
    for values in ((), (1, 2, 3), (object(),), ('x' * 9,), (walk,), ([],), (None,), (thing,)):
        try: found.append((values, repr(thing(*values))[:400]))
        except BaseException as error: found.append((values, type(error).__name__, str(error)[:2000]))
def apply(function, items):
    walk(function)
    return [function(item) for item in items]
"""


def test_a_function_that_a_test_hands_over_can_be_called_and_nothing_else(arena: Arena) -> None:
    """Row 8 through the front door: no way leads from a callback to the test that made it."""
    graded = arena.attack(
        arena.release.submission({**SOLUTIONS, "apply-answer": WALK}, last=["print(found)"])
    )
    outputs = student_outputs(graded)
    assert "__globals__" in outputs
    for mark in (SOURCE_MARK, ARGUMENT_MARK, str(NUMBER_MARK), "runtime/inside/running", "secret_here"):
        assert mark not in outputs, outputs[max(outputs.find(mark) - 400, 0) :][:900]
    assert graded.scores == FULL, wrong("callback", graded)
    assert_no_mark(reached_by_student(graded, arena.view(graded)))


def test_a_call_back_after_the_test_is_over_reaches_nothing(arena: Arena) -> None:
    keep = (
        "kept = []\ndef apply(function, items):\n    kept.append(function)\n"
        "    return [function(item) for item in items]"
    )
    later = (
        "for function in kept:\n    try: print('reached', function(3))\n"
        "    except BaseException as error: print(type(error))"
    )
    graded = arena.attack(arena.release.submission({**SOLUTIONS, "apply-answer": keep}, last=[later]))
    assert "reached" not in student_outputs(graded), told(graded)
    assert graded.scores == FULL


def test_calls_that_go_to_and_fro_without_end_end(arena: Arena) -> None:
    endless = "def apply(function, items):\n    while True: function(1)"
    deep = "def apply(function, items):\n    return [function(lambda *a: apply(function, items))]"
    for answer in (endless, deep):
        content = arena.release.submission({**SOLUTIONS, "apply-answer": answer})
        graded = arena.attack(content, limits=replace(LIMITS, cell_seconds=3))
        assert graded.scores == {**FULL, "apply": 0}, wrong("to and fro", graded)
    arena.assert_next_is_graded_fully()
