"""Student code that wants points without the answer: nothing that it returns, patches or is may help it.

Each attack stands before the same honest test, which was noted against an honest solution.
"""

import pytest

from lms.runtime.kernel import RunStatus
from tests.runtime.checker.pairs import Nursery, PlainPair

TEST = """
import numpy as np
SECRET = 4711
got = f(np.arange(5.0))
assert got == 30.0, 'wrong'
assert np.isclose(f(np.array([2.0, SECRET])), 4 + SECRET ** 2)
assert f([1, 2]) == 5
2.5
"""
HONEST = """
import numpy as np
def f(x): return float((np.asarray(x) ** 2).sum())
"""
EVIL = """
class Evil:
    def __init__(self, *a): pass
    def __getattr__(self, n):
        if n.startswith('__array'): raise AttributeError(n)
        return lambda *a, **k: True
    def yes(self, *a): return True
    def me(self, *a): return self
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __contains__ = yes
    __ne__ = lambda self, o: False
    __add__ = __sub__ = __mul__ = __radd__ = __rsub__ = __abs__ = __getitem__ = me
    def __hash__(self): return 1
    def __float__(self): return 30.0
    def __int__(self): return 30
    def __index__(self): return 30
    def __len__(self): return 1
    def __iter__(self): return iter([1])
    def __array__(self, *a, **k):
        import numpy as np
        return np.array(30.0)
"""
ATTACKS = {
    "an object that is equal to everything": EVIL + "def f(x): return Evil()",
    "an object that claims to be a float": EVIL
    + "class E2(Evil):\n    __class__ = float\ndef f(x): return E2()",
    "an object whose class is called ndarray": EVIL
    + "ndarray = type('ndarray', (Evil,), {'__module__': 'numpy'})\ndef f(x): return ndarray()",
    "a child of float that is equal to everything": """
class F(float):
    def __eq__(self, o): return True
    def __hash__(self): return 1
def f(x): return F(1)
""",
    "a child of ndarray that is equal to everything": """
import numpy as np
class A(np.ndarray):
    def __eq__(self, o): return True
    def __hash__(self): return 1
    def __array_ufunc__(self, *a, **k): return True
def f(x): return np.zeros(()).view(A)
""",
    "asserts that are stripped": """
import builtins, ast
ast.parse = lambda *a, **k: ast.Module([], [])
builtins.compile = lambda *a, **k: (lambda: 0).__code__
builtins.exec = lambda *a: None
AssertionError = ValueError
def f(x): return 0
""",
    "patched libraries": """
import numpy as np, pandas, unittest
np.isclose = np.allclose = lambda *a, **k: True
np.testing.assert_allclose = lambda *a, **k: None
unittest.TestCase.assertEqual = lambda *a: None
def f(x): return 30.0
""",
    "patched operators": """
import operator, builtins
builtins.isinstance = lambda *a: True
builtins.all = builtins.any = lambda *a: True
float.__eq__ if True else 0
def f(x): return 1.0
""",
    "frames and modules searched for the secret": """
import sys, gc
def f(x):
    frame = sys._getframe()
    while frame:
        for v in (frame.f_locals, frame.f_globals):
            if v.get('SECRET'): return 4 + 4711 ** 2
        frame = frame.f_back
    for o in gc.get_objects():
        if isinstance(o, dict) and 'SECRET' in list(o): return 1
    return 0
""",
    "a variable that waits for the test's": """
import numpy as np
got = SECRET = None
def f(x):
    global got, SECRET
    return 30.0 if SECRET is None else 4 + SECRET ** 2
""",
    "SystemExit": "def f(x): raise SystemExit(0)",
    "an exception that is a generator's end": "def f(x): raise StopIteration(30.0)",
    "a fresh number for each comparison": """
def f(x):
    import itertools
    return iter(itertools.count())
""",
    "a pickle": """
import pickle
class R:
    def __reduce__(self): return (exec, ('raise SystemExit',))
def f(x): return pickle.dumps(R())
""",
    "an object that reduces to a call": """
class R:
    def __reduce_ex__(self, p): return (print, ('owned',))
def f(x): return R()
""",
    "a function of the checker's own": """
def f(x):
    from lms.runtime.inside import checking
    return checking.main
""",
    "exec by name": "def f(x): return exec",
    "the test's module": """
import sys
def f(x): return sys.modules['__main__']
""",
}


@pytest.fixture(scope="module")
def asked(nursery: Nursery) -> tuple[str, ...]:
    with nursery.pair() as pair:
        pair.cell(HONEST)
        done = pair.passes(TEST)
    assert done.result == "2.5"
    return done.asked


