import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lms.certs.adapters.signers import HttpSigner
from lms.certs.core.document import Claim, Party, StatusEntry, build_credential
from lms.certs.core.journal import JournalProblem, read_journal
from lms.certs.core.keys import decode_public, generate, seal_key
from lms.certs.core.mandate import Mandate, read_mandate, write_mandate
from lms.certs.core.problems import CertificateProblem, DocumentProblem, KeyProblem
from lms.certs.core.proofs import attach, verify_proof
from lms.certs.core.protocols import Kind, SignerRefused, SignerUnavailable
from lms.certs.core.status import build_status_list, encode_bits
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, verify
from lms.certs.signer.commands import main
from lms.certs.signer.keeping import Signer, approve, create, trusted_party
from lms.certs.signer.serving import SignerServer
from tests.certs.conftest import CLAIM, COMPANY, NOW, STATUS_URL, UNIVERSITY, edition

ROOT = Path(__file__).parents[2]
MANDATE = Mandate(
    role=Role.UNIVERSITY,
    name=UNIVERSITY.name,
    university=UNIVERSITY.did,
    company=COMPANY.did,
    host="127.0.0.1",
    port=0,
    demo_custody=True,
    achievements=(CLAIM.achievement.id,),
    status_lists=("https://duri.example/status/",),
)
Changes = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create(tmp_path / "university", MANDATE)
    return tmp_path / "university"


@contextmanager
def opened(folder: Path) -> Iterator[Signer]:
    signer = Signer.open(folder)
    with closing(signer.journal):
        yield signer


@contextmanager
def served(folder: Path) -> Iterator[int]:
    with opened(folder) as signer, SignerServer(signer, ("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def client(folder: Path, port: int) -> HttpSigner:
    return HttpSigner(f"http://127.0.0.1:{port}", (folder / "token").read_text(), timeout_seconds=20)


def now_claim(**changes: Any) -> Claim:
    return replace(CLAIM, issued_at=datetime.now(UTC).replace(microsecond=0), **changes)


def refusal(signer: Signer, document: Document, kind: Kind = Kind.CREDENTIAL, now: datetime = NOW) -> str:
    with pytest.raises(CertificateProblem) as caught:
        signer.sign(document, kind, now)
    return caught.value.code


def test_the_folder_is_for_its_owner_only(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("key.json", "passphrase", "token", "signer.json", "journal.jsonl"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        create(folder, MANDATE)


def test_two_signers_make_a_valid_certificate(tmp_path: Path) -> None:
    claim = now_claim()
    for role in Role:
        create(tmp_path / role, replace(MANDATE, role=role))
    document = build_credential(claim)
    with served(tmp_path / "university") as one, served(tmp_path / "company") as two:
        ports = {Role.UNIVERSITY: one, Role.COMPANY: two}
        proofs = [client(tmp_path / role, ports[role]).sign(document, Kind.CREDENTIAL) for role in Role]
        listed = build_status_list(
            edition(valid_from=claim.issued_at, valid_until=claim.issued_at + timedelta(hours=24))
        )
        listed_proofs = [client(tmp_path / role, ports[role]).sign(listed, Kind.STATUS_LIST) for role in Role]
    trust = Trust(tuple(trusted_party(tmp_path / role) for role in Role))
    resources = {STATUS_URL: json.dumps(attach(listed, *listed_proofs)).encode()}
    content = json.dumps(attach(document, *proofs)).encode()
    assert verify(content, trust, resources, datetime.now(UTC)).status is Status.VALID


def test_the_same_document_gets_the_same_proof_also_after_a_restart(folder: Path) -> None:
    document = build_credential(CLAIM)
    with opened(folder) as signer:
        proof = signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.sign(document, Kind.CREDENTIAL, NOW + timedelta(seconds=5)) == proof
    with opened(folder) as signer:
        assert signer.sign(document, Kind.CREDENTIAL, NOW + timedelta(days=90)) == proof
        assert signer.chain.length == 1
        other = build_credential(replace(CLAIM, score="99"))
        assert refusal(signer, other) == "signer.id_taken"


def test_parallel_requests_for_one_document_are_signed_once(folder: Path) -> None:
    document = build_credential(CLAIM)
    with opened(folder) as signer, ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(signer.sign, document, Kind.CREDENTIAL, NOW) for _ in range(12)]
        assert len({json.dumps(job.result()) for job in jobs}) == 1
        assert signer.chain.length == 1


OTHER_ID = "urn:uuid:11111111-d8ba-41ed-83dd-0b3aef56cc33"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"company": Party("did:web:evil.example", "Evil", "https://evil.example/")}, "signer.not_the_pair"),
        ({"university": COMPANY, "company": UNIVERSITY}, "signer.not_the_pair"),
        ({"achievement": replace(CLAIM.achievement, id="https://duri.example/other")}, "signer.not_approved"),
        ({"achievement": replace(CLAIM.achievement, id=CLAIM.achievement.id + "2")}, "signer.not_approved"),
        ({"demo_custody": False}, "signer.demo_custody"),
        ({"issued_at": NOW + timedelta(hours=1)}, "signer.not_now"),
        ({"issued_at": NOW - timedelta(days=31)}, "signer.not_now"),
        ({"score": "101"}, "signer.score"),
        ({"status": StatusEntry("https://evil.example/status/1", 1)}, "signer.list_not_approved"),
        ({"status": StatusEntry("https://duri.example/status/../x", 1)}, "signer.list_not_approved"),
    ],
)
def test_what_the_organisation_did_not_approve_is_not_signed(
    folder: Path, changes: Changes, code: str
) -> None:
    with opened(folder) as signer:
        assert refusal(signer, build_credential(replace(CLAIM, **changes))) == code
        assert signer.chain.length == 0
    assert (folder / "journal.jsonl").read_bytes() == b""


