"""A student's kernel in a forked child: everything that has state or threads is made here, after the fork."""

import asyncio
import functools
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.modules["debugpy"] = None  # type: ignore[assignment]  # a tenth of the start, and nobody debugs here

from ipykernel.iostream import OutStream  # noqa: E402
from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402
from tornado.ioloop import IOLoop  # noqa: E402
from traitlets import DottedObjectName, Float  # noqa: E402
from traitlets.config import Config  # noqa: E402

from lms.runtime.inside import rehearsing  # noqa: E402
from lms.runtime.inside.enclosure import Orders  # noqa: E402
from lms.runtime.inside.seeding import seed  # noqa: E402

CONNECTION = "/run/desk/kernel.json"
DONE = object()


class LabStream(OutStream):
    """The usual stream, but a flush with nothing to flush does not wait for the thread that sends.

    The kernel flushes both streams four times a cell, and each wait takes longer than a small cell.
    """

    _unsent = False

    def write(self, string: str) -> int:
        """Take some text."""
        self._unsent = True
        return super().write(string) or 0

    def flush(self) -> None:
        """Wait until what was written is sent; in a process that the student's code forked, as ever."""
        if self._unsent or not self._is_master_process():  # type: ignore[no-untyped-call]
            self._unsent = False
            super().flush()  # type: ignore[no-untyped-call]


class LabKernel(IPythonKernel):
    """The usual kernel, which looks only once what a cell is as Python."""

    _execute_sleep = Float(0.0)  # the usual pause after a cell is for readers of the terminal

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # untyped library
        # The kernel asks whether the cell awaits something, then the shell asks again to run it.
        if self.shell is not None:
            self.shell.transform_cell = functools.lru_cache(maxsize=1)(self.shell.transform_cell)


class LabApp(IPKernelApp):
    """The usual application, without a look for settings: there are none, and it takes a while."""

    outstream_class = DottedObjectName(f"{__name__}.LabStream")

    def parse_command_line(self, argv: Any = None) -> None:
        """Have no command line."""

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Have no settings beside ours."""


def start(connection: Mapping[str, Any]) -> LabApp:
    """Return a kernel whose every socket is bound."""
    asyncio.set_event_loop(None)
    sys.argv[:] = ["ipykernel", "-f", CONNECTION]
    Path(CONNECTION).write_text(json.dumps(connection))
    settings = Config(
        {
            "HistoryManager": {"hist_file": ":memory:"},
            # A tip is drawn from the student's random state whenever a client asks what the kernel is.
            "InteractiveShell": {"enable_tip": False},
        }
    )
    app: LabApp = LabApp.instance(
        kernel_class=LabKernel, connection_file=CONNECTION, log_level=logging.CRITICAL, config=settings
    )
    app.initialize()  # type: ignore[no-untyped-call]  # untyped library
    app.log.setLevel(logging.CRITICAL)  # nobody reads it, and every message is logged
    return app


def main(connection: Mapping[str, Any], rpc: socket.socket | None, orders: Orders) -> None:
    """Run a kernel until it is asked to stop."""
    app = start(connection)
    loop = IOLoop.current()
    if rpc is not None:
        _answer_checks(rpc, app, loop)

    rehearsal = rehearsing.steps(app.kernel.shell)

    def carry_out(number: int, _events: int) -> None:
        loop.remove_handler(number)
        rehearsal.close()
        begin(orders.take())
        orders.begun()

    def rehearse() -> None:
        if next(rehearsal, DONE) is not DONE:
            loop.call_later(0, rehearse)

    loop.add_handler(orders.number, carry_out, IOLoop.READ)
    loop.add_callback(orders.ready)  # it answers now, so whoever connects need not try again
    loop.call_later(rehearsing.REST_SECONDS, rehearse)
    app.start()  # type: ignore[no-untyped-call]  # untyped library
    os._exit(0)  # nothing of the warm environment is to be tidied up here


def _answer_checks(rpc: socket.socket, app: LabApp, loop: IOLoop) -> None:
    """Answer the checker's questions in the main thread, where cells run, whenever it begins a test.

    The line wakes the loop by itself: a request on the shell channel would take longer than a small test.
    """

    def answer(number: int, _events: int) -> None:
        from lms.runtime.inside import serving  # noqa: PLC0415  # only where there is a checker

        if not serving.serve(rpc, app.kernel.shell):
            loop.remove_handler(number)

    loop.add_handler(rpc.fileno(), answer, IOLoop.READ)


def begin(orders: Mapping[str, Any]) -> None:
    """Take on what one run wants: variables of the environment and the random state."""
    os.environ.update(orders["variables"])
    seed(orders["seed"])
