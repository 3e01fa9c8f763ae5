"""Look through an ONNX file that anyone may have sent, without the library that would load it.

Walked is the protobuf itself, field by field: the model, its operator sets, and graphs at any depth with
their nodes, attributes, weights and sparse weights. A field of these that is not known is refused rather
than skipped. Stepped over, by their length alone, are texts, the numbers of weights, the types of inputs,
outputs and values between, metadata and notes on quantisation: they can name no file and no operator.
Whether the graph makes sense is found out in the jail.

Source: onnx.proto3 of ONNX 1.19 and "Encoding" of Protocol Buffers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lms.errors import N_, Invalid

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
NUMBERS, DOUBLES, FLOATS = (VARINT, BYTES), (FIXED64, BYTES), (FIXED32, BYTES)  # alone, or packed
WIDTH = {FIXED64: 8, FIXED32: 4}
MOST_PARTS = 200_000
MOST_DEPTH = 32
WORD_BYTES = 200  # of a domain or an operator
VARINT_BYTES = 10
VALUE_BITS = 3  # of a key, for the kind of what follows
PAYLOAD, MORE = 0x7F, 0x80
DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml"})
RANDOM = frozenset(
    {
        b"RandomNormal",
        b"RandomNormalLike",
        b"RandomUniform",
        b"RandomUniformLike",
        b"Multinomial",
        b"Bernoulli",
    }
)
TRAINING_INPUT = 3  # of Dropout: with it, it draws at random
UNREADABLE = N_("The ONNX file cannot be read to its end. Export it anew, as one file.")
EXTERNAL = N_("The ONNX file keeps data in other files. Export it as one file, with its weights in it.")
FUNCTIONS = N_("The ONNX file brings functions of its own. Export it with standard operators only.")
TRAINING = N_("The ONNX file holds training steps. Export it for inference only.")
DOMAIN = N_(
    'The ONNX file uses operators of "%(domain)s". '
    "Export it with standard operators only (ai.onnx, ai.onnx.ml)."
)
DRAWS = N_("The operator %(operator)s draws at random, so a score could not be repeated. Leave it out.")
PARTS = N_("The ONNX file has more than %(most)d parts. Export a smaller model.")
UNKNOWN = N_(
    "The ONNX file has a field that is not read here (%(part)s, field %(number)d). "
    "Export it for an older version of ONNX, without functions and devices."
)
DEEP = N_("The ONNX file nests graphs too deeply. Export a simpler model.")


class _Field(NamedTuple):
    wires: tuple[int, ...]
    inner: str = ""  # the message in it, if it is looked through


TEXT = _Field((BYTES,))
INTEGER = _Field((VARINT,))
KNOWN: Mapping[str, Mapping[int, _Field]] = {
    "model": {
        1: INTEGER,  # ir_version
        **dict.fromkeys((2, 3, 4, 6, 14), TEXT),  # producer, domain, doc_string, metadata_props
        5: INTEGER,  # model_version
        7: _Field((BYTES,), "graph"),
        8: _Field((BYTES,), "opset"),
        20: TEXT,  # training_info: refused
        25: TEXT,  # functions: refused
    },
    "opset": {1: TEXT, 2: INTEGER},
    "graph": {
        1: _Field((BYTES,), "node"),
        5: _Field((BYTES,), "tensor"),  # initializer
        15: _Field((BYTES,), "sparse"),
        # name, doc_string, input, output, value_info, quantization_annotation, metadata_props
        **dict.fromkeys((2, 10, 11, 12, 13, 14, 16), TEXT),
    },
    "node": {
        **dict.fromkeys((1, 2, 3, 4, 6, 7, 8, 9), TEXT),
        5: _Field((BYTES,), "attribute"),
    },
    "attribute": {
        **dict.fromkeys((1, 4, 9, 13, 14, 15), TEXT),
        2: _Field((FIXED32,)),
        3: INTEGER,
        20: INTEGER,
        7: _Field(FLOATS),
        8: _Field(NUMBERS),
        **dict.fromkeys((5, 10), _Field((BYTES,), "tensor")),
        **dict.fromkeys((6, 11), _Field((BYTES,), "graph")),
        **dict.fromkeys((22, 23), _Field((BYTES,), "sparse")),
    },
    "tensor": {
        **dict.fromkeys((1, 5, 7, 11), _Field(NUMBERS)),
        **dict.fromkeys((2, 14), INTEGER),
        **dict.fromkeys((3, 6, 8, 9, 12, 13, 16), TEXT),
        4: _Field(FLOATS),
        10: _Field(DOUBLES),
    },
    "sparse": {1: _Field((BYTES,), "tensor"), 2: _Field((BYTES,), "tensor"), 3: _Field(NUMBERS)},
}
REFUSED = {
    ("model", 20): TRAINING,
    ("model", 25): FUNCTIONS,
    ("tensor", 3): UNREADABLE,  # segments, which no runtime reads
    ("tensor", 13): EXTERNAL,
}
RUN = re.compile(
    rb"(?:\x3d.{4}){1,4096}"  # floats
    rb"|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]){1,4096}"  # ints
    rb"|(?:\x4a(?:" + b"|".join(b"\\x%02x.{%d}" % (length, length) for length in range(16)) + rb")){1,4096}",
    re.DOTALL,
)
"""Numbers and short words of an attribute one after the other: forests have ten for each of their nodes, and
exporters do not pack them. In parts of 4096, so that the search keeps little in mind."""
GRAPH = ("model", 7)
OPSET = ("model", 8)
NODE_INPUT, OPERATOR, NODE_DOMAIN = ("node", 1), ("node", 4), ("node", 7)
OPSET_DOMAIN, LOCATION = ("opset", 1), ("tensor", 14)


class _Broken(Exception):
    """The bytes are no such message."""


class _Unknown(_Broken):
    """A message has a field that is not known."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, number)
        self.message, self.number = message, number


