"""Time, death and lies: they cost the student the test, and nobody anything else."""

import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lms.runtime.checker import Checked, Checker
from lms.runtime.inside import frames
from lms.runtime.kernel import RunStatus
from tests.runtime.checker.pairs import Nursery, PlainPair


def test_a_call_that_does_not_end_is_interrupted_and_later_tests_run(pair: PlainPair) -> None:
    pair.cell("""
def f():
    while True: pass
def g(): return 1
""")
    done = pair.check("f()", seconds=0.5)
    assert (done.status, done.error) == (RunStatus.TIME, ("KeyboardInterrupt", ""))
    assert pair.student.interrupts == 1
    assert pair.check("assert g() == 1").status is RunStatus.OK


def test_a_call_that_swallows_interrupts_ends_its_kernel(pair: PlainPair) -> None:
    pair.cell(
        """
def f():
    while True:
        try:
            while True: sum(range(99))
        except KeyboardInterrupt: pass
"""
    )
    begun = time.monotonic()
    assert pair.check("f()", seconds=0.5).status is RunStatus.TIME
    assert time.monotonic() - begun < 30
    assert pair.student.ended is RunStatus.TIME
    assert pair.check("1").status is RunStatus.NOT_REACHED


def test_a_test_that_does_not_end_by_itself_is_ended(pair: PlainPair) -> None:
    assert pair.check("while True: pass", seconds=0.5).status is RunStatus.TIME
    assert pair.check("1").status in {RunStatus.OK, RunStatus.NOT_REACHED}


def test_a_test_that_catches_everything_is_ended_too(pair: PlainPair) -> None:
    code = """
while True:
    try:
        while True: sum(range(99))
    except BaseException: pass
"""
    assert pair.check(code, seconds=0.3).status is RunStatus.TIME
    assert not pair.checker.alive


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "__import__('ctypes').string_at(0)"]
)
def test_a_kernel_that_dies_in_a_call_is_named_and_what_ran_before_is_kept(pair: PlainPair, end: str) -> None:
    pair.cell(f"import os\ndef f(): {end}\ndef g(): print('before')")
    done = pair.check("""
g()
try:
    f()
except BaseException:
    pass
assert True
""")
    assert done.status is RunStatus.DIED
    assert done.error is not None
    assert done.outputs[0] == {"output_type": "stream", "name": "stdout", "text": "before\n"}
    assert pair.check("1").status is RunStatus.NOT_REACHED


def test_a_leaving_kernel_does_not_count_as_the_error_that_a_test_expects(pair: PlainPair) -> None:
    pair.cell("""
import os
def f(x): os._exit(0)
""")
    done = pair.check(
        """
refused = False
try:
    f(-1)
except Exception:
    refused = True
assert refused
"""
    )
    assert done.status is RunStatus.DIED


def test_output_is_kept_up_to_a_size_and_input_is_refused(pair: PlainPair) -> None:
    pair.cell("""
def f():
    for _ in range(300): print('x' * 9999)
def g(): return input('?')
""")
    done = pair.passes("f()\nprint('end')")
    assert sum(len(one["text"]) for one in done.outputs) <= 1 << 18
    assert pair.fails("g()").error == ("RuntimeError", "input() cannot be answered while a test runs")


def test_calls_to_and_fro_have_an_end(pair: PlainPair) -> None:
    pair.cell("def f(g): return g(f)")
    done = pair.fails("""
def g(f_): return f_(g)
f(g)
""")
    assert done.error is not None
    assert done.error[0] == "RecursionError"
    assert pair.check("1").status is RunStatus.OK


def test_handles_are_released_when_the_test_lets_go(pair: PlainPair) -> None:
    pair.cell(
        """
import weakref
alive = weakref.WeakSet()
class A:
    def __init__(self): alive.add(self)
def count():
    import gc; gc.collect(); return len(alive)
"""
    )
    pair.passes(
        """
for _ in range(500): a = A()
keep = A()
assert count() <= 3, count()
del a, keep
count()
assert count() == 0
"""
    )


# A kernel that lies.

Liar = Callable[[socket.socket], None]