def test_a_document_in_another_form_is_not_signed(folder: Path) -> None:
    document = build_credential(CLAIM)
    weakened = json.loads(json.dumps(document))
    weakened["termsOfUse"][0]["https://duri.example/ns#requiredSigner"].pop()
    with opened(folder) as signer:
        assert refusal(signer, {**document, "honours": "summa cum laude"}) == "document.shape"
        assert refusal(signer, {**document, "@context": document["@context"][:1]}) == "context.not_pinned"
        assert refusal(signer, {**document, "proof": []}) == "signer.has_proofs"
        assert refusal(signer, weakened) == "document.shape"
        assert refusal(signer, {}) == "context.not_pinned"
        assert refusal(signer, document, Kind.STATUS_LIST) == "status.shape"
        assert refusal(signer, {"id": []}, Kind.STATUS_LIST) == "status.shape"


def test_a_place_of_the_list_is_given_once(folder: Path) -> None:
    with opened(folder) as signer:
        signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
        assert (
            refusal(signer, build_credential(replace(CLAIM, credential_id=OTHER_ID))) == "signer.place_taken"
        )


def test_nobody_takes_back_a_revocation(folder: Path) -> None:
    later = NOW + timedelta(hours=1)
    with opened(folder) as signer:
        signer.sign(build_status_list(edition(encoded=encode_bits([3, 7]))), Kind.STATUS_LIST, NOW)
    with opened(folder) as signer:
        cleared = build_status_list(edition(encoded=encode_bits([7]), valid_from=later))
        assert refusal(signer, cleared, Kind.STATUS_LIST, later) == "signer.unrevoked"
        earlier = build_status_list(edition(encoded=encode_bits([3, 7]), valid_from=NOW - timedelta(hours=1)))
        assert refusal(signer, earlier, Kind.STATUS_LIST, later) == "signer.older_list"
        more = build_status_list(edition(encoded=encode_bits([3, 7, 9]), valid_from=later))
        assert signer.sign(more, Kind.STATUS_LIST, later)["cryptosuite"] == "eddsa-rdfc-2022"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid_until": NOW + timedelta(hours=73)}, "signer.lives_too_long"),
        ({"valid_until": NOW}, "signer.lives_too_long"),
        ({"url": "https://evil.example/status/1"}, "signer.list_not_approved"),
        ({"demo_custody": False}, "signer.demo_custody"),
        ({"company_did": "did:web:evil.example"}, "signer.not_the_pair"),
        ({"encoded": "uAAAA"}, "status.bad_encoding"),
    ],
)
def test_a_doubtful_list_is_not_signed(folder: Path, changes: Changes, code: str) -> None:
    with opened(folder) as signer:
        assert refusal(signer, build_status_list(edition(**changes)), Kind.STATUS_LIST) == code


def test_an_approval_counts_at_once(folder: Path) -> None:
    course = "https://duri.example/courses/data-work/"
    achievement = replace(CLAIM.achievement, id=f"{course}versions/1")
    document = build_credential(replace(CLAIM, achievement=achievement))
    with opened(folder) as signer:
        assert refusal(signer, document) == "signer.not_approved"
        approve(folder, course=course)
        approve(folder, course=course)
        assert signer.mandate.courses == (course,)
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
    with pytest.raises(DocumentProblem):
        approve(folder, course="https://duri.example/courses")
    assert read_mandate((folder / "signer.json").read_bytes()).courses == (course,)


