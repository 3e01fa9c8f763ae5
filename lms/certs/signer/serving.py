"""One signer over HTTPS: who asks for a signature shows a certificate; keys and health are for everybody.

Tornado bounds what a slow or endless client can hold: the handshake, headers and body have a time each, and
of whoever is not known no more than a form is read.
"""

import asyncio
import base64
import gc
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.log import access_log
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from lms.certs.core.keys import did_document
from lms.certs.core.mandate import NotYet, Refusal
from lms.certs.core.problems import CertificateProblem, KeyProblem, Unreadable
from lms.certs.core.protocols import Kind
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, read_object
from lms.certs.signer.browser_pages import SIGNING_PAGES
from lms.certs.signer.keeping import Signer
from lms.certs.signer.keyring import public_keys
from lms.certs.signer.pages import PAGES, Doorkeeper
from lms.certs.signer.tls import client_of, server_context

if TYPE_CHECKING:
    from tornado.http1connection import HTTP1Connection

MOST_REQUEST_BYTES = 8_000_000
MOST_FORM_BYTES = 100_000
MOST_DOCUMENTS = 250
MOST_CONNECTIONS = 64
IDLE_SECONDS = 15
KEPT_SECONDS = 60
_MOST_PDF_BYTES = 1_500_000
_STATUSES = {
    "signer.id_taken": HTTPStatus.CONFLICT,
    "signer.place_taken": HTTPStatus.CONFLICT,
    "signer.bad_request": HTTPStatus.BAD_REQUEST,
    "signer.unknown_kind": HTTPStatus.BAD_REQUEST,
    "signer.no_certificate": HTTPStatus.UNAUTHORIZED,
    "signer.not_found": HTTPStatus.NOT_FOUND,
    "signer.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "signer.quota": HTTPStatus.TOO_MANY_REQUESTS,
    "signer.pending": HTTPStatus.ACCEPTED,
    "signer.no_browser_key": HTTPStatus.ACCEPTED,
}


class _Server(HTTPServer):
    """Take so many connections at once and no more."""

    open = 0

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self.open >= MOST_CONNECTIONS:
            stream.close()
            return
        self.open += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self.open -= 1
        super().on_close(server_conn)


@dataclass
class SignerServer:
    """Serve one signer; started within a running event loop."""

    signer: Signer
    address: tuple[str, int]
    sockets: list[socket.socket] = field(init=False)
    _server: HTTPServer | None = None

    def __post_init__(self) -> None:
        host, port = self.address
        self.sockets = bind_sockets(port, host)
        self._context = server_context(self.signer.folder)
        self._signing = ThreadPoolExecutor(1, "signing")
        self._papers = ThreadPoolExecutor(1, "papers")
        """Of their own: a PDF may wait for a time stamp, and certificates do not wait for it."""
        self._door = Doorkeeper()

    @property
    def port(self) -> int:
        """Return the port that was taken."""
        return int(self.sockets[0].getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        shared = {"signer": self.signer, "pool": self._signing}
        routes: list[Any] = [(pattern, kind, shared) for pattern, kind in _ROUTES]
        routes.append((r"/pdf", _SignPdf, {**shared, "pool": self._papers}))
        pages = {"signer": self.signer, "door": self._door}
        routes += [(pattern, kind, pages) for pattern, kind in (*PAGES, *SIGNING_PAGES)]
        application = Application(
            routes,
            default_handler_class=_Unknown,
            default_handler_args=shared,
            log_function=_log,
        )
        self._server = _Server(
            application,
            ssl_options=self._context,
            idle_connection_timeout=IDLE_SECONDS,
            body_timeout=KEPT_SECONDS,
            max_header_size=16_384,
            max_body_size=MOST_FORM_BYTES,
            max_buffer_size=MOST_REQUEST_BYTES + 100_000,
        )
        self._server.add_sockets(self.sockets)

    async def stop(self) -> None:
        """Take no more connections and close those that are open; what is being signed is finished."""
        if self._server is not None:
            self._server.stop()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._server.close_all_connections(), 1)
        for pool in (self._signing, self._papers, self._door.pool):
            pool.shutdown()


