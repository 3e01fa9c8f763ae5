"""The organisations' signers over HTTP."""

import http.client
import json
import urllib.parse
from http import HTTPStatus

from lms.certs.core.problems import Unreadable
from lms.certs.core.protocols import Kind, SignerRefused, SignerUnavailable
from lms.certs.core.strict_json import Document, read_object

_MOST_ANSWER_BYTES = 100_000


class HttpSigner:
    """Ask the signer at an address; plain HTTP is for the loopback interface only."""

    def __init__(self, url: str, token: str, timeout_seconds: float = 10.0) -> None:
        parts = urllib.parse.urlsplit(url)
        self._connect: type[http.client.HTTPConnection] = http.client.HTTPSConnection
        if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
            self._connect = http.client.HTTPConnection
        elif parts.scheme != "https":
            raise ValueError(f"a signer is reached by https, or by http on this machine: {url}")
        self._address = (parts.hostname or "", parts.port)
        self._path = parts.path.rstrip("/") + "/sign"
        self._token = token
        self._timeout_seconds = timeout_seconds

    def sign(self, document: Document, kind: Kind) -> Document:
        """Return the organisation's proof over the document.

        Raises:
            SignerUnavailable: no answer, or none that can be understood.
            SignerRefused: the organisation does not sign this.
        """
        status, content = self._post(json.dumps({"kind": str(kind), "document": document}).encode("utf-8"))
        try:
            answer = read_object(content, max_bytes=_MOST_ANSWER_BYTES)
        except Unreadable as problem:
            raise SignerUnavailable(f"unreadable answer: {problem.code}") from None
        if status == HTTPStatus.OK and isinstance(answer.get("proof"), dict):
            proof: Document = answer["proof"]
            return proof
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and isinstance(answer.get("code"), str):
            raise SignerRefused(answer["code"], str(answer.get("en", "")), str(answer.get("ko", "")))
        raise SignerUnavailable(f"answer {status}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        host, port = self._address
        connection = self._connect(host, port, timeout=self._timeout_seconds)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(_MOST_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as problem:
            raise SignerUnavailable(str(problem)) from problem
        finally:
            connection.close()
