"""Tables in the codec: pandas' series, frames, indexes, times and extension arrays."""

import sys
from collections.abc import Callable
from typing import Any

from lms.runtime.inside.alike import habit
from lms.runtime.inside.arrays import inline, library, read_inline
from lms.runtime.inside.codec import (
    MOST_VALUES,
    READERS,
    SHELVES,
    Decoder,
    Encoder,
    Node,
    Reader,
    Rule,
    exact,
)
from lms.runtime.inside.frames import ProtocolError, TooLarge

UNITS = {"s", "ms", "us", "ns"}
SEPARATOR = "\0"
MASKED = {f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {
    "Float32",
    "Float64",
    "boolean",
}


# Columns: any array that a series, a frame or an index holds.


def _column(encoder: Encoder, value: Any) -> Node:
    """Write an array of pandas or of NumPy."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    if type(value) is pandas.arrays.NumpyExtensionArray:  # text has children of it
        value = value.to_numpy()
    dtype = value.dtype
    if isinstance(dtype, numpy.dtype):
        return inline(encoder, numpy.asarray(value))
    for kind, write in (
        (pandas.CategoricalDtype, _categories),
        (pandas.DatetimeTZDtype, _moments),
        (pandas.PeriodDtype, _periods),
        (pandas.IntervalDtype, _intervals),
        (pandas.StringDtype, _strings),
    ):
        if isinstance(dtype, kind):
            return write(encoder, value)
    if dtype.name in MASKED:
        return _nullable(encoder, value)
    raise TooLarge(f"columns of type {dtype.name} cannot pass")


def _categories(encoder: Encoder, value: Any) -> Node:
    return ["pd.cat", inline(encoder, value.codes), _index(encoder, value.categories), bool(value.ordered)]


def _moments(encoder: Encoder, value: Any) -> Node:
    numpy = sys.modules["numpy"]
    stamps = numpy.asarray(value.asi8, dtype="<i8")
    return ["pd.tz", inline(encoder, stamps), value.unit, encoder.node(str(value.tz))]


def _periods(encoder: Encoder, value: Any) -> Node:
    return ["pd.period", inline(encoder, value.asi8), value.freqstr]


def _intervals(encoder: Encoder, value: Any) -> Node:
    return [
        "pd.interval",
        _column(encoder, value.left.array),
        _column(encoder, value.right.array),
        value.closed,
    ]


def _strings(encoder: Encoder, value: Any) -> Node:
    numpy, pandas = sys.modules["numpy"], sys.modules["pandas"]
    texts = numpy.asarray(value, dtype=object).tolist()
    return ["pd.str", value.dtype.storage, value.dtype.na_value is pandas.NA, _texts(encoder, texts, value)]


def _texts(encoder: Encoder, texts: list[Any], value: Any) -> Node:
    """Write texts in one piece, or, where some are missing or hold the separator, one by one."""
    try:
        joined = SEPARATOR.join(texts)
    except TypeError:
        gone = sys.modules["pandas"].isna(value)
        return encoder.nodes([None if one else str(text) for text, one in zip(texts, gone, strict=True)])
    if joined.count(SEPARATOR) != len(texts) - 1:
        return encoder.nodes(map(str, texts))
    return encoder.buffer(joined.encode(errors="surrogatepass"))


def _read_texts(decoder: Decoder, node: Node) -> list[Any]:
    if type(node) is not int:
        return decoder.nodes(node)
    joined = decoder.buffer(node).decode(errors="surrogatepass")
    if joined.count(SEPARATOR) > MOST_VALUES:
        raise ProtocolError("a value is too large")
    return joined.split(SEPARATOR)


def _nullable(encoder: Encoder, value: Any) -> Node:
    plain = value.to_numpy(dtype=value.dtype.numpy_dtype, na_value=0)
    return ["pd.null", value.dtype.name, inline(encoder, plain), inline(encoder, value.isna())]


def _read_column(decoder: Decoder, node: Node) -> Any:
    if exact(node, list)[0] in COLUMNS:
        return COLUMNS[node[0]](decoder, node)
    return read_inline(decoder, node)


def _read_categories(decoder: Decoder, node: list[Any]) -> Any:
    _, codes, categories, ordered = node
    known = _read_index(decoder, categories)
    return library("pandas").Categorical.from_codes(read_inline(decoder, codes), known, exact(ordered, bool))


def _read_moments(decoder: Decoder, node: list[Any]) -> Any:
    _, stamps, unit, zone = node
    plain = read_inline(decoder, stamps).view(f"M8[{_unit(unit)}]")
    return (
        library("pandas")
        .DatetimeIndex(plain)
        .tz_localize("UTC")
        .tz_convert(exact(decoder.node(zone), str))
        .array
    )


def _read_periods(decoder: Decoder, node: list[Any]) -> Any:
    _, ordinals, frequency = node
    made = library("pandas").PeriodIndex.from_ordinals(
        read_inline(decoder, ordinals), freq=exact(frequency, str)
    )
    return made.array


def _read_intervals(decoder: Decoder, node: list[Any]) -> Any:
    _, left, right, closed = node
    left, right = _read_column(decoder, left), _read_column(decoder, right)
    return library("pandas").arrays.IntervalArray.from_arrays(left, right, closed=exact(closed, str))


def _read_strings(decoder: Decoder, node: list[Any]) -> Any:
    _, storage, marked, texts = node
    pandas = library("pandas")
    if storage not in {"python", "pyarrow"}:
        raise ProtocolError("no such text")
    missing = pandas.NA if exact(marked, bool) else float("nan")
    dtype = pandas.StringDtype(storage, na_value=missing)
    return pandas.array(_read_texts(decoder, texts), dtype=dtype)


def _read_nullable(decoder: Decoder, node: list[Any]) -> Any:
    _, name, plain, gone = node
    arrays, content, mask = library("pandas").arrays, read_inline(decoder, plain), read_inline(decoder, gone)
    if name not in MASKED or content.shape != mask.shape or mask.dtype.kind != "b":
        raise ProtocolError("a column contradicts itself")
    kinds = {"b": arrays.BooleanArray, "f": arrays.FloatingArray}
    return kinds.get(content.dtype.kind, arrays.IntegerArray)(content, mask)


COLUMNS: dict[str, Callable[[Decoder, list[Any]], Any]] = {
    "pd.cat": _read_categories,
    "pd.tz": _read_moments,
    "pd.period": _read_periods,
    "pd.interval": _read_intervals,
    "pd.str": _read_strings,
    "pd.null": _read_nullable,
}


def _unit(value: Any) -> str:
    if value not in UNITS:
        raise ProtocolError("no such unit of time")
    return str(value)


# Indexes.


def _index(encoder: Encoder, value: Any) -> Node:
    pandas = sys.modules["pandas"]
    if type(value) is pandas.RangeIndex:
        return ["pd.range", value.start, value.stop, value.step, encoder.node(value.name)]
    if type(value) is pandas.MultiIndex:
        levels = [_index(encoder, one) for one in value.levels]
        codes = [inline(encoder, sys.modules["numpy"].asarray(one)) for one in value.codes]
        return ["pd.multi", levels, codes, encoder.nodes(value.names)]
    frequency = getattr(value, "freqstr", None) if not isinstance(value, pandas.PeriodIndex) else None
    return ["pd.index", _column(encoder, value.array), encoder.node(value.name), frequency]


def _read_index(decoder: Decoder, node: Node) -> Any:
    pandas = library("pandas")
    if exact(node, list)[0] == "pd.range":
        _, start, stop, step, name = node
        return pandas.RangeIndex(*[exact(one, int) for one in (start, stop, step)], name=decoder.node(name))
    if node[0] == "pd.multi":
        _, levels, codes, names = node
        levels = [_read_index(decoder, one) for one in exact(levels, list)]
        codes = [read_inline(decoder, one) for one in exact(codes, list)]
        return pandas.MultiIndex(levels, codes, names=decoder.nodes(names), verify_integrity=True)
    tag, column, name, frequency = node
    if tag != "pd.index":
        raise ProtocolError("expected an index")
    made = pandas.Index(_read_column(decoder, column), name=decoder.node(name), copy=False)
    if frequency is not None:
        made.freq = exact(frequency, str)
    return made


# Series and frames.


def _series(encoder: Encoder, value: Any) -> Node:
    return [
        "pd.series",
        _column(encoder, value.array),
        _index(encoder, value.index),
        encoder.node(value.name),
    ]


def _read_series(decoder: Decoder, node: list[Any]) -> Any:
    _, column, index, name = node
    column, index = _read_column(decoder, column), _read_index(decoder, index)
    return library("pandas").Series(column, index=index, name=decoder.node(name), dtype=column.dtype)


def _frame(encoder: Encoder, value: Any) -> Node:
    numpy = sys.modules["numpy"]
    kinds = set(value.dtypes)
    columns, index = _index(encoder, value.columns), _index(encoder, value.index)
    if len(kinds) == 1 and isinstance(next(iter(kinds)), numpy.dtype) and next(iter(kinds)).kind in "biuf":
        return ["pd.frame", columns, index, inline(encoder, value.to_numpy())]
    parts = [_column(encoder, value.iloc[:, place].array) for place in range(value.shape[1])]
    return ["pd.frame", columns, index, ["pd.columns", parts]]


def _read_frame(decoder: Decoder, node: list[Any]) -> Any:
    _, columns, index, content = node
    pandas = library("pandas")
    columns, index = _read_index(decoder, columns), _read_index(decoder, index)
    if exact(content, list)[0] != "pd.columns":
        return pandas.DataFrame(read_inline(decoder, content), index=index, columns=columns)
    parts = [_read_column(decoder, one) for one in exact(content[1], list)]
    if len(parts) != len(columns) or any(len(one) != len(index) for one in parts):
        raise ProtocolError("a table contradicts itself")
    # an array of objects would be looked through for what else it might be
    made = [pandas.Series(one, index=index, dtype=one.dtype) if one.dtype == "O" else one for one in parts]
    frame = pandas.DataFrame(dict(enumerate(made)), index=index)
    frame.columns = columns
    return frame


def _written(value: Any) -> bool:
    """Say whether a table, column or index holds nothing but what can be written."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    dtypes = value.dtypes if isinstance(value, pandas.DataFrame) else [value.dtype]
    known = (pandas.CategoricalDtype, pandas.DatetimeTZDtype, pandas.PeriodDtype, pandas.IntervalDtype,
             pandas.StringDtype, numpy.dtype)  # fmt: skip
    return all(isinstance(one, known) or one.name in MASKED for one in dtypes)


# Single values.


def _stamp(encoder: Encoder, value: Any) -> Node:
    zone = None if value.tz is None else encoder.node(str(value.tz))
    return ["pd.stamp", encoder.node(int(value.asm8.view("i8"))), value.unit, zone]


def _read_stamp(decoder: Decoder, node: list[Any]) -> Any:
    _, number, unit, zone = node
    plain = library("numpy").datetime64(exact(number, int), _unit(unit))
    stamp = library("pandas").Timestamp(plain)
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(exact(decoder.node(zone), str))


def _span(encoder: Encoder, value: Any) -> Node:
    return ["pd.span", encoder.node(int(value.asm8.view("i8"))), value.unit]


def _read_span(_: Decoder, node: list[Any]) -> Any:
    return library("pandas").Timedelta(library("numpy").timedelta64(exact(node[1], int), _unit(node[2])))


def _read_period(_: Decoder, node: list[Any]) -> Any:
    _, ordinal, frequency = node
    return library("pandas").Period(ordinal=exact(ordinal, int), freq=exact(frequency, str))


def _read_interval(decoder: Decoder, node: list[Any]) -> Any:
    left, right, closed = decoder.nodes(node[1:])
    return library("pandas").Interval(left, right, exact(closed, str))


def _dtype(encoder: Encoder, value: Any) -> Node:
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.CategoricalDtype):
        known = None if value.categories is None else _index(encoder, value.categories)
        return ["pd.catdtype", known, value.ordered]
    return ["pd.dtype", str(value)]


