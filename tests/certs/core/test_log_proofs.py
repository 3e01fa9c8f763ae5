import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lms.certs.core.heads import (
    EntryKind,
    LogEntry,
    TreeHead,
    read_entry,
    read_head,
    show_entry,
    show_head,
    sign_head,
    signed_sha256,
)
from lms.certs.core.keys import KeyUse, PublicKey, generate, key_id
from lms.certs.core.log_proofs import (
    MOST_PROOF_BYTES,
    LogAnswer,
    examine_log_proof,
    proof_address,
    read_log_proof,
    write_log_proof,
)
from lms.certs.core.problems import LogProblem
from lms.certs.core.status import build_status_list
from lms.certs.core.strict_json import sha256_of
from lms.certs.core.trust import Role, Trust, TrustedLog, read_trust, write_trust
from lms.certs.core.verify import verify
from lms.certs.verifier import main
from tests.certs.conftest import COMPANY, NOW, STATUS_URL, UNIVERSITY, Case, edition
from tests.factories.log import LOG_ID, Ledger, filler, issued

LATER = NOW + timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger((UNIVERSITY.did, COMPANY.did), NOW, [filler(number, NOW) for number in range(5)])


def examine(case: Case, ledger: Ledger, content: bytes | None, **changes: Any) -> LogAnswer:
    trust = changes.get("trust") or ledger.trust(case.pair.trust)
    return examine_log_proof(content, changes.get("credential", case.credential), trust, LATER)


def codes(answer: LogAnswer) -> list[str]:
    assert (answer.proven is None) or not (answer.findings or answer.missing)
    return [finding.code for finding in (*answer.findings, *answer.missing)]


