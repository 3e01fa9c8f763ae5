"""The warm environment: one thread that has imported everything and forks children on request.

It never runs student code and never holds anything of a run: requests name places, sizes and numbers.
Requests arrive on a socket that is handed in as an open file; with each come the child's own sockets.
When the worker's end closes, the warm environment ends, and with it every child.
"""

import array
import functools
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from lms.runtime.inside.enclosure import Orders, enclose, tell_failure

REQUEST_BYTES = 1 << 16
MOST_FILES = 4
LEARNING_SECONDS = 60


def main(number: int) -> None:
    """Import what the first message names, say how that went, then serve until the worker lets go."""
    lead = socket.socket(fileno=number)
    lead.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; the worker watches by itself
    try:
        report = _warm(json.loads(lead.recv(REQUEST_BYTES)), lead)
    except BaseException as error:  # noqa: BLE001  # told to the worker, then the process ends
        tell_failure(lead, error)
        os._exit(70)
    gc.collect()
    gc.freeze()  # children leave these pages as they are, so that they stay shared
    lead.send(json.dumps(report).encode())
    serve(lead)


def _warm(order: Mapping[str, Any], lead: socket.socket) -> dict[str, Any]:
    if order["bare"]:
        return {"threads": threading.active_count(), "failed": {}, "learnt": [], "spoilt": None}
    from lms.runtime.inside import warming  # noqa: PLC0415  # needs ipykernel, which a bare one lacks

    return warming.warm(order, lambda work: _apart(work, order, lead))


def _apart(work: Callable[[], Any], order: Mapping[str, Any], lead: socket.socket) -> Any:
    """Run work in a throw-away child with an enclosure of its own; return what it says, or None."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()

    def program(_orders: Orders) -> None:
        result = json.dumps(work())
        with os.fdopen(4, "w") as answer:
            answer.write(result)

    enclose(order, [theirs.fileno(), writer], program)
    del lead
    theirs.close()
    os.close(writer)
    ours.send(b"go")
    with os.fdopen(reader) as answer:
        text = answer.read()
    ours.close()
    return json.loads(text) if text else None


def serve(lead: socket.socket) -> None:
    """Fork one child for each request."""
    room = socket.CMSG_SPACE(MOST_FILES * array.array("i").itemsize)
    while True:
        text, extra, _, _ = lead.recvmsg(REQUEST_BYTES, room)
        handed = array.array("i")
        for level, kind, content in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                handed.frombytes(content[: len(content) - len(content) % handed.itemsize])
        if not text:
            os._exit(0)
        request = json.loads(text)
        try:
            enclose(request, list(handed), functools.partial(run, request, lead))
        except OSError as error:
            with socket.socket(fileno=os.dup(handed[0])) as control:
                tell_failure(control, error)
        for number in handed:
            os.close(number)


def run(request: Mapping[str, Any], lead: socket.socket, orders: Orders) -> None:
    """Be the child that was asked for; its sockets have the numbers from 3 on."""
    lead.detach()
    sys.path[:] = [place for place in sys.path if place and place != "/opt/duri"]
    _KINDS[request["kind"]](request, orders)


def _kernel(request: Mapping[str, Any], orders: Orders) -> None:
    from lms.runtime.inside import kernel_main  # noqa: PLC0415  # a bare one has no ipykernel

    rpc = socket.socket(fileno=4) if request["rpc"] else None
    kernel_main.main(request["connection"], rpc, orders)


def _checker(_request: Mapping[str, Any], orders: Orders) -> None:
    from lms.runtime.inside import checking, kernel_main, rehearsing  # noqa: PLC0415  # likewise

    orders.ready()
    if not _within(rehearsing.REST_SECONDS, orders):
        for _ in rehearsing.steps():
            if _within(0, orders):
                break
    kernel_main.begin(orders.take())
    orders.begun()
    checking.main(socket.socket(fileno=5), socket.socket(fileno=4))


def _within(seconds: float, orders: Orders) -> bool:
    return bool(select.select([orders.number], [], [], seconds)[0])


def _probe(_request: Mapping[str, Any], orders: Orders) -> None:
    from lms.runtime.inside import probing  # noqa: PLC0415  # used once, at the start of a worker

    orders.ready()
    orders.begun({"found": probing.explore(orders.take())})


_KINDS: dict[str, Callable[[Mapping[str, Any], Orders], None]] = {
    "kernel": _kernel,
    "checker": _checker,
    "probe": _probe,
}
