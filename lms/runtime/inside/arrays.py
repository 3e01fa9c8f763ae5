"""Arrays in the codec: NumPy's, SciPy's sparse ones, PyTorch's tensors, where the library is imported."""

import importlib
import math
import sys
from typing import Any

from lms.runtime.inside.codec import READERS, SHELVES, Decoder, Encoder, Node, Reader, Rule, exact
from lms.runtime.inside.frames import ProtocolError, TooLarge
from lms.runtime.inside.twins import Habit

RAW = "biufcSUmM"  # kinds of elements that are plain bytes
MOST_DIMENSIONS = 64
MOST_ELEMENTS = 1 << 30
MOST_FIELDS = 1_000
SPARSE = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")


def library(name: str) -> Any:
    """Return a library whose values the codec knows, imported now if it was not yet.

    The names stand in this package; nobody on the line chooses them. A test's own cells need not import
    what the values of a student's function are made of.

    Raises:
        ProtocolError: the environment has none.
    """
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except ImportError:
        raise ProtocolError(f"{name} is not installed") from None


# Element types.


def type_node(dtype: Any) -> Node:
    """Write an element type; None if it holds anything but plain bytes or objects."""
    if dtype.names is not None:
        fields = [_field(dtype, name) for name in dtype.names]
        return None if None in fields else ["V", fields]
    if dtype.subdtype is not None:
        return None
    return dtype.str if dtype.kind in RAW or dtype.kind == "O" else None


def _field(dtype: Any, name: str) -> Node:
    kind, shape = dtype.fields[name][0], ()
    if kind.subdtype is not None:
        kind, shape = kind.subdtype
    inner = type_node(kind)
    return None if inner is None or "O" in str(inner) else [name, inner, list(shape)]


def read_type(node: Node) -> Any:
    """Read an element type."""
    numpy = library("numpy")
    if isinstance(node, str):
        dtype = numpy.dtype(node)
        if len(node) > 64 or dtype.kind not in RAW + "O" or dtype.names or dtype.subdtype:  # noqa: PLR2004
            raise ProtocolError("no such element type")
        return dtype
    tag, fields = node
    if tag != "V" or len(fields) > MOST_FIELDS:
        raise ProtocolError("no such element type")
    return numpy.dtype(
        [(exact(name, str), read_type(inner), shape_of(shape)) for name, inner, shape in fields]
    )


def shape_of(node: Node) -> tuple[int, ...]:
    """Read a shape."""
    shape = tuple(exact(one, int) for one in exact(node, list))
    if len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0 or math.prod(shape) > MOST_ELEMENTS:
        raise ProtocolError("no such shape")
    return shape


# Arrays and scalars.


def _array(encoder: Encoder, value: Any) -> Node:
    if value.dtype.kind == "O":
        return ["objects", list(value.shape), encoder.nodes(value.ravel().tolist())]
    return ["array", type_node(value.dtype), list(value.shape), encoder.buffer(_bytes(value))]


def inline(encoder: Encoder, value: Any) -> Node:
    """Write an array that is a part of another value, not a twin of its own."""
    if type_node(value.dtype) is None:
        raise TooLarge("an array inside of another value cannot be written")
    return _array(encoder, value)


def read_inline(decoder: Decoder, node: Node) -> Any:
    """Read an array that is a part of another value."""
    if exact(node, list)[0] == "array":
        return _read_array(decoder, node)
    if node[0] != "objects":
        raise ProtocolError("expected an array")
    made = _make_objects(decoder, node)
    _fill_array(decoder, made, node)
    return made


def _bytes(value: Any) -> Any:
    numpy = sys.modules["numpy"]
    if value.dtype.names is not None:
        value = value.astype(read_type(type_node(value.dtype)))
    tight = numpy.ascontiguousarray(value)
    if tight.dtype.kind in "mMSU" or tight.dtype.names is not None or tight.size == 0:
        return tight.tobytes()
    return memoryview(tight.reshape(-1).view(numpy.uint8))