class Lying:
    """Stands for a kernel: the test itself speaks on its line."""

    ended: RunStatus | None = None

    def begin_checks(self) -> None: ...

    def end_checks(self) -> None: ...

    def look(self, milliseconds: int = 0) -> RunStatus | None:
        del milliseconds
        return self.ended

    def interrupt(self) -> None: ...

    def stop(self) -> None:
        self.ended = self.ended or RunStatus.TIME


@contextmanager
def liar(nursery: Nursery) -> Iterator[tuple[Checker, socket.socket, PlainPair]]:
    rpc, line = socket.socketpair()
    unused, end = socket.socketpair()
    with end, line, nursery.pair(rpc=(unused, rpc)) as pair:
        yield pair.checker, line, pair


def lie(nursery: Nursery, script: Liar, test: str, seconds: float = 5) -> tuple[Checked, bool]:
    """Run a test against a lying kernel; return its outcome, and whether the checker is still at work."""
    with liar(nursery) as (checker, line, _):

        def speak() -> None:
            with contextlib.suppress(OSError, frames.Gone, frames.ProtocolError):
                script(line)

        speaker = threading.Thread(target=speak)
        speaker.start()
        done = checker.check(Lying(), test, allowed=(), seconds=seconds)  # type: ignore[arg-type]
        works = checker.prepare("x = 1").status is RunStatus.OK
        line.shutdown(socket.SHUT_RDWR)
        speaker.join()
    return done, works


def answer(
    line: socket.socket,
    body: Any,
    table: Any = (),
    extra: Any = None,
    kind: str = "ok",
    step: int = 0,
    buffers: Any = (),
) -> None:
    """Answer the next question."""
    message, _ = frames.receive(line)
    frames.send(line, [kind, message[1] + step, body, list(table), extra or {}], buffers)


def begun(*rest: Liar) -> Liar:
    """Answer the beginning honestly, then each of the rest, and the end honestly again."""

    def script(line: socket.socket) -> None:
        answer(line, [None])
        for one in rest:
            one(line)
        while True:
            (kind, number, *_), _ = frames.receive(line)
            body, kind = ([], "end") if kind == "end" else ([None], "ok")
            frames.send(line, [kind, number, body, [], {}])

    return script


def raw(content: bytes) -> Liar:
    def script(line: socket.socket) -> None:
        frames.receive(line)
        line.sendall(content)

    return script


def said(body: Any, **more: Any) -> Liar:
    return lambda line: answer(line, body, **more)


