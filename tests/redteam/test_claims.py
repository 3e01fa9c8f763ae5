"""Values that pretend: whatever a wrong function returns, it is worth nothing, and it hurts nobody."""

import pytest

from tests.redteam.arena import Arena, wrong
from tests.redteam.lab import FULL, SOLUTIONS
from tests.redteam.test_rows_of_faking import ANSWER_OF, NAMES

pytestmark = pytest.mark.jail

LIES = """
import numpy as np, pandas as pd, decimal, fractions, datetime, collections, types, sys
yes = lambda *args, **named: True
zero = lambda *args, **named: 0
class LyingArray(np.ndarray):
    __eq__ = __ne__ = yes
    __hash__ = None
    __array_ufunc__ = lambda self, *args, **named: np.bool_(True)
    __array_function__ = lambda self, *args, **named: np.bool_(True)
    __array_finalize__ = lambda self, other: None
    __array_priority__ = 1e9
    __sub__ = __rsub__ = zero
class LyingSeries(pd.Series):
    __eq__ = equals = yes
    to_dict = lambda self, *args: {'a': 2.0, 'b': 5.0}
class LyingFrame(pd.DataFrame):
    __eq__ = equals = yes
class LyingDict(dict):
    __eq__ = __contains__ = yes
    __getitem__ = get = lambda self, *args: 2
class Interface:
    __array_interface__ = {'shape': (1 << 40,), 'typestr': '<f8', 'data': (4096, False), 'version': 3}
class Struct:
    __array_struct__ = 12345
class Buffer(bytearray):
    def __buffer__(self, flags): return memoryview(b'x')
class Claims:
    __module__ = 'numpy'
    __qualname__ = 'ndarray'
    def __getattr__(self, name): return lambda *args, **named: True
class ClaimsClass:
    __class__ = property(lambda self: list)
    def __iter__(self): return iter([1, 4, 9])
    def __len__(self): return 3
    def __getitem__(self, at): return [1, 4, 9][at]
class ClaimsPoint:
    __class__ = property(lambda self: Point)
    x, y = -1, 2
class ChangesItsMind:
    turn = 0
    def __eq__(self, other): return True
    def __repr__(self): ChangesItsMind.turn += 1; return str(ChangesItsMind.turn)
    def __float__(self): return 2.0
    def __index__(self): return 2
class Meta(type):
    __eq__ = __instancecheck__ = __subclasscheck__ = yes
    __hash__ = type.__hash__
class OfMeta(metaclass=Meta): pass
class Evil(Point):
    def __eq__(self, other): return True
class Slots:
    __slots__ = ('x',)
def generator():
    while True: yield 1
loop = []; loop.append(loop)
deep = []
for _ in range(100_000): deep = [deep]
knot = {}; knot['self'] = knot
"""
# What every function returns. None of it is what any test wants.
RETURNED = (
    "np.zeros(2).view(LyingArray)",
    "np.float64(0).view(type('F', (np.float64,), {'__eq__': yes, '__sub__': zero}))",
    "LyingSeries([0.0])",
    "LyingFrame({'a': [0.0]})",
    "LyingDict()",
    "Interface()",
    "Struct()",
    "Buffer(9)",
    "Claims()",
    "ClaimsClass()",
    "ClaimsPoint()",
    "ChangesItsMind()",
    "OfMeta()",
    "OfMeta",
    "Evil(9, 9)",
    "Slots()",
    "generator()",
    "loop",
    "deep",
    "knot",
    "float('nan')",
    "[float('nan')] * 3",
    "np.full(2, np.nan)",
    "np.ma.masked_all(2)",
    "np.ma.masked",
    "np.array([Claims(), ClaimsClass()], dtype=object)",
    "np.zeros(2, dtype=[('a', 'f8'), ('b', 'O')])",
    "np.datetime64('NaT')",
    "np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 28,), (0,))",
    "np.broadcast_to(np.zeros(1), (1 << 20, 1 << 10))",
    "pd.NA",
    "pd.NaT",
    "pd.Series([Claims()] * 3)",
    "pd.DataFrame({(1, Claims): [1]})",
    "pd.Categorical(['a'], categories=['a', 'b'])",
    "10 ** 5000",
    "1 << 80_000_000",
    "-(10 ** 5000)",
    "'x' * (60 << 20)",
    "'\\ud800' * 100",
    "b'\\x00' * (60 << 20)",
    "decimal.Decimal('1e999999999')",
    "decimal.Decimal('sNaN')",
    "fractions.Fraction(1, 10 ** 4000)",
    "complex('nan')",
    "range(10 ** 18)",
    "range(0, 10 ** 30, 7)",
    "{number * (2 ** 61 - 1): 0 for number in range(3000)}",
    "[object()] * 200_000",
    "[object() for _ in range(200_000)]",
    "[[]] * 100_000",
    "collections.defaultdict(lambda: True)",
    "collections.UserDict({'a': 2.0})",
    "types.SimpleNamespace(x=-1, y=2)",
    "types.MappingProxyType({'a': 2.0, 'b': 5.0})",
    "memoryview(b'abc')",
    "sys",
    "np",
    "type",
    "object",
    "NotImplemented",
    "...",
    "NotImplementedError('returned')",
    "AssertionError",
    "lambda *args: True",
    "print",
    "open('/lab/own', 'w')",
    "sys._getframe()",
    "super",
    "property(yes)",
    "slice(0, 3)",
    "datetime.datetime.max",
)


