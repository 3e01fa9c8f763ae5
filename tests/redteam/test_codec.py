"""The checker's reader of values, fed with whatever a student's kernel may write: data, or a refusal."""

import contextlib
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lms
from lms.runtime.inside import arrays, frames, plain, tables
from lms.runtime.inside.codec import READERS, RULES, Change, Decoder, reading
from lms.runtime.inside.frames import HEADER, MARK, Gone, ProtocolError
from lms.runtime.inside.twins import Twins
from lms.runtime.jail import Bounds, JailSpec
from lms.runtime.jobs import run_job
from lms.runtime.probe import Isolation
from tests.redteam.fuzz_program import FORBIDDEN, NAMES, NUMBERS, TAGS, Refusing, read

assert arrays, (plain, tables)
atoms = st.sampled_from([*NUMBERS, *NAMES]) | st.text(max_size=20)
tagged = st.deferred(
    lambda: st.tuples(st.sampled_from(TAGS), st.lists(nodes, max_size=5)).map(lambda p: [p[0], *p[1]])
)
nodes: st.SearchStrategy[Any] = st.deferred(lambda: atoms | tagged | st.lists(atoms | tagged, max_size=4))
watching = threading.local()
seen: list[tuple[str, str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if (
        getattr(watching, "on", False)
        and event.startswith(FORBIDDEN)
        and event not in {"os.scandir", "os.listdir"}
    ):
        if event == "import" and str(arguments[0]).split(".")[0] in {
            "dateutil",
            "zoneinfo",
            "tzdata",
            "importlib",
        }:
            return
        seen.append((event, repr(arguments)[:200]))


sys.addaudithook(_watch)


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    table=st.lists(st.tuples(st.sampled_from([-1, -2, -3, 1, 0]), nodes).map(list), max_size=4) | nodes,
    body=st.lists(nodes, max_size=4) | nodes,
    buffers=st.lists(st.binary(max_size=64), max_size=4),
)
def test_a_hostile_message_is_read_as_data_or_refused(table: Any, body: Any, buffers: list[bytes]) -> None:
    seen.clear()
    watching.on = True
    try:
        read(table, body, buffers)
    except ProtocolError:
        pass
    finally:
        watching.on = False
    assert seen == []


RESTS: list[list[Any]] = [
    [], [0], [-1], [None], [[]], ["x"], [["r", -1]], [0, 0], ["x", 0, 0, 0], [[], [], [], []], [10**400],
        [["I", 0]], [{}],
    [{"a": 1}], [True, "", [], 9],
]  # fmt: skip


@pytest.mark.parametrize("tag", sorted(READERS))
def test_each_tag_with_the_wrong_content_is_refused_or_harmless(tag: str) -> None:
    for rest in RESTS:
        for table, body in (([[-1, [tag, *rest]]], [["r", -1]]), ([], [[tag, *rest]])):
            with contextlib.suppress(ProtocolError):
                read(table, body, [b"\xff" * 8])


@pytest.mark.jail
@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)]
)
def test_no_hostile_value_of_a_library_does_more_than_be_refused(
    environment: Path, isolation: Isolation, seed: int
) -> None:
    """The same in the lab's own Python, with NumPy, pandas and SciPy imported."""
    assert isolation
    program = Path(__file__).with_name("fuzz_program.py").read_text(encoding="utf-8")
    home = {Path(lms.__file__).parent: "/opt/duri/lms"}
    python = environment / "bin" / "python"
    bounds = Bounds(memory_bytes=2 << 30)
    spec = JailSpec(
        python,
        ("-c", program, str(seed)),
        mounts=home,
        environment={"PYTHONPATH": "/opt/duri"},
        bounds=bounds,
    )
    result = run_job(spec, seconds=200)
    assert result.ok, result.errors[-3000:]
    told = json.loads(result.output)
    assert told["seen"] == []
    assert told["other"] == []
    assert told["read"] > 100  # not everything was refused: the fuzzer does get in
    assert told["slowest"] < 5


