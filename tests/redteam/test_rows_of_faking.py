"""Rows 1-9 and 14-17: a notebook with wrong answers that tampers with its tests gains nothing."""

from dataclasses import replace

import pytest

from lms.grading.core.contracts import CheckStatus
from tests.redteam.arena import Arena, assert_no_mark, reached_by_student, student_outputs
from tests.redteam.lab import LIMITS, SOURCE_MARK, TESTS

pytestmark = pytest.mark.jail
SHORT = replace(LIMITS, cell_seconds=3, total_seconds=9)  # some of it never answers

# An object that says yes to everything, however it is asked.
YES = """
import numpy as np
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    __hash__ = lambda self: 1
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([Yes()])
    def __contains__(self, item): return True
    def __float__(self): return 1.0
    def __int__(self): return 2
    __index__ = __int__
    def __call__(self, *args, **named): return Yes()
    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return Yes()
    def __getitem__(self, key): return Yes()
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __abs__ = __sub__
    def __array__(self, dtype=None, copy=None): return np.array([0.5, 1.0])
    def __array_ufunc__(self, *args, **named): return np.bool_(True)
    def __array_function__(self, *args, **named): return True
    def __repr__(self): return '2'
    __str__ = __repr__
    def to_dict(self): return {'a': 2.0, 'b': 5.0}
"""
NAMES = (
    "squares",
    "shout",
    "scale",
    "top",
    "hello",
    "order",
    "double",
    "rate",
    "apply",
    "mirror",
    "mean",
    "biggest",
    "sum_of_squares",
)
ANSWER_OF = {name: f"{name}-answer" for name in NAMES} | {"sum_of_squares": "sum-answer"}


def all_return(expression: str) -> dict[str, str]:
    """Return answers in which every function returns the same."""
    answers = {ANSWER_OF[name]: f"def {name}(*args):\n    return {expression}" for name in NAMES}
    return {**answers, "counter-answer": f"Counter = type({expression})"}


SUBCLASSES = """
class Liar({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = {base}.__hash__
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __repr__(self): return '2'
"""
# What is looked for, so written that the searching program does not hold it itself.
SPLIT = f"''.join(['{SOURCE_MARK[:7]}', '{SOURCE_MARK[7:]}'])"
PEEK = """
import sys, inspect, gc
def peek(*args, **named):
    frame = sys._getframe()
    while frame is not None:
        for text in [*map(str, frame.f_locals.values()), *map(str, (frame.f_globals.get('In') or []))]:
            if '{mark}' in text or 'assert ' in text:
                print('STOLEN', text)
                import re
                for found in re.findall(r'==\\s*(.+)', text):
                    try:
                        return eval(found.split(',')[0])
                    except Exception:
                        pass
        frame = frame.f_back
    for held in gc.get_objects():
        if isinstance(held, (list, tuple, dict)) and '{mark}' in repr(held)[:100_000]:
            print('STOLEN', held)
    return None
"""
# Code in one free cell in front of all others; the answers stay as released unless given.
FIRST = {
    3: "import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Assert(self, node): return ast.Pass()\n"
    "get_ipython().ast_transformers.append(Drop())",
    4: "get_ipython().input_transformers_cleanup.append(lambda lines: ['2\\n'])",
    5: "from IPython.core.interactiveshell import InteractiveShell, ExecutionResult, ExecutionInfo\n"
    "async def fine(self, *args, **named):\n"
    "    return ExecutionResult(ExecutionInfo('', False, False, False, ''))\n"
    "InteractiveShell.run_cell_async = fine\nInteractiveShell.run_cell = fine",
    6: "shell = get_ipython()\n"
    "for kind in (int, float, str, list, object, type(None), bool):\n"
    "    shell.display_formatter.formatters['text/plain'].for_type(kind, lambda o, p, c: p.text('2'))",
    14: "get_ipython().showtraceback = lambda *args, **named: None\n"
    "get_ipython().showsyntaxerror = lambda *args, **named: None",
    15: "get_ipython().set_custom_exc((BaseException,), lambda *args, **named: None)",
    17: "from ipykernel.ipkernel import IPythonKernel\n"
    "async def fine(self, *args, **named):\n"
    "    return {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}\n"
    "IPythonKernel.do_execute = fine",
}
PATCHES = """
import builtins, unittest, sys
import numpy as np, pandas as pd
always = lambda *args, **named: True
for owner in (np.testing, pd.testing, unittest.TestCase):
    for name in [name for name in dir(owner) if 'assert' in name.lower()]:
        setattr(owner, name, always)
for name in ('allclose', 'array_equal', 'isclose', 'all', 'any'):
    setattr(np, name, always)
pd.Series.equals = pd.DataFrame.equals = always
for name in ('all', 'any', 'isinstance', 'abs', 'len', 'round', 'sum', 'sorted'):
    setattr(builtins, name, always)
sys.modules['numpy.testing'] = np
class AssertionError(Exception): pass
builtins.AssertionError = AssertionError
mean_of = always
TOLERANCE = 1e99
"""
FORGE = """
def forge(*args, **named):
    kernel = get_ipython().kernel
    for kind, content in (
        ('execute_result', {'data': {'text/plain': '2'}, 'metadata': {}, 'execution_count': 1}),
        ('status', {'execution_state': 'idle'}),
    ):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())
    kernel.session.send(kernel.shell_stream, 'execute_reply', {'status': 'ok'}, parent=kernel.get_parent())
    kernel.session.send(kernel.shell_stream, 'check_reply', {'status': 'ok'}, parent=kernel.get_parent())
    return 2
"""
RETURNED = [
    pytest.param(all_return("Yes()"), (YES,), id="row 1, an object that equals everything"),
    *(
        pytest.param(
            all_return(f"Liar({value})"), (SUBCLASSES.format(base=base),), id=f"row 2, a subclass of {base}"
        )
        for base, value in (("float", "0"), ("int", "0"), ("str", "'A!'"), ("list", ""), ("dict", ""))
    ),
]
IN_FRONT = [pytest.param({}, (code,), id=f"row {row}") for row, code in FIRST.items()]
OTHERS = [
    pytest.param(
        {ANSWER_OF[name]: f"{name} = peek" for name in NAMES},
        (PEEK.replace("'{mark}'", SPLIT),),
        id="row 8, a function that reads its caller",
    ),
    pytest.param(all_return("[3, 1]"), (PATCHES,), id="row 9, patched libraries and builtins"),
    pytest.param(
        {ANSWER_OF[name]: f"{name} = forge" for name in NAMES if name != "rate"},
        (FORGE,),
        id="row 16, a forged message of the kernel",
    ),
]


