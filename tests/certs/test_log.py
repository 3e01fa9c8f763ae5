"""The log of an installation: what enters it, whose signatures it gathers, what anyone can have proved."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.adapters.log_key import FolderLogKey
from lms.certs.core.heads import EntryKind, read_head, signed_sha256
from lms.certs.core.log import is_consistent
from lms.certs.core.log_proofs import examine_log_proof, read_log_proof
from lms.certs.core.strict_json import canonical
from lms.certs.core.trust import Role, Trust, read_trust, write_trust
from lms.certs.core.verify import Status, verify
from lms.certs.models import Credential, LogEntry, LogTree, TreeHead
from lms.certs.queries import credentials as queries
from lms.certs.services import log
from lms.certs.services.log import HEAD_LIFE, LONGEST_WAIT, PAUSE, keep_heads_signed, log_what_happened
from lms.certs.services.notices import keep_notices_signed
from lms.config import Settings
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential

SECOND = timedelta(seconds=1)
LOG = f"{PUBLIC_URL}/log"


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def credential(sessions: sessionmaker[Session], pair: Pair) -> Credential:
    return make_credential(sessions, pair)


def entries(sessions: sessionmaker[Session]) -> list[LogEntry]:
    with sessions() as session:
        return list(session.scalars(select(LogEntry).order_by(LogEntry.index)))


def heads(sessions: sessionmaker[Session]) -> list[TreeHead]:
    with sessions() as session:
        return list(session.scalars(select(TreeHead).order_by(TreeHead.id)))


def proof(sessions: sessionmaker[Session], credential: Credential) -> bytes | None:
    with sessions() as session:
        return queries.log_proof(session, credential.sha256)


def test_a_certificate_enters_the_log_as_it_is_issued(
    sessions: sessionmaker[Session], credential: Credential
) -> None:
    (entry,) = entries(sessions)
    assert (entry.index, entry.kind, entry.document) == (0, EntryKind.ISSUED, credential.sha256)
    assert entry.signed == signed_sha256(credential.document)
    assert credential.uuid not in json.dumps([entry.hash, entry.nodes, entry.document, entry.signed])


def test_both_co_sign_and_the_proof_verifies_offline(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    assert proof(sessions, credential) is None
    assert keep_heads_signed(sessions, pair.signing, NOW + SECOND) == []
    content = proof(sessions, credential)
    answer = examine_log_proof(content, credential.document, pair.pinned, NOW + SECOND)
    assert (answer.findings, answer.missing, answer.proven) == ((), (), NOW + SECOND)
    with sessions() as session:
        resources = dict(queries.resources(session, credential, pair.trust))
    whole = canonical(credential.document)
    pinned = read_trust(write_trust(pair.pinned.parties, pair.pinned.logs))
    assert verify(whole, pinned, resources, NOW, log_proof=content).status is Status.VALID
    assert verify(whole, pinned, resources, NOW, log_proof=b"{}").status is Status.REFUSED
    assert verify(whole, pinned, resources, NOW).status is Status.UNDECIDED
    with sessions() as session:
        bundled = queries.resources(session, credential, pinned)
    assert verify(whole, pinned, bundled, NOW).status is Status.VALID


def test_the_proof_is_of_the_first_head_that_knew_the_certificate(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    keep_heads_signed(sessions, pair.signing, NOW + SECOND)
    make_credential(sessions, pair)
    keep_heads_signed(sessions, pair.signing, NOW + timedelta(minutes=2))
    content = proof(sessions, credential)
    assert content is not None
    assert read_log_proof(content).head.time == NOW + SECOND


def test_many_certificates_are_all_proved(sessions: sessionmaker[Session], pair: Pair) -> None:
    made = [make_credential(sessions, pair) for _ in range(3)]
    keep_heads_signed(sessions, pair.signing, NOW + SECOND)
    for credential in made:
        answer = examine_log_proof(proof(sessions, credential), credential.document, pair.pinned, NOW)
        assert answer.findings == ()


@pytest.mark.usefixtures("credential")
def test_nothing_new_needs_no_new_head_for_a_day(sessions: sessionmaker[Session], pair: Pair) -> None:
    keep_heads_signed(sessions, pair.signing, NOW + SECOND)
    keep_heads_signed(sessions, pair.signing, NOW + 2 * SECOND)
    assert len(heads(sessions)) == 1
    keep_heads_signed(sessions, pair.signing, NOW + SECOND + HEAD_LIFE)
    assert [head.size for head in heads(sessions)] == [1, 1]
    assert pair.university.asked.count("tree-head") == 2


def test_an_empty_log_has_no_head(sessions: sessionmaker[Session], pair: Pair) -> None:
    assert keep_heads_signed(sessions, pair.signing, NOW) == []
    assert heads(sessions) == []


@pytest.mark.parametrize("role", list(Role))
def test_a_signer_that_is_down_is_asked_again_and_nothing_counts_before(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential, role: Role
) -> None:
    signer = pair.university if role is Role.UNIVERSITY else pair.company
    signer.down = True
    (missing,) = keep_heads_signed(sessions, pair.signing, NOW)
    assert missing.role is role
    assert proof(sessions, credential) is None
    signer.down = False
    assert keep_heads_signed(sessions, pair.signing, NOW + SECOND) == []
    assert proof(sessions, credential) is None
    assert keep_heads_signed(sessions, pair.signing, NOW + PAUSE) == []
    assert proof(sessions, credential) is not None
    assert len(heads(sessions)) == 1


def test_a_head_that_waited_too_long_is_dated_anew(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    pair.company.down = True
    keep_heads_signed(sessions, pair.signing, NOW)
    make_late = NOW + LONGEST_WAIT
    pair.company.down = False
    keep_heads_signed(sessions, pair.signing, make_late)
    content = proof(sessions, credential)
    assert content is not None
    assert read_log_proof(content).head.time == make_late
    assert [head.signed_at for head in heads(sessions)] == [None, make_late]


def test_a_lying_signer_does_not_count(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    pair.company.lies_on_heads = True
    (missing,) = keep_heads_signed(sessions, pair.signing, NOW)
    assert "co-signed" in missing.refusal
    assert "co-signed" in heads(sessions)[0].refusal
    assert proof(sessions, credential) is None


@pytest.mark.usefixtures("credential")
def test_a_rewritten_log_is_refused_by_both_and_says_so(sessions: sessionmaker[Session], pair: Pair) -> None:
    keep_heads_signed(sessions, pair.signing, NOW)
    with sessions.begin() as session:
        session.execute(update(LogEntry).values(nodes=["ab" * 32]))
        session.execute(update(LogTree).values(hashes=["ab" * 32]))
    make_credential(sessions, pair)
    missing = keep_heads_signed(sessions, pair.signing, NOW + SECOND)
    assert [one.role for one in missing] == list(Role)
    assert "not a continuation" in heads(sessions)[-1].refusal


@pytest.mark.usefixtures("credential")
def test_a_planted_certificate_is_not_co_signed(sessions: sessionmaker[Session], pair: Pair) -> None:
    pair.company.own.clear()
    (missing,) = keep_heads_signed(sessions, pair.signing, NOW)
    assert missing.role is Role.COMPANY
    assert "never signed" in missing.refusal


def test_certificates_from_before_the_log_are_taken_in(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [make_credential(sessions, pair) for _ in range(3)]
    with sessions.begin() as session:
        session.query(LogEntry).delete()
        session.query(LogTree).delete()
    monkeypatch.setattr(log, "MOST_LINES", 3)
    with sessions.begin() as session:
        assert [log_what_happened(session, NOW) for _ in range(3)] == [3, 1, 0]
    assert [entry.document for entry in entries(sessions)] == [one.sha256 for one in [credential, *more]]
    keep_heads_signed(sessions, pair.signing, NOW)
    assert all(proof(sessions, one) for one in more)


@pytest.mark.usefixtures("credential")
def test_withdrawals_and_suspensions_enter_the_log_once(sessions: sessionmaker[Session]) -> None:
    def happened(after: int, **changes: object) -> None:
        with sessions.begin() as session:
            session.execute(update(Credential).values(**changes))
        for _ in range(2):
            with sessions.begin() as session:
                log_what_happened(session, NOW + after * SECOND)

    happened(1, suspended_at=NOW)
    happened(2, suspended_at=None)
    happened(3, suspended_at=NOW)
    happened(4, revoked_at=NOW, revocation_reason="mistake")
    kinds = [entry.kind for entry in entries(sessions)]
    assert kinds == ["issued", "suspended", "lifted", "suspended", "revoked"]


def test_a_notice_of_one_organisation_is_enough_to_refuse_at_once(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    with sessions.begin() as session:
        session.execute(update(Credential).values(revoked_at=NOW, revocation_reason="plagiarism"))
    pair.company.down = True
    (missing,) = keep_notices_signed(sessions, pair.signing, NOW)
    assert missing.role is Role.COMPANY
    with sessions() as session:
        verdict = queries.verdict_on(session, canonical(credential.document), pair.trust, PUBLIC_URL, NOW)
    assert verdict.status is Status.REFUSED
    (found,) = verdict.findings
    assert (found.code, found.params["role"], found.params["reason"]) == (
        "credential.withdrawn_by", "university", "plagiarism",
    )  # fmt: skip
    assert pair.university.asked.count("notice") == 1
    pair.company.down = False
    keep_notices_signed(sessions, pair.signing, NOW + SECOND)
    assert pair.company.asked.count("notice") == 1
    keep_notices_signed(sessions, pair.signing, NOW + PAUSE)
    assert pair.company.asked.count("notice") == 2
    keep_notices_signed(sessions, pair.signing, NOW + 2 * PAUSE)
    assert (pair.university.asked.count("notice"), pair.company.asked.count("notice")) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "public"),
    [
        ({"suspension_list_id": None, "revocation_reason": "for the holder alone"}, "–"),
        ({"suspension_list_id": None, "revocation_reason": "superseded"}, "superseded"),
        ({"revocation_reason": ""}, "–"),
    ],
    ids=["before there were notices", "replaced", "erased"],
)
def test_a_notice_tells_no_reason_that_was_not_given_for_everyone(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential, changes: dict[str, object],
    public: str,
) -> None:  # fmt: skip
    with sessions.begin() as session:
        session.execute(update(Credential).values(revoked_at=NOW, **changes))
    assert keep_notices_signed(sessions, pair.signing, NOW) == []
    with sessions() as session:
        served = queries.notices(session, credential.status_list_id, credential.sha256)
    assert served is not None
    assert {notice["reason"] for notice in json.loads(served)["notices"]} == {public}


def test_the_key_of_the_log_is_sealed_and_made_once(tmp_path: Path) -> None:
    first, second = (FolderLogKey(tmp_path / "keys", LOG) for _ in range(2))
    assert first.multibase == second.multibase
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["log.json", "log.passphrase"]
    head = read_head({"log": LOG, "size": 0, "root": "00" * 32, "time": "2026-11-21T00:00:00Z"})
    assert first.sign(head) == second.sign(head)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance=tmp_path / "instance", secret_key="not secret in a test", public_url=PUBLIC_URL)


def test_anyone_reads_the_log_and_checks_it(
    client: FlaskClient, sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    assert client.get("/log").status_code == 404
    keep_heads_signed(sessions, pair.signing, NOW)
    first = client.get("/log").get_json()["head"]
    for _ in range(3):
        make_credential(sessions, pair)
    keep_heads_signed(sessions, pair.signing, NOW + SECOND)
    second = client.get("/log").get_json()["head"]
    assert (first["size"], second["size"]) == (1, 4)
    answer = client.get("/log/consistency?first=1&second=4")
    path = [bytes.fromhex(one) for one in answer.get_json()["path"]]
    roots = [bytes.fromhex(one["root"]) for one in (first, second)]
    assert is_consistent(1, roots[0], 4, roots[1], path)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    lines = client.get("/log/entries?start=0&end=99").get_json()["entries"]
    assert [line["kind"] for line in lines] == ["issued"] * 4
    assert [one["head"]["size"] for one in client.get("/log/heads?start=0").get_json()["heads"]] == [1, 4]
    served = client.get(f"/log/proofs/{credential.sha256}").get_data()
    assert examine_log_proof(served, credential.document, pair.pinned, NOW).findings == ()


@pytest.mark.usefixtures("credential")
def test_questions_that_are_none_are_answered(client: FlaskClient) -> None:
    questions = {
        "/log/entries": 422,
        "/log/entries?start=-1&end=2": 422,
        "/log/entries?start=9999999999&end=2": 422,
        "/log/entries?start=5&end=2": 200,
        "/log/consistency?first=0&second=1": 422,
        "/log/consistency?first=1&second=2": 422,
        "/log/consistency?first=٣&second=2": 422,
        "/log/proofs/abc": 404,
        "/log/proofs/" + "0" * 64: 404,
        "/status/1/notices/" + "0" * 64: 404,
        "/status/999999999999999999999/notices/x": 404,
    }
    assert {address: client.get(address).status_code for address in questions} == questions


def test_the_page_of_a_certificate_offers_its_proof_once_it_is_there(
    client: FlaskClient, sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    address = f"/log/proofs/{credential.sha256}"
    assert address not in client.get(f"/c/{credential.uuid}").get_data(as_text=True)
    keep_heads_signed(sessions, pair.signing, NOW)
    assert address in client.get(f"/c/{credential.uuid}").get_data(as_text=True)


def test_the_installation_finds_its_own_proof_for_a_file_that_is_sent(
    sessions: sessionmaker[Session], pair: Pair, credential: Credential
) -> None:
    def status(trust: Trust) -> Status:
        with sessions() as session:
            content = canonical(credential.document)
            return queries.verdict_on(session, content, trust, PUBLIC_URL, NOW).status

    assert (status(pair.trust), status(pair.pinned)) == (Status.VALID, Status.UNDECIDED)
    keep_heads_signed(sessions, pair.signing, NOW)
    assert status(pair.pinned) is Status.VALID
