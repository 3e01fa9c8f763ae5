import http.client
import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lms.certs.adapters.signers import HttpSigner, _read_answer
from lms.certs.core.document import StatusEntry, build_credential
from lms.certs.core.journal import read_journal
from lms.certs.core.keys import KeyUse, decode_public
from lms.certs.core.pdf_review import MOST_PDF_BYTES
from lms.certs.core.problems import KeyProblem
from lms.certs.core.proofs import verify_proof
from lms.certs.core.protocols import Kind, SignerRefused, SignerUnavailable, SignerWaits
from lms.certs.core.strict_json import Document
from lms.certs.signer import serving
from lms.certs.signer.folder import unlock
from lms.certs.signer.keeping import Signer
from lms.certs.signer.keyring import rotate
from lms.certs.signer.tls import admit_client, client_of, dismiss_client, make_authority, renew_server
from tests.certs.conftest import CLAIM, STATUS_URL, UNIVERSITY
from tests.certs.signer.conftest import now_claim
from tests.factories.signers import client, credentials, opened, served


def context_of(folder: Path, shown: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "tls" / "ca.pem")
    if shown is not None:
        context.load_cert_chain(shown / "client.pem", shown / "client.key")
    return context


def ask(
    port: int, context: ssl.SSLContext, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Document]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    with closing(connection):
        connection.request(
            method, path, body, {name.replace("_", "-"): said for name, said in headers.items()}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_everybody_reads_the_keys_and_the_health(folder: Path) -> None:
    document = build_credential(now_claim())
    with served(folder) as port:
        anyone = context_of(folder)
        status, shown = ask(port, anyone, "GET", "/.well-known/did.json")
        assert status == 200
        assert shown["id"] == UNIVERSITY.did
        assert len(shown["verificationMethod"]) == 3
        assert len(shown["assertionMethod"]) == 2
        proof = client(folder, port).sign(document, Kind.CREDENTIAL)
        health = {"status": "ok", "did": UNIVERSITY.did, "signatures": 1}
        assert ask(port, anyone, "GET", "/health") == (200, health)
        assert ask(port, anyone, "GET", "/keys.json")[0] == 404
    keys = {method["id"]: method["publicKeyMultibase"] for method in shown["verificationMethod"]}
    verify_proof(document, proof, decode_public(keys[proof["verificationMethod"]]))


def test_nobody_without_an_admitted_certificate_gets_a_signature(folder: Path, tmp_path: Path) -> None:
    body = json.dumps({"kind": "credential", "document": build_credential(now_claim())}).encode()
    dismissed = credentials(folder, "former")
    dismiss_client(folder, "former")
    replaced = credentials(folder, "renewed")
    admit_client(folder, "renewed", tmp_path / "again", datetime.now(UTC))
    with served(folder) as port:
        for path in ("/sign", "/pdf"):
            for context in (
                context_of(folder),
                context_of(folder, dismissed),
                context_of(folder, replaced),
            ):
                status, said = ask(port, context, "POST", path, body)
                assert (status, said["code"]) == (401, "signer.no_certificate")
        assert ask(port, context_of(folder, tmp_path / "again"), "POST", "/sign", body)[0] == 200


def test_a_certificate_of_another_authority_does_not_even_connect(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "Other", datetime.now(UTC))
    admit_client(other, "platform", tmp_path / "stranger", datetime.now(UTC))
    credentials(folder)
    with served(folder) as port, pytest.raises((ssl.SSLError, OSError)):
        ask(port, context_of(folder, tmp_path / "stranger"), "POST", "/sign", b"{}")


def test_the_server_s_own_certificate_opens_nothing(folder: Path) -> None:
    with served(folder) as port:
        context = context_of(folder)
        context.load_cert_chain(folder / "tls" / "server.pem", folder / "tls" / "server.key")
        with pytest.raises((ssl.SSLError, OSError)):
            ask(port, context, "POST", "/sign", b"{}")


def test_a_platform_does_not_ask_whoever_answers_at_the_address(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_authority(other, "Other", datetime.now(UTC))
    admit_client(other, "platform", tmp_path / "elsewhere", datetime.now(UTC))
    with served(folder) as port:
        misled = HttpSigner(f"https://127.0.0.1:{port}", tmp_path / "elsewhere")
        with pytest.raises(SignerUnavailable):
            misled.sign(build_credential(now_claim()), Kind.CREDENTIAL)
    with opened(folder) as signer:
        assert signer.chain.length == 0


def test_old_tls_is_not_spoken(folder: Path) -> None:
    context = context_of(folder)
    assert serving.server_context(folder).minimum_version is ssl.TLSVersion.TLSv1_2
    assert serving.server_context(folder).verify_mode is ssl.CERT_OPTIONAL
    with served(folder) as port:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            with suppress(ConnectionResetError):
                assert not plain.recv(1).startswith(b"H")
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
        ) as spoken:
            assert spoken.version() in {"TLSv1.2", "TLSv1.3"}


def test_requests_that_are_none_are_answered(folder: Path) -> None:
    document = json.dumps({"kind": "credential", "document": {}}).encode()
    many = json.dumps({"kind": "credential", "documents": [{}] * 251}).encode()
    with served(folder) as port:
        context = context_of(folder, credentials(folder))
        cases = [
            ("/other", document, 404),
            ("/sign", b"no json", 400),
            ("/sign", b'{"kind": "credential", "document": []}', 400),
            ("/sign", b'{"kind": "credential", "documents": []}', 400),
            ("/sign", b'{"kind": "credential", "document": 5, "documents": [{}]}', 400),
            ("/sign", b'{"kind": "credential", "documents": [1]}', 400),
            ("/sign", many, 400),
            ("/sign", b'{"kind": "deed", "document": {}}', 400),
            ("/sign", b'{"kind": [], "document": {}}', 400),
            ("/sign", b'{"a": 1, "a": 1}', 400),
            ("/sign", document, 422),
            ("/pdf", b"%PDF-", 422),
        ]
        for path, body, wanted in cases:
            status, said = ask(port, context, "POST", path, body)
            assert (status, set(said)) == (wanted, {"code", "en", "ko"}), (path, body[:40])
        assert ask(port, context, "GET", "/sign")[0] == 405


def test_a_body_that_is_too_long_is_refused_before_it_is_read(folder: Path) -> None:
    with served(folder) as port:
        known, stranger = context_of(folder, credentials(folder)), context_of(folder)
        assert ask(port, known, "POST", "/sign", b"", Content_Length="9999999")[0] == 413
        assert ask(port, known, "POST", "/pdf", b"", Content_Length="2000000")[0] == 413
        assert ask(port, stranger, "POST", "/sign", b"", Content_Length="9999999")[0] == 401
        assert ask(port, stranger, "GET", "/health")[0] == 200


def test_of_a_stranger_no_more_than_a_form_is_read(folder: Path) -> None:
    with served(folder) as port:
        context = context_of(folder)
        for path in ("/approve/sign-in", "/approve/decide", "/health", "/nothing"):
            plain = socket.create_connection(("127.0.0.1", port), timeout=20)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as line:
                head = ("HTTP/1.1", "Host: x", f"Content-Length: {serving.MOST_FORM_BYTES + 1}", "", "")
                line.sendall(f"POST {path} ".encode() + "\r\n".join(head).encode())
                assert line.recv(12) == b"HTTP/1.1 400"
        assert ask(port, context, "POST", "/nothing", b" " * serving.MOST_FORM_BYTES)[0] == 404


def test_an_endless_body_ends_at_the_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.ForClients, "most_bytes", 100_000)
    with served(folder) as port:
        context = context_of(folder, credentials(folder))
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as line:
            line.sendall(b"POST /sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
            sent = 0
            with suppress(OSError):
                for _ in range(200):
                    line.sendall(chunk)
                    sent += 65_536
            assert sent < 200 * 65_536
        assert ask(port, context, "GET", "/health")[0] == 200


def test_who_says_nothing_is_hung_up_on_and_holds_nobody_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.3)
    with served(folder) as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(5)]
        silent[0].sendall(b"\x16\x03\x01")
        assert client(folder, port).sign(build_credential(now_claim()), Kind.CREDENTIAL)
        for line in silent:
            with suppress(ConnectionResetError):
                assert line.recv(1) == b""
            line.close()


