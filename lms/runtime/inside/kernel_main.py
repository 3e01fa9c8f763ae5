"""A student's kernel in a forked child: everything that has state or threads is made here, after the fork."""

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.modules["debugpy"] = None  # type: ignore[assignment]  # a tenth of the start, and nobody debugs here

from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from ipykernel.kernelapp import IPKernelApp  # noqa: E402
from tornado.ioloop import IOLoop  # noqa: E402
from traitlets.config import Config  # noqa: E402

from lms.runtime.inside.enclosure import Orders  # noqa: E402
from lms.runtime.inside.seeding import seed  # noqa: E402

CONNECTION = "/run/desk/kernel.json"
CHECK = "check_request"


class LabKernel(IPythonKernel):
    """The usual kernel, which also answers the checker's questions in its main thread."""

    rpc: socket.socket | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # untyped library
        self.shell_handlers[CHECK] = self.check_request

    async def check_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Serve the checker until it says that it is done; then come to rest like after a cell."""
        from lms.runtime.inside import serving  # noqa: PLC0415  # only where there is a checker

        status = "ok"
        try:
            if self.rpc is not None:
                serving.serve(self.rpc, self.shell)
        except KeyboardInterrupt:
            status = "aborted"
        sys.stdout.flush()
        sys.stderr.flush()
        if self.session is not None:
            self.session.send(stream, "check_reply", {"status": status}, parent, ident=ident)


class LabApp(IPKernelApp):
    """The usual application, without a look for settings: there are none, and it takes a while."""

    def parse_command_line(self, argv: Any = None) -> None:
        """Have no command line."""

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Have no settings beside ours."""


def start(connection: Mapping[str, Any]) -> LabApp:
    """Return a kernel whose every socket is bound."""
    asyncio.set_event_loop(None)
    sys.argv[:] = ["ipykernel", "-f", CONNECTION]
    Path(CONNECTION).write_text(json.dumps(connection))
    in_memory = Config({"HistoryManager": {"hist_file": ":memory:"}})
    app: LabApp = LabApp.instance(
        kernel_class=LabKernel, connection_file=CONNECTION, log_level=logging.CRITICAL, config=in_memory
    )
    app.initialize()  # type: ignore[no-untyped-call]  # untyped library
    return app


def main(connection: Mapping[str, Any], rpc: socket.socket | None, orders: Orders) -> None:
    """Run a kernel until it is asked to stop."""
    app = start(connection)
    app.kernel.rpc = rpc
    loop = IOLoop.current()

    def carry_out(number: int, _events: int) -> None:
        loop.remove_handler(number)
        begin(orders.take())
        orders.begun()

    loop.add_handler(orders.number, carry_out, IOLoop.READ)
    loop.add_callback(orders.ready)  # it answers now, so whoever connects need not try again
    app.start()  # type: ignore[no-untyped-call]  # untyped library
    os._exit(0)  # nothing of the warm environment is to be tidied up here


def begin(orders: Mapping[str, Any]) -> None:
    """Take on what one run wants: variables of the environment and the random state."""
    os.environ.update(orders["variables"])
    seed(orders["seed"])
