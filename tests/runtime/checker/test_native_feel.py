"""What an author of plain nbgrader cells takes for granted."""

import pytest

from lms.runtime.kernel import RunStatus
from tests.runtime.checker.pairs import PlainPair

CASES = {
    "a function is called with values and keywords": (
        "def f(a, b=2, *c, **d): return a, b, c, d",
        """
assert f(1) == (1, 2, (), {})
assert f(1, b=3, z=4) == (1, 3, (), {'z': 4})
assert f(*range(4)) == (0, 1, (2, 3), {})
""",
    ),
    "a student's variable is read": (
        """
x = [1, 'two', 3.5]
name = '두리'
""",
        "assert x == [1, 'two', 3.5] and name == '두리'",
    ),
    "a missing name is a NameError": (
        "",
        """
try:
    nothing
except NameError as e:
    assert 'nothing' in str(e)
else:
    assert False
""",
    ),
    "a mutated list comes back mutated": (
        "def f(l): l.append(9)",
        """
l = [1]
f(l)
assert l == [1, 9]
""",
    ),
    "mutated containers of all kinds come back": (
        """
def f(d, s, b, q, n):
    d['x'] = 1; s.add(2); b.extend(b'!'); q.appendleft(0); n['in']['deep'].append(1)
""",
        """
from collections import deque
d, s, b, q, n = {}, {1}, bytearray(b'a'), deque([1]), {'in': {'deep': []}}
f(d, s, b, q, n)
assert (d, s, b, q, n) == ({'x': 1}, {1, 2}, bytearray(b'a!'), deque([0, 1]), {'in': {'deep': [1]}})
""",
    ),
    "a list sorted in place keeps its elements' identity": (
        "def f(l): l.sort(key=len)",
        """
a, b = [1, 2], [3]
l = [a, b]
f(l)
assert l[0] is b and l[1] is a
""",
    ),
    "a mutated array comes back mutated, through a view too": (
        "def f(a): a[0] = 7; a *= 2",
        """
import numpy as np
a = np.arange(6.0)
f(a[2:4])
assert a.tolist() == [0, 1, 14, 6, 4, 5]
m = np.zeros((3, 3))
f(m[:, 1])
assert m[:, 1].tolist() == [14, 0, 0]
""",
    ),
    "an array that must not change is seen unchanged or changed": (
        "def f(w): w += 1; return w",
        """
import numpy as np
w = np.zeros(3)
assert f(w) is w
assert not np.array_equal(w, np.zeros(3))
""",
    ),
    "mutated frames and series come back mutated": (
        """
def f(df, s):
    df['c'] = df['a'] * 2; df.loc[0, 'a'] = 9; s.iloc[0] = -1
""",
        """
import pandas as pd
df, s = pd.DataFrame({'a': [1, 2]}), pd.Series([1, 2], name='s')
f(df, s)
assert df.to_dict('list') == {'a': [9, 2], 'c': [2, 4]} and s.tolist() == [-1, 2]
""",
    ),
    "a returned argument is the argument": (
        "def f(x): return x",
        """
l = []
assert f(l) is l and f({'a': l})['a'] is l
""",
    ),
    "the same object passed twice is one object": (
        "def f(a, b): a.append(1); return a is b",
        """
l = []
assert f(l, l) and l == [1]
assert not f([], [])
""",
    ),
    "a list that contains itself crosses": (
        "def f(l): return l[0] is l",
        """
l = []
l.append(l)
assert f(l)
""",
    ),
    "an object of the student's keeps its state": (
        """
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self):
        return self.items.pop()
    def __len__(self): return len(self.items)
""",
        """
s = Stack()
s.push(1); s.push('b')
assert len(s) == 2 and s.items == [1, 'b'] and s.pop() == 'b' and len(s) == 1
s.items.append(5)
assert s.pop() == 5
assert isinstance(s, Stack) and type(s).__name__ == 'Stack' and not isinstance([], Stack)
assert s.items is s.items
""",
    ),
    "attributes are set and deleted": (
        """
class A: pass
def look(a): return vars(a)
""",
        """
a = A()
a.x = 5
assert a.x == 5 and look(a) == {'x': 5} and hasattr(a, 'x')
del a.x
assert not hasattr(a, 'x')
""",
    ),
    "operators of a student's class work, reflected and in place": (
        """
class V:
    def __init__(self, x): self.x = x
    def __add__(self, o): return V(self.x + (o.x if isinstance(o, V) else o))
    __radd__ = __add__
    def __iadd__(self, o): self.x += o; return self
    def __eq__(self, o): return isinstance(o, V) and self.x == o.x
    def __lt__(self, o): return self.x < o.x
    def __hash__(self): return hash(self.x)
    def __neg__(self): return V(-self.x)
    def __getitem__(self, i): return self.x * i
    def __contains__(self, i): return i == self.x
    def __bool__(self): return self.x != 0
    def __matmul__(self, o): return 'mat'
    def __abs__(self): return abs(self.x)
""",
        """
assert V(1) + V(2) == V(3) and V(1) + 2 == V(3) and 2 + V(1) == V(3)
v = V(1); w = v; v += 4
assert v is w and v == V(5) and V(1) != V(2)
assert V(1) < V(2) and not V(3) < V(2) and sorted([V(2), V(1)])[0] == V(1) and max(V(1), V(3)) == V(3)
assert len({V(1), V(1), V(2)}) == 2 and {V(1): 'a'}[V(1)] == 'a'
assert (-V(1)).x == -1 and V(2)[4] == 8 and 2 in V(2) and 3 not in V(2)
assert V(1) and not V(0) and V(1) @ 1 == 'mat' and abs(V(-3)) == 3
""",
    ),
    "items are set and deleted": (
        """
class M:
    def __init__(self): self.d = {}
    def __setitem__(self, k, v): self.d[k] = v
    def __getitem__(self, k): return self.d[k]
    def __delitem__(self, k): del self.d[k]
    def __iter__(self): return iter(self.d)
""",
        """
m = M()
m['a'] = [1]
assert m['a'] == [1] and list(m) == ['a']
del m['a']
try:
    m['a']
except KeyError as e:
    assert e.args == ('a',)
else:
    assert False
""",
    ),
    "generators are lazy, take values and are closed": (
        """
log = []
def g():
    try:
        got = yield 1
        log.append(got)
        yield 2
    finally:
        log.append('closed')
def count():
    n = 0
    while True:
        yield n
        n += 1
""",
        """
from itertools import islice
i = g()
assert next(i) == 1 and log == []
assert i.send('x') == 2 and log == ['x']
i.close()
assert log == ['x', 'closed']
assert list(islice(count(), 3)) == [0, 1, 2]
assert [x for x in g()] == [1, 2]
import types
assert isinstance(count(), types.GeneratorType)
""",
    ),
    "a finished generator hands on its value": (
        """
def g():
    yield 1
    return 'end'
""",
        """
def outer():
    return (yield from g())
o = outer()
assert next(o) == 1
try:
    next(o)
except StopIteration as e:
    assert e.value == 'end'
else:
    assert False
""",
    ),
    "context managers work and see exceptions": (
        """
class C:
    def __enter__(self): self.log = ['in']; return self
    def __exit__(self, kind, error,
        trace): self.log.append(kind.__name__ if kind else None); return kind is KeyError
""",
        """
with C() as c:
    pass
assert c.log == ['in', None]
with C() as c:
    raise KeyError('x')
assert c.log == ['in', 'KeyError']
try:
    with C() as c:
        raise ValueError
except ValueError:
    pass
else:
    assert False
""",
    ),
    "built-in exceptions keep type, message and arguments": (
        """
def f(x):
    if x == 1: raise ValueError('negative', 3)
    if x == 2: return {}['k']
    if x == 3: return 1 / 0
    if x == 4: raise FileNotFoundError(2, 'gone', 'a.txt')
    if x == 5: 'ä'.encode('ascii')
""",
        """
def of(x):
    try:
        f(x)
    except Exception as e:
        return e
assert type(of(1)) is ValueError and of(1).args == ('negative', 3)
assert type(of(2)) is KeyError and str(of(2)) == "'k'"
assert str(of(3)) == 'division by zero'
assert of(4).errno == 2 and of(4).filename == 'a.txt'
assert isinstance(of(5), UnicodeEncodeError) and of(5).start == 0
""",
    ),
    "exception classes of the student's are classes": (
        """
class AppError(Exception): pass
class Poor(AppError, ValueError):
    def __init__(self, need):
        super().__init__(f'need {need}')
        self.need = need
    def doubled(self): return self.need * 2
def f(): raise Poor(7)
""",
        """
try:
    f()
except Poor as e:
    assert e.need == 7 and str(e) == 'need 7' and e.args == ('need 7',) and e.doubled() == 14
else:
    assert False
for kind in (AppError, ValueError, Exception):
    try:
        f()
    except kind as e:
        assert type(e).__name__ == 'Poor'
assert issubclass(Poor, AppError) and Poor.__name__ == 'Poor'
try:
    f()
except KeyError:
    assert False
except Poor:
    pass
assert Poor(3).need == 3
""",
    ),
    "a test's own raises helper works": (
        "def f(x): assert x > 0, 'must be positive'",
        """
class raises:
    def __init__(self, kind): self.kind = kind
    def __enter__(self): return self
    def __exit__(self, kind, error,
        trace): self.value = error; return kind is not None and issubclass(kind, self.kind)
with raises(AssertionError) as caught:
    f(-1)
assert str(caught.value) == 'must be positive'
import unittest
with unittest.TestCase().assertRaisesRegex(AssertionError, 'positive'):
    f(0)
""",
    ),
    "a name is taken away and given back": (
        """
def squares(n): return [i ** 2 for i in range(1, n + 1)]
def total(n): return sum(squares(n))
""",
        """
tmp = squares
del squares
try:
    total(1)
except NameError:
    pass
else:
    raise AssertionError('does not use squares')
squares = tmp
assert squares is tmp and total(3) == 14
""",
    ),
    "a function is replaced by one of the test's": (
        """
def squares(n): return [i ** 2 for i in range(1, n + 1)]
def total(n): return sum(squares(n))
""",
        """
calls = []
old = squares
def squares(n):
    calls.append(n)
    return [100]
assert total(5) == 100 and calls == [5]
squares = old
assert total(2) == 5
""",
    ),
    "a global of the student's is set": (
        """
counter = 0
def up():
    global counter
    counter += 1
    return counter
""",
        """
counter = 10
assert up() == 11 and counter == 11
""",
    ),
    "a global is set from within a test's function": (
        """
rate = 1
def f(): return rate
""",
        """
def change():
    global rate
    rate = 5
change()
assert f() == 5
""",
    ),
    "input and print are replaced for the student's code": (
        "def ask(): return int(input('n? ')) + 1",
        """
input = lambda prompt: '41'
assert ask() == 42
""",
    ),
    "names are looked for": (
        """
x = 1
def f(): pass
""",
        """
assert 'x' in globals() and 'y' not in globals() and 'x' in dir() and globals()['x'] == 1
assert globals().get('zz', 5) == 5
assert 'f' in locals() and callable(f) and not callable(x)
assert eval('x + 1') == 2
exec('z = x + 5')
assert z == 6
""",
    ),
    "callbacks of all kinds work": (
        """
def apply(f, x): return f(x)
def mapped(f, xs): return [f(x) for x in xs]
""",
        """
class K:
    def __init__(self, n=1): self.n = n
    def m(self, x): return x * self.n
def double(x): return 2 * x
assert apply(lambda x: x + 1, 2) == 3 and mapped(double, [1, 2]) == [2, 4] and apply(K(3).m, 4) == 12
assert apply(len, [1, 2]) == 2
assert apply(K, 5).n == 5 and isinstance(apply(K, 5), K)
seen = []
apply(seen.append, 3)
assert seen == [3]
""",
    ),
    "a callback that raises is seen by both": (
        """
def guarded(f):
    try:
        return f()
    except ZeroDivisionError:
        return 'caught'
def bare(f): return f()
""",
        """
class Mine(Exception): pass
def bad(): 1 / 0
error = Mine('x')
def worse(): raise error
assert guarded(bad) == 'caught'
try:
    bare(worse)
except Mine as e:
    assert e is error
else:
    assert False
""",
    ),
    "decorators work": (
        """
import functools
def twice(f):
    @functools.wraps(f)
    def inner(*a, **k):
        return [f(*a, **k), f(*a, **k)]
    return inner
""",
        """
@twice
def hello(x):
    'says'
    return x
assert hello(1) == [1, 1] and hello.__name__ == 'hello' and hello.__doc__ == 'says'
""",
    ),
    "recursion through a test's function works": (
        "def step(f, n): return 1 if n <= 1 else n * f(n - 1)",
        """
def factorial(n): return step(factorial, n)
assert factorial(8) == 40320
""",
    ),
    "an object of a test's class is passed": (
        "def score(model, xs): return sum(model.predict(xs)) / len(xs)",
        """
class Fake:
    def predict(self, xs): return [x * 2 for x in xs]
assert score(Fake(), [1, 2, 3]) == 4
""",
    ),
    "a generator of the test's is consumed by the student": (
        "def f(xs): return list(xs)",
        """
assert f(x * x for x in range(4)) == [0, 1, 4, 9]
assert f(map(str, [1])) == ['1']
""",
    ),
    "printed text is captured by the test": (
        "def hello(): print('hi', 3); import sys; print('oops', file=sys.stderr)",
        """
import io, contextlib
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    hello()
assert out.getvalue() == 'hi 3\\n' and err.getvalue() == 'oops\\n'
""",
    ),
    "a file object is read and written by the student": (
        """
def read(f): return f.read().split()
def write(f): f.write('x')
""",
        """
import io
f = io.StringIO('a b')
assert read(f) == ['a', 'b'] and f.read() == ''
g = io.StringIO()
write(g)
assert g.getvalue() == 'x'
""",
    ),
    "random state set by a test governs the student's code": (
        """
import random, numpy as np
def draw(): return random.random(), np.random.rand()
""",
        """
import random, numpy as np
random.seed(5); np.random.seed(6)
a = draw()
assert a == draw() or True
random.seed(5); np.random.seed(6)
expected = random.random(), np.random.rand()
random.seed(5); np.random.seed(6)
assert draw() == expected == a
""",
    ),
    "library objects are instances of library classes": (
        """
from sklearn.linear_model import LinearRegression
import numpy as np
def fit(): return LinearRegression().fit(np.arange(4).reshape(-1, 1), np.arange(4))
def fresh(): return LinearRegression(fit_intercept=False)
""",
        """
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.base import BaseEstimator
import numpy as np
m = fit()
assert isinstance(m, LinearRegression) and isinstance(m, BaseEstimator) and not isinstance(m, Ridge)
assert np.allclose(m.predict(np.array([[10.0]])), [10]) and np.allclose(m.coef_, [1])
f = fresh()
assert type(f) is LinearRegression and f.fit_intercept is False
""",
    ),
    "signature, source, name and doc are there": (
        """
def f(a, b: int = 2, *, c=None) -> str:
    'doc'
    return a
""",
        """
import inspect
s = inspect.signature(f)
assert list(s.parameters) == ['a', 'b', 'c'] and s.parameters['b'].default == 2
assert s.parameters['b'].annotation is int and s.return_annotation is str
assert f.__name__ == 'f' and f.__doc__ == 'doc' and inspect.getdoc(f) == 'doc' and inspect.isfunction(f)
assert f.__code__.co_argcount == 2 and f.__defaults__ == (2,)
""",
    ),
    "text of an object is the object's": (
        """
class P:
    def __repr__(self): return 'P()'
    def __str__(self): return 'p'
    def __format__(self, how): return how
""",
        """
p = P()
assert repr(p) == 'P()' and str(p) == 'p' and f'{p:>5}' == '>5' and '%s' % p == 'p'
""",
    ),
    "objects are copied": (
        """
class A:
    def __init__(self): self.l = []
""",
        """
import copy
a = A()
b = copy.deepcopy(a)
b.l.append(1)
assert a.l == [] and b.l == [1]
""",
    ),
    "named tuples are named tuples": (
        """
from collections import namedtuple
Point = namedtuple('Point', 'x y')
def f(): return Point(1, 2)
def g(p): return p.x, type(p).__name__
""",
        """
p = f()
assert p == (1, 2) and p.x == 1 and p._fields == ('x', 'y') and isinstance(p, Point)
assert isinstance(p, tuple) and Point(3, 4).y == 4
assert g(p) == (1, 'Point')
""",
    ),
    "dictionary views and tuples keep their kind": (
        "def f(d): return d.keys(), d.items(), tuple(d)",
        """
k, i, t = f({'a': 1})
assert k == {'a'} and list(i) == [('a', 1)] and t == ('a',)
""",
    ),
    "a class with private names and properties works": (
        """
class Account:
    def __init__(self): self._b = 0; self.__secret = 1
    @property
    def balance(self): return self._b
    @balance.setter
    def balance(self, v):
        if v < 0: raise ValueError('negative')
        self._b = v
    @staticmethod
    def s(): return 's'
    @classmethod
    def c(cls): return cls.__name__
""",
        """
a = Account()
a.balance = 5
assert a.balance == 5 and a._b == 5 and Account.s() == 's' and Account.c() == 'Account'
assert a._Account__secret == 1
try:
    a.balance = -1
except ValueError:
    pass
else:
    assert False
assert hasattr(Account, 'balance') and isinstance(vars(Account)['balance'], property) or True
""",
    ),
    "inheritance among the student's classes shows": (
        """
class A: pass
class B(A): pass
""",
        "assert issubclass(B, A) and isinstance(B(), A) and not isinstance(A(), B) and B.__bases__ == (A,)",
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_it_feels_native_that(pair: PlainPair, sentence: str) -> None:
    student, test = CASES[sentence]
    pair.cell(student)
    first = pair.passes(test)
    assert first.asked == tuple(sorted(set(first.asked)))


@pytest.mark.parametrize("sentence", CASES)
def test_what_was_noted_is_enough_that(nursery, sentence: str) -> None:  # noqa: ANN001
    student, test = CASES[sentence]
    with nursery.pair() as noting:
        noting.cell(student)
        asked = noting.passes(test).asked
    with nursery.pair() as graded:
        graded.cell(student)
        again = graded.passes(test, allowed=asked)
    assert set(again.asked) <= set(asked)
    assert again.status is RunStatus.OK
