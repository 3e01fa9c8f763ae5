import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.certs.core.document import (
    DEMO_CUSTODY,
    JOINT_ISSUANCE_POLICY,
    REQUIRED_SIGNER,
    Claim,
    build_credential,
)
from lms.certs.core.keys import PublicKey, did_document, encode_public, generate, key_id
from lms.certs.core.proofs import Suite, attach
from lms.certs.core.sentences import sentence
from lms.certs.core.status import build_status_list, encode_bits
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import COMPANY, NOW, STATUS_URL, UNIVERSITY, Case, Pair, edition

Path = tuple[Any, ...]


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from walk(item, (*path, key))


def changed(document: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    copied = copy.deepcopy(document)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    change(parent, path[-1])
    return copied


def test_a_certificate_of_both_is_valid_and_says_what_it_says(case: Case, claim: Claim) -> None:
    verdict = case.verify()
    assert (verdict.status, verdict.findings) == (Status.VALID, ())
    assert verdict.facts is not None
    assert verdict.facts.claim == claim
    assert verdict.facts.university.good
    assert verdict.facts.company.good
    assert (verdict.facts.university.suite, verdict.facts.company.suite) == (Suite.RDFC, Suite.JCS)
    assert {notice.code for notice in verdict.notices} == {"notice.demo_custody", "notice.shared_kernel"}


def test_any_changed_value_is_noticed(case: Case) -> None:
    def alter(parent: Any, key: Any) -> None:
        value = parent[key]
        parent[key] = (
            not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else None
        )

    leaves = [path for path, value in walk(case.credential) if not isinstance(value, dict | list)]
    assert len(leaves) > 90
    for path in leaves:
        verdict = case.verify(changed(case.credential, path, alter))
        assert verdict.status is Status.REFUSED, path


@pytest.mark.parametrize("other", [None, [], {}, 1, -1.5, True, "", [[]], [{}], {"id": []}, ["x"]])
def test_any_part_of_another_type_is_noticed(case: Case, other: object) -> None:
    def replace_by_other(parent: Any, key: Any) -> None:
        parent[key] = other

    for path, value in walk(case.credential):
        if path and value != other:
            verdict = case.verify(changed(case.credential, path, replace_by_other))
            assert verdict.status is Status.REFUSED, path


@pytest.mark.parametrize("other", [None, [], {}, 1, "", {"id": []}, [{}]])
def test_any_part_of_another_type_in_the_list_is_noticed(case: Case, other: object) -> None:
    def replace_by_other(parent: Any, key: Any) -> None:
        parent[key] = other

    listed = json.loads(case.resources[STATUS_URL])
    for path, value in walk(listed):
        if path and value != other:
            spoilt = json.dumps(changed(listed, path, replace_by_other)).encode()
            assert case.verify(resources={STATUS_URL: spoilt}).status is Status.REFUSED, path


def test_any_missing_part_is_noticed(case: Case) -> None:
    def remove(parent: Any, key: Any) -> None:
        del parent[key]

    for path, _ in walk(case.credential):
        if path:
            assert case.verify(changed(case.credential, path, remove)).status is Status.REFUSED, path


def test_any_added_part_is_noticed(case: Case) -> None:
    for path, value in walk(case.credential):
        if isinstance(value, dict):
            spoilt = copy.deepcopy(case.credential)
            inner = spoilt
            for key in path:
                inner = inner[key]
            inner["honours"] = "summa cum laude"
            assert case.verify(spoilt).status is Status.REFUSED, path


def test_reordered_results_are_noticed(case: Case) -> None:
    spoilt = copy.deepcopy(case.credential)
    spoilt["credentialSubject"]["result"].reverse()
    assert case.verify(spoilt).status is Status.REFUSED


def test_another_form_of_the_same_name_is_noticed(case: Case) -> None:
    spoilt = json.dumps(case.credential, ensure_ascii=False).replace("늘", "\u1102\u1173\u11af")
    assert case.verify(spoilt.encode()).status is Status.REFUSED


@pytest.mark.parametrize("role", list(Role))
def test_one_signature_alone_is_refused_and_the_missing_one_named(case: Case, role: Role) -> None:
    kept = [
        proof
        for proof in case.credential["proof"]
        if not proof["verificationMethod"].startswith(case.pair.dids[role])
    ]
    verdict = case.verify({**case.credential, "proof": kept})
    assert verdict.status is Status.REFUSED
    assert {"proof.missing", "proofs.count"} <= codes(verdict)
    missing = next(finding for finding in verdict.findings if finding.code == "proof.missing")
    assert missing.params["role"] == role


def test_swapped_signatures_are_refused(case: Case) -> None:
    proofs = case.credential["proof"]
    assert codes(case.verify({**case.credential, "proof": proofs[::-1]})) == {"proofs.order"}
    crossed = [
        {**proofs[0], "proofValue": proofs[1]["proofValue"]},
        {**proofs[1], "proofValue": proofs[0]["proofValue"]},
    ]
    assert codes(case.verify({**case.credential, "proof": crossed})) == {"proof.does_not_match"}


def test_a_third_signature_is_refused(case: Case) -> None:
    stranger = {**case.credential["proof"][1], "verificationMethod": "did:web:evil.example#one"}
    verdict = case.verify({**case.credential, "proof": [*case.credential["proof"], stranger]})
    assert codes(verdict) == {"proof.stranger", "proofs.count"}


def test_one_party_signing_twice_is_refused(case: Case) -> None:
    document = case.credential
    again = case.pair.proof(document, Role.UNIVERSITY, suite=Suite.JCS)
    assert "proof.twice" in codes(case.verify({**document, "proof": [document["proof"][0], again]}))


def test_a_foreign_key_under_a_good_name_is_refused(case: Case) -> None:
    proof = case.pair.proof(case.credential, Role.COMPANY, key=generate())
    verdict = case.verify(attach(case.credential, case.credential["proof"][0], proof))
    assert codes(verdict) == {"proof.does_not_match"}
    assert verdict.facts is not None
    assert (verdict.facts.university.good, verdict.facts.company.good) == (True, False)


def test_a_key_that_is_not_pinned_is_refused(case: Case) -> None:
    stranger = generate()
    method = key_id(COMPANY.did, stranger.public_key())
    proof = case.pair.proof(case.credential, Role.COMPANY, key=stranger, method=method)
    assert codes(case.verify(attach(case.credential, case.credential["proof"][0], proof))) == {
        "proof.unknown_key"
    }


def test_one_key_under_two_names_is_refused(case: Case, claim: Claim) -> None:
    key = generate()
    pair = Pair({Role.UNIVERSITY: key, Role.COMPANY: key})
    assert "proofs.same_key" in codes(case.verify(pair.sign(build_credential(claim)), trust=pair.trust))


@pytest.mark.parametrize("role", list(Role))
def test_the_other_suite_is_refused(case: Case, role: Role) -> None:
    other = Suite.JCS if role is Role.UNIVERSITY else Suite.RDFC
    proofs = [
        case.pair.proof(case.credential, one, **({"suite": other} if one is role else {})) for one in Role
    ]
    assert codes(case.verify({**case.credential, "proof": proofs})) == {"proof.wrong_suite"}


def test_a_pair_that_is_not_trusted_is_refused(case: Case) -> None:
    stranger = Pair(dids={Role.UNIVERSITY: UNIVERSITY.did, Role.COMPANY: "did:web:other.example"})
    assert "party.not_trusted" in codes(case.verify(trust=stranger.trust))
    turned = Trust(
        tuple(
            replace(party, role=role)
            for party, role in zip(case.pair.trust.parties, list(Role)[::-1], strict=True)
        )
    )
    assert codes(case.verify(trust=turned)) == {"party.not_trusted", "status.not_joint"}


def test_a_signed_document_that_requires_other_signers_is_refused(case: Case, claim: Claim) -> None:
    document = build_credential(claim)
    document["termsOfUse"][0][REQUIRED_SIGNER] = [{"id": UNIVERSITY.did}]
    assert codes(case.verify(case.pair.sign(document))) == {"policy.other_signers"}


def test_a_signed_document_without_the_policy_is_refused(case: Case, claim: Claim) -> None:
    document = build_credential(claim)
    document["termsOfUse"] = [
        term for term in document["termsOfUse"] if term["type"] != JOINT_ISSUANCE_POLICY
    ]
    assert document["termsOfUse"] == [{"type": DEMO_CUSTODY}]
    assert codes(case.verify(case.pair.sign(document))) == {"policy.missing"}


@pytest.mark.parametrize(
    "extra",
    [
        "https://evil.example/context",
        {"honours": "https://schema.org/name"},
        {"@vocab": "https://x.example/"},
    ],
)
def test_an_appended_vocabulary_is_refused(case: Case, extra: object) -> None:
    spoilt = {**case.credential, "@context": [*case.credential["@context"], extra]}
    assert codes(case.verify(spoilt)) == {"context.not_pinned"}


def test_times_outside_the_validity_are_refused(
    case: Case, claim: Claim, make_list: Callable[..., Any]
) -> None:
    ended = replace(claim, valid_until=NOW + timedelta(days=1))
    signed = case.pair.sign(build_credential(ended))
    assert case.verify(signed).status is Status.VALID
    late = make_list(valid_from=NOW + timedelta(days=1), valid_until=NOW + timedelta(days=2))
    verdict = case.verify(signed, at=NOW + timedelta(days=1), resources=late)
    assert (verdict.status, codes(verdict)) == (Status.REFUSED, {"credential.expired"})
    early = case.verify(at=NOW - timedelta(hours=1))
    assert {"credential.not_yet_valid", "proof.from_the_future"} <= codes(early)


def test_a_retired_key_counts_until_it_was_retired(case: Case) -> None:
    def trust(retired_at: Any) -> Trust:
        parties = (case.pair.party(Role.UNIVERSITY), case.pair.party(Role.COMPANY, retired_at=retired_at))
        return Trust(parties)

    later = case.verify(trust=trust(NOW + timedelta(seconds=1)))
    assert later.status is Status.VALID
    assert "key.retired_since" in {notice.code for notice in later.notices}
    assert "proof.retired_key" in codes(case.verify(trust=trust(NOW)))


def test_a_revoked_certificate_is_refused(case: Case, claim: Claim, make_list: Callable[..., Any]) -> None:
    resources = make_list(encoded=encode_bits([claim.status.index]))
    verdict = case.verify(resources=resources)
    assert (verdict.status, codes(verdict)) == (Status.REFUSED, {"credential.revoked"})


def test_an_unreachable_list_leaves_the_answer_open(case: Case) -> None:
    verdict = case.verify(resources={})
    assert (verdict.status, codes(verdict)) == (Status.UNDECIDED, {"status.unreachable"})
    assert case.verify({**case.credential, "name": "x"}, resources={}).status is Status.REFUSED


def test_a_stale_list_leaves_the_answer_open(case: Case, make_list: Callable[..., Any]) -> None:
    verdict = case.verify(at=NOW + timedelta(hours=25))
    assert (verdict.status, codes(verdict)) == (Status.UNDECIDED, {"status.expired"})
    future = make_list(valid_from=NOW + timedelta(hours=2))
    assert codes(case.verify(resources=future)) == {"status.not_yet_valid"}


def test_a_tampered_list_is_refused(case: Case, make_list: Callable[..., Any]) -> None:
    revoked = json.loads(make_list(encoded=encode_bits([94_567]))[STATUS_URL])
    revoked["credentialSubject"]["encodedList"] = encode_bits([])
    verdict = case.verify(resources={STATUS_URL: json.dumps(revoked).encode()})
    assert (verdict.status, codes(verdict)) == (Status.REFUSED, {"status.not_joint"})
    one_sided = {**revoked, "proof": revoked["proof"][:1]}
    assert codes(case.verify(resources={STATUS_URL: json.dumps(one_sided).encode()})) == {"status.not_joint"}
    extra = {**revoked, "honours": 1}
    assert codes(case.verify(resources={STATUS_URL: json.dumps(extra).encode()})) == {"status.shape"}
    assert codes(case.verify(resources={STATUS_URL: b"<html>"})) == {"status.unreadable"}


def test_the_list_of_another_address_or_pair_is_refused(case: Case, make_list: Callable[..., Any]) -> None:
    other = make_list(url="https://duri.example/status/2")[STATUS_URL]
    assert codes(case.verify(resources={STATUS_URL: other})) == {"status.other_list"}
    third = Pair(dids={Role.UNIVERSITY: UNIVERSITY.did, Role.COMPANY: "did:web:third.example"})
    listed = third.sign(build_status_list(edition(company_did="did:web:third.example")))
    trust = Trust((*case.pair.trust.parties, third.party(Role.COMPANY)))
    third.keys[Role.UNIVERSITY] = case.pair.keys[Role.UNIVERSITY]
    listed = third.sign(build_status_list(edition(company_did="did:web:third.example")))
    resources = {STATUS_URL: json.dumps(listed).encode()}
    assert codes(case.verify(trust=trust, resources=resources)) == {"status.other_signers"}


def test_a_key_directory_that_contradicts_the_trust_file_is_refused(case: Case) -> None:
    public = case.pair.keys[Role.COMPANY].public_key()
    shown = [
        did_document(COMPANY.did, [PublicKey(key_id(COMPANY.did, key), encode_public(key))])
        for key in (public, generate().public_key())
    ]
    good, swapped = ({**case.resources, COMPANY.did: json.dumps(one).encode()} for one in shown)
    assert case.verify(resources=good).status is Status.VALID
    assert codes(case.verify(resources=swapped)) == {"did.document_differs"}
    assert codes(case.verify(resources={**case.resources, COMPANY.did: b"[]"})) == {"did.document_differs"}


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"{}", b'{"a": 1}', b"\x89PNG\r\n", b"%PDF-1.7\n%%EOF", b"[" * 200_000, b"x" * 5_000_000],
)
def test_what_is_no_certificate_is_unreadable(case: Case, content: bytes) -> None:
    verdict = case.verify(content)
    assert verdict.status is Status.UNREADABLE
    assert verdict.facts is None