class Conversation(RequestHandler):
    """Answer one request; every answer is JSON."""

    def initialize(self, signer: Signer, pool: ThreadPoolExecutor) -> None:
        """Take what all requests share."""
        self.signer = signer
        self.pool = pool

    def set_default_headers(self) -> None:
        """Say nothing of the program; let nothing be kept."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def answer(self, status: int, body: Document, headers: Mapping[str, str] | None = None) -> None:
        """Write an answer."""
        self.set_status(status)
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body, ensure_ascii=False).encode("utf-8"))

    def refuse(self, problem: CertificateProblem) -> None:
        """Write why not."""
        if self.get_status() < HTTPStatus.BAD_REQUEST and problem.code in _CLOSING:
            self.set_header("Connection", "close")
        self.answer(_STATUSES.get(problem.code, HTTPStatus.UNPROCESSABLE_ENTITY), _spoken(problem))

    def write_error(self, status_code: int, **_: Any) -> None:
        """Say no more than that it failed."""
        self.answer(status_code, {})


class _DidDocument(Conversation):
    def get(self) -> None:
        did = self.signer.mandate.did
        shown = did_document(did, public_keys(self.signer.folder, did))
        self.answer(HTTPStatus.OK, shown, {"Access-Control-Allow-Origin": "*"})


class _Health(Conversation):
    def get(self) -> None:
        signer = self.signer
        self.answer(
            HTTPStatus.OK, {"status": "ok", "did": signer.mandate.did, "signatures": signer.chain.length}
        )


class _Unknown(Conversation):
    def prepare(self) -> None:
        self.refuse(Refusal("signer.not_found"))


@stream_request_body
class ForClients(Conversation):
    """Take a body from an admitted client only; it is not read before that is known."""

    most_bytes = MOST_REQUEST_BYTES

    def prepare(self) -> None:
        """Refuse strangers and long bodies before the body is read."""
        self.body = bytearray()
        length = self.request.headers.get("Content-Length", "0")
        if client_of(self.signer.folder, self._presented()) is None:
            self.refuse(Refusal("signer.no_certificate"))
        elif not length.isdecimal() or int(length) > self.most_bytes:
            self.refuse(Refusal("signer.too_large", limit=self.most_bytes))
        else:
            cast("HTTP1Connection", self.request.connection).set_max_body_size(self.most_bytes)

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self.body += chunk

    async def post(self) -> None:
        """Answer; one request of a kind at a time is worked on."""
        loop = asyncio.get_running_loop()
        try:
            status, answer = await loop.run_in_executor(self.pool, self.work, bytes(self.body))
        except (KeyProblem, OSError) as problem:  # the signer's own: the client asks again later
            access_log.error("not signed: %s", _reason(problem))
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, {})
        except CertificateProblem as problem:
            self.refuse(problem)
        else:
            self.answer(status, answer)

    def work(self, body: bytes) -> tuple[HTTPStatus, Document]:
        """Do what is asked, outside the event loop."""
        raise NotImplementedError

    def _presented(self) -> bytes | None:
        shown = self.request.get_ssl_certificate(binary_form=True)
        return shown if isinstance(shown, bytes) else None


class _Sign(ForClients):
    def work(self, body: bytes) -> tuple[HTTPStatus, Document]:
        request, kind = _request(body)
        now = datetime.now(UTC)
        if "document" in request:
            return HTTPStatus.OK, {"proof": self.signer.sign(request["document"], kind, now)}
        answers = self.signer.sign_many(request["documents"], kind, now)
        return HTTPStatus.OK, {"answers": [_answered(answer) for answer in answers]}


class _SignPdf(ForClients):
    most_bytes = _MOST_PDF_BYTES

    def work(self, body: bytes) -> tuple[HTTPStatus, Document]:
        addition = self.signer.sign_pdf(body, datetime.now(UTC))
        return HTTPStatus.OK, {"addition": base64.b64encode(addition).decode("ascii")}


_CLOSING = {"signer.no_certificate", "signer.too_large", "signer.not_found"}
_ROUTES: list[tuple[str, type[Conversation]]] = [
    (r"/sign", _Sign),
    (r"/health", _Health),
    (r"/\.well-known/did\.json", _DidDocument),
]


Rehearsal = Callable[[int], Awaitable[None]]
"""What is done with a server on a port of its own before the real one answers."""


def serve(signer: Signer, rehearsal: Rehearsal | None = None) -> None:
    """Run a signer until it is told to end."""
    gc.collect()
    gc.freeze()  # what is loaded by now stays: it need not be looked through again and again
    asyncio.run(_serve(signer, rehearsal))


async def _serve(signer: Signer, rehearsal: Rehearsal | None) -> None:
    mandate = signer.mandate
    server = SignerServer(signer, (mandate.host, mandate.port))
    if rehearsal is not None:
        stage = SignerServer(signer, ("127.0.0.1", 0))
        stage.start()
        await rehearsal(stage.port)
        await stage.stop()
    server.start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop()


def _request(content: bytes) -> tuple[Document, Kind]:
    try:
        request = read_object(content, max_bytes=MOST_REQUEST_BYTES)
    except Unreadable:
        raise Refusal("signer.bad_request") from None
    if "document" in request and "documents" in request:
        raise Refusal("signer.bad_request")
    documents = request.get("documents", [request.get("document")])
    listed = isinstance(documents, list) and 1 <= len(documents) <= MOST_DOCUMENTS
    if not listed or not all(isinstance(document, dict) for document in documents):
        raise Refusal("signer.bad_request")
    if request.get("kind") not in list(Kind):
        raise Refusal("signer.unknown_kind", kinds=", ".join(Kind))
    return request, Kind(request["kind"])


def _answered(answer: Document | CertificateProblem) -> Document:
    if not isinstance(answer, CertificateProblem):
        return {"proof": answer}
    return {**_spoken(answer), "waits": isinstance(answer, NotYet)}


def _reason(problem: KeyProblem | OSError) -> str:
    if isinstance(problem, KeyProblem):
        return sentence(problem.code, problem.params, "en")
    return str(problem) or type(problem).__name__


def _spoken(problem: CertificateProblem) -> Document:
    spoken = {language: sentence(problem.code, problem.params, language) for language in ("en", "ko")}
    return {"code": problem.code, **spoken}


def _log(handler: RequestHandler) -> None:
    if handler.get_status() >= HTTPStatus.INTERNAL_SERVER_ERROR:
        access_log.error("%d %s %s", handler.get_status(), handler.request.method, handler.request.path)