def test_so_many_connections_at_once_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(serving, "IDLE_SECONDS", 600)  # nobody is hung up on for saying nothing
    with served(folder) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
        with suppress(ConnectionResetError):
            assert held[2].recv(1) == b""
        for line in held:
            line.close()


def test_a_fault_of_the_signer_refuses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    problems = iter((KeyProblem("key.token", reason="gone"), TimeoutError(), OSError(28, "No space left")))

    def failing(*_: object) -> Document:
        raise next(problems)

    document = build_credential(now_claim())
    with served(folder) as port:
        with monkeypatch.context() as patch:
            patch.setattr(Signer, "_prove", failing)
            for _ in range(3):
                with pytest.raises(SignerUnavailable, match="503"):
                    client(folder, port).sign(document, Kind.CREDENTIAL)
        assert client(folder, port).sign(document, Kind.CREDENTIAL)
    logged = [record.getMessage() for record in caplog.records if "not signed" in record.getMessage()]
    assert "gone" in logged[0]
    assert "TimeoutError" in logged[1]
    assert "No space left" in logged[2]


def test_certificates_are_signed_while_a_pdf_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, ended = threading.Event(), threading.Event()

    class Waiting:
        def sign(self, *_: object) -> tuple[bytes, Document]:
            started.set()
            assert ended.wait(20)
            return b"addition", {"credential": "x"}

    monkeypatch.setattr(Signer, "sealing", lambda _: Waiting())
    with served(folder) as port, ThreadPoolExecutor(1) as pool:
        paper = pool.submit(client(folder, port).sign_pdf, b"%PDF-")
        assert started.wait(20)
        assert client(folder, port).sign(build_credential(now_claim()), Kind.CREDENTIAL)
        ended.set()
        assert paper.result() == b"addition"
    with (folder / "journal.jsonl").open("rb") as lines:
        assert [entry["kind"] for entry, _ in read_journal(lines)] == ["credential", "pdf"]