def test_a_good_proof_tells_since_when_the_certificate_is_known(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of(case.credential, NOW + MINUTE)
    answer = examine(case, ledger, content)
    assert (codes(answer), answer.proven) == ([], NOW + MINUTE)
    assert write_log_proof(read_log_proof(content)) == content


def test_a_proof_stays_good_when_the_log_has_grown(case: Case, ledger: Ledger) -> None:
    old = ledger.proof_of(case.credential)
    ledger.entries += [filler(number, NOW) for number in range(10, 30)]
    assert codes(examine(case, ledger, old)) == []
    assert codes(examine(case, ledger, ledger.proof_of(case.credential))) == []


def test_without_a_proof_the_answer_stays_open_where_a_log_is_asked_for(case: Case, ledger: Ledger) -> None:
    answer = examine(case, ledger, None)
    assert (answer.findings, codes(answer)) == ((), ["log.proof_missing"])


def test_no_proof_is_asked_for_where_no_log_is_for_these_two(case: Case, ledger: Ledger) -> None:
    assert examine(case, ledger, None, trust=case.pair.trust) == LogAnswer()
    other = TrustedLog(LOG_ID, ledger.trust(case.pair.trust).logs[0].multibase, (UNIVERSITY.did,))
    alone = Trust(case.pair.trust.parties, (other,))
    assert examine(case, ledger, None, trust=alone) == LogAnswer()
    unread = examine(case, ledger, b"anything", trust=alone)
    assert ([notice.code for notice in unread.notices], unread.proven) == (["log.not_pinned"], None)


def test_the_proof_of_another_certificate_is_refused(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of({**case.credential, "name": "other"})
    assert codes(examine(case, ledger, content)) == ["log.other_certificate"]


def test_the_same_document_with_other_proofs_is_another_certificate(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of({**case.credential, "proof": case.credential["proof"][::-1]})
    assert codes(examine(case, ledger, content)) == ["log.other_certificate"]


def test_an_entry_that_something_else_happened_does_not_prove_the_issue(case: Case, ledger: Ledger) -> None:
    entry = replace(issued(case.credential, NOW), kind=EntryKind.REVOKED)
    ledger.entries.append(entry)
    assert codes(examine(case, ledger, write_log_proof(ledger.prove(entry)))) == ["log.other_certificate"]


def test_an_entry_that_is_not_in_the_tree_is_refused(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of(case.credential)
    proof = read_log_proof(content)
    for wrong in (
        replace(proof, index=0),
        replace(proof, path=proof.path[:-1]),
        replace(proof, entry=replace(proof.entry, time=NOW - MINUTE)),
    ):
        assert codes(examine(case, ledger, write_log_proof(wrong))) == ["log.not_included"]


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_head_without_all_its_signatures_is_refused(case: Case, ledger: Ledger, absent: int) -> None:
    proof = read_log_proof(ledger.proof_of(case.credential))
    kept = tuple(one for place, one in enumerate(proof.signatures) if place != absent)
    found = codes(examine(case, ledger, write_log_proof(replace(proof, signatures=kept))))
    assert found == ["log.not_cosigned" if absent else "log.head_unsigned"]


def test_one_organisation_cannot_sign_for_both(case: Case, ledger: Ledger) -> None:
    proof = read_log_proof(ledger.proof_of(case.credential))
    own, university, company = proof.signatures
    borrowed = {**university, "verificationMethod": company["verificationMethod"]}
    signatures = (own, university, university, borrowed)
    found = codes(examine(case, ledger, write_log_proof(replace(proof, signatures=signatures))))
    assert found == ["log.not_cosigned"]


def test_signatures_over_another_head_do_not_count(case: Case, ledger: Ledger) -> None:
    proof = read_log_proof(ledger.proof_of(case.credential))
    moved = replace(proof.head, time=NOW - timedelta(days=1))
    found = codes(examine(case, ledger, write_log_proof(replace(proof, head=moved))))
    assert found[:3] == ["log.head_unsigned", "log.not_cosigned", "log.not_cosigned"]


@pytest.mark.parametrize("ended", ["retired_at", "compromised_at"])
def test_a_key_vouches_for_heads_of_its_own_time_only(case: Case, ledger: Ledger, ended: str) -> None:
    content = ledger.proof_of(case.credential)

    def ends(after: timedelta) -> Trust:
        def change(key: PublicKey) -> PublicKey:
            return replace(key, **{ended: NOW + after})

        return ledger.trust(case.pair.trust, change)

    assert codes(examine(case, ledger, content, trust=ends(MINUTE))) == []
    assert codes(examine(case, ledger, content, trust=ends(timedelta(0)))) == ["log.not_cosigned"] * 2


@pytest.mark.parametrize("use", [KeyUse.ISSUING, KeyUse.PDF])
def test_a_key_of_another_use_does_not_vouch_for_a_head(case: Case, ledger: Ledger, use: KeyUse) -> None:
    content = ledger.proof_of(case.credential)
    trust = ledger.trust(case.pair.trust, lambda key: replace(key, use=use))
    assert codes(examine(case, ledger, content, trust=trust)) == ["log.not_cosigned"] * 2


def test_another_log_is_refused(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of(case.credential)
    trust = ledger.trust(case.pair.trust)
    other = Trust(trust.parties, (replace(trust.logs[0], id="https://other.example/log"),))
    assert codes(examine(case, ledger, content, trust=other)) == ["log.other_log"]
    stranger = Trust(trust.parties, (replace(trust.logs[0], multibase=generate_multibase()),))
    assert codes(examine(case, ledger, content, trust=stranger)) == ["log.head_unsigned"]


def test_a_log_that_changed_its_key_proves_with_either(case: Case, ledger: Ledger) -> None:
    before = ledger.proof_of(case.credential)
    trust = ledger.trust(case.pair.trust)
    fresh = replace(trust.logs[0], multibase=generate_multibase())
    for logs in ((fresh, trust.logs[0]), (trust.logs[0], fresh)):
        both = read_trust(write_trust(trust.parties, logs))
        assert codes(examine(case, ledger, before, trust=both)) == []
    after = Trust(trust.parties, (fresh,))
    assert codes(examine(case, ledger, before, trust=after)) == ["log.head_unsigned"]


def generate_multibase() -> str:
    return Ledger((), NOW).own_id.partition("#")[2]


def test_a_head_of_tomorrow_is_refused(case: Case, ledger: Ledger) -> None:
    content = ledger.proof_of(case.credential, NOW + timedelta(days=1))
    assert codes(examine(case, ledger, content)) == ["log.from_the_future"]


def spoil(change: Callable[[Any], None], content: bytes) -> bytes:
    document = json.loads(content)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.clear(),
        lambda d: d.update(format="duri-log-proof/2"),
        lambda d: d.update(more=1),
        lambda d: d.pop("path"),
        lambda d: d.update(path=1),
        lambda d: d.update(path=[1]),
        lambda d: d.update(path=["00" * 32] * 65),
        lambda d: d.update(path=["zz" * 32]),
        lambda d: d.update(index="5"),
        lambda d: d.update(index=True),
        lambda d: d.update(signatures={}),
        lambda d: d.update(signatures=[1]),
        lambda d: d.update(signatures=[{}] * 21),
        lambda d: d.update(head=[]),
        lambda d: d["head"].update(size="6"),
        lambda d: d["head"].update(size=-1),
        lambda d: d["head"].update(size=2**41),
        lambda d: d["head"].update(root="00"),
        lambda d: d["head"].update(root=None),
        lambda d: d["head"].update(log=[]),
        lambda d: d["head"].update(more=1),
        lambda d: d["head"].update(time="now"),
        lambda d: d.update(leaf="issued"),
        lambda d: d["leaf"].update(kind="given"),
        lambda d: d["leaf"].update(document="A" * 64),
        lambda d: d["leaf"].update(signed=None),
        lambda d: d["leaf"].update(name="김하늘"),
    ],
)
def test_a_file_that_is_no_proof_is_refused(
    case: Case, ledger: Ledger, change: Callable[[Any], None]
) -> None:
    content = spoil(change, ledger.proof_of(case.credential))
    assert codes(examine(case, ledger, content)) == ["log.proof_unreadable"]


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"x" * (MOST_PROOF_BYTES + 1), b"[" * 50_000])
def test_bytes_that_are_no_proof_are_refused(case: Case, ledger: Ledger, content: bytes) -> None:
    assert codes(examine(case, ledger, content)) == ["log.proof_unreadable"]


@pytest.mark.parametrize(
    "change",
    [
        {"verificationMethod": []},
        {"signatureValue": 1},
        {"signatureValue": "z"},
        {"signatureValue": "z1111"},
        {"signatureValue": None},
    ],
)
def test_signatures_of_any_shape_are_answered(case: Case, ledger: Ledger, change: dict[str, Any]) -> None:
    proof = read_log_proof(ledger.proof_of(case.credential))
    spoilt = tuple({**one, **change} for one in proof.signatures)
    found = codes(examine(case, ledger, write_log_proof(replace(proof, signatures=spoilt))))
    assert found == ["log.head_unsigned", "log.not_cosigned", "log.not_cosigned"]


def test_an_entry_shows_hashes_only(case: Case) -> None:
    entry = issued(case.credential, NOW)
    assert read_entry(show_entry(entry)) == entry
    assert set(show_entry(entry)) == {"kind", "document", "signed", "time"}
    text = json.dumps(show_entry(entry))
    assert case.credential["id"] not in text
    assert case.credential["id"].removeprefix("urn:uuid:")[:8] not in text


def test_the_hash_of_the_whole_can_be_made_from_what_a_signer_keeps(case: Case) -> None:
    other = {**case.credential, "name": "x"}
    assert signed_sha256(other) != signed_sha256(case.credential)
    one_proof = {**case.credential, "proof": case.credential["proof"][:1]}
    assert signed_sha256(one_proof) != signed_sha256(case.credential)


def test_a_head_reads_back_and_its_signature_is_for_it_alone() -> None:
    head = TreeHead(LOG_ID, 3, "ab" * 32, NOW)
    assert read_head(show_head(head)) == head
    assert sign_head(head, key := generate(), "x") == sign_head(head, key, "x")
    with pytest.raises(LogProblem):
        read_head({**show_head(head), "size": 3.0})


def test_an_entry_of_another_form_is_refused() -> None:
    entry = LogEntry(EntryKind.ISSUED, "ab" * 32, "cd" * 32, NOW)
    for wrong in ([], None, {}, {**show_entry(entry), "x": 1}, {**show_entry(entry), "time": 1}):
        with pytest.raises(LogProblem):
            read_entry(wrong)


def test_a_certificate_and_its_proof_are_checked_together(case: Case, ledger: Ledger) -> None:
    trust = ledger.trust(case.pair.trust)
    content = json.dumps(case.credential).encode()
    proof = ledger.proof_of(case.credential, NOW + MINUTE)

    def answer(resources: dict[str, bytes], log_proof: bytes | None = None) -> tuple[str, list[str]]:
        verdict = verify(content, trust, resources, LATER, log_proof=log_proof)
        return verdict.status, [finding.code for finding in verdict.findings]

    assert answer(case.resources, proof) == ("valid", [])
    assert answer(case.resources) == ("undecided", ["log.proof_missing"])
    assert answer({}, proof) == ("undecided", ["status.unreachable"])
    assert answer(case.resources, b"{}") == ("refused", ["log.proof_unreadable"])
    address = proof_address(LOG_ID, sha256_of(case.credential))
    assert answer({**case.resources, address: proof}) == ("valid", [])


@pytest.mark.parametrize(
    ("since", "status"), [(2 * MINUTE, "valid"), (MINUTE, "refused"), (timedelta(0), "refused")]
)
def test_what_the_log_proves_to_be_older_than_the_theft_stays_valid(
    case: Case, ledger: Ledger, since: timedelta, status: str
) -> None:
    trust = ledger.trust(case.pair.trust)
    listed = build_status_list(edition())
    for role in Role:
        did, key = case.pair.dids[role], ledger.cosigning[case.pair.dids[role]]
        method = key_id(did, key.public_key())
        listed.setdefault("proof", []).append(case.pair.proof(listed, role, key=key, method=method))
    stolen = Trust(
        tuple(
            replace(party, keys=(replace(party.keys[0], compromised_at=NOW + since), *party.keys[1:]))
            for party in trust.parties
        ),
        trust.logs,
    )
    content, resources = json.dumps(case.credential).encode(), {STATUS_URL: json.dumps(listed).encode()}
    proof = ledger.proof_of(case.credential, NOW + MINUTE)
    verdict = verify(content, stolen, resources, LATER, log_proof=proof)
    assert verdict.status == status
    if status == "valid":
        codes = {notice.code for notice in verdict.notices}
        assert "key.compromised_since" in codes
        without = verify(content, stolen, resources, LATER)
        assert (without.status, {finding.code for finding in without.findings}) == (
            "undecided", {"log.proof_missing", "proof.unproven_time"},
        )  # fmt: skip


def test_the_command_reads_the_proof_from_a_file(case: Case, ledger: Ledger, tmp_path: Path) -> None:
    trust = ledger.trust(case.pair.trust)
    files = {
        "credential.json": json.dumps(case.credential).encode(),
        "trust.json": write_trust(trust.parties, trust.logs),
        "status.json": case.resources[STATUS_URL],
        "proof.json": ledger.proof_of(case.credential),
        "broken.json": b"{}",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def ends(*more: str, copies: int = 1) -> int:
        given = [str(tmp_path / "credential.json")] * copies
        given += ["--trust", str(tmp_path / "trust.json"), "--at", "2026-03-02T10:00:00Z"]
        given += ["--resource", f"{STATUS_URL}={tmp_path / 'status.json'}"]
        return main([*given, *(str(tmp_path / each) if each.endswith(".json") else each for each in more)])

    assert ends("--log-proof", "proof.json") == 0
    assert ends() == 3
    assert ends("--log-proof", "broken.json") == 1
    assert ends("--log-proof", "broken.json", "--log-proof", "proof.json", copies=2) == 0
    assert ends("--log-proof", "broken.json", copies=2) == 3
    assert ends("--log-proof", "missing.json") == 2