class _Part(NamedTuple):
    """One field of a message: a number, or where its bytes lie."""

    number: int
    value: int
    start: int
    end: int


@dataclass
class _Node:
    operators: set[bytes] = field(default_factory=set)
    inputs: list[bool] = field(default_factory=list)  # whether each has a name


def looks_like_onnx(content: bytes) -> bool:
    """Say whether a file is a model of ONNX as far as its outermost fields go."""
    found = set()
    try:
        for part in _parts(content, "model", 0, len(content), [0]):
            found.add(part.number)
    except _Unknown:  # said when it is looked through
        pass
    except (_Broken, Invalid):
        return False
    return {GRAPH[1], OPSET[1]} <= found


def check_onnx(content: bytes) -> None:
    """Refuse a model that needs more than this file and the standard operators, or draws at random.

    Raises:
        Invalid: it does, or it cannot be read.

    Complexity: O(bytes), with at most `MOST_PARTS` steps; weights and runs of numbers are stepped over.
    """
    try:
        _look(content)
    except _Unknown as field_:
        raise Invalid(UNKNOWN, field="file", part=field_.message, number=field_.number) from None
    except _Broken:
        raise Invalid(UNREADABLE, field="file") from None


def _look(content: bytes) -> None:
    counter, waiting = [0], [("model", 0, len(content), 0)]
    while waiting:
        message, start, end, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise Invalid(DEEP, field="file")
        node = _Node()
        for part in _parts(content, message, start, end, counter):
            _check(content, message, part, node)
            inner = KNOWN[message][part.number].inner
            if inner:
                waiting.append((inner, part.start, part.end, depth + 1))
        _check_node(node)


def _check(content: bytes, message: str, part: _Part, node: _Node) -> None:
    """Look at one field; what a node is made of is gathered."""
    place = (message, part.number)
    if place in REFUSED:
        raise Invalid(REFUSED[place], field="file")
    if place == LOCATION and part.value:  # anything but 0 can be read as "external"
        raise Invalid(EXTERNAL, field="file")
    if place in {OPSET_DOMAIN, NODE_DOMAIN}:
        domain = _word(content, part)
        if domain not in DOMAINS:
            raise Invalid(DOMAIN, field="file", domain=_shown(domain))
    elif place == OPERATOR:
        node.operators.add(_word(content, part))
    elif place == NODE_INPUT:
        node.inputs.append(part.end > part.start)


def _check_node(node: _Node) -> None:
    drawing = node.operators & RANDOM
    if b"Dropout" in node.operators and any(node.inputs[TRAINING_INPUT - 1 :]):
        drawing = drawing | {b"Dropout"}
    if drawing:
        raise Invalid(DRAWS, field="file", operator=_shown(min(drawing)))


def _parts(content: bytes, message: str, start: int, end: int, counter: list[int]) -> Iterator[_Part]:
    """Yield the fields of a message, each of which must be known; `counter` counts the whole file's."""
    known, at = KNOWN[message], start
    while at < end:
        counter[0] += 1
        if counter[0] > MOST_PARTS:
            raise Invalid(PARTS, field="file", most=MOST_PARTS)
        run = RUN.match(content, at, end) if message == "attribute" else None
        if run is not None:
            at = run.end()
            continue
        key, at = _varint(content, at, end)
        number, wire = key >> VALUE_BITS, key & (1 << VALUE_BITS) - 1
        if number not in known:
            raise _Unknown(message, number)
        if wire not in known[number].wires:
            raise _Broken
        part = _part(content, number, wire, at, end)
        yield part
        at = part.end


def _part(content: bytes, number: int, wire: int, at: int, end: int) -> _Part:
    value, start = (0, at) if wire in WIDTH else _varint(content, at, end)
    stop = start + WIDTH.get(wire, value if wire == BYTES else 0)
    if stop > end:
        raise _Broken
    return _Part(number, value, start, stop)


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it."""
    value = 0
    for count in range(VARINT_BYTES):
        if at + count >= end:
            raise _Broken
        byte = content[at + count]
        value |= (byte & PAYLOAD) << 7 * count
        if not byte & MORE:
            return value, at + count + 1
    raise _Broken


def _word(content: bytes, part: _Part) -> bytes:
    if part.end - part.start > WORD_BYTES:
        raise _Broken
    return content[part.start : part.end]


def _shown(word: bytes) -> str:
    """Return a word short and harmless enough for a sentence."""
    text = word.decode(errors="replace")[:40]
    return "".join(one if one.isprintable() else "�" for one in text)
