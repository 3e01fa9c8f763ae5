"""Python's own values in the codec: numbers, text, containers, times."""

import array
import collections
import datetime as dt
import decimal
import fractions
import io
import itertools
import operator
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from lms.runtime.inside.codec import (
    MANY,
    READERS,
    RULES,
    TEXT_IN_PLACE,
    Decoder,
    Encoder,
    Node,
    Reader,
    Rule,
    exact,
)
from lms.runtime.inside.frames import ProtocolError
from lms.runtime.inside.twins import Habit

SMALL_BITS = 63
INTEGER_BYTES = 1 << 20
FACTORIES: dict[str, Callable[[], Any]] = {
    kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool, bytes, complex, frozenset)
}
VIEWS: dict[str, Callable[[dict[Any, Any]], Any]] = {
    "keys": dict.keys,
    "values": dict.values,
    "items": dict.items,
}


def _integer(encoder: Encoder, value: int) -> Node:
    if value.bit_length() <= SMALL_BITS:
        return value
    return ["I", encoder.buffer(value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))]


def _read_integer(decoder: Decoder, node: list[Any]) -> int:
    content = decoder.buffer(node[1])
    if len(content) > INTEGER_BYTES:
        raise ProtocolError("a number is too large")
    return int.from_bytes(content, "little", signed=True)


def _text(encoder: Encoder, value: str) -> Node:
    if len(value) <= TEXT_IN_PLACE:
        return value
    return ["s", encoder.buffer(value.encode(errors="surrogatepass"))]


def _items(encoder: Encoder, values: Any) -> Node:
    """Write the elements of a sequence, numbers packed."""
    kinds = set(map(type, values)) if len(values) >= MANY else set()
    if kinds == {float}:
        return encoder.buffer(memoryview(array.array("d", values)).cast("B"))
    if kinds == {int}:
        try:
            return ["q", encoder.buffer(memoryview(array.array("q", values)).cast("B"))]
        except OverflowError:
            return encoder.nodes(values)
    return encoder.nodes(values)


def _read_items(decoder: Decoder, node: Any) -> list[Any]:
    if type(node) is int:
        return _unpacked("d", decoder.buffer(node))
    if node[:1] == ["q"]:
        return _unpacked("q", decoder.buffer(node[1]))
    return decoder.nodes(node)


def _unpacked(code: str, content: bytearray) -> list[Any]:
    numbers = array.array(code)
    numbers.frombytes(content)
    return numbers.tolist()


def _pairs(encoder: Encoder, value: Any) -> Node:
    return encoder.nodes(itertools.chain.from_iterable(dict.items(value)))


def _read_pairs(decoder: Decoder, node: Any) -> list[tuple[Any, Any]]:
    flat = decoder.nodes(node)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _slice(encoder: Encoder, value: slice) -> Node:
    return ["slice", *encoder.nodes((value.start, value.stop, value.step))]


def _moment(encoder: Encoder, value: dt.datetime) -> Node:
    return ["moment", value.replace(tzinfo=None).isoformat(), value.fold, encoder.node(value.tzinfo)]


def _read_moment(decoder: Decoder, node: list[Any]) -> dt.datetime:
    _, text, fold, zone = node
    zone = decoder.node(zone)
    return dt.datetime.fromisoformat(exact(text, str)).replace(fold=fold, tzinfo=zone)


def _time(encoder: Encoder, value: dt.time) -> Node:
    return ["time", value.replace(tzinfo=None).isoformat(), value.fold, encoder.node(value.tzinfo)]


def _read_time(decoder: Decoder, node: list[Any]) -> dt.time:
    _, text, fold, zone = node
    return dt.time.fromisoformat(exact(text, str)).replace(fold=fold, tzinfo=decoder.node(zone))


def _offset(encoder: Encoder, value: dt.timezone) -> Node:
    delta = value.utcoffset(None)
    name = value.tzname(None)
    return ["offset", encoder.node(delta), None if value == dt.UTC else name]


def _read_offset(decoder: Decoder, node: list[Any]) -> dt.timezone:
    _, delta, name = node
    delta = decoder.node(delta)
    if name is None:
        return dt.UTC
    plain = dt.timezone(delta)
    return plain if plain.tzname(None) == name else dt.timezone(delta, exact(name, str))


def _path(kind: type[pathlib.PurePath]) -> Rule:
    return Rule(lambda _, value: ["path", kind.__name__, str(value)])


def _read_path(_: Decoder, node: list[Any]) -> pathlib.PurePath:
    kind = {one.__name__: one for one in PATHS}[node[1]]
    return kind(exact(node[2], str))


PATHS: tuple[type[pathlib.PurePath], ...] = (
    type(pathlib.Path()), pathlib.PurePosixPath, pathlib.PureWindowsPath,
)  # fmt: skip