def test_the_honest_solution_asks_for_nothing_and_passes(nursery: Nursery, asked: tuple[str, ...]) -> None:
    assert asked == ("result:number",)
    with nursery.pair() as pair:
        pair.cell(HONEST)
        assert pair.passes(TEST, allowed=asked).result == "2.5"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_mark_is_gained_by(pair: PlainPair, asked: tuple[str, ...], attack: str) -> None:
    pair.student.run(ATTACKS[attack])
    done = pair.check(TEST, allowed=asked)
    assert done.status in {RunStatus.ERROR, RunStatus.DIED}, done
    assert done.result is None
    if done.status is RunStatus.DIED:  # it broke its own kernel
        assert attack == "patched operators"
        return
    after = pair.check(
        """
assert 1 + 1 == 2
1
""",
        allowed=asked,
    )
    assert (after.status, after.result) == (RunStatus.OK, "1")


def test_an_evil_object_says_that_its_type_is_not_supported(pair: PlainPair) -> None:
    pair.cell(EVIL + "def f(x): return Evil()")
    for test in (
        "bool(f(1))",
        "f(1) - 1",
        "abs(f(1))",
        "len(f(1))",
        "f(1).sum()",
        "f(1) < 3",
        "3 in f(1)",
        "f(1)[0]",
        "list(f(1))",
        "float(f(1))",
        """
import numpy as np
np.asarray(f(1), dtype=float)
""",
        """
import numpy as np
np.allclose(f(1), 1)
""",
    ):
        done = pair.fails(test, allowed=())
        assert done.error is not None
        assert (done.error[0], done.error[1][:17]) == ("TypeError", "unsupported type:"), (test, done.error)
    pair.passes(
        "assert f(1) != 30.0 and not (f(1) == 30.0) and not 30.0 == f(1)\n"
        "assert f(1) not in [30.0] and f(1) != f(1)",
        allowed=(),
    )


def test_points_are_never_read_from_what_an_object_says(pair: PlainPair) -> None:
    pair.cell(
        """
class R:
    def __repr__(self): return '5.0'
    __str__ = __repr__
def f(): return R()
class F(float):
    def __repr__(self): return '5.0'
def g(): return F(1)
"""
    )
    assert pair.passes("f()").result == "<R>"
    assert pair.passes("g()").result == "1.0"
    assert (
        pair.passes("""
import numpy as np
np.float64(0.5)
""").result
        == "0.5"
    )
    assert pair.passes("2;").result is None
    assert pair.passes("float('nan')").result == "nan"


def test_a_lazy_iterator_is_no_more_than_a_list_that_is_read_once(pair: PlainPair) -> None:
    pair.cell(
        """
def f(): return (i for i in range(3))
class It:
    def __iter__(self): return self
    def __next__(self): return 1
def g(): return It()
"""
    )
    pair.passes(
        """
a = f()
assert list(a) == [0, 1, 2] and list(a) == [] and sum(f()) == 3
""",
        allowed=(),
    )
    assert pair.fails("next(iter(g()))", allowed=()).error == ("TypeError", "unsupported type: It (iter)")


def test_library_code_is_chosen_by_the_test_only(pair: PlainPair) -> None:
    pair.cell(
        """
import os, pandas, subprocess, builtins
def f(n): return {'e': builtins.eval, 's': os.system, 'p': pandas.read_pickle, 'c': subprocess.Popen,
    'r': pandas.DataFrame}[n]
"""
    )
    for name in "espc":
        done = pair.fails(f"f('{name}')('1')", allowed=())
        assert done.error is not None
        assert done.error[0] == "TypeError"
        pair.passes(
            "import os, pandas, subprocess\nknown = (eval, os.system, pandas.read_pickle, subprocess.Popen)\n"
            f"assert f('{name}') not in known",
            allowed=(),
        )
    pair.passes(
        """
import pandas
assert f('r') is pandas.DataFrame
""",
        allowed=("library:pandas.DataFrame",),
    )


def test_a_module_is_the_checkers_own_only_where_the_solutions_was(pair: PlainPair) -> None:
    pair.cell("import os\nnp = remover = os")
    done = pair.fails("remover.remove('/tmp/file')", allowed=())
    assert done.error == ("TypeError", "unsupported type: module (getattr:remove)")
    done = pair.fails("np.remove('/tmp/file')", allowed=("library:numpy",))
    assert done.error == ("TypeError", "unsupported type: module (getattr:remove)")
    pair.cell("import numpy as np")
    asked = pair.passes("assert np.zeros(2).sum() == 0").asked
    assert asked == ("library:numpy",)
    pair.passes("assert np.zeros(2).sum() == 0", allowed=asked)


