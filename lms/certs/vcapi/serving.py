"""The VC-API over HTTP, for programs on this machine only."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from lms.certs.core.strict_json import MAX_BYTES
from lms.certs.vcapi.answers import Answer, answer_get, answer_post
from lms.certs.vcapi.desk import Desk

LOOPBACK = "127.0.0.1"
_NAMES = {LOOPBACK, "localhost"}


class VcApi:
    """Serve a desk of throw-away keys on a port of the loopback address."""

    def __init__(self, port: int, contexts: Mapping[str, bytes], resources: Mapping[str, bytes]) -> None:
        self.desk = Desk("", contexts, resources)
        self.socket = socket.create_server((LOOPBACK, port))
        self.socket.setblocking(False)
        self.desk.address = f"http://{LOOPBACK}:{self.socket.getsockname()[1]}"
        self._server: HTTPServer | None = None

    def start(self) -> None:
        """Answer from now on, within a running event loop."""
        application = Application(
            [(r".*", _Conversation, {"desk": self.desk})], log_function=lambda _request: None
        )
        self._server = HTTPServer(
            application, max_body_size=MAX_BYTES, max_buffer_size=MAX_BYTES + 100_000, max_header_size=16_384
        )
        self._server.add_socket(self.socket)

    async def stop(self) -> None:
        """Take no more connections and close those that are open."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()


def serve(server: VcApi, started: Callable[[], None]) -> None:
    """Run until told to end."""
    asyncio.run(_serve(server, started))


async def _serve(server: VcApi, started: Callable[[], None]) -> None:
    server.start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    started()
    await ended.wait()
    await server.stop()


class _Conversation(RequestHandler):
    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    def prepare(self) -> None:
        """Refuse whoever came by another name: a page in a browser could be made to."""
        if self.request.host_name not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def get(self) -> None:
        self._write(answer_get(self.desk, self.request.path, datetime.now(UTC)))

    def post(self) -> None:
        self._write(answer_post(self.desk, self.request.path, self.request.body, datetime.now(UTC)))

    def write_error(self, status_code: int, **_: object) -> None:
        self.set_status(status_code)
        self.finish({})

    def _write(self, answer: Answer) -> None:
        self.set_status(answer.status)
        refused = answer.status >= HTTPStatus.BAD_REQUEST
        self.set_header("Content-Type", "application/problem+json" if refused else "application/json")
        self.finish(json.dumps(answer.body, ensure_ascii=False).encode("utf-8"))
