"""The process that holds one organisation's key and signs for it, after its own judgement.

Its folder holds `signer.json` (what may be signed), `key.json` (sealed), `passphrase`, `token` (for the LMS)
and `journal.jsonl` (every signature made).
"""

import argparse
import fcntl
import hmac
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core.document import CONTEXT
from lms.certs.core.joint import SUITES
from lms.certs.core.journal import Chain, read_journal
from lms.certs.core.keys import PublicKey, did_document, did_web, encode_public, generate, key_id, seal_key
from lms.certs.core.keys import open_key as unseal_key
from lms.certs.core.mandate import (
    Mandate,
    Refusal,
    read_mandate,
    review_credential,
    review_status_list,
    write_mandate,
)
from lms.certs.core.problems import CertificateProblem, Unreadable
from lms.certs.core.proofs import Suite, create_proof
from lms.certs.core.protocols import Kind
from lms.certs.core.sentences import sentence
from lms.certs.core.status import StatusList, read_status_list
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role, TrustedParty

MOST_REQUEST_BYTES = 4_000_000
_IDLE_SECONDS = 15
_STATUSES = {
    "signer.id_taken": HTTPStatus.CONFLICT,
    "signer.place_taken": HTTPStatus.CONFLICT,
    "signer.bad_request": HTTPStatus.BAD_REQUEST,
    "signer.unknown_kind": HTTPStatus.BAD_REQUEST,
    "signer.wrong_token": HTTPStatus.UNAUTHORIZED,
    "signer.not_found": HTTPStatus.NOT_FOUND,
    "signer.too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


def create(folder: Path, mandate: Mandate) -> None:
    """Make a signer's folder with a new key, a random passphrase and a random token.

    Raises:
        FileExistsError: the folder is there already; keys are never overwritten.
    """
    folder.mkdir(mode=0o700, parents=True)
    passphrase = secrets.token_urlsafe(32)
    _write_private(folder / "passphrase", passphrase.encode("ascii"))
    _write_private(folder / "token", secrets.token_urlsafe(32).encode("ascii"))
    _write_private(folder / "key.json", seal_key(generate(), passphrase))
    _write_private(folder / "journal.jsonl", b"")
    _write_private(folder / "signer.json", write_mandate(mandate))


def approve(folder: Path, *, achievement: str | None = None, course: str | None = None) -> None:
    """Let the signer sign for one more achievement, or for a course (an address that ends with a slash)."""
    path = folder / "signer.json"
    content = write_mandate(read_mandate(path.read_bytes()).approve(achievement=achievement, course=course))
    read_mandate(content)
    fresh = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    _write_private(fresh, content)
    fresh.replace(path)


def trusted_party(folder: Path) -> TrustedParty:
    """Return the organisation's entry for trust files; needs no passphrase."""
    mandate = read_mandate((folder / "signer.json").read_bytes())
    multibase = read_object((folder / "key.json").read_bytes())["publicKeyMultibase"]
    return TrustedParty(
        mandate.role, mandate.name, mandate.did, (PublicKey(f"{mandate.did}#{multibase}", multibase),)
    )


@dataclass
class Signer:
    """Judge, sign and write down, one document at a time."""

    folder: Path
    key: Ed25519PrivateKey
    journal: BinaryIO
    chain: Chain = field(default_factory=Chain)
    signed: dict[str, tuple[str, Document]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    lists: dict[str, StatusList] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, folder: Path) -> "Signer":
        """Unlock the key and read the journal.

        Raises:
            CertificateProblem: the key or the journal cannot be used.
            BlockingIOError: another process holds this signer.
        """
        passphrase = (folder / "passphrase").read_text(encoding="utf-8").strip()
        key = unseal_key((folder / "key.json").read_bytes(), passphrase)
        journal = (folder / "journal.jsonl").open("r+b")
        with ExitStack() as on_failure:
            on_failure.enter_context(journal)
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _cut_torn_line(journal)
            signer = cls(folder, key, journal)
            for entry, chain in read_journal(journal):
                signer.chain = chain
                signer._remember(entry)
            on_failure.pop_all()
        return signer

    @property
    def mandate(self) -> Mandate:
        """Return the settings as they are now, so that an approval counts at once."""
        return read_mandate((self.folder / "signer.json").read_bytes())

    def sign(self, document: Document, kind: Kind, now: datetime) -> Document:
        """Return the organisation's proof; the same document gets the same proof again.

        Raises:
            CertificateProblem: the organisation does not sign this.
        """
        with self.turn:
            mandate = self.mandate
            digest = sha256_of(document)
            known = self.signed.get(f"{kind}:{document.get('id')}")
            if known is not None and known[0] == digest and "proof" not in document:
                return known[1]
            if kind is Kind.CREDENTIAL:
                entry = self._judge_credential(document, mandate, now, taken=known is not None)
            else:
                entry = self._judge_list(document, mandate, now)
            proof = create_proof(
                document, self.key, key_id(mandate.did, self.key.public_key()), SUITES[mandate.role], now
            )
            entry |= {"at": write_time(now), "kind": str(kind), "sha256": digest, "proof": proof}
            self._write(entry)
            return proof

    def _judge_credential(
        self, document: Document, mandate: Mandate, now: datetime, *, taken: bool
    ) -> Document:
        claim = review_credential(document, mandate, now)
        place = f"{claim.status.url}#{claim.status.index}"
        if taken:
            raise Refusal("signer.id_taken", id=claim.credential_id)
        if place in self.places:
            raise Refusal("signer.place_taken", place=place[:200])
        return {"id": claim.credential_id, "achievement": claim.achievement.id, "place": place}

    def _judge_list(self, document: Document, mandate: Mandate, now: datetime) -> Document:
        edition = review_status_list(document, mandate, now, self.lists.get(str(document.get("id"))))
        return {"id": edition.url, "document": document}

    def _write(self, entry: Document) -> None:
        line, chain = self.chain.append(entry)
        end = self.journal.seek(0, os.SEEK_END)
        try:
            self.journal.write(line)
            self.journal.flush()
            os.fsync(self.journal.fileno())
        except OSError:
            with suppress(OSError):
                self.journal.truncate(end)
            raise
        self.chain = chain
        self._remember(entry)

    def _remember(self, entry: Document) -> None:
        self.signed[f"{entry['kind']}:{entry['id']}"] = (entry["sha256"], entry["proof"])
        if entry["kind"] == Kind.CREDENTIAL:
            self.places[entry["place"]] = entry["id"]
        else:
            self.lists[entry["id"]] = read_status_list(entry["document"])


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


def serve(folder: Path, user: int | None = None) -> None:
    """Run the signer of a folder until it is told to end; started by root, become `user` first."""
    os.chdir(folder)  # from here on relative: the way to the folder may be closed to `user`
    signer = Signer.open(Path())
    mandate = signer.mandate
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with SignerServer(signer, (mandate.host, mandate.port)) as server, suppress(KeyboardInterrupt):
        if user is not None:
            _become(user, SUITES[mandate.role])
        server.serve_forever()


def _become(user: int, suite: Suite) -> None:
    """Give root away for good, after one rehearsal: the interpreter's own files may be closed to `user`."""
    create_proof(
        {"@context": list(CONTEXT), "id": "urn:rehearsal"}, generate(), "urn:key", suite, datetime.now(UTC)
    )
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of one signer."""
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command](options)
    except CertificateProblem as problem:
        return _complain(sentence(problem.code, problem.params, "en"))
    except BlockingIOError:
        return _complain("Another process already runs this signer. End it first.")
    except OSError as problem:
        return _complain(f"{problem.filename or ''}: {problem.strerror}")
    return 0


def _init(options: argparse.Namespace) -> None:
    own = options.did or did_web("localhost", options.port)
    university = own if options.role == Role.UNIVERSITY else options.partner
    company = own if options.role == Role.COMPANY else options.partner
    mandate = Mandate(
        role=Role(options.role),
        name=options.name,
        university=university,
        company=company,
        host="127.0.0.1",
        port=options.port,
        demo_custody=options.demo_custody,
        achievements=tuple(options.achievement),
        courses=tuple(options.course),
        status_lists=tuple(options.status_list),
    )
    create(options.folder, read_mandate(write_mandate(mandate)))


def _approve(options: argparse.Namespace) -> None:
    approve(options.folder, achievement=options.achievement, course=options.course)


def _journal(options: argparse.Namespace) -> None:
    end = Chain()
    with (options.folder / "journal.jsonl").open("rb") as lines:
        for _, chain in read_journal(lines):
            end = chain
    sys.stdout.write(f"{end.length} signatures, head {end.head}\n")


_COMMANDS = {
    "init": _init,
    "run": lambda options: serve(options.folder, options.user),
    "approve": _approve,
    "journal": _journal,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lms signer", description="Hold one organisation's key and sign for it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make a folder with a new key")
    init.add_argument("--role", choices=[str(role) for role in Role], required=True)
    init.add_argument("--name", required=True, help="of the organisation")
    init.add_argument("--port", type=int, required=True, help="on the loopback interface")
    init.add_argument("--did", help="own identifier (default: did:web:localhost%%3APORT)")
    init.add_argument("--partner", required=True, help="identifier of the other organisation")
    init.add_argument("--achievement", action="append", default=[], help="approved, by its address")
    init.add_argument("--course", action="append", default=[], help="approved, by the start of its address")
    init.add_argument(
        "--status-list", action="append", default=[], help="signed, by the start of its address"
    )
    init.add_argument("--demo-custody", action="store_true", help="the key is a demonstration's")
    run = commands.add_parser("run", help="serve until ended")
    run.add_argument("--user", type=int, help="number of the OS user to become, when started by root")
    more = commands.add_parser("approve", help="approve one more achievement or course")
    more.add_argument("--achievement")
    more.add_argument("--course")
    commands.add_parser("journal", help="check the journal and show its head")
    for command in commands.choices.values():
        command.add_argument("folder", type=Path)
    return parser


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


def _cut_torn_line(journal: BinaryIO) -> None:
    """Drop a last line that a crash cut short: its proof was never handed out."""
    content = journal.read()
    journal.truncate(content.rfind(b"\n") + 1)
    journal.seek(0)


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
