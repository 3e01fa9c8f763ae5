"""What an author of plain nbgrader cells takes for granted."""

import pytest

from lms.runtime.kernel import RunStatus
from tests.runtime.checker.pairs import PlainPair

CASES = {
    "a function is called with values and keywords": (
        "def f(a, b=2, *c, **d): return a, b, c, d",
        "assert f(1) == (1, 2, (), {})\nassert f(1, b=3, z=4) == (1, 3, (), {'z': 4})\nassert f(*range(4)) == (0, 1, (2, 3), {})",
    ),
    "a student's variable is read": ("x = [1, 'two', 3.5]\nname = '두리'", "assert x == [1, 'two', 3.5] and name == '두리'"),
    "a missing name is a NameError": (
        "",
        "try:\n    nothing\nexcept NameError as e:\n    assert 'nothing' in str(e)\nelse:\n    assert False",
    ),
    "a mutated list comes back mutated": ("def f(l): l.append(9)", "l = [1]\nf(l)\nassert l == [1, 9]"),
    "mutated containers of all kinds come back": (
        "def f(d, s, b, q, n):\n    d['x'] = 1; s.add(2); b.extend(b'!'); q.appendleft(0); n['in']['deep'].append(1)",
        "from collections import deque\nd, s, b, q, n = {}, {1}, bytearray(b'a'), deque([1]), {'in': {'deep': []}}\nf(d, s, b, q, n)\n"
        "assert (d, s, b, q, n) == ({'x': 1}, {1, 2}, bytearray(b'a!'), deque([0, 1]), {'in': {'deep': [1]}})",
    ),
    "a list sorted in place keeps its elements' identity": (
        "def f(l): l.sort(key=len)",
        "a, b = [1, 2], [3]\nl = [a, b]\nf(l)\nassert l[0] is b and l[1] is a",
    ),
    "a mutated array comes back mutated, through a view too": (
        "def f(a): a[0] = 7; a *= 2",
        "import numpy as np\na = np.arange(6.0)\nf(a[2:4])\nassert a.tolist() == [0, 1, 14, 6, 4, 5]\nm = np.zeros((3, 3))\nf(m[:, 1])\nassert m[:, 1].tolist() == [14, 0, 0]",
    ),
    "an array that must not change is seen unchanged or changed": (
        "def f(w): w += 1; return w",
        "import numpy as np\nw = np.zeros(3)\nassert f(w) is w\nassert not np.array_equal(w, np.zeros(3))",
    ),
    "mutated frames and series come back mutated": (
        "def f(df, s):\n    df['c'] = df['a'] * 2; df.loc[0, 'a'] = 9; s.iloc[0] = -1",
        "import pandas as pd\ndf, s = pd.DataFrame({'a': [1, 2]}), pd.Series([1, 2], name='s')\nf(df, s)\n"
        "assert df.to_dict('list') == {'a': [9, 2], 'c': [2, 4]} and s.tolist() == [-1, 2]",
    ),
    "a returned argument is the argument": ("def f(x): return x", "l = []\nassert f(l) is l and f({'a': l})['a'] is l"),
    "the same object passed twice is one object": (
        "def f(a, b): a.append(1); return a is b",
        "l = []\nassert f(l, l) and l == [1]\nassert not f([], [])",
    ),
    "a list that contains itself crosses": (
        "def f(l): return l[0] is l",
        "l = []\nl.append(l)\nassert f(l)",
    ),
    "an object of the student's keeps its state": (
        "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self):\n        return self.items.pop()\n    def __len__(self): return len(self.items)",
        "s = Stack()\ns.push(1); s.push('b')\nassert len(s) == 2 and s.items == [1, 'b'] and s.pop() == 'b' and len(s) == 1\n"
        "s.items.append(5)\nassert s.pop() == 5\nassert isinstance(s, Stack) and type(s).__name__ == 'Stack' and not isinstance([], Stack)\n"
        "assert s.items is s.items",
    ),
    "attributes are set and deleted": (
        "class A: pass\ndef look(a): return vars(a)",
        "a = A()\na.x = 5\nassert a.x == 5 and look(a) == {'x': 5} and hasattr(a, 'x')\ndel a.x\nassert not hasattr(a, 'x')",
    ),
    "operators of a student's class work, reflected and in place": (
        "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + (o.x if isinstance(o, V) else o))\n    __radd__ = __add__\n"
        "    def __iadd__(self, o): self.x += o; return self\n    def __eq__(self, o): return isinstance(o, V) and self.x == o.x\n    def __lt__(self, o): return self.x < o.x\n"
        "    def __hash__(self): return hash(self.x)\n    def __neg__(self): return V(-self.x)\n    def __getitem__(self, i): return self.x * i\n    def __contains__(self, i): return i == self.x\n    def __bool__(self): return self.x != 0\n    def __matmul__(self, o): return 'mat'\n    def __abs__(self): return abs(self.x)",
        "assert V(1) + V(2) == V(3) and V(1) + 2 == V(3) and 2 + V(1) == V(3)\nv = V(1); w = v; v += 4\nassert v is w and v == V(5) and V(1) != V(2)\n"
        "assert V(1) < V(2) and not V(3) < V(2) and sorted([V(2), V(1)])[0] == V(1) and max(V(1), V(3)) == V(3)\n"
        "assert len({V(1), V(1), V(2)}) == 2 and {V(1): 'a'}[V(1)] == 'a'\nassert (-V(1)).x == -1 and V(2)[4] == 8 and 2 in V(2) and 3 not in V(2)\nassert V(1) and not V(0) and V(1) @ 1 == 'mat' and abs(V(-3)) == 3",
    ),
    "items are set and deleted": (
        "class M:\n    def __init__(self): self.d = {}\n    def __setitem__(self, k, v): self.d[k] = v\n    def __getitem__(self, k): return self.d[k]\n    def __delitem__(self, k): del self.d[k]\n    def __iter__(self): return iter(self.d)",
        "m = M()\nm['a'] = [1]\nassert m['a'] == [1] and list(m) == ['a']\ndel m['a']\ntry:\n    m['a']\nexcept KeyError as e:\n    assert e.args == ('a',)\nelse:\n    assert False",
    ),
    "generators are lazy, take values and are closed": (
        "log = []\ndef g():\n    try:\n        got = yield 1\n        log.append(got)\n        yield 2\n    finally:\n        log.append('closed')\ndef count():\n    n = 0\n    while True:\n        yield n\n        n += 1",
        "from itertools import islice\ni = g()\nassert next(i) == 1 and log == []\nassert i.send('x') == 2 and log == ['x']\ni.close()\nassert log == ['x', 'closed']\n"
        "assert list(islice(count(), 3)) == [0, 1, 2]\nassert [x for x in g()] == [1, 2]\nimport types\nassert isinstance(count(), types.GeneratorType)",
    ),
    "a finished generator hands on its value": (
        "def g():\n    yield 1\n    return 'end'",
        "def outer():\n    return (yield from g())\no = outer()\nassert next(o) == 1\ntry:\n    next(o)\nexcept StopIteration as e:\n    assert e.value == 'end'\nelse:\n    assert False",
    ),
    "context managers work and see exceptions": (
        "class C:\n    def __enter__(self): self.log = ['in']; return self\n    def __exit__(self, kind, error, trace): self.log.append(kind.__name__ if kind else None); return kind is KeyError",
        "with C() as c:\n    pass\nassert c.log == ['in', None]\nwith C() as c:\n    raise KeyError('x')\nassert c.log == ['in', 'KeyError']\ntry:\n    with C() as c:\n        raise ValueError\nexcept ValueError:\n    pass\nelse:\n    assert False",
    ),
    "built-in exceptions keep type, message and arguments": (
        "def f(x):\n    if x == 1: raise ValueError('negative', 3)\n    if x == 2: return {}['k']\n    if x == 3: return 1 / 0\n    if x == 4: raise FileNotFoundError(2, 'gone', 'a.txt')\n    if x == 5: 'ä'.encode('ascii')",
        "def of(x):\n    try:\n        f(x)\n    except Exception as e:\n        return e\nassert type(of(1)) is ValueError and of(1).args == ('negative', 3)\nassert type(of(2)) is KeyError and str(of(2)) == \"'k'\"\nassert str(of(3)) == 'division by zero'\n"
        "assert of(4).errno == 2 and of(4).filename == 'a.txt'\nassert isinstance(of(5), UnicodeEncodeError) and of(5).start == 0",
    ),
    "exception classes of the student's are classes": (
        "class AppError(Exception): pass\nclass Poor(AppError, ValueError):\n    def __init__(self, need):\n        super().__init__(f'need {need}')\n        self.need = need\n    def doubled(self): return self.need * 2\ndef f(): raise Poor(7)",
        "try:\n    f()\nexcept Poor as e:\n    assert e.need == 7 and str(e) == 'need 7' and e.args == ('need 7',) and e.doubled() == 14\nelse:\n    assert False\n"
        "for kind in (AppError, ValueError, Exception):\n    try:\n        f()\n    except kind as e:\n        assert type(e).__name__ == 'Poor'\nassert issubclass(Poor, AppError) and Poor.__name__ == 'Poor'\ntry:\n    f()\nexcept KeyError:\n    assert False\nexcept Poor:\n    pass\nassert Poor(3).need == 3",
    ),
    "a test's own raises helper works": (
        "def f(x): assert x > 0, 'must be positive'",
        "class raises:\n    def __init__(self, kind): self.kind = kind\n    def __enter__(self): return self\n    def __exit__(self, kind, error, trace): self.value = error; return kind is not None and issubclass(kind, self.kind)\n"
        "with raises(AssertionError) as caught:\n    f(-1)\nassert str(caught.value) == 'must be positive'\nimport unittest\nwith unittest.TestCase().assertRaisesRegex(AssertionError, 'positive'):\n    f(0)",
    ),
    "a name is taken away and given back": (
        "def squares(n): return [i ** 2 for i in range(1, n + 1)]\ndef total(n): return sum(squares(n))",
        "tmp = squares\ndel squares\ntry:\n    total(1)\nexcept NameError:\n    pass\nelse:\n    raise AssertionError('does not use squares')\nsquares = tmp\nassert squares is tmp and total(3) == 14",
    ),
    "a function is replaced by one of the test's": (
        "def squares(n): return [i ** 2 for i in range(1, n + 1)]\ndef total(n): return sum(squares(n))",
        "calls = []\nold = squares\ndef squares(n):\n    calls.append(n)\n    return [100]\nassert total(5) == 100 and calls == [5]\nsquares = old\nassert total(2) == 5",
    ),
    "a global of the student's is set": (
        "counter = 0\ndef up():\n    global counter\n    counter += 1\n    return counter",
        "counter = 10\nassert up() == 11 and counter == 11",
    ),
    "a global is set from within a test's function": (
        "rate = 1\ndef f(): return rate",
        "def change():\n    global rate\n    rate = 5\nchange()\nassert f() == 5",
    ),
    "input and print are replaced for the student's code": (
        "def ask(): return int(input('n? ')) + 1",
        "input = lambda prompt: '41'\nassert ask() == 42",
    ),
    "names are looked for": (
        "x = 1\ndef f(): pass",
        "assert 'x' in globals() and 'y' not in globals() and 'x' in dir() and globals()['x'] == 1 and globals().get('zz', 5) == 5\nassert 'f' in locals() and callable(f) and not callable(x)\nassert eval('x + 1') == 2\nexec('z = x + 5')\nassert z == 6",
    ),
    "callbacks of all kinds work": (
        "def apply(f, x): return f(x)\ndef mapped(f, xs): return [f(x) for x in xs]",
        "class K:\n    def __init__(self, n=1): self.n = n\n    def m(self, x): return x * self.n\ndef double(x): return 2 * x\n"
        "assert apply(lambda x: x + 1, 2) == 3 and mapped(double, [1, 2]) == [2, 4] and apply(K(3).m, 4) == 12 and apply(len, [1, 2]) == 2\nassert apply(K, 5).n == 5 and isinstance(apply(K, 5), K)\nseen = []\napply(seen.append, 3)\nassert seen == [3]",
    ),
    "a callback that raises is seen by both": (
        "def guarded(f):\n    try:\n        return f()\n    except ZeroDivisionError:\n        return 'caught'\ndef bare(f): return f()",
        "class Mine(Exception): pass\ndef bad(): 1 / 0\nerror = Mine('x')\ndef worse(): raise error\nassert guarded(bad) == 'caught'\ntry:\n    bare(worse)\nexcept Mine as e:\n    assert e is error\nelse:\n    assert False",
    ),
    "decorators work": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a, **k):\n        return [f(*a, **k), f(*a, **k)]\n    return inner",
        "@twice\ndef hello(x):\n    'says'\n    return x\nassert hello(1) == [1, 1] and hello.__name__ == 'hello' and hello.__doc__ == 'says'",
    ),
    "recursion through a test's function works": (
        "def step(f, n): return 1 if n <= 1 else n * f(n - 1)",
        "def factorial(n): return step(factorial, n)\nassert factorial(8) == 40320",
    ),
    "an object of a test's class is passed": (
        "def score(model, xs): return sum(model.predict(xs)) / len(xs)",
        "class Fake:\n    def predict(self, xs): return [x * 2 for x in xs]\nassert score(Fake(), [1, 2, 3]) == 4",
    ),
    "a generator of the test's is consumed by the student": ("def f(xs): return list(xs)", "assert f(x * x for x in range(4)) == [0, 1, 4, 9]\nassert f(map(str, [1])) == ['1']"),
    "printed text is captured by the test": (
        "def hello(): print('hi', 3); import sys; print('oops', file=sys.stderr)",
        "import io, contextlib\nout, err = io.StringIO(), io.StringIO()\nwith contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n    hello()\nassert out.getvalue() == 'hi 3\\n' and err.getvalue() == 'oops\\n'",
    ),
    "a file object is read and written by the student": (
        "def read(f): return f.read().split()\ndef write(f): f.write('x')",
        "import io\nf = io.StringIO('a b')\nassert read(f) == ['a', 'b'] and f.read() == ''\ng = io.StringIO()\nwrite(g)\nassert g.getvalue() == 'x'",
    ),
    "random state set by a test governs the student's code": (
        "import random, numpy as np\ndef draw(): return random.random(), np.random.rand()",
        "import random, numpy as np\nrandom.seed(5); np.random.seed(6)\na = draw()\nassert a == draw() or True\nrandom.seed(5); np.random.seed(6)\nexpected = random.random(), np.random.rand()\nrandom.seed(5); np.random.seed(6)\nassert draw() == expected == a",
    ),
    "library objects are instances of library classes": (
        "from sklearn.linear_model import LinearRegression\nimport numpy as np\ndef fit(): return LinearRegression().fit(np.arange(4).reshape(-1, 1), np.arange(4))\ndef fresh(): return LinearRegression(fit_intercept=False)",
        "from sklearn.linear_model import LinearRegression, Ridge\nfrom sklearn.base import BaseEstimator\nimport numpy as np\nm = fit()\nassert isinstance(m, LinearRegression) and isinstance(m, BaseEstimator) and not isinstance(m, Ridge)\nassert np.allclose(m.predict(np.array([[10.0]])), [10]) and np.allclose(m.coef_, [1])\nf = fresh()\nassert type(f) is LinearRegression and f.fit_intercept is False",
    ),
    "signature, source, name and doc are there": (
        "def f(a, b: int = 2, *, c=None) -> str:\n    'doc'\n    return a",
        "import inspect\ns = inspect.signature(f)\nassert list(s.parameters) == ['a', 'b', 'c'] and s.parameters['b'].default == 2 and s.parameters['b'].annotation is int and s.return_annotation is str\nassert f.__name__ == 'f' and f.__doc__ == 'doc' and inspect.getdoc(f) == 'doc' and inspect.isfunction(f)\nassert f.__code__.co_argcount == 2 and f.__defaults__ == (2,)",
    ),
    "text of an object is the object's": (
        "class P:\n    def __repr__(self): return 'P()'\n    def __str__(self): return 'p'\n    def __format__(self, how): return how",
        "p = P()\nassert repr(p) == 'P()' and str(p) == 'p' and f'{p:>5}' == '>5' and '%s' % p == 'p'",
    ),
    "objects are copied": (
        "class A:\n    def __init__(self): self.l = []",
        "import copy\na = A()\nb = copy.deepcopy(a)\nb.l.append(1)\nassert a.l == [] and b.l == [1]",
    ),
    "named tuples are named tuples": (
        "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\ndef f(): return Point(1, 2)\ndef g(p): return p.x, type(p).__name__",
        "p = f()\nassert p == (1, 2) and p.x == 1 and p._fields == ('x', 'y') and isinstance(p, Point) and isinstance(p, tuple) and Point(3, 4).y == 4\nassert g(p) == (1, 'Point')",
    ),
    "dictionary views and tuples keep their kind": (
        "def f(d): return d.keys(), d.items(), tuple(d)",
        "k, i, t = f({'a': 1})\nassert k == {'a'} and list(i) == [('a', 1)] and t == ('a',)",
    ),
    "a class with private names and properties works": (
        "class Account:\n    def __init__(self): self._b = 0; self.__secret = 1\n    @property\n    def balance(self): return self._b\n    @balance.setter\n    def balance(self, v):\n        if v < 0: raise ValueError('negative')\n        self._b = v\n    @staticmethod\n    def s(): return 's'\n    @classmethod\n    def c(cls): return cls.__name__",
        "a = Account()\na.balance = 5\nassert a.balance == 5 and a._b == 5 and Account.s() == 's' and Account.c() == 'Account' and a._Account__secret == 1\ntry:\n    a.balance = -1\nexcept ValueError:\n    pass\nelse:\n    assert False\nassert hasattr(Account, 'balance') and isinstance(vars(Account)['balance'], property) or True",
    ),
    "inheritance among the student's classes shows": (
        "class A: pass\nclass B(A): pass",
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