def _view(kind: str) -> Rule:
    return Rule(lambda encoder, value: ["view", kind, encoder.node(_viewed(kind, value))])


def _viewed(kind: str, value: Any) -> dict[Any, Any]:
    if kind == "keys":
        return dict.fromkeys(value)
    return dict(value) if kind == "items" else dict(enumerate(value))


def _zone(_: Encoder, value: zoneinfo.ZoneInfo) -> Node:
    return ["zone", value.key]


READERS.update({
    "I": Reader(_read_integer),
    "s": Reader(lambda d, n: d.buffer(n[1]).decode(errors="surrogatepass")),
    "c": Reader(lambda _, n: complex(exact(n[1], float), exact(n[2], float))),
    "b": Reader(lambda d, n: bytes(d.buffer(n[1]))),
    "t": Reader(lambda d, n: tuple(_read_items(d, n[1]))),
    "z": Reader(lambda d, n: frozenset(d.nodes(n[1]))),
    "range": Reader(lambda d, n: range(*[exact(one, int) for one in d.nodes(n[1:])])),
    "slice": Reader(lambda d, n: slice(*d.nodes(n[1:]))),
    "...": Reader(lambda _, __: Ellipsis),
    "N": Reader(lambda _, __: NotImplemented),
    "moment": Reader(_read_moment),
    "date": Reader(lambda _, n: dt.date.fromisoformat(exact(n[1], str))),
    "time": Reader(_read_time),
    "span": Reader(lambda _, n: dt.timedelta(*[exact(one, int) for one in n[1:]])),
    "zone": Reader(lambda _, n: zoneinfo.ZoneInfo(exact(n[1], str))),
    "offset": Reader(_read_offset),
    "decimal": Reader(lambda _, n: decimal.Decimal(exact(n[1], str))),
    "fraction": Reader(lambda d, n: fractions.Fraction(*[exact(one, int) for one in d.nodes(n[1:])])),
    "uuid": Reader(lambda _, n: uuid.UUID(exact(n[1], str))),
    "path": Reader(_read_path),
    "view": Reader(lambda d, n: VIEWS[n[1]](exact(d.node(n[2]), dict))),
})  # fmt: skip

RULES.update({
    int: Rule(_integer),
    float: Rule(lambda _, value: value),
    str: Rule(_text),
    complex: Rule(lambda _, value: ["c", value.real, value.imag]),
    bytes: Rule(lambda encoder, value: ["b", encoder.buffer(value)]),
    tuple: Rule(lambda encoder, value: ["t", _items(encoder, value)]),
    frozenset: Rule(lambda encoder, value: ["z", encoder.nodes(value)]),
    range: Rule(lambda encoder, value: ["range", *encoder.nodes((value.start, value.stop, value.step))]),
    slice: Rule(_slice),
    type(Ellipsis): Rule(lambda _, __: ["..."]),
    type(NotImplemented): Rule(lambda _, __: ["N"]),
    dt.datetime: Rule(_moment),
    dt.date: Rule(lambda _, value: ["date", value.isoformat()]),
    dt.time: Rule(_time),
    dt.timedelta: Rule(lambda _, value: ["span", value.days, value.seconds, value.microseconds]),
    dt.timezone: Rule(_offset),
    zoneinfo.ZoneInfo: Rule(_zone),
    decimal.Decimal: Rule(lambda _, value: ["decimal", str(value)]),
    fractions.Fraction: Rule(lambda e, value: ["fraction", *e.nodes((value.numerator, value.denominator))]),
    uuid.UUID: Rule(lambda _, value: ["uuid", value.hex]),
    **{kind: _path(kind) for kind in PATHS},
    type({}.keys()): _view("keys"),
    type({}.values()): _view("values"),
    type({}.items()): _view("items"),
})  # fmt: skip


# Mutable containers.


def _same_parts(parts: tuple[Any, ...], seen: tuple[Any, ...]) -> bool:
    return len(parts) == len(seen) and all(map(operator.is_, parts, seen))


def _parts(value: Any) -> tuple[Any, ...]:
    return (*value.keys(), *value.values())


def _refill(value: Any, new: Any) -> None:
    value.clear()
    value.update(new)


def _recount(value: collections.Counter[Any], new: collections.Counter[Any]) -> None:
    value.clear()
    dict.update(value, new)


def _relist(value: list[Any], new: list[Any]) -> None:
    value[:] = new


def _requeue(value: collections.deque[Any], new: collections.deque[Any]) -> None:
    value.clear()
    value.extend(new)


def _rewrite(value: Any, new: Any) -> None:
    value.seek(0)
    value.truncate()
    value.write(new.getvalue())
    value.seek(new.tell())