def journalled(folder: Path) -> list[bytes]:
    with opened(folder) as signer:
        for number in range(3):
            claim = replace(
                CLAIM,
                credential_id=f"urn:uuid:0000000{number}-d8ba-41ed-83dd-0b3aef56cc33",
                status=StatusEntry(STATUS_URL, number),
            )
            signer.sign(build_credential(claim), Kind.CREDENTIAL, NOW)
    return (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_a_journal_with_a_changed_missing_or_moved_line_is_refused(folder: Path) -> None:
    lines = journalled(folder)
    assert [entry["sequence"] for entry, _ in read_journal(lines)] == [1, 2, 3]
    spoilt = [
        [lines[0].replace(b"deep-learning", b"data-work"), *lines[1:]],
        [lines[0], lines[2]],
        lines[1:],
        [lines[1], lines[0], lines[2]],
        [lines[0].replace(b":", b": ", 1), *lines[1:]],
        [lines[0], b"\n", *lines[1:]],
    ]
    for case in spoilt:
        with pytest.raises(JournalProblem):
            list(read_journal(case))
    (folder / "journal.jsonl").write_bytes(b"".join(spoilt[0]))
    with pytest.raises(JournalProblem):
        Signer.open(folder)
    assert main(["journal", str(folder)]) == 1


def test_a_line_cut_short_by_a_crash_is_dropped(folder: Path) -> None:
    lines = journalled(folder)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    with opened(folder) as signer:
        assert signer.chain.length == 2
    assert (folder / "journal.jsonl").read_bytes() == b"".join(lines[:2])


def test_a_full_disk_gives_no_proof(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    document = build_credential(CLAIM)
    with opened(folder) as signer:
        with monkeypatch.context() as patch:
            patch.setattr("lms.certs.signer.keeping.os.fsync", full)
            with pytest.raises(OSError, match="No space"):
                signer.sign(document, Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 0
        assert signer.sign(document, Kind.CREDENTIAL, NOW)
    with opened(folder) as signer:
        assert signer.chain.length == 1


def test_one_process_at_a_time_holds_a_signer(folder: Path) -> None:
    with opened(folder), pytest.raises(BlockingIOError):
        Signer.open(folder)


def test_a_wrong_passphrase_or_key_file_ends_the_start(folder: Path) -> None:
    (folder / "passphrase").write_text("wrong")
    with pytest.raises(KeyProblem, match="wrong_passphrase"):
        Signer.open(folder)
    (folder / "key.json").write_bytes(seal_key(generate(), "other")[:50])
    with pytest.raises(KeyProblem, match="broken_envelope"):
        Signer.open(folder)


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Document]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    with closing(connection):
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_the_address_shows_the_key_and_its_health(folder: Path) -> None:
    with served(folder) as port:
        status, shown = ask(port, "GET", "/.well-known/did.json")
        assert status == 200
        assert shown["id"] == UNIVERSITY.did
        (method,) = shown["verificationMethod"]
        assert shown["assertionMethod"] == [method["id"]]
        proof = client(folder, port).sign(build_credential(now_claim()), Kind.CREDENTIAL)
        assert proof["verificationMethod"] == method["id"]
        assert ask(port, "GET", "/health") == (200, {"status": "ok", "did": UNIVERSITY.did, "signatures": 1})
        assert ask(port, "GET", "/key.json")[0] == 404
        key = decode_public(method["publicKeyMultibase"])
    verify_proof(build_credential(now_claim()) | {"validFrom": _signed_at(folder)}, proof, key)


def _signed_at(folder: Path) -> str:
    (line,) = (folder / "journal.jsonl").read_bytes().splitlines()
    return str(json.loads(line)["at"])


def test_requests_that_are_none_are_answered(folder: Path) -> None:
    with served(folder) as port:
        bearer = "Bearer " + (folder / "token").read_text()
        good = {"Authorization": bearer}
        document = json.dumps({"kind": "credential", "document": {}}).encode()
        assert ask(port, "POST", "/sign", document)[1]["code"] == "signer.wrong_token"
        assert ask(port, "POST", "/sign", document, Authorization=bearer + "x")[0] == 401
        assert ask(port, "POST", "/sign", document, Authorization="Bearer é")[0] == 401
        assert ask(port, "POST", "/other", document, **good)[0] == 404
        assert ask(port, "POST", "/sign", b"no json", **good)[0] == 400
        assert ask(port, "POST", "/sign", b'{"kind": "credential", "document": []}', **good)[0] == 400
        assert ask(port, "POST", "/sign", b'{"kind": "deed", "document": {}}', **good)[1]["code"].endswith(
            "kind"
        )
        assert ask(port, "POST", "/sign", b'{"kind": [], "document": {}}', **good)[0] == 400
        assert ask(port, "POST", "/sign", b'{"a": 1, "a": 1}', **good)[0] == 400
        assert ask(port, "POST", "/sign", document, **good)[0] == 422
        assert ask(port, "POST", "/sign", b"", Content_Length="9999999", **good)[0] == 413
        assert ask(port, "POST", "/sign", b"", Content_Length="-1", **good)[0] == 400
        refused = ask(port, "POST", "/sign", document, **good)[1]
        assert set(refused) == {"code", "en", "ko"}


def test_a_refusal_reaches_the_client_as_one(folder: Path) -> None:
    with served(folder) as port, pytest.raises(SignerRefused) as caught:
        client(folder, port).sign(build_credential(now_claim(score="101")), Kind.CREDENTIAL)
    assert caught.value.code == "signer.score"
    assert "maximum" in caught.value.sentence
    assert "만점" in caught.value.korean


def test_a_signer_that_is_down_or_mute_or_mad_is_unavailable() -> None:
    document = build_credential(CLAIM)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(SignerUnavailable):
            HttpSigner(f"http://127.0.0.1:{port}", "t", timeout_seconds=0.2).sign(document, Kind.CREDENTIAL)
    with pytest.raises(SignerUnavailable):
        HttpSigner(f"http://127.0.0.1:{port}", "t", timeout_seconds=0.2).sign(document, Kind.CREDENTIAL)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<html/>",
        b'HTTP/1.1 500 Oh\r\nContent-Length: 13\r\n\r\n{"code": "x"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"proof": {"a": "' + b"x" * 200_000 + b'"}}',
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_an_answer_that_makes_no_sense_is_unavailable(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(SignerUnavailable):
            HttpSigner(f"http://127.0.0.1:{server.getsockname()[1]}", "t").sign({"a": 1}, Kind.CREDENTIAL)
        thread.join()


@pytest.mark.parametrize("url", ["http://signer.example", "ftp://127.0.0.1", "file:///etc/passwd", ""])
def test_a_token_never_leaves_this_machine_unprotected(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        HttpSigner(url, "t")


@pytest.mark.parametrize(
    "change",
    [
        {"host": "0.0.0.0"},  # noqa: S104 - the point
        {"company": UNIVERSITY.did},
        {"courses": ("https://duri.example/courses",)},
        {"status_lists": ("https://duri.example/status",)},
        {"port": "8101"},
        {"demo_custody": "no"},
        {"achievements": (1,)},
    ],
)
def test_unsafe_settings_are_refused(change: Changes) -> None:
    with pytest.raises(DocumentProblem, match="bad_value"):
        read_mandate(write_mandate(replace(MANDATE, **change)))


def test_the_command_makes_runs_and_ends_a_signer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = str(tmp_path / "company")
    arguments = ["init", folder, "--role", "company", "--name", "누리에이아이", "--port", str(port)]
    arguments += ["--partner", UNIVERSITY.did, "--demo-custody", "--course", "https://duri.example/courses/"]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert main(["approve", folder, "--achievement", "https://duri.example/a"]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "lms.certs.signer", "run", folder], cwd=ROOT, stderr=subprocess.PIPE
    )
    with process:
        assert _comes_up(port)["did"] == f"did:web:localhost%3A{port}"
        assert main(["run", folder]) == 1
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
    assert main(["journal", folder]) == 0


def _comes_up(port: int) -> Document:
    for _ in range(200):
        try:
            return ask(port, "GET", "/health")[1]
        except OSError:
            time.sleep(0.05)
    pytest.fail("the signer did not come up")


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: only root can become another user")
def test_a_signer_of_its_own_user_ends_with_whoever_started_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path / "company"
    create(folder, replace(MANDATE, port=port))
    for path in (folder, *folder.iterdir()):
        os.chown(path, 61_100, 61_100)
    command = (
        f"setpriv --pdeathsig TERM {sys.executable} -m lms.certs.signer run --user 61100 {folder} & wait"
    )
    with subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, stderr=subprocess.DEVNULL) as shell:
        _comes_up(port)
        pid = subprocess.run(
            ["/usr/bin/pgrep", "-f", str(folder)], capture_output=True, text=True, check=True
        ).stdout
        owners = {Path(f"/proc/{each}").stat().st_uid for each in pid.split() if int(each) != shell.pid}
        assert owners == {61_100}
        shell.kill()
    for _ in range(200):
        try:
            ask(port, "GET", "/health")
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("the signer outlived the process that started it")