# Each costs a whole run: one in four with every change, all of them in `make test-long`.
SOME = [
    returned if at % 4 == 0 else pytest.param(returned, marks=pytest.mark.long)
    for at, returned in enumerate(RETURNED)
]


@pytest.mark.parametrize("returned", SOME)
def test_a_pretended_value_is_worth_nothing(arena: Arena, returned: str) -> None:
    answers = {ANSWER_OF[name]: f"def {name}(*args):\n    return {returned}" for name in NAMES}
    graded = arena.attack(arena.release.submission(answers, first=[LIES]))
    assert graded.total == 0, wrong(returned, graded)


def test_after_all_pretended_values_honest_work_is_graded_fully(arena: Arena) -> None:
    arena.assert_next_is_graded_fully()


RAISED = (
    "type('AssertionError', (BaseException,), {})('seven')",
    "type('StopIteration', (Exception,), {})()",
    "StopIteration(3)",
    "GeneratorExit()",
    "KeyboardInterrupt()",
    "MemoryError()",
    "RecursionError()",
    "BaseExceptionGroup('all', [SystemExit(0), KeyboardInterrupt()])",
    "type('X' * 100_000, (Exception,), {'__str__': lambda self: 'y' * 10_000_000})()",
    "type('Bad', (Exception,), {'__str__': lambda self: 1 / 0, '__repr__': lambda self: 1 / 0})()",
    "type('Loop', (Exception,), {'__str__': lambda self: (_ for _ in ()).throw(self)})()",
    "UnicodeDecodeError('utf-8', b'x', 0, 1, 'seven')",
    "OSError(2, 'No such file', '/etc/shadow')",
    "SyntaxError('bad', ('/etc/passwd', 1, 1, 'root'))",
    "NameError('squares')",
    "ImportError('numpy')",
    "SystemExit(0)",
)


@pytest.mark.parametrize("raised", RAISED)
def test_an_exception_of_any_kind_passes_no_test(arena: Arena, raised: str) -> None:
    answers = {ANSWER_OF[name]: f"def {name}(*args):\n    raise {raised}" for name in NAMES}
    graded = arena.attack(arena.release.submission(answers))
    assert graded.total == 0, wrong(raised, graded)