NAME = [["t", [True, ["h", 1, "function", [["builtins", "function"]], ["__call__"], None]]]]
HANDLE = ["h", 2, "X", [["builtins", "X"]], ["__len__", "__iter__"], None]
LIES: dict[str, Liar] = {
    "rubbish": raw(os.urandom(4096)),
    "a length beyond the cap": raw(frames.HEADER.pack(frames.MARK, 1 << 31, 0, 0)),
    "a length of buffers beyond the cap": raw(frames.HEADER.pack(frames.MARK, 2, 1,
        1 << 60) + struct.pack("<Q", 1 << 60)),
    "lengths that contradict each other": raw(frames.HEADER.pack(frames.MARK, 2, 2,
        8) + struct.pack("<2Q", 1, 1) + b"{}"),
    "endless buffers": raw(frames.HEADER.pack(frames.MARK, 2, 1 << 31, 0)),
    "no JSON": raw(frames.HEADER.pack(frames.MARK, 4, 0, 0) + b"\xff{]}"),
    "JSON that is nested too deeply": raw(frames.HEADER.pack(frames.MARK, 1 << 20, 0,
        0) + b"[" * (1 << 20)),
    "JSON of another shape": raw(frames.HEADER.pack(frames.MARK, 4, 0, 0) + b"null"),
    "a giant number": raw(frames.HEADER.pack(frames.MARK, 5000, 0, 0) + b"9" * 5000),
    "an answer to another question": said([None], step=1),
    "no answer at all": said([]),
    "two answers at once": said([1, 2]),
    "a kind that does not exist": said([None], kind="eval"),
    "a callback with a wrong shape": said([7], kind="back"),
    "a question": said(["call", ["t", []]], kind="ask"),
    "a tag that does not exist": said([["pickle", "x"]]),
    "a method of ours as a tag": said([["init__", 1]]),
    "a number that nobody gave out": said([["r", 99]]),
    "a twin with our number": said([["r", 50]], table=[[50, ["l", []]]]),
    "the same twin twice": said([["r", -1]], table=[[-1, ["l", []]], [-1, ["l", [1]]]]),
    "an immutable twin": said([["r", -1]], table=[[-1, ["t", []]]]),
    "a mutable value in place": said([["l", [1]]]),
    "a list as a key": said([["r", -1]], table=[[-1, ["d", [["r", -2], 1]]], [-2, ["l", []]]]),
    "half a pair": said([["r", -1]], table=[[-1, ["d", [1]]]]),
    "a buffer that is not there": said([["b", 3]]),
    "a buffer twice": said([["t", [["b", 0], ["b", 0]]]], buffers=[b"x"]),
    "a range of text": said([["range", "a", 1, 1]]),
    "a module of ours": said([["m", "lms.runtime.inside.checking"]]),
    "an exception class that is none": said([["x", ["q", "os", "system"], [["t", []], "", []], "", None]],
        kind="raise"),
    "an exception of ours": said([["x", ["q", "lms.runtime.inside.asking", "StudentGone"], [["t", []], "",
        []], "", None]], kind="raise"),
    "no exception": said([5], kind="raise"),
    "a class of exceptions from nowhere": said([["x", ["class", "a", "b", []], [["t", []], "", []], "",
        None]], kind="raise"),
    "a locked class that does not exist": said([["r", -1]], table=[[-1, ["o", "Desk", []]]]),
    "a lent thing that was not lent": said([["lent", 12]]),
    "an array with more elements than bytes": said([["r", -1]], table=[[-1, ["array", "<f8", [1 << 28],
        0]]], buffers=[b"x" * 8]),
    "an array of pointers": said([["r", -1]], table=[[-1, ["array", "|O", [1], 0]]], buffers=[b"x" * 8]),
    "an array of a negative size": said([["r", -1]], table=[[-1, ["array", "<f8", [-1], 0]]],
        buffers=[b""]),
    "an array of a wild type": said([["r", -1]], table=[[-1, ["array", "V99999999999", [1], 0]]],
        buffers=[b"x"]),
    "a sparse array that reaches beyond": said([["sparse", "array", "csr", [2, 2], ["array", "<f8", [1],
        0], [["array", "<i4", [1], 1], ["array", "<i4", [1],
            2]]]], buffers=[b"\0" * 8, b"\xff\0\0\0", b"\0" * 4]),
    "a frame that contradicts itself": said([["r", -1]], table=[[-1, ["pd.frame", ["pd.range", 0, 1, 1,
        None], ["pd.range", 0, 5, 1, None], ["pd.columns", []]]]]),
    "a named tuple with code for a field": said([["named", "P", ["x", "__import__('os')"], [1, 2]]]),
    "a zone outside of the folder": said([["zone", "../../../etc/passwd"]]),
    "a path that is a number": said([["path", "PosixPath", 5]]),
    "output that is no list": said([None], extra={"out": 5}),
    "silence and then nothing": lambda line: line.shutdown(socket.SHUT_RDWR),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_a_lie_fails_the_test_and_nothing_else(nursery: Nursery, what: str) -> None:
    swallowing = """
try:
    try:
        f(1)
    except BaseException:
        pass
except BaseException:
    pass
"""
    done, works = lie(nursery, begun(said(NAME), LIES[what]), swallowing)
    assert (done.status, works) == (RunStatus.DIED, True), done


def test_slow_lies_end_with_the_time(nursery: Nursery) -> None:
    def drip(line: socket.socket) -> None:
        frames.receive(line)
        for one in frames.HEADER.pack(frames.MARK, 1000, 0, 0) + b" " * 1000:
            line.sendall(bytes([one]))
            time.sleep(0.05)

    done, works = lie(nursery, begun(said(NAME), drip), "f(1)", seconds=0.5)
    assert (done.status, works) == (RunStatus.TIME, True)


def test_endless_callbacks_end_with_the_time(nursery: Nursery) -> None:
    def again(line: socket.socket) -> None:
        message, _ = frames.receive(line)
        number = message[1]
        lent = message[2][3][1]
        while True:
            frames.send(line, ["back", number, [lent, "call", ["t", []]], [], {}])
            frames.receive(line)

    done, works = lie(nursery, begun(said(NAME), again), "f(lambda: 1)", seconds=0.5)
    assert (done.status, works) == (RunStatus.TIME, True)


def test_a_callback_to_nothing_is_told_so(nursery: Nursery) -> None:
    heard = []

    def call(line: socket.socket) -> None:
        message, _ = frames.receive(line)
        frames.send(line, ["back", message[1], [7, "call", ["t", []]], [], {}])
        heard.append(frames.receive(line)[0])
        frames.send(line, ["ok", message[1], [1], [], {}])

    done, works = lie(nursery, begun(said(NAME), call), "f(1)")
    assert (done.status, works, heard[0][0]) == (RunStatus.OK, True, "raise")


def test_one_number_with_two_claims_stays_the_first_object(nursery: Nursery) -> None:
    second = ["h", 2, "Y", [["sklearn.linear_model._base", "LinearRegression"]], [], None]
    done, _ = lie(
        nursery,
        begun(said(NAME), said([HANDLE]), said([second])),
        """
g = f
a = g(1)
b = g(2)
assert a is b and type(b).__name__ == 'X'
""",
    )
    assert done.status is RunStatus.OK


@pytest.mark.parametrize(
    ("lie_at_the_end", "said_of_it"),
    [
        (["ok", 0, [None], [], {}], "no end of a test"),
        (["end", 7, [], [], {}], "an answer to no question"),
    ],
)
def test_a_kernel_that_lies_about_its_rest_has_not_passed(
    nursery: Nursery, lie_at_the_end: list[Any], said_of_it: str
) -> None:
    def script(line: socket.socket) -> None:
        answer(line, [None])
        frames.receive(line)
        frames.send(line, lie_at_the_end)

    done, _ = lie(nursery, script, "x = 1")
    assert done.status is RunStatus.DIED
    assert done.error == ("StudentGone", f"ProtocolError: {said_of_it}")


def test_a_kernel_that_never_rests_has_no_more_time_than_a_test(nursery: Nursery) -> None:
    def script(line: socket.socket) -> None:
        answer(line, [None])
        frames.receive(line)
        time.sleep(5)

    done, _ = lie(nursery, script, "x = 1", seconds=0.5)
    assert done.status is RunStatus.TIME


def test_what_was_left_on_the_line_answers_nothing(nursery: Nursery) -> None:
    def early(line: socket.socket) -> None:
        answer(line, [None])
        frames.send(line, ["ok", 2, [["t", [True, 5]]], [], {}])
        frames.send(line, ["ok", 1, [["t", [True, 5]]], [], {}])
        while True:
            frames.receive(line)

    done, works = lie(
        nursery,
        early,
        """
assert y == 6
assert x == 5
""",
    )
    assert (done.status is not RunStatus.OK, works) == (True, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xff\xff\xff",
        struct.pack("<I", 4) + b"nope",
        struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 50_000) + b"[" * 50_000,
    ],
)
def test_the_worker_believes_no_checker_either(content: bytes) -> None:
    ours, theirs = socket.socketpair()

    class Process:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    process = Process()
    checker = Checker(ours, process)
    theirs.sendall(content)
    theirs.shutdown(socket.SHUT_WR)
    done = checker.check(Lying(), "1", allowed=(), seconds=1)  # type: ignore[arg-type]
    assert done.status is not RunStatus.OK
    assert done.error is None or done.error[0] in {"CheckerLost", "TimeoutError"}
    checker.close()
    theirs.close()
    assert process.closed >= 1
    assert json.dumps(done.outputs) == "[]"
