from collections.abc import Iterator
from pathlib import Path

import pytest

from lms.runtime.jail import Bounds
from lms.runtime.kernel import Kernel, KernelSpec, RunStatus
from lms.runtime.outputs import CellOutputs
from lms.runtime.probe import Isolation

jail = pytest.mark.jail
BOUNDS = Bounds(memory_bytes=512 << 20, processes=32)


@pytest.fixture
def kernel(environment: Path, isolation: Isolation) -> Iterator[Kernel]:
    assert isolation
    with Kernel(KernelSpec(environment, BOUNDS, output_bytes=10_000)) as kernel:
        yield kernel


@jail
def test_one_kernel_runs_cells_of_every_kind(kernel: Kernel) -> None:
    assert kernel.execute("x = 6 * 7", 9).status is RunStatus.OK
    assert kernel.execute("x", 9).result == "42"
    assert kernel.execute("1 / 0", 9).error == ("ZeroDivisionError", "division by zero")
    assert kernel.execute("def", 9).status is RunStatus.ERROR
    assert kernel.execute("input()", 9).status is RunStatus.ERROR
    assert kernel.execute("import sys; sys.exit()", 9).status is RunStatus.ERROR
    shown = kernel.execute(
        "from IPython.display import HTML; display(HTML('<b>1</b>')); print('a'); print('b')", 9
    )
    assert [one["output_type"] for one in shown.outputs] == ["display_data", "stream"]
    assert shown.outputs[1]["text"] == "a\nb\n"
    endless = kernel.execute("while True: pass", 1)
    assert (endless.status, endless.error) == (RunStatus.TIME, ("KeyboardInterrupt", ""))
    assert kernel.execute("x", 9).result == "42"
    long = kernel.execute("print('x' * 99_999)", 9)
    assert long.truncated
    assert len(long.outputs[0]["text"]) <= 10_000
    hushed = kernel.execute("get_ipython().showtraceback = None\n1 / 0", 9)
    assert hushed.status is RunStatus.ERROR
    assert hushed.error is not None
    assert kernel.execute("exit()", 9).status is RunStatus.DIED
    assert kernel.execute("x", 9).status is RunStatus.NOT_REACHED
    assert kernel.peak_memory_bytes() > 10 << 20


@jail
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os; os._exit(0)", RunStatus.DIED),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", RunStatus.DIED),
        ("kept = []\nwhile True: kept.append(bytearray(10 ** 7))", RunStatus.MEMORY),
        ("import time\nwhile True:\n  try: time.sleep(9)\n  except KeyboardInterrupt: pass", RunStatus.TIME),
    ],
)
def test_what_ends_a_kernel_is_named(kernel: Kernel, code: str, status: RunStatus) -> None:
    seconds = 1 if status is RunStatus.TIME else 20
    assert kernel.execute(code, seconds).status in {status, RunStatus.ERROR if "kept" in code else status}
    if kernel.ended is not None:
        assert kernel.execute("1", 9).status is RunStatus.NOT_REACHED


@jail
def test_endless_output_is_ended_before_its_time(kernel: Kernel) -> None:
    # What the kernel has not sent yet counts as its memory, so either bound may be met first.
    run = kernel.execute("while True: print('x' * 10_000)", 60)
    assert run.status in {RunStatus.OUTPUT, RunStatus.MEMORY}
    assert kernel.execute("1", 9).status is RunStatus.NOT_REACHED


# Frames of a message that never ends, or messages that answer nobody, past the library and its own limits.
RAW = """
import os, socket, time
def iopub():
    for number in os.listdir('/proc/self/fd'):
        try:
            found = socket.socket(fileno=os.dup(int(number)))
            if found.family == socket.AF_UNIX and found.getsockname() == '/run/desk/s-2':
                found.getpeername()
                return found
        except OSError:
            pass
def frame(part, more):
    return bytes([2 + more]) + len(part).to_bytes(8, 'big') + bytes(part)
time.sleep(.3)
wire = iopub()
wire.setblocking(True)
while True:
    wire.sendall({sent})
"""
ENDLESS = "frame(bytes(1 << 20), 1)"
UNSIGNED = (
    "b''.join(frame(part, more) for part, more in "
    "[(b'<IDS|MSG>', 1), (b'-', 1), *[(b'{}', 1)] * 3, (bytes(1 << 16), 0)])"
)


@jail
@pytest.mark.parametrize("sent", [ENDLESS, UNSIGNED])
def test_a_kernel_cannot_fill_the_memory_of_the_worker(
    kernel: Kernel, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.runtime.kernel.SWOLLEN_BYTES", 128 << 20)
    assert kernel.execute("1", 9).status is RunStatus.OK
    assert kernel.execute(RAW.replace("{sent}", sent), 60).status is RunStatus.OUTPUT


def stream(text: str) -> dict[str, object]:
    return {"name": "stdout", "text": text}


def test_outputs_are_kept_up_to_their_limit_and_counted_beyond() -> None:
    outputs = CellOutputs(10)
    for _ in range(5):
        outputs.take("stream", stream("abc"), 100)
    assert outputs.outputs == [{"output_type": "stream", "name": "stdout", "text": "abcabcabca"}]
    assert outputs.truncated
    assert outputs.received_bytes == 500


def test_outputs_without_content_are_kept_only_up_to_a_number() -> None:
    outputs = CellOutputs(1_000)
    for _ in range(3_000):
        outputs.take("display_data", {"data": {}}, 300)
    assert len(outputs.outputs) == 1_000
    assert outputs.truncated
    assert outputs.taken_bytes > 1_000


def test_text_that_is_a_deep_structure_breaks_nothing() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    outputs = CellOutputs(1_000)
    outputs.take("stream", {"text": {"deep": deep}}, 1)
    assert outputs.outputs[0]["text"] == ""


def test_a_result_is_heard_even_when_there_is_no_room_to_keep_it() -> None:
    outputs = CellOutputs(0)
    outputs.take("execute_result", {"data": {"text/plain": "2.5"}}, 9)
    assert (outputs.result, outputs.outputs) == ("2.5", [])


@pytest.mark.parametrize("content", [{}, {"data": None}, {"data": []}, {"text": None}, {"traceback": 5}])
@pytest.mark.parametrize(
    "kind", ["stream", "display_data", "execute_result", "error", "clear_output", "other"]
)
def test_strange_messages_of_a_kernel_break_nothing(kind: str, content: dict[str, object]) -> None:
    CellOutputs(1_000).take(kind, content, 1)


def test_clearing_waits_for_the_next_output_when_asked_to() -> None:
    outputs = CellOutputs(1_000)
    outputs.take("stream", stream("old"), 1)
    outputs.take("clear_output", {"wait": True}, 1)
    assert outputs.outputs
    outputs.take("stream", stream("new"), 1)
    assert [one["text"] for one in outputs.outputs] == ["new"]


def test_lone_surrogates_and_unknown_kinds_are_left_out() -> None:
    outputs = CellOutputs(1_000)
    data = {"text/plain": "\ud800", "application/javascript": "alert(1)"}
    outputs.take("display_data", {"data": data}, 1)
    assert outputs.outputs[0]["data"] == {"text/plain": "?"}