HEADS = [
    HEADER.pack(b"XXXX", 2, 0, 0) + b"[]",
    HEADER.pack(MARK, 2**32 - 1, 0, 0),
    HEADER.pack(MARK, 2, 2**32 - 1, 0),
    HEADER.pack(MARK, 2, 0, 2**64 - 1),
    HEADER.pack(MARK, 2, 1, 8) + struct.pack("<Q", 2**64 - 1) + b"[]",
    HEADER.pack(MARK, 2, 2, 4) + struct.pack("<2Q", 2**64 - 1, 5) + b"[]",
    HEADER.pack(MARK, 2, 1, 0) + struct.pack("<Q", 5) + b"[]",
    HEADER.pack(MARK, 3, 0, 0) + b"[[[",
    HEADER.pack(MARK, 100_000, 0, 0) + b"[" * 100_000,
    HEADER.pack(MARK, 20_000, 0, 0) + b"9" * 20_000,
    HEADER.pack(MARK, 4, 0, 0) + b"\xff\xfe\x00\x00",
    HEADER.pack(MARK, 3, 0, 0) + b"NaN",
    HEADER.pack(MARK, 0, 0, 0),
    HEADER.pack(MARK, 14, 0, 0) + b'{"a":1,"a":2}}',
]


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_a_head_that_lies_costs_no_memory_and_no_patience(
    line: tuple[socket.socket, socket.socket], head: bytes
) -> None:
    ours, theirs = line
    theirs.sendall(head)
    theirs.close()
    try:
        content, buffers = frames.receive(ours)
    except (ProtocolError, Gone):
        return
    with pytest.raises(ProtocolError):
        read(content, content, [bytes(one) for one in buffers])


def test_an_unfinished_message_ends_with_its_sender(line: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = line

    def drip() -> None:
        theirs.sendall(HEADER.pack(MARK, 1000, 0, 0))
        for _ in range(5):
            theirs.sendall(b"[")
            time.sleep(0.01)
        theirs.close()

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(Gone):
        frames.receive(ours)
    thread.join()


def test_files_that_come_along_with_a_message_are_not_taken(
    line: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = line
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # how many, not which
    text = json.dumps([]).encode()
    socket.send_fds(theirs, [HEADER.pack(MARK, len(text), 0, 0) + text], [0, 1, 2] * 20)
    assert frames.receive(ours) == ([], [])
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # likewise


def test_numbers_of_twins_cannot_be_forged() -> None:
    """The student's side may change what it was given, and nothing else of the checker's."""
    for number in (1, 5, 2**70, "1", None, 1.0, [1]):
        with pytest.raises(ProtocolError):
            read([[number, ["l", []]]], [], [])
    with pytest.raises(ProtocolError):
        read([], [["r", 1]], [])


class Taking(Refusing):
    """Takes every change over, as for a reference solution that makes them."""

    def change(self) -> Change:
        return Change.KEPT


def test_a_changed_twin_keeps_its_type() -> None:
    twins = Twins(1)
    mine = [1, 2]
    rule = RULES[list]
    assert rule is not None
    assert rule.habit is not None
    twins.add(1, mine, rule.habit)
    for node in (["d", []], ["set", []], ["I", 0]):
        with pytest.raises(ProtocolError), reading():
            Decoder(twins, Taking(), [bytearray(8)]).take([[1, node]])
    assert mine == [1, 2]


def test_a_refused_change_leaves_the_checkers_own_value_as_it_is() -> None:
    """Who returns the argument that was changed in place returns a copy."""
    twins = Twins(1)
    mine = [3, 1, 2]
    rule = RULES[list]
    assert rule is not None
    assert rule.habit is not None
    twins.add(1, mine, rule.habit)
    with reading():
        decoder = Decoder(twins, Refusing(), [])
        decoder.take([[1, ["l", [1, 2, 3]]]])
        assert decoder.nodes([["r", 1]]) == [[1, 2, 3]]
    assert mine == [3, 1, 2]


def test_what_was_bent_is_straight_again_when_the_test_is_over() -> None:
    twins = Twins(1)
    mine = {"a": [1]}
    rule = RULES[dict]
    assert rule is not None
    assert rule.habit is not None
    twins.add(1, mine, rule.habit)
    twins.bend(1, {"b": 2})
    twins.bend(1, {"c": 3})
    assert mine == {"c": 3}
    twins.clear()
    assert mine == {"a": [1]}