def _read_array(decoder: Decoder, node: list[Any]) -> Any:
    _, kind, shape, number = node
    dtype, shape, content = read_type(kind), shape_of(shape), decoder.buffer(number)
    if dtype.hasobject or dtype.itemsize * math.prod(shape) != len(content):
        raise ProtocolError("an array has another size than its bytes")
    numpy = library("numpy")
    if not content:
        return numpy.zeros(shape, dtype)
    return numpy.frombuffer(content, dtype).reshape(shape)


def _make_objects(_: Decoder, node: list[Any]) -> Any:
    shape = shape_of(node[1])
    if math.prod(shape) != len(exact(node[2], list)):
        raise ProtocolError("an array has another size than its elements")
    return library("numpy").empty(shape, dtype=object)


def _fill_array(decoder: Decoder, value: Any, node: list[Any]) -> None:
    if node[0] == "objects":
        elements = decoder.nodes(node[2])
        value.reshape(-1)[:] = library("numpy").fromiter(elements, dtype=object, count=len(elements))


def _scalar(_: Encoder, value: Any) -> Node:
    dtype = value.dtype
    if dtype.str == "<f8":
        return ["f8", float(value)]
    if dtype.kind == "b":
        return ["np?", bool(value)]
    return ["np", dtype.str, value.tobytes().hex()]


def _read_scalar(_: Decoder, node: list[Any]) -> Any:
    dtype, content = read_type(exact(node[1], str)), bytes.fromhex(node[2])
    if dtype.kind == "O" or dtype.itemsize != len(content):
        raise ProtocolError("a number has another size than its type")
    numpy = library("numpy")
    return numpy.frombuffer(content, dtype)[0] if content else numpy.zeros((), dtype)[()]


def _masked(encoder: Encoder, value: Any) -> Node:
    numpy = sys.modules["numpy"]
    fill = None if value.dtype.names is not None else numpy.asarray(value.fill_value)[()]
    mask = numpy.ma.getmaskarray(value)
    return ["masked", inline(encoder, value.data), inline(encoder, mask), encoder.node(fill)]


def _read_masked(decoder: Decoder, node: list[Any]) -> Any:
    numpy = library("numpy")
    _, content, mask, fill = node
    content, mask = read_inline(decoder, content), read_inline(decoder, mask)
    return numpy.ma.MaskedArray(content, mask=mask, fill_value=decoder.node(fill))


def _dtype(encoder: Encoder, value: Any) -> Node:
    del encoder
    return ["dtype", type_node(value)]


def _look(value: Any) -> Any:
    if value.dtype.hasobject:
        return (value.shape, value.dtype, tuple(value.ravel().tolist()))
    return (value.shape, value.dtype, value.copy())


def _same(value: Any, seen: Any) -> bool:
    shape, dtype, content = seen
    if value.shape != shape or value.dtype != dtype:
        return False
    if not dtype.hasobject:
        return _same_bytes(value, content)
    return all(one is other for one, other in zip(value.ravel().tolist(), content, strict=True))


def _same_bytes(value: Any, content: Any) -> bool:
    numpy = sys.modules["numpy"]
    if (
        value.dtype.isbuiltin != 1
        or value.nbytes % 8
        or not (value.flags.c_contiguous and content.flags.c_contiguous)
    ):
        return bool(value.tobytes() == content.tobytes())
    return bool((value.reshape(-1).view(numpy.uint64) == content.reshape(-1).view(numpy.uint64)).all())


def _become(value: Any, new: Any) -> None:
    if value.shape != new.shape:
        value.resize(new.shape, refcheck=False)
    value[...] = new


ARRAY = Habit(_look, _same, _become, lambda value: int(value.nbytes))


def _plain(value: Any) -> bool:
    return type_node(value.dtype) is not None


