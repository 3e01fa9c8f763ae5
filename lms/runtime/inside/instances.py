"""Instances that cross as data: of an author's classes, named tuples, children of plain types, estimators."""

import collections
import decimal
import enum
import keyword
import operator
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lms.runtime.inside.codec import READERS, Decoder, Encoder, Node, Reader, Rule, exact
from lms.runtime.inside.finding import NOTEBOOK, TEXT, find
from lms.runtime.inside.frames import ProtocolError
from lms.runtime.inside.twins import Habit

HEAP = 1 << 9  # of type.__flags__: made by a class statement
MOST_FIELDS = 255
MOST_SHAPES = 2_000
_shapes: dict[tuple[str, tuple[str, ...]], type] = {}


# Instances of classes that a locked cell defines: both sides have the class, only attributes cross.


def rule(value: object, locked: Mapping[str, Any]) -> Rule | None:
    """Return how an instance of an author's class, or a named tuple, crosses."""
    kind = type(value)
    if is_shape(kind):
        return NAMED
    mine = kind.__module__ == NOTEBOOK and locked.get(kind.__name__) is kind
    return INSTANCE if mine and _simple(kind) else None


def _simple(kind: type) -> bool:
    """Say whether instances hold nothing but attributes."""
    plain = all(one is object or one.__flags__ & HEAP for one in kind.__mro__)
    return plain and not issubclass(kind, (enum.Enum, type))


def _slots(kind: type) -> Iterator[str]:
    for one in kind.__mro__:
        names = vars(one).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in {"__dict__", "__weakref__"}:
                mangled = name.startswith("__") and not name.endswith("__")
                yield f"_{one.__name__.lstrip('_')}{name}" if mangled else name


def _attributes(value: Any) -> list[tuple[str, Any]]:
    absent = object()
    found = [(name, getattr(value, name, absent)) for name in _slots(type(value))]
    held = [(name, one) for name, one in found if one is not absent]
    return held + list(getattr(value, "__dict__", {}).items())


def _write(encoder: Encoder, value: Any) -> Node:
    held = [[str(name), encoder.node(one)] for name, one in _attributes(value)]
    return ["o", type(value).__name__, held]


def _make(decoder: Decoder, node: list[Any]) -> Any:
    kind = decoder.foreign.locked_class(exact(node[1], str))
    if kind is None or not _simple(kind):
        raise ProtocolError("no such class in a locked cell")
    return object.__new__(kind)


def _fill(decoder: Decoder, value: Any, node: list[Any]) -> None:
    slots = set(_slots(type(value)))
    for name, one in exact(node[2], list):
        if exact(name, str) in slots:
            object.__setattr__(value, name, decoder.node(one))
        else:
            value.__dict__[name] = decoder.node(one)


def _flat(value: Any) -> tuple[Any, ...]:
    held = _attributes(value)
    return (*(sys.intern(str(name)) for name, _ in held), *(one for _, one in held))


def _same(value: Any, seen: tuple[Any, ...]) -> bool:
    now = _flat(value)
    return len(now) == len(seen) and all(map(operator.is_, now, seen))


def _become(value: Any, new: Any) -> None:
    getattr(value, "__dict__", {}).clear()
    slots = set(_slots(type(value)))
    kept = dict(_attributes(new))
    for name in slots - kept.keys():
        if hasattr(value, name):
            object.__delattr__(value, name)
    for name, one in kept.items():
        if name in slots:
            object.__setattr__(value, name, one)
        else:
            value.__dict__[name] = one


def _again(value: Any) -> Any:
    again = object.__new__(type(value))
    _become(again, value)
    return again


INSTANCE = Rule(_write, Habit(_flat, _same, _become, lambda value: 64 + 16 * len(_attributes(value)), _again))
READERS["o"] = Reader(_make, _fill, 0)


# Named tuples: the same fields and the same name make the same class.


def is_shape(kind: type) -> bool:
    """Say whether a class is a named tuple and nothing more."""
    fields = vars(kind).get("_fields")
    if not (issubclass(kind, tuple) and isinstance(fields, tuple)):
        return False
    more = {name for name in vars(kind) if not name.startswith("_")} - set(fields)
    return not more and tuple in kind.__bases__