def _read_dtype(_: Decoder, node: list[Any]) -> Any:
    pandas = library("pandas")
    found = pandas.api.types.pandas_dtype(exact(node[1], str)[:100])
    if not isinstance(found, pandas.api.extensions.ExtensionDtype):
        raise ProtocolError("no such column type")
    return found


def _read_category_type(decoder: Decoder, node: list[Any]) -> Any:
    known = None if node[1] is None else _read_index(decoder, node[1])
    return library("pandas").CategoricalDtype(known, node[2])


def _pandas(kind: type) -> Rule | None:
    pandas = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    rules: dict[Any, Rule] = {
        pandas.Series: Rule(_series, habit(_series), _written),
        pandas.DataFrame: Rule(_frame, habit(_frame), _written),
        pandas.MultiIndex: Rule(_index),
        pandas.Timestamp: Rule(_stamp),
        pandas.Timedelta: Rule(_span),
        pandas.Period: Rule(lambda _, value: ["pd.oneperiod", value.ordinal, value.freqstr]),
        pandas.Interval: Rule(
            lambda e, value: ["pd.oneinterval", *e.nodes((value.left, value.right, value.closed))]
        ),
        type(pandas.NaT): Rule(lambda _, __: ["pd.nat"]),
        type(pandas.NA): Rule(lambda _, __: ["pd.na"]),
    }
    if kind not in rules and kind.__module__.partition(".")[0] == "pandas":
        if issubclass(kind, pandas.Index):
            return Rule(_index, fits=_written)
        if issubclass(kind, pandas.api.extensions.ExtensionArray):
            return Rule(_column, fits=_written)
        if issubclass(kind, pandas.api.extensions.ExtensionDtype):
            return Rule(_dtype)
    return rules.get(kind)


READERS.update({
    "pd.series": Reader(_read_series, lambda *_: None, 3),
    "pd.frame": Reader(_read_frame, lambda *_: None, 3),
    "pd.index": Reader(_read_index),
    "pd.range": Reader(_read_index),
    "pd.multi": Reader(_read_index),
    **{tag: Reader(read) for tag, read in COLUMNS.items()},
    "pd.stamp": Reader(_read_stamp),
    "pd.span": Reader(_read_span),
    "pd.oneperiod": Reader(_read_period),
    "pd.oneinterval": Reader(_read_interval),
    "pd.nat": Reader(lambda _, __: library("pandas").NaT),
    "pd.na": Reader(lambda _, __: library("pandas").NA),
    "pd.dtype": Reader(_read_dtype),
    "pd.catdtype": Reader(_read_category_type),
})  # fmt: skip
SHELVES["pandas"] = _pandas