def test_doubled_keys_are_unreadable(case: Case) -> None:
    text = json.dumps(case.credential)
    doubled = text.replace('"validFrom"', '"validFrom": "2020-01-01T00:00:00Z", "validFrom"', 1)
    assert codes(case.verify(doubled.encode())) == {"json.duplicate_key"}


@pytest.mark.parametrize(
    "proof", [None, {}, "z", [], [None, None], [[], []], [{}, {}], [{"verificationMethod": []}] * 2]
)
def test_proofs_of_any_shape_are_answered(case: Case, proof: object) -> None:
    verdict = case.verify({**case.credential, "proof": proof})
    assert verdict.status is Status.REFUSED
    assert all(sentence(finding.code, finding.params, "ko") for finding in verdict.findings)


def test_times_are_compared_across_zones(case: Case) -> None:
    at = (NOW + timedelta(hours=1)).astimezone(UTC)
    assert case.verify(at=at).status is Status.VALID


def test_many_equal_parts_do_not_stall_the_answer(case: Case, claim: Claim) -> None:
    many = replace(
        claim,
        evidence=claim.evidence[:1] * 150,
        achievement=replace(claim.achievement, skills=claim.achievement.skills * 150),
    )
    assert case.verify(case.pair.sign(build_credential(many))).status is Status.VALID


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_never_valid(case: Case, data: st.DataObject) -> None:
    content = bytearray(json.dumps(case.credential, ensure_ascii=False, separators=(",", ":")).encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    verdict = case.verify(bytes(content))
    assert verdict.status in {Status.REFUSED, Status.UNREADABLE}
