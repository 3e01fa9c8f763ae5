"""Every kind of plain data crosses both ways and stays what it is."""

import pytest

from tests.runtime.checker.pairs import PlainPair

COPY = """
import copy
def again(x): return copy.deepcopy(x)
def given(x): return x
def kind(x): return type(x).__name__
"""
IMPORTS = """
import collections, datetime as dt, decimal, fractions, math, pathlib, uuid, zoneinfo, io
import numpy as np, pandas as pd, scipy.sparse as sp
def same(a, b):
    if isinstance(a, float) and math.isnan(a): return math.isnan(b)
    return type(a) is type(b) and a == b
"""
PLAIN = """
values = [None, True, 0, -1, 2**62, 2**63, -2**63, 2**64, 10**500, -10**500, 1.5, -0.0, float('inf'),
    float('nan'), 1e-320, 1j, complex(float('nan'), -0.0).imag,
  '', 'ascii', '두리', '\\ud800', 'x' * 70000, '\\x00', b'', b'\\xff' * 10, bytearray(b'a'), [],
    [1] * 100, [1.5] * 100, [True] * 100, [2**70] * 20, list('ab') * 20,
  (), (1, (2, (3,))), tuple(range(50)), {1, 2}, frozenset({(1, 2)}), {'a': {'b': [1]}}, {1: 2,
    (1, 2): 3,
      None: 4, True: 5}, range(3), range(10, 0, -2), slice(1, None, 2), ..., NotImplemented,
  collections.OrderedDict(b=1, a=2), collections.defaultdict(list,
      {'a': [1]}), collections.defaultdict(None, {1: 2}), collections.Counter('aab'),
    collections.deque([1, 2], maxlen=3), collections.deque(),
  dt.datetime(2026, 1, 2, 3, 4, 5, 6), dt.date(2026, 1, 2), dt.time(1, 2, 3), dt.timedelta(days=-1,
      microseconds=5), dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc), dt.datetime(2026, 10, 25, 2,
    30, fold=1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')),
  dt.timezone(dt.timedelta(hours=9),
      'KST'), zoneinfo.ZoneInfo('Asia/Seoul'), decimal.Decimal('1.10'),
    decimal.Decimal('NaN').is_nan(), decimal.Decimal('-Infinity'), fractions.Fraction(10**30, 3),
    uuid.UUID(int=5), pathlib.Path('/a/b'), pathlib.PurePosixPath('x'),
  int, str, ValueError, dict, type(None) is None]
for value in values:
    got = again(value)
    assert same(value, got), (value, got)
    if isinstance(value, dict): assert list(value) == list(got)
d = again(collections.defaultdict(list)); d['x'].append(1)
assert d == {'x': [1]} and again(collections.deque([1], maxlen=3)).maxlen == 3
assert again(dt.datetime(2026, 10, 25, 2, 30, fold=1)).fold == 1 and math.copysign(1, again(-0.0)) == -1
assert list(again(collections.OrderedDict(b=1, a=2))) == ['b', 'a']
s = again(io.StringIO('abc')); assert s.read() == 'abc'
"""
ARRAYS = """
arrays = [np.arange(5), np.zeros((0, 3)), np.array(5), np.array([True, False]), np.array(['a', '두리']),
    np.array([b'x', b'yy']), np.array([1.5, np.nan, np.inf]), np.array([1 + 2j]),
  np.array(['2026-01-01', 'NaT'], dtype='M8[D]'), np.array([1, 2], dtype='m8[ns]'), np.arange(6,
      dtype='>i4').reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2,
          3)), np.arange(10)[::2], np.arange(4, dtype='f2'),
  np.array([(1, 2.5, 'x')], dtype=[('a', 'i4'), ('b', 'f8'), ('c', 'U3')]),
    np.array([1, 'a', None, [1]],
      dtype=object), np.array([{'k': 1}], dtype=object), np.zeros((2, 2, 2), dtype='u1'), np.array([(1,
          [1, 2])], dtype=[('a', 'i8'), ('m', 'i4', (2,))])]
for a in arrays:
    got = again(a)
    assert type(got) is np.ndarray and got.dtype == a.dtype and got.shape == a.shape, (a, got)
    np.testing.assert_array_equal(got, a)
    got.flags.writeable and got.size and got.fill(got.flat[0])
for x in [np.float64(1.5), np.float32(1.1), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True),
    np.complex128(1j), np.str_('a'), np.bytes_(b'a'), np.datetime64('2026-01-01'), np.timedelta64(5,
        's'), np.float64('nan'), np.longdouble(1.5)]:
    got = again(x)
    assert type(got) is type(x) and (got == x or x != x), (x, got)
m = again(np.ma.array([1, 2, 3], mask=[0, 1, 0], fill_value=9))
assert isinstance(m, np.ma.MaskedArray) and m.tolist() == [1, None, 3] and m.fill_value == 9
for form in ('csr', 'csc', 'coo', 'bsr', 'dia', 'lil', 'dok'):
    for made in (sp.random(4, 6, 0.5, format=form, random_state=1), getattr(sp,
        form + '_array')(np.eye(3))):
        got = again(made)
        assert type(got) is type(made) and got.dtype == made.dtype
        assert np.array_equal(got.toarray(), made.toarray())
assert again(np.dtype('f4')) == np.dtype('f4') and given(np.sum) is np.sum and given(np.add) is np.add
assert given(math.sqrt) is math.sqrt
assert kind(np.sum) == kind(np.mean) and kind(np.arange(2)) == 'ndarray'
rng = np.random.default_rng(1)
assert again(np.arange(6).reshape(2, 3)[:, 1]).tolist() == [1, 4]
"""
TABLES = """
i = pd.date_range('2026-01-01', periods=3, freq='D')
series = [pd.Series([1, 2, 3]), pd.Series([1.5, np.nan], name='n', index=['a', 'b']), pd.Series(['a',
    None, 'c']), pd.Series([1, 'a', None, [1]], dtype=object), pd.Series([True, False]), pd.Series([],
    dtype=float),
  pd.Series(i), pd.Series(i, index=i), pd.Series(pd.date_range('2026-01-01', periods=3,
      tz='Asia/Seoul')), pd.Series(pd.to_timedelta([1,
          2], unit='s')), pd.Series(['a', 'b', 'a'], dtype='category'),
  pd.Series(pd.Categorical(['lo', 'hi', None], categories=['lo', 'hi'], ordered=True)), pd.Series([1,
      None], dtype='Int64'), pd.Series([1.5, None], dtype='Float32'), pd.Series([True, None],
    dtype='boolean'), pd.Series(['a', None], dtype='string'),
  pd.Series(pd.period_range('2026-01', periods=2, freq='M')), pd.Series(pd.interval_range(0,
      3)), pd.Series([1, 2], index=pd.MultiIndex.from_tuples([('a', 1), ('b', 2)], names=['x',
          None])), pd.Series([1], index=pd.RangeIndex(5, 6, name='r'), dtype='i2')]
for s in series:
    got = again(s)
    pd.testing.assert_series_equal(got, s)
    if len(s): pd.testing.assert_frame_equal(again(s.to_frame('col')), s.to_frame('col'))
frames = [pd.DataFrame(), pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': pd.Categorical(['u', 'v']),
    'd': i[:2]}), pd.DataFrame(np.eye(3), columns=list('abc')), pd.DataFrame(np.eye(2), columns=['a',
    'a']),
  pd.DataFrame({'a': [[1], [2]]}), pd.DataFrame({('a', 1): [1], ('b',
      2): [2]}), pd.DataFrame({'a': [1]}).iloc[:0], pd.DataFrame(index=[1, 2]), pd.DataFrame({0: [1],
    'x': [2.0]})]
for f in frames:
    pd.testing.assert_frame_equal(again(f), f)
indexes = [pd.Index([1, 2]), pd.Index(['a', 'b'], name='n'), i, pd.RangeIndex(3),
    pd.MultiIndex.from_product([['a', 'b'], [1,
        2]]), pd.CategoricalIndex(['a']), pd.period_range('2026-01', periods=2, freq='M'),
    pd.interval_range(0, 2), pd.timedelta_range('1D', periods=2), pd.Index([1.5, None])]
for x in indexes:
    pd.testing.assert_index_equal(again(x), x)
for x in [pd.Timestamp('2026-01-02 03:04:05.678901234'), pd.Timestamp('2026-01-01', tz='Asia/Seoul'),
    pd.Timedelta('1 days 2 hours'), pd.Period('2026-01', 'M'), pd.Interval(0, 1,
        closed='left'), pd.CategoricalDtype(['a'], ordered=True), pd.Int64Dtype()]:
    got = again(x)
    assert type(got) is type(x) and got == x, (x, got)
assert again(pd.NaT) is pd.NaT and again(pd.NA) is pd.NA
class Sub(pd.DataFrame): pass
shared = [1]
got = again({'a': shared, 'b': shared})
assert got['a'] is got['b']
loop = again([]); loop.append(loop); g = again(loop)
assert g[0] is g
"""