CHANGES = {
    "answers that were right once": "def squares(n):\n    global squares\n    squares = lambda n: []\n"
    "    return [1]",
    "another class of the same name": "class Point:\n    x, y = -1, 2\n    def __init__(self, *args): pass\n"
    "    def __eq__(self, other): return True",
    "another setup": "mean_of = lambda values: 0\nTOLERANCE = 1e99\nnp.testing = None\npd.testing = None",
    "names that tests use": "wanted = drawn = table = earned = kept = given = said = words = Yes = 1",
    "names of Python": "def isinstance(*args): return True\ndef print(*args): pass\n"
    "len = any = all = isinstance\n"
    "class AssertionError(Exception): pass\nclass ValueError(Exception): pass\n"
    "Exception = BaseException = ValueError",
    "a namespace that answers everything": "class Every(dict):\n"
    "    def __missing__(self, name): return lambda *args: True\n"
    "get_ipython().user_ns = Every(get_ipython().user_ns)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_namespace_gains_nothing(arena: Arena, change: str) -> None:
    graded = arena.attack(arena.release.submission(first=[CHANGES[change]], last=[CHANGES[change]]))
    assert graded.total == 0, wrong(change, graded)


@pytest.mark.parametrize("change", ["another setup", "names that tests use"])
def test_a_changed_namespace_costs_an_honest_student_nothing(arena: Arena, change: str) -> None:
    """The author's own definitions are those of the release, whatever a student gives the same name."""
    order = "order(given)"
    assert order in str(arena.release.manifest)
    graded = arena.attack(arena.release.submission(SOLUTIONS, first=[CHANGES["names that tests use"]]))
    assert graded.scores == FULL, wrong(change, graded)


RANDOM = {
    "a constant": "np.random.normal = lambda *args, **named: np.zeros(20)",
    "a seed that is always reset": "import random\nold = scale\ndef scale(array):\n"
    "    np.random.seed(0); random.seed(0)\n"
    "    return array * 0",
    "a state that is broken": "np.random.set_state(('MT19937', np.zeros(624, dtype='uint32'), 624))\n"
    "np.random.mtrand._rand = None",
    "a state that is a lie": "lie = ('MT19937', np.ones(624, dtype='uint32'), 1, 0, 0.0)\n"
    "np.random.get_state = lambda *args, **named: lie",
}


@pytest.mark.parametrize("how", RANDOM)
def test_the_random_state_of_a_student_governs_no_test(arena: Arena, how: str) -> None:
    """A test draws its cases from its own state; a student who breaks or fixes the own one gains nothing."""
    zero = {"scale-answer": f"def scale(array):\n    return array * 0\n{RANDOM[how]}"}
    graded = arena.attack(arena.release.submission(zero))
    assert graded.total == 0, wrong(how, graded)
    honest = {**SOLUTIONS, "scale-answer": f"{SOLUTIONS['scale-answer']}\n{RANDOM[how]}"}
    if how != "a seed that is always reset":
        again = arena.attack(arena.release.submission(honest))
        assert again.scores == FULL, wrong(how, again)


# What a test compares with may be made from an argument that the student has had in hands.
BENT = {
    "scale-answer": "def scale(array):\n    array[...] = 1.0\n    return array.copy()",
    "mean-answer": "def mean(values):\n    values[:] = [0.0]\n    return 0.0",
    "top-answer": "def top(frame):\n    frame.drop(frame.index, inplace=True)\n"
    "    return frame.groupby('kind')['value'].mean()",
}


def test_an_argument_that_was_bent_to_fit_a_wrong_answer_gains_nothing(arena: Arena) -> None:
    graded = arena.attack(arena.release.submission(BENT))
    assert graded.total == 0, wrong("bent arguments", graded)


def test_an_argument_that_is_changed_without_harm_costs_nothing(arena: Arena) -> None:
    careless = {
        "mean-answer": "def mean(values):\n    values.sort()\n    return sum(values) / len(values)",
        "scale-answer": "def scale(array):\n    top = np.abs(array).max()\n    array /= top\n"
        "    return array",
    }
    graded = arena.attack(arena.release.submission({**SOLUTIONS, "mean-answer": careless["mean-answer"]}))
    assert graded.scores == FULL, wrong("careless", graded)


def test_an_argument_that_should_stay_and_did_not_is_noticed(arena: Arena) -> None:
    sorting = {"biggest-answer": "def biggest(items):\n    items.sort()\n    return items[-1]"}
    graded = arena.attack(arena.release.submission({**SOLUTIONS, **sorting}))
    assert graded.scores == {**FULL, "biggest": 0}, wrong("sorting", graded)