def test_server_and_review_agree_on_the_longest_pdf() -> None:
    assert serving._SignPdf.most_bytes == MOST_PDF_BYTES


def test_a_batch_is_answered_document_by_document(folder: Path) -> None:
    claims = [
        now_claim(
            credential_id=f"urn:uuid:0000000{n}-d8ba-41ed-83dd-0b3aef56cc33",
            status=StatusEntry(STATUS_URL, n),
        )
        for n in range(3)
    ]
    documents = [build_credential(claim) for claim in (claims[0], replace(claims[1], score="101"), claims[2])]
    with served(folder) as port:
        asked = client(folder, port)
        answers = asked.sign_many(documents, Kind.CREDENTIAL)
        assert isinstance(answers[1], SignerRefused)
        assert answers[1].code == "signer.score"
        assert asked.sign(documents[0], Kind.CREDENTIAL) == answers[0]
        assert asked.sign_many([], Kind.CREDENTIAL) == []


def test_the_connection_is_kept_and_made_anew_when_it_was_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.2)
    document = build_credential(now_claim())
    with served(folder) as port:
        asked = client(folder, port)
        proof = asked.sign(document, Kind.CREDENTIAL)
        first = asked._connection
        assert asked.sign(document, Kind.CREDENTIAL) == proof
        assert asked._connection is first
        time.sleep(0.6)
        assert asked.sign(document, Kind.CREDENTIAL) == proof
        assert asked._connection is not first


def test_a_refusal_reaches_the_client_as_one(folder: Path) -> None:
    with served(folder) as port, pytest.raises(SignerRefused) as caught:
        client(folder, port).sign(build_credential(now_claim(score="101")), Kind.CREDENTIAL)
    assert caught.value.code == "signer.score"
    assert "maximum" in caught.value.sentence
    assert "만점" in caught.value.korean


def test_a_platform_without_admission_waits_and_hears_why(folder: Path) -> None:
    shown = credentials(folder)
    dismiss_client(folder, "platform")
    with served(folder) as port, pytest.raises(SignerWaits) as caught:
        HttpSigner(f"https://127.0.0.1:{port}", shown).sign(build_credential(now_claim()), Kind.CREDENTIAL)
    assert caught.value.code == "signer.no_certificate"


def test_a_signer_that_is_down_or_mute_or_without_credentials_is_unavailable(
    folder: Path, tmp_path: Path
) -> None:
    document = build_credential(CLAIM)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(SignerUnavailable):
            client(folder, port, timeout_seconds=0.2).sign(document, Kind.CREDENTIAL)
    with pytest.raises(SignerUnavailable):
        client(folder, port, timeout_seconds=0.2).sign(document, Kind.CREDENTIAL)
    with pytest.raises(SignerUnavailable):
        HttpSigner(f"https://127.0.0.1:{port}", tmp_path / "none").sign_pdf(b"%PDF-")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<html/>",
        b'HTTP/1.1 500 Oh\r\nContent-Length: 13\r\n\r\n{"code": "x"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"proof": {"a": "' + b"x" * 2_200_000 + b'"}}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"answers": []}',
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_an_answer_that_makes_no_sense_is_unavailable(folder: Path, answer: bytes) -> None:
    shown = credentials(folder)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            plain, _ = server.accept()
            with (
                suppress(OSError),
                serving.server_context(folder).wrap_socket(plain, server_side=True) as line,
            ):
                line.recv(65_536)
                line.sendall(answer)

        for ask_it in (
            lambda signer: signer.sign({"a": 1}, Kind.CREDENTIAL),
            lambda signer: signer.sign_many([{"a": 1}], Kind.CREDENTIAL),
        ):
            thread = threading.Thread(target=reply)
            thread.start()
            asked = HttpSigner(f"https://127.0.0.1:{server.getsockname()[1]}", shown, 20)
            with closing(asked), pytest.raises(SignerUnavailable):
                ask_it(asked)
            thread.join()