@pytest.mark.parametrize("code", [PLAIN, ARRAYS, TABLES], ids=["plain", "arrays", "tables"])
def test_values_cross_both_ways_and_stay_what_they_are(pair: PlainPair, code: str) -> None:
    pair.cell(COPY)
    done = pair.passes(IMPORTS + code)
    graded = pair.passes(IMPORTS + code, allowed=())
    assert not [one for one in done.asked if not one.startswith("setname")], done.asked
    assert graded.error is None


def test_values_of_unusual_kinds_stay_handles_and_come_back_themselves(pair: PlainPair) -> None:
    pair.cell(
        """
import numpy as np, re, threading
rng = np.random.default_rng(3)
lock = threading.Lock()
pattern = re.compile('a')
def same(x, name): return x is globals()[name]
"""
    )
    pair.passes(
        """
assert same(rng, 'rng') and same(lock, 'lock') and same(pattern, 'pattern')
assert 0 <= rng.random() < 1 and pattern.match('ab').group() == 'a'
"""
    )


def test_children_of_plain_types_are_their_value(pair: PlainPair) -> None:
    pair.cell(
        """
class F(float):
    def __eq__(self, o): return True
    def __hash__(self): return 1
    def __add__(self, o): return 'evil'
    def __float__(self): return 9.9
class S(str):
    def __eq__(self, o): return True
    def __hash__(self): return 1
    def __str__(self): return 'evil'
class L(list):
    def __eq__(self, o): return True
    def __len__(self): return 99
    def __iter__(self): return iter('evil')
class D(dict):
    def __eq__(self, o): return True
    def __getitem__(self, k): return 1
class T(tuple):
    def __eq__(self, o): return True
def f(): return F(1.5), S('x'), L([1]), D(a=2), T((1,))
"""
    )
    done = pair.passes(
        """
f_, s, l, d, t = f()
assert type(f_) is float and f_ == 1.5 and f_ != 2
assert type(s) is str and s == 'x' and s != 'y'
assert type(l) is list and l == [1] and len(l) == 1
assert type(d) is dict and d == {'a': 2}
assert type(t) is tuple and t == (1,)
""",
        allowed=(),
    )
    assert done.error is None