def _file_again(value: Any) -> Any:
    again = type(value)(value.getvalue())
    again.seek(value.tell())
    return again


def _weigh(value: Any) -> int:
    return 16 * len(value) + 64


MAPPING = Habit(_parts, lambda value, seen: _same_parts(_parts(value), seen), _refill, _weigh)
COUNTER = Habit(MAPPING.look, MAPPING.same, _recount, _weigh)
SEQUENCE = Habit(tuple, lambda value, seen: _same_parts(tuple(value), seen), _relist, _weigh)
SET = Habit(frozenset, lambda value, seen: set(map(id, value)) == set(map(id, seen)), _refill, _weigh)
QUEUE = Habit(tuple, lambda value, seen: _same_parts(tuple(value), seen), _requeue, _weigh)
BYTES = Habit(bytes, lambda value, seen: value == seen, _relist, len)
FILE = Habit(
    lambda value: (value.getvalue(), value.tell()),
    lambda value, seen: (value.getvalue(), value.tell()) == seen,
    _rewrite,
    lambda value: len(value.getvalue()),
    _file_again,
)


def _fill_mapping(decoder: Decoder, value: Any, node: list[Any]) -> None:
    for key, one in _read_pairs(decoder, node[-1]):
        dict.__setitem__(value, key, one)


def _queue(encoder: Encoder, value: collections.deque[Any]) -> Node:
    return ["deque", value.maxlen, encoder.nodes(value)]


def _default(encoder: Encoder, value: collections.defaultdict[Any, Any]) -> Node:
    factory = value.default_factory
    name = getattr(factory, "__name__", None)
    if factory is None or (isinstance(name, str) and FACTORIES.get(name) is factory):
        return ["defaultdict", None if factory is None else name, None, _pairs(encoder, value)]
    return ["defaultdict", None, encoder.node(factory), _pairs(encoder, value)]


def _make_default(decoder: Decoder, node: list[Any]) -> collections.defaultdict[Any, Any]:
    _, name, foreign, _ = node
    factory = FACTORIES[exact(name, str)] if name is not None else decoder.node(foreign)
    return collections.defaultdict(factory)


def _file(kind: type[io.StringIO] | type[io.BytesIO]) -> Reader:
    def fill(decoder: Decoder, value: Any, node: list[Any]) -> None:
        value.write(exact(decoder.node(node[1]), str if kind is io.StringIO else bytes))
        value.seek(exact(node[2], int))

    return Reader(lambda _, __: kind(), fill)


def _write_file(tag: str) -> Callable[[Encoder, Any], Node]:
    return lambda encoder, value: [tag, encoder.node(value.getvalue()), value.tell()]


READERS.update({
    "l": Reader(lambda _, __: [], lambda d, value, n: value.extend(_read_items(d, n[1]))),
    "d": Reader(lambda _, __: {}, _fill_mapping, 2),
    "set": Reader(lambda _, __: set(), lambda d, value, n: value.update(d.nodes(n[1])), 2),
    "a": Reader(lambda d, n: bytearray(d.buffer(n[1])), lambda *_: None),
    "deque": Reader(
        lambda _, n: collections.deque(maxlen=None if n[1] is None else exact(n[1], int)),
        lambda d, value, n: value.extend(d.nodes(n[2])),
    ),
    "ordered": Reader(
        lambda _, __: collections.OrderedDict(), lambda d, value, n: value.update(_read_pairs(d, n[1])), 2
    ),
    "counter": Reader(lambda _, __: collections.Counter(), _fill_mapping, 2),
    "defaultdict": Reader(_make_default, _fill_mapping, 2),
    "io": _file(io.StringIO),
    "iob": _file(io.BytesIO),
})  # fmt: skip

RULES.update({
    list: Rule(lambda encoder, value: ["l", _items(encoder, value)], SEQUENCE),
    dict: Rule(lambda encoder, value: ["d", _pairs(encoder, value)], MAPPING),
    set: Rule(lambda encoder, value: ["set", encoder.nodes(value)], SET),
    bytearray: Rule(lambda encoder, value: ["a", encoder.buffer(bytes(value))], BYTES),
    collections.deque: Rule(_queue, QUEUE),
    collections.OrderedDict: Rule(
        lambda e, value: ["ordered", e.nodes(itertools.chain(*value.items()))], MAPPING
    ),
    collections.Counter: Rule(lambda encoder, value: ["counter", _pairs(encoder, value)], COUNTER),
    collections.defaultdict: Rule(_default, MAPPING),
    io.StringIO: Rule(_write_file("io"), FILE),
    io.BytesIO: Rule(_write_file("iob"), FILE),
})  # fmt: skip