def test_an_answer_in_drops_is_not_waited_for_to_its_end(folder: Path) -> None:
    shown = credentials(folder)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            plain, _ = server.accept()
            with (
                suppress(OSError),
                serving.server_context(folder).wrap_socket(plain, server_side=True) as line,
            ):
                line.recv(65_536)
                line.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while True:
                    line.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        asked = HttpSigner(f"https://127.0.0.1:{server.getsockname()[1]}", shown, timeout_seconds=0.5)
        with closing(asked), pytest.raises(SignerUnavailable):
            asked.sign({"a": 1}, Kind.CREDENTIAL)
        thread.join(20)
        assert not thread.is_alive()


def test_a_handshake_in_drops_is_not_waited_for_to_its_end(folder: Path) -> None:
    shown = credentials(folder)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            plain, _ = server.accept()
            with suppress(OSError), plain:
                plain.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 kB begins
                for _ in range(500):
                    plain.sendall(b"\x02")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        asked = HttpSigner(f"https://127.0.0.1:{server.getsockname()[1]}", shown, timeout_seconds=0.25)
        begun = time.monotonic()
        with closing(asked), pytest.raises(SignerUnavailable):
            asked.sign({"a": 1}, Kind.CREDENTIAL)
        assert time.monotonic() - begun < 8  # the drops alone take ten
        thread.join(20)


@pytest.mark.parametrize("waits", [True, False])
def test_of_what_another_organisation_says_no_more_than_a_sentence_is_kept(*, waits: bool) -> None:
    said = _read_answer({"code": "c" * 500, "en": "e" * 1_000_000, "ko": "ㅎ" * 1_000_000}, waits=waits)
    assert isinstance(said, SignerWaits if waits else SignerRefused)
    assert (len(said.code), len(said.sentence), len(said.korean)) == (80, 1_000, 1_000)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "", "https://"])
def test_nothing_is_asked_for_over_an_open_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="https"):
        HttpSigner(url, tmp_path)


def test_a_new_key_counts_at_once_and_the_old_one_stays_known(folder: Path) -> None:
    with served(folder) as port:
        before = client(folder, port).sign(build_credential(now_claim()), Kind.CREDENTIAL)
        rotate(folder, unlock(folder), KeyUse.ISSUING, name="-", now=datetime.now(UTC))
        later = now_claim(
            credential_id="urn:uuid:11111111-d8ba-41ed-83dd-0b3aef56cc33", status=StatusEntry(STATUS_URL, 5)
        )
        after = client(folder, port).sign(build_credential(later), Kind.CREDENTIAL)
        shown = ask(port, context_of(folder), "GET", "/.well-known/did.json")[1]
    assert before["verificationMethod"] != after["verificationMethod"]
    methods = {method["id"]: method for method in shown["verificationMethod"]}
    assert "retiredAt" in methods[before["verificationMethod"]]
    assert "retiredAt" not in methods[after["verificationMethod"]]
    assert before["verificationMethod"] in shown["assertionMethod"]


def test_the_server_s_certificate_is_made_anew_for_new_names_and_before_it_ends(folder: Path) -> None:
    path = folder / "tls" / "server.pem"
    first = path.read_bytes()
    now = datetime.now(UTC)
    renew_server(folder, {"hangang-university.example", "127.0.0.1"}, now)
    assert path.read_bytes() == first
    renew_server(folder, {"signer.example"}, now)
    second = path.read_bytes()
    assert second != first
    renew_server(folder, {"signer.example"}, now.replace(year=now.year + 5))
    third = path.read_bytes()
    assert third != second
    path.write_bytes(second)  # as a renewal leaves it that was cut short after the key
    renew_server(folder, {"signer.example"}, now)
    assert path.read_bytes() not in {second, third}
    assert serving.server_context(folder)


def test_a_name_that_is_a_way_out_of_the_folder_is_none(folder: Path, tmp_path: Path) -> None:
    for name in ("../ca", "", "A", "x" * 41):
        with pytest.raises(KeyProblem, match="client_name"):
            admit_client(folder, name, tmp_path / "x", datetime.now(UTC))
    assert client_of(folder, None) is None
    assert client_of(folder, b"junk") is None