def test_instances_of_an_authors_class_are_data(pair: PlainPair) -> None:
    pair.locked(
        """
from dataclasses import dataclass
import enum
class Node:
    __slots__ = ('next', 'value')
    def __init__(self, value, next=None): self.value, self.next = value, next
    def walk(self):
        while self:
            yield self.value
            self = self.next
@dataclass(frozen=True)
class P:
    x: int
    y: list
class Colour(enum.Enum):
    RED = 1
class Rude(ValueError): pass
"""
    )
    pair.cell(
        """
def build(n):
    node = None
    for i in range(n): node = Node(i, node)
    return node
def grow(node): node.value = 'new'; node.next = node
def p(): return P(1, [2])
def red(c): return c is Colour.RED and Colour.RED
def rude(): raise Rude('x')
def evil():
    n = Node(1); Node.walk = lambda self: ['evil']; return n
"""
    )
    pair.passes(
        """
assert list(build(500).walk()) == list(range(499, -1, -1)) and type(build(1)) is Node
n = Node(1)
grow(n)
assert n.value == 'new' and n.next is n
assert p() == P(1, [2]) and red(Colour.RED) is Colour.RED
try:
    rude()
except Rude as e:
    assert type(e) is Rude and e.args == ('x',)
assert list(evil().walk()) == [1]
""",
        allowed=("mutates",),
    )


@pytest.mark.parametrize("value", ["'x' * (1 << 29)", "[[i] for i in range(10 ** 6 + 5)]", "nested(5000)"])
def test_what_is_too_large_is_an_error_of_the_call_and_no_more(pair: PlainPair, value: str) -> None:
    pair.cell(
        f"def f(): return {value}\ndef g(): return 1\ndef nested(n):\n    t = ()\n"
        "    for _ in range(n): t = (t,)\n    return t"
    )
    done = pair.passes(
        """
try:
    f()
except TypeError as e:
    assert 'too' in str(e), e
else:
    assert False
assert g() == 1
"""
    )
    assert done.error is None