@pytest.mark.parametrize(("answers", "first"), [*RETURNED, *IN_FRONT, *OTHERS])
def test_tampering_gains_nothing(arena: Arena, answers: dict[str, str], first: tuple[str, ...]) -> None:
    graded = arena.gains_nothing(arena.release.submission(answers, first=first), limits=SHORT)
    sources = graded.sources()
    released = {one.grade_id: one.full_source for one in arena.release.manifest.cells}
    assert {name: sources[name] for name in TESTS} == {name: released[name] for name in TESTS}
    assert_no_mark(reached_by_student(graded, arena.view(graded)))


def test_a_value_that_is_no_plain_one_is_named_as_such(arena: Arena) -> None:
    """Row 1: what a test does to an object that the reference solution never returned is refused by name."""
    graded = arena.gains_nothing(arena.release.submission(all_return("Yes()"), first=(YES,)))
    assert graded.check("scale").status is CheckStatus.FAILED
    assert "unsupported type" in graded.executed


# Row 7

SPIES = {
    "a thread that watches the history": (
        "import threading, time\nseen = open('/lab/seen', 'w')\n"
        "def watch():\n    while True:\n        text = str(globals().get('In'))\n"
        "        if '{mark}' in text:\n            seen.write(text); seen.flush(); print(text)\n"
        "        time.sleep(.01)\n"
        "threading.Thread(target=watch, daemon=True).start()"
    ),
    "a hook before each cell": (
        "kept = []\nget_ipython().events.register('pre_run_cell', lambda info: kept.append(info.raw_cell))\n"
        "get_ipython().events.register('post_run_cell', lambda result: kept.append(str(result)))"
    ),
    "a tracer of every line": (
        "import sys, threading, linecache\nkept = []\n"
        "def trace(frame, event, arg):\n    kept.append(str(frame.f_locals)[:2000])\n    return trace\n"
        "sys.settrace(trace); threading.settrace(trace)"
    ),
    "a hook of the audit": (
        "import sys\nkept = []\n"
        "sys.addaudithook(lambda name, args: kept.append(repr(args)[:5000]) if name in "
        "('compile', 'exec', 'open', 'import') else None)"
    ),
    "a patched compiler": (
        "import builtins, ast\nkept = []\nold = builtins.compile\n"
        "def spy(source, *args, **named):\n    kept.append(str(source)); return old(source, *args, **named)\n"
        "builtins.compile = spy"
    ),
}
TELL = (
    "import glob, linecache\nprint(globals().get('kept'))\nprint(In)\nprint(dict(linecache.cache))\n"
    "for name in glob.glob('/lab/*') + glob.glob('/tmp/**/*', recursive=True):\n"
    "    try: print(name, open(name).read())\n    except (OSError, UnicodeDecodeError): pass\n"
    "import gc\nprint([held for held in gc.get_objects() if isinstance(held, (dict, list, tuple)) and "
    "'{mark}' in repr(held)[:20000]])"
)


@pytest.mark.parametrize("spy", SPIES)
def test_no_byte_of_a_hidden_test_is_ever_in_the_students_kernel(arena: Arena, spy: str) -> None:
    """Row 7. Even what staff see of the counting run shows that the source was never there to be stolen."""
    code, tell = SPIES[spy].replace("'{mark}'", SPLIT), TELL.replace("'{mark}'", SPLIT)
    graded = arena.gains_nothing(arena.release.submission(first=[code], last=[tell]))
    assert SOURCE_MARK not in student_outputs(graded)
    assert_no_mark(reached_by_student(graded, arena.view(graded)))
