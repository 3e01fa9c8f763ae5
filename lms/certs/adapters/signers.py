"""The organisations' signers over HTTPS, with a client certificate."""

import base64
import http.client
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lms.certs.core.problems import Unreadable
from lms.certs.core.protocols import Answer, Kind, SignerRefused, SignerUnavailable, SignerWaits
from lms.certs.core.strict_json import Document, read_object

MOST_AT_ONCE = 100
_MOST_ANSWER_BYTES = 2_000_000
_PATIENCE = 4
"""So many times its time for one silence may an answer take as a whole."""
_LONGEST_CODE, _LONGEST_SENTENCE = 80, 1_000
_WAITING = {HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.UNAUTHORIZED}


class _Connection(http.client.HTTPSConnection):
    """Show its socket from the first byte of the handshake on, so that a slow one can be cut too."""

    def __init__(self, host: str, port: int | None, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context

    def connect(self) -> None:
        """Connect, and agree on the keys."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


class HttpSigner:
    """Ask the signer at an address; one connection is kept, one request at a time goes over it.

    `credentials` is the folder that the organisation's `lms-signer client` wrote: `ca.pem` says whom to
    expect there, `client.pem` and `client.key` show who asks.
    """

    def __init__(self, url: str, credentials: Path, timeout_seconds: float = 30.0) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"a signer is reached by https: {url}")
        self._address = (parts.hostname, parts.port)
        self._path = parts.path.rstrip("/")
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._connection: http.client.HTTPSConnection | None = None
        self._turn = threading.Lock()

    def sign(self, document: Document, kind: Kind) -> Document:
        """Return the organisation's proof over the document.

        Raises:
            SignerUnavailable: no answer, or none that can be understood.
            SignerWaits: the organisation has not decided yet.
            SignerRefused: the organisation does not sign this.
        """
        status, answer = self._ask({"kind": str(kind), "document": document})
        found = _read_answer(answer, waits=status in _WAITING)
        if isinstance(found, Exception):
            raise found
        return found

    def sign_many(self, documents: Sequence[Document], kind: Kind) -> list[Answer]:
        """Return one answer per document, in their order; at most `MOST_AT_ONCE` go in one request.

        Raises:
            SignerUnavailable: no answer, or none that can be understood, for none of them.
        """
        found: list[Answer] = []
        for start in range(0, len(documents), MOST_AT_ONCE):
            part = list(documents[start : start + MOST_AT_ONCE])
            status, answer = self._ask({"kind": str(kind), "documents": part})
            if status != HTTPStatus.OK:
                found += [_read_answer(answer, waits=status in _WAITING)] * len(part)
                continue
            answers = answer.get("answers")
            if not isinstance(answers, list) or len(answers) != len(part):
                raise SignerUnavailable("answers are missing")
            found += [_read_answer(each, waits=None) for each in answers]
        return found

    def sign_pdf(self, content: bytes) -> bytes:
        """Return what is appended to a PDF so that the organisation has signed it.

        Raises:
            SignerUnavailable: no answer, or none that can be understood.
            SignerRefused: the organisation does not sign this.
        """
        _, answer = self._told(*self._post("/pdf", content))
        try:
            return base64.b64decode(answer["addition"], validate=True)
        except (KeyError, TypeError, ValueError):
            said = _read_answer(answer, waits=False)
            raise said if isinstance(said, Exception) else SignerUnavailable("no answer") from None

    def close(self) -> None:
        """Close the kept connection; the next request makes a new one."""
        with self._turn:
            self._hang_up()

    def _ask(self, request: Document) -> tuple[int, Document]:
        text = json.dumps(request, ensure_ascii=False)
        # Half a surrogate pair is for the signer to refuse.
        return self._told(*self._post("/sign", text.encode("utf-8", errors="surrogatepass")))

    def _told(self, status: int, content: bytes) -> tuple[int, Document]:
        try:
            answer = read_object(content, max_bytes=_MOST_ANSWER_BYTES)
        except Unreadable as problem:
            raise SignerUnavailable(f"unreadable answer: {problem.code}") from None
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise SignerUnavailable(f"answer {status}")
        return status, answer

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request; twice where a kept connection was closed meanwhile, as asking again is safe."""
        with self._turn:
            while True:
                kept = self._connection is not None
                try:
                    return self._exchange(path, body)
                except (OSError, http.client.HTTPException, ValueError) as problem:
                    self._hang_up()
                    if not kept or isinstance(problem, TimeoutError):
                        raise SignerUnavailable(str(problem)) from problem

    def _exchange(self, path: str, body: bytes) -> tuple[int, bytes]:
        connection = self._connection or self._connect()
        with _no_longer_than(_PATIENCE * self._timeout_seconds, connection):
            connection.request("POST", self._path + path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read(_MOST_ANSWER_BYTES + 1)
        if response.will_close or not response.isclosed():
            self._hang_up()
        else:
            self._connection = connection
        return response.status, content

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self._credentials / "ca.pem")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._credentials / "client.pem", self._credentials / "client.key")
        host, port = self._address
        self._connection = _Connection(host, port, self._timeout_seconds, context)
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def _no_longer_than(seconds: float, connection: http.client.HTTPSConnection) -> Iterator[None]:
    """Cut a connection over which an answer comes in drops: each would keep the silence short enough."""

    def cut() -> None:
        if connection.sock is not None:
            with suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read_answer(answer: Any, *, waits: bool | None) -> Answer:
    """Read what was said about one document; `waits` None: the answer itself says whether it is for later.

    Raises:
        SignerUnavailable: it is no answer.
    """
    if not isinstance(answer, dict):
        raise SignerUnavailable("no answer")
    if isinstance(answer.get("proof"), dict):
        proof: Document = answer["proof"]
        return proof
    if not isinstance(answer.get("code"), str):
        raise SignerUnavailable("no answer")
    sentences = (str(answer.get(language, ""))[:_LONGEST_SENTENCE] for language in ("en", "ko"))
    said = (answer["code"][:_LONGEST_CODE], *sentences)
    later = answer.get("waits") is True if waits is None else waits
    return SignerWaits(*said) if later else SignerRefused(*said)
