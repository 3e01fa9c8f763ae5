"""The codec by itself: what goes in comes out, and no bytes make it do anything but refuse."""

import json
import math
import socket
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.runtime.inside import frames, plain
from lms.runtime.inside.codec import Change, Decoder, Encoder, Node, reading
from lms.runtime.inside.frames import ProtocolError, TooLarge
from lms.runtime.inside.twins import Twins

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
    | st.text(st.characters(codec=None)) | st.binary() | st.decimals(allow_nan=False)
    | st.fractions() | st.datetimes()     | st.dates() | st.times() | st.timedeltas() | st.uuids()
)  # fmt: skip
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text()) | st.booleans()
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
    ),
    max_leaves=40,
)
NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(st.sampled_from([*plain.READERS, "r", "h",
        "lent"]), inner).map(list)
    | st.tuples(st.sampled_from([*plain.READERS, "r"]), inner, inner).map(list),
    max_leaves=20,
)  # fmt: skip


class Nothing:
    """Knows nothing but data."""

    def rule(self, value: object) -> None:
        del value

    def locked_class(self, name: str) -> None:
        del name

    def change(self) -> Change:
        return Change.KEPT

    def write(self, encoder: Encoder, value: object) -> Node:
        del encoder
        raise TooLarge(type(value).__name__)

    def read(self, decoder: Decoder, node: list[Any]) -> Any:
        del decoder, node
        raise ProtocolError("no handle")


def trip(value: Any) -> Any:
    encoder = Encoder(Twins(1), Nothing())
    body = encoder.node(value)
    table = encoder.table()
    body, table = json.loads(json.dumps([body, table]))
    decoder = Decoder(Twins(-1), Nothing(), [bytearray(one) for one in encoder.buffers])
    decoder.take(table)
    with reading():
        return decoder.node(body)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    return bool(one == other)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_every_value_comes_out_as_it_went_in(value: Any) -> None:
    assert same(trip(value), value)


@given(st.lists(NODES, max_size=4), NODES, st.lists(st.binary(max_size=40), max_size=3))
@settings(max_examples=500, deadline=None)
def test_no_message_does_anything_but_give_a_value_or_be_refused(
    table: Any, node: Any, buffers: list[bytes]
) -> None:
    numbered = [[-place - 1, one] for place, one in enumerate(table)]
    decoder = Decoder(Twins(1), Nothing(), [bytearray(one) for one in buffers])
    try:
        decoder.take(numbered)
        with reading():
            decoder.node(node)
    except ProtocolError:
        return


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: frames.MARK + rest))
@settings(max_examples=300, deadline=None)
def test_no_bytes_do_anything_but_give_a_message_or_be_refused(content: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        try:
            frames.receive(ours)
        except (ProtocolError, frames.Gone):
            return


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_message_with_some_bytes_changed_is_a_message_or_refused(data: st.DataObject) -> None:
    encoder = Encoder(Twins(1), Nothing())
    body = encoder.nodes([{"a": [1.5] * 20, "b": {1, 2}}, 2**80, "x" * 20_000, (b"x", range(3))])
    text = bytearray(json.dumps([body, encoder.table()]).encode())
    for place in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=5)):
        text[place] = data.draw(st.integers(32, 126))
    try:
        found = frames.parse(text)
        with reading():
            body, table = found
            decoder = Decoder(Twins(-1), Nothing(), [bytearray(one) for one in encoder.buffers])
            decoder.take(table)
            decoder.nodes(body)
    except ProtocolError:
        return


def test_caps_are_kept_before_anything_is_sent() -> None:
    encoder = Encoder(Twins(1), Nothing())
    encoder.node([str(number) for number in range(1_100_000)])
    with pytest.raises(TooLarge):
        encoder.table()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message, buffers in (("x" * frames.JSON_BYTES, []), ([], [bytes(frames.BUFFER_BYTES + 1)])):
            with pytest.raises(TooLarge):
                frames.send(ours, message, buffers)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    deep: Any = ()
    for _ in range(200):
        deep = (deep,)
    with pytest.raises(TooLarge):
        trip(deep)


def test_deep_lists_and_circles_cross() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    got, depth = trip(deep), 0
    while got:
        got, depth = got[0], depth + 1
    assert depth == 5_000
    circle: dict[str, Any] = {}
    circle["me"] = [circle]
    got = trip(circle)
    assert got["me"][0] is got
    assert math.isnan(trip([float("nan")])[0])


def test_large_buffers_pass_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        content = bytes(range(256)) * 50_000
        sender = threading.Thread(target=frames.send, args=(ours, ["x"], [content, b"", content[:5]]))
        sender.start()
        message, buffers = frames.receive(theirs)
        sender.join()
    assert (message, buffers) == (["x"], [bytearray(content), bytearray(), bytearray(content[:5])])