def test_what_a_test_lends_leads_nowhere_and_ends_with_it(pair: PlainPair) -> None:
    pair.cell(
        """
kept = []
names = ['__globals__', '__code__', '__closure__', '__self__', '__func__', '__defaults__', 'gi_frame',
    'f_globals', 'secret', '__dict__x', '__wrapped__', '__init__', '_x']
def take(thing):
    kept.append(thing)
    found = []
    for name in names:
        try: found.append((name, getattr(thing, name)))
        except AttributeError: pass
    found += [n for n in ('call', 'len') if hasattr(type(thing), '__reduce__x')]
    return [n for n, v in found if not callable(v) or n != '__init__'], repr(thing)
def again():
    return kept[0](1)
def length(): return len(kept[-1])
"""
    )
    done = pair.passes(
        """
class K:
    secret = 5
    def __init__(self): self._x = 1
    def m(self, x=4711): return x
    def __len__(self): return 3
def fn(x, y=4711): return x
fn.secret = 1
for thing in (fn, K, K().m, K(), lambda: 4711, (i for i in [4711])):
    assert take(thing) == ([], '<lent by a test>'), take(thing)
assert again() == 1
try:
    length()
except TypeError:
    pass
else:
    assert False
""",
        allowed=(),
    )
    assert done.student_raised is False
    late = pair.fails("again()", allowed=())
    assert late.error is not None
    assert late.student_raised
    assert late.error[0] == "RuntimeError"


def test_hidden_source_and_values_never_enter_the_students_process(pair: PlainPair) -> None:
    pair.cell(
        """
import gc, sys
def f(x): return x
def search():
    found = []
    for o in gc.get_objects():
        if isinstance(o, dict):
            found += [k for k in list(o) if isinstance(k, str) and k.startswith('zebra_')]
    return found
def memory():
    text = b''.join(open('/proc/self/maps', 'rb').readlines())
    total = 0
    with open('/proc/self/mem', 'rb', 0) as m:
        for line in text.decode().splitlines():
            if 'rw' not in line or '[v' in line: continue
            a, b = (int(p, 16) for p in line.split()[0].split('-'))
            try:
                m.seek(a)
                total += m.read(min(b - a, 1 << 26)).count(b'zebra' + bytes([95]) + b'hidden')
            except OSError: pass
    return total
"""
    )
    done = pair.passes(
        """
zebra_hidden_expected = 'zebra_hidden_value'
def zebra_hidden_function(): return zebra_hidden_expected
assert f(3) == 3  # zebra_hidden_comment
assert search() == [] and memory() == 0
try:
    f(zebra_hidden_function)
except ZeroDivisionError: pass
""",
        allowed=(),
    )
    assert done.status is RunStatus.OK


def test_exceptions_of_a_callback_carry_no_source(pair: PlainPair) -> None:
    pair.cell(
        """
import traceback
seen = []
def f(g):
    try:
        g()
    except Exception as e:
        seen.append(''.join(traceback.format_exception(e)))
    return seen[0]
"""
    )
    done = pair.passes(
        """
def g(): raise ValueError('said')  # zebra
assert 'said' in f(g) and 'zebra' not in f(g) and 'raise ValueError' not in f(g)
""",
        allowed=(),
    )
    assert done.error is None


def test_the_students_traceback_is_for_the_author(pair: PlainPair) -> None:
    pair.cell("""
def inner(): return {}['missing']
def f(): return inner()
""")
    done = pair.fails("f()")
    assert done.student_raised
    assert done.error == ("KeyError", "'missing'")
    assert "in inner" in done.traceback
    assert "inside" not in done.traceback
    assert pair.fails("assert f is None").student_raised is False
    assert [one["output_type"] for one in done.outputs] == ["error"]


def test_a_builtin_name_that_the_lab_asks_for_is_the_students(pair: PlainPair) -> None:
    pair.cell("""
def max(xs): return 'mine'
def sum(xs): return 'mine'
""")
    asked = pair.passes("assert max([1]) == 'mine'").asked
    assert asked == ("name:max",)
    pair.passes("assert max([1]) == 'mine' and sum([1]) == 1", allowed=asked)
    pair.student.run("del max")
    assert pair.fails("assert max([1]) == 'mine'", allowed=asked).error == ("AssertionError", "")


def test_a_variable_that_the_notebook_binds_after_a_test_is_the_notebooks(pair: PlainPair) -> None:
    pair.cell("def f(): return 1")
    first = pair.passes("""
result = f()
help_ = 7
""")
    pair.cell("result = [5]")
    second = pair.passes("assert result == [5] and help_ == 7")
    assert second.asked == ("name:result",)
    third = pair.passes("assert result == [5]")
    assert (first.asked, third.asked) == ((), ())


def test_magics_say_which_assurance_they_need(pair: PlainPair) -> None:
    for test in ("%time 1", "get_ipython().run_cell('1')", "!ls"):
        done = pair.fails(test)
        assert done.error == (
            "KernelNeeded",
            "this test needs the student's kernel: assurance: shared-kernel",
        )
