"""One signer on the loopback interface, as an OS user of its own where root starts it."""

import ctypes
import hmac
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from lms.certs.core.document import Achievement, Claim, Party, StatusEntry, build_credential, hash_email
from lms.certs.core.joint import SUITES
from lms.certs.core.keys import PublicKey, did_document, encode_public, generate, key_id
from lms.certs.core.mandate import (
    Mandate,
    Refusal,
    review_credential,
    review_status_list,
)
from lms.certs.core.problems import CertificateProblem, Unreadable
from lms.certs.core.proofs import create_proof
from lms.certs.core.protocols import Kind
from lms.certs.core.sentences import sentence
from lms.certs.core.status import StatusList, build_status_list, encode_bits
from lms.certs.core.strict_json import Document, read_object
from lms.certs.signer.keeping import Signer

MOST_REQUEST_BYTES = 4_000_000
_IDLE_SECONDS = 15
_SET_PDEATHSIG, _GET_PDEATHSIG = 1, 2  # of prctl(2)
_STATUSES = {
    "signer.id_taken": HTTPStatus.CONFLICT,
    "signer.place_taken": HTTPStatus.CONFLICT,
    "signer.bad_request": HTTPStatus.BAD_REQUEST,
    "signer.unknown_kind": HTTPStatus.BAD_REQUEST,
    "signer.wrong_token": HTTPStatus.UNAUTHORIZED,
    "signer.not_found": HTTPStatus.NOT_FOUND,
    "signer.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


class SignerServer(ThreadingHTTPServer):
    """Serve one signer on the loopback interface."""

    def __init__(self, signer: Signer, address: tuple[str, int]) -> None:
        self.signer = signer
        self.token = (signer.folder / "token").read_bytes().strip()
        super().__init__(address, _Conversation)


class _Conversation(BaseHTTPRequestHandler):
    server: SignerServer
    timeout = _IDLE_SECONDS
    server_version = "signer"
    sys_version = ""
    cors: ClassVar[dict[str, str]] = {"Access-Control-Allow-Origin": "*"}

    def do_GET(self) -> None:
        mandate, signer = self.server.signer.mandate, self.server.signer
        if self.path == "/.well-known/did.json":
            public = signer.key.public_key()
            key = PublicKey(key_id(mandate.did, public), encode_public(public))
            self._answer(HTTPStatus.OK, did_document(mandate.did, [key]), self.cors)
        elif self.path == "/health":
            self._answer(
                HTTPStatus.OK, {"status": "ok", "did": mandate.did, "signatures": signer.chain.length}
            )
        else:
            self._refuse(Refusal("signer.not_found"))

    def do_POST(self) -> None:
        try:
            if self.path != "/sign":
                raise Refusal("signer.not_found")
            self._check_token()
            document, kind = _request(self._body())
            proof = self.server.signer.sign(document, kind, datetime.now(UTC))
        except CertificateProblem as problem:
            self._refuse(problem)
        except OSError as problem:
            self.log_error("not signed: %s", problem.strerror)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {})
        else:
            self._answer(HTTPStatus.OK, {"proof": proof})

    def _check_token(self) -> None:
        given = self.headers.get("Authorization", "").encode("latin-1", errors="replace")
        if not hmac.compare_digest(given, b"Bearer " + self.server.token):
            raise Refusal("signer.wrong_token")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise Refusal("signer.bad_request")
        if len(length) > len(str(MOST_REQUEST_BYTES)) or int(length) > MOST_REQUEST_BYTES:
            raise Refusal("signer.too_large", limit=MOST_REQUEST_BYTES)
        return self.rfile.read(int(length))

    def _refuse(self, problem: CertificateProblem) -> None:
        self.close_connection = True
        status = _STATUSES.get(problem.code, HTTPStatus.UNPROCESSABLE_ENTITY)
        spoken = {language: sentence(problem.code, problem.params, language) for language in ("en", "ko")}
        self._answer(status, {"code": problem.code, **spoken})

    def _answer(self, status: HTTPStatus, body: Document, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8")
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _request(content: bytes) -> tuple[Document, Kind]:
    try:
        request: dict[str, Any] = read_object(content, max_bytes=MOST_REQUEST_BYTES)
    except Unreadable:
        raise Refusal("signer.bad_request") from None
    document, kind = request.get("document"), request.get("kind")
    if not isinstance(document, dict):
        raise Refusal("signer.bad_request")
    if kind not in list(Kind):
        raise Refusal("signer.unknown_kind")
    return document, Kind(kind)


def serve(folder: Path, user: int | None = None) -> None:
    """Run the signer of a folder until it is told to end; started by root, become `user` first."""
    os.chdir(folder)  # from here on relative: the way to the folder may be closed to `user`
    signer = Signer.open(Path())
    mandate = signer.mandate
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with SignerServer(signer, (mandate.host, mandate.port)) as server, suppress(KeyboardInterrupt):
        if user is not None:
            _become(user, mandate)
        server.serve_forever()


def _become(user: int, mandate: Mandate) -> None:
    """Give root away for good, after a rehearsal: the interpreter's own files may be closed to `user`."""
    _rehearse(mandate)
    process = ctypes.CDLL(None)
    ends_with_parent = ctypes.c_int()
    process.prctl(_GET_PDEATHSIG, ctypes.byref(ends_with_parent))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    process.prctl(_SET_PDEATHSIG, ends_with_parent)  # the kernel forgets it when the user changes


def _rehearse(mandate: Mandate) -> None:
    """Judge and sign one document of each kind with a key that is thrown away, so that all is loaded."""
    moment = datetime.now(UTC)
    own = replace(mandate, courses=("https://localhost/",), status_lists=("https://localhost/",))
    claim = Claim(
        credential_id=f"urn:uuid:{uuid4()}",
        issued_at=moment,
        university=Party(own.university, "-", "https://localhost/"),
        company=Party(own.company, "-", "https://localhost/"),
        holder_name="-",
        email_hash=hash_email("nobody@localhost", "-"),
        email_salt="-",
        achievement=Achievement("https://localhost/c", "-", "-", "-", "en"),
        score="0",
        maximum="1",
        status=StatusEntry("https://localhost/s", 0),
        demo_custody=own.demo_custody,
    )
    edition = StatusList(
        url="https://localhost/s",
        university_did=own.university,
        company_did=own.company,
        valid_from=moment,
        valid_until=moment + timedelta(hours=1),
        encoded=encode_bits([]),
        demo_custody=own.demo_custody,
    )
    for document in (build_credential(claim), build_status_list(edition)):
        create_proof(document, generate(), "did:web:localhost#rehearsal", SUITES[own.role], moment)
    review_credential(build_credential(claim), own, moment)
    review_status_list(build_status_list(edition), own, moment, None)
