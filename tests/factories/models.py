"""Model files for tests: safetensors and ONNX, written byte by byte, so that they can also be wrong."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

FLOAT = 1  # TensorProto.DataType
OPSET, IR = 17, 8


def safetensors(
    tensors: Mapping[str, tuple[Sequence[int], Sequence[float]]], *, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return name -> (shape, values) as a file of 32-bit numbers."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name, (shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(packed)],
        }
        data += packed
    return with_header(json.dumps(header), data)


def with_header(header: str, data: bytes = b"") -> bytes:
    """Return a file with a header as it is given."""
    return len(header.encode()).to_bytes(8, "little") + header.encode() + data


def varint(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    made = b""
    while value > 0x7F:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Return (number, value) as a protobuf message: numbers as varints, all else by its length."""
    made = b""
    for number, value in fields:
        if isinstance(value, int):
            made += varint(number << 3) + varint(value)
        else:
            inner = value.encode() if isinstance(value, str) else value
            made += varint(number << 3 | 2) + varint(len(inner)) + inner
    return made


def tensor(name: str, shape: Sequence[int], values: Sequence[float], *more: tuple[int, Any]) -> bytes:
    """Return a TensorProto of 32-bit numbers."""
    packed = struct.pack(f"<{len(values)}f", *values)
    return message(*((1, size) for size in shape), (2, FLOAT), (8, name), (9, packed), *more)


def value(name: str, *shape: int | str) -> bytes:
    """Return a ValueInfoProto of 32-bit numbers; a size with a name is free."""
    sizes = [(1, message((1, one) if isinstance(one, int) else (2, one))) for one in shape]
    kind = message((1, message((1, FLOAT), (2, message(*sizes)))))
    return message((1, name), (2, kind))


def node(
    operator: str, inputs: Sequence[str], outputs: Sequence[str], *more: tuple[int, int | str | bytes]
) -> bytes:
    """Return a NodeProto."""
    return message(*((1, name) for name in inputs), *((2, name) for name in outputs), (4, operator), *more)


def graph(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Return a GraphProto with a name."""
    return message((2, "graph"), *fields)


def onnx(inside: bytes, *more: tuple[int, int | str | bytes], opset: bytes | None = None) -> bytes:
    """Return a ModelProto around a graph."""
    return message((1, IR), (8, message((2, OPSET)) if opset is None else opset), (7, inside), *more)


def linear(weights: Sequence[float], offset: float, *, rows: int | str = "rows") -> bytes:
    """Return an ONNX model that takes `rows` × len(weights) numbers and answers one for each row."""
    count = len(weights)
    return onnx(
        graph(
            (1, node("MatMul", ["inputs", "w"], ["product"])),
            (1, node("Add", ["product", "b"], ["output"])),
            (5, tensor("w", [count, 1], weights)),
            (5, tensor("b", [1], [offset])),
            (11, value("inputs", rows, count)),
            (12, value("output", rows, 1)),
        )
    )