def _numpy(kind: type) -> Rule | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if kind is numpy.ndarray:
        return Rule(_array, ARRAY, _plain)
    if kind is numpy.ma.MaskedArray:
        return Rule(_masked)
    if issubclass(kind, numpy.dtype):
        return Rule(_dtype, fits=lambda value: type_node(value) is not None)
    known = set(numpy.sctypeDict.values()) - {numpy.void, numpy.object_}
    return Rule(_scalar) if kind in known else None


READERS.update({
    "array": Reader(_read_array, _fill_array),
    "objects": Reader(_make_objects, _fill_array),
    "f8": Reader(lambda _, n: library("numpy").float64(exact(n[1], float))),
    "np?": Reader(lambda _, n: library("numpy").bool_(exact(n[1], bool))),
    "np": Reader(_read_scalar),
    "masked": Reader(_read_masked),
    "dtype": Reader(lambda _, n: read_type(n[1])),
})  # fmt: skip
SHELVES["numpy"] = _numpy


# Sparse arrays go as coordinates: their other forms hold indices that native code trusts.


def _sparse(encoder: Encoder, value: Any) -> Node:
    kind = "array" if type(value).__name__.endswith("_array") else "matrix"
    flat = value.tocoo()
    coordinates = [inline(encoder, one) for one in flat.coords]
    return ["sparse", kind, value.format, list(flat.shape), inline(encoder, flat.data), coordinates]


def _read_sparse(decoder: Decoder, node: list[Any]) -> Any:
    _, kind, form, shape, content, coordinates = node
    sparse = library("scipy.sparse")
    if form not in SPARSE or kind not in {"array", "matrix"}:
        raise ProtocolError("no such sparse array")
    shape, places = shape_of(shape), tuple(read_inline(decoder, one) for one in coordinates)
    values = read_inline(decoder, content)
    for place, most in zip(places, shape, strict=True):
        if place.shape != values.shape or place.dtype.kind != "i":
            raise ProtocolError("a sparse array has no coordinates")
        if place.size and not 0 <= place.min() <= place.max() < most:
            raise ProtocolError("a sparse array reaches beyond its shape")
    made = getattr(sparse, f"coo_{kind}")((values, places), shape=shape)
    return made.asformat(form)


def _scipy(kind: type) -> Rule | None:
    sparse = sys.modules.get("scipy.sparse")
    known = () if sparse is None else [getattr(sparse, f"{form}_{end}", None)
                                       for form in SPARSE for end in ("array", "matrix")]  # fmt: skip
    return Rule(_sparse) if kind in known else None


READERS["sparse"] = Reader(_read_sparse)
SHELVES["scipy"] = _scipy


# Tensors.


def _tensor(encoder: Encoder, value: Any) -> Node:
    return ["tensor", bool(value.requires_grad), inline(encoder, value.detach().cpu().numpy())]


def _dense(value: Any) -> bool:
    torch = sys.modules["torch"]
    return value.layout is torch.strided and value.dtype is not torch.bfloat16


def _read_tensor(decoder: Decoder, node: list[Any]) -> Any:
    _, wants, content = node
    return library("torch").from_numpy(read_inline(decoder, content)).requires_grad_(exact(wants, bool))


def _tensor_become(value: Any, new: Any) -> None:
    value.data.copy_(new.data)


TENSOR = Habit(
    lambda value: value.detach().clone(),
    lambda value, seen: bool(sys.modules["torch"].equal(value.detach(), seen)),
    _tensor_become,
    lambda value: int(value.element_size() * value.nelement()),
    lambda value: value.detach().clone(),
)


def _torch(kind: type) -> Rule | None:
    torch = sys.modules.get("torch")
    known = torch is not None and kind in {torch.Tensor, torch.nn.Parameter}
    return Rule(_tensor, TENSOR, _dense) if known else None


READERS["tensor"] = Reader(_read_tensor, lambda *_: None, 3)
SHELVES["torch"] = _torch