def shape_node(kind: Any) -> Node:
    """Write the class of a named tuple."""
    return ["shape", kind.__name__, list(kind._fields)]


def read_shape(decoder: Decoder, node: list[Any]) -> Any:
    """Read the class of a named tuple."""
    name, fields = exact(node[1], str), tuple(exact(one, str) for one in exact(node[2], list))
    known = decoder.foreign.locked_class(name)
    if known is not None and is_shape(known) and known._fields == fields:
        return known
    if len(fields) > MOST_FIELDS or len(_shapes) > MOST_SHAPES:
        raise ProtocolError("a named tuple is too large")
    if not all(
        one.isidentifier() and not keyword.iskeyword(one) and len(one) <= TEXT for one in (name, *fields)
    ):
        raise ProtocolError("a named tuple has a field that is no name")
    if (name, fields) not in _shapes:
        _shapes[name, fields] = collections.namedtuple(name, fields)  # noqa: PYI024  # by name
    return _shapes[name, fields]


def _read_named(decoder: Decoder, node: list[Any]) -> Any:
    kind = read_shape(decoder, node)
    values = decoder.nodes(node[3])
    if len(values) != len(kind._fields):
        raise ProtocolError("a named tuple has another number of fields")
    return tuple.__new__(kind, values)


NAMED = Rule(lambda encoder, value: ["named", *shape_node(type(value))[1:], encoder.nodes(value)])
READERS["named"] = Reader(_read_named)
READERS["shape"] = Reader(read_shape)


# Children of plain types are no more than their value.


def as_plain(value: Any) -> Any:
    """Return the value of an instance of a child of a plain type; None if it is none."""
    makers: tuple[tuple[type, Any], ...] = (
        (int, lambda: int.__add__(value, 0)),
        (float, lambda: float.__add__(value, 0.0)),
        (complex, lambda: complex.__add__(value, 0j)),
        (str, lambda: str.__str__(value)),
        (bytes, lambda: bytes.__getitem__(value, slice(None))),
        (decimal.Decimal, lambda: decimal.Decimal.__copy__(value)),
    )
    for kind, make in makers:
        if isinstance(value, kind):
            made = make()
            return made if type(made) is kind else None
    return _as_table(value)


def as_container(value: Any) -> Any:
    """Return the content of an instance of a child of a plain container; None if it is none."""
    makers: tuple[tuple[type, Any], ...] = (
        (list, lambda: list.__getitem__(value, slice(None))),
        (tuple, lambda: tuple.__getitem__(value, slice(None))),
        (dict, lambda: dict(dict.items(value))),
        (set, lambda: set.union(set(), value)),
        (frozenset, lambda: frozenset.union(frozenset(), value)),
    )
    return next((make() for kind, make in makers if isinstance(value, kind)), None)


def _as_table(value: Any) -> Any:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.ndarray) and not isinstance(value, numpy.ma.MaskedArray):
        return numpy.ndarray.view(value, numpy.ndarray) if type(value) is not numpy.ndarray else None
    for kind in () if pandas is None else (pandas.DataFrame, pandas.Series):
        if isinstance(value, kind) and type(value) is not kind:
            return kind(value)
    return None


# Estimators that have learnt nothing yet are a class and parameters.


def estimator_node(encoder: Encoder, value: Any) -> Node:
    """Write an estimator; None if the value is none, or has learnt something."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    if base is None or not isinstance(value, base) or not type(value).__module__.startswith("sklearn."):
        return None
    if any(name.endswith("_") and not name.startswith("_") for name in vars(value)):
        return None
    chosen = [[name, encoder.node(one)] for name, one in value.get_params(deep=False).items()]
    return ["estimator", type(value).__module__, type(value).__qualname__, chosen]


def estimator(decoder: Decoder, node: list[Any]) -> Any:
    """Read an estimator; None if its class is not imported here."""
    _, module, name, chosen = node
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    found = find(exact(module, str), exact(name, str)) if module.startswith("sklearn.") else None
    if base is None or not (isinstance(found, type) and issubclass(found, base)):
        return None
    return found(**{exact(key, str): decoder.node(one) for key, one in chosen})
