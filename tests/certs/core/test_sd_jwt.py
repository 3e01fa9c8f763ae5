"""The form of which a holder shows a part: what signers sign, what readers believe, what stays hidden."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lms.certs.core import sd_jwt
from lms.certs.core.keys import KeyUse, PublicKey, encode_public, generate, key_id
from lms.certs.core.mandate import Mandate, Refusal
from lms.certs.core.notices import (
    Notice,
    attach_signature,
    notice_address,
    show_notice,
    sign_notice,
    write_notices,
)
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.sd_jwt import ask_for_form, present, review_sd_jwt, sign_payload, write_payload
from lms.certs.core.shown import parts
from lms.certs.core.status import encode_bits
from lms.certs.core.strict_json import Document, sha256_of, without_proof
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import COMPANY, NOW, STATUS_URL, UNIVERSITY, Case, Pair

MANDATE = Mandate(
    role=Role.UNIVERSITY, name="한강대학교", university=UNIVERSITY.did, company=COMPANY.did,
    host="127.0.0.1", port=1, demo_custody=True,
)  # fmt: skip
HIDDEN = ("김하늘", "91.4", "38.5", "소프트맥스", "58172aac", "c2FsdA", "숫자 순위전")


def code_of(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def signed_by(pair: Pair, payload: bytes, **keys: Ed25519PrivateKey) -> tuple[Document, Document]:
    made = []
    for role in Role:
        method = key_id(pair.dids[role], pair.keys[role].public_key())
        made.append(sign_payload(payload, keys.get(str(role), pair.keys[role]), method, NOW))
    return made[0], made[1]


@pytest.fixture(scope="module")
def request_(whole: Case) -> Document:
    return ask_for_form(whole.credential)


def shown(case: Case, request: Document, *names: str) -> Document:
    return present(request, signed_by(case.pair, write_payload(request)), names)


def write(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_the_digest_is_that_of_the_standard() -> None:
    """RFC 9901, section 4.2.3."""
    disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert sd_jwt.digest(disclosure) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_what_was_chosen_is_shown_and_the_rest_stays_hidden(whole: Case, request_: Document) -> None:
    file = shown(whole, request_, "score")
    verdict = whole.verify(file)
    assert (verdict.status, code_of(verdict)) == (Status.VALID, [])
    assert verdict.facts is not None
    claim = verdict.facts.claim
    assert (claim.score, claim.maximum) == ("91.4", "100")
    assert (claim.holder_name, claim.credential_id, claim.labs, claim.ranks) == ("", "", (), ())
    assert verdict.facts.sha256 == ""
    assert "notice.presentation" in [notice.code for notice in verdict.notices]
    text = base64.urlsafe_b64decode(file["payload"] + "==").decode() + json.dumps(file)
    assert not [word for word in HIDDEN if word in text]


def test_everything_can_be_shown_and_says_what_the_certificate_says(whole: Case, request_: Document) -> None:
    before = whole.verify().facts
    verdict = whole.verify(shown(whole, request_, *parts(whole.credential)))
    assert verdict.status is Status.VALID
    assert verdict.facts is not None
    assert before is not None
    assert verdict.facts.sha256 == before.sha256
    assert verdict.facts.claim == replace(before.claim, evidence=(), endorsement=None)


def test_two_forms_of_one_certificate_cannot_be_linked_by_their_digests(whole: Case) -> None:
    one, other = (json.loads(write_payload(ask_for_form(whole.credential)))["_sd"] for _ in range(2))
    assert not set(one) & set(other)
    assert len(set(one)) == len(one)
    assert len(one) > len(parts(whole.credential))  # decoys
    assert one == sorted(one)


def test_a_signer_writes_the_payload_itself_and_only_for_its_own_certificates(
    whole: Case, request_: Document
) -> None:
    own = {sha256_of(whole.credential)}
    assert review_sd_jwt(request_, MANDATE, own) == write_payload(request_)
    with pytest.raises(Refusal) as refused:
        review_sd_jwt(request_, MANDATE, set())
    assert refused.value.code == "signer.form_not_ours"
    with pytest.raises(Refusal) as refused:
        review_sd_jwt(request_, replace(MANDATE, company="did:web:other.example"), own)
    assert refused.value.code == "signer.not_the_pair"


def _other_value(request: Document) -> None:
    request["disclosures"][0] = write(["x" * 22, "holder", "이도윤"])


def _left_out(request: Document) -> None:
    request["disclosures"].pop()


def _added(request: Document) -> None:
    request["disclosures"].append(write(["x" * 22, "honours", "summa cum laude"]))


def _doubled(request: Document) -> None:
    request["disclosures"].append(request["disclosures"][0])


def _said_twice(request: Document) -> None:
    request["disclosures"].append(write(["y" * 22, "holder", "김하늘"]))


def _short_salt(request: Document) -> None:
    request["disclosures"][0] = write(["x", "holder", "김하늘"])


def _decoy_that_could_speak(request: Document) -> None:
    """The trap: a digest taken for a decoy when it is signed, and opened later to say something else."""
    request["decoys"][0] = write(["x" * 22, "holder", "이도윤"])


def _decoy_of_another_length(request: Document) -> None:
    request["decoys"][0] = base64.urlsafe_b64encode(b"\xff" * 3).decode()


def _too_many_decoys(request: Document) -> None:
    request["decoys"] = [
        base64.urlsafe_b64encode(b"\xff" + bytes([n]) * 32).decode().rstrip("=") for n in range(65)
    ]


def _other_id(request: Document) -> None:
    request["id"] = "urn:uuid:00000000-0000-4000-8000-000000000000"


def _one_part_more(request: Document) -> None:
    request["payload"] = "e30"


def _with_proofs(request: Document) -> None:
    request["certificate"]["proof"] = []


def _no_list(request: Document) -> None:
    request["disclosures"] = "e30"


@pytest.mark.parametrize(
    "harm",
    [
        _other_value, _left_out, _added, _doubled, _said_twice, _short_salt, _decoy_that_could_speak,
        _decoy_of_another_length, _too_many_decoys, _other_id, _one_part_more, _with_proofs, _no_list,
    ],
)  # fmt: skip
def test_a_signer_signs_no_word_more_or_less_than_its_certificate_says(
    whole: Case, request_: Document, harm: Callable[[Document], None]
) -> None:
    request: Document = json.loads(json.dumps(request_))
    harm(request)
    with pytest.raises(CertificateProblem) as refused:
        review_sd_jwt(request, MANDATE, {sha256_of(whole.credential)})
    assert refused.value.code in {"signer.sd_jwt", "signer.form_not_ours"}


def _disclosures(file: Document) -> list[str]:
    listed: list[str] = file["signatures"][0]["header"]["disclosures"]
    return listed


FILE_HARMS: dict[str, tuple[Callable[[Document], object], str]] = {
    "said something else": (
        lambda f: _disclosures(f).__setitem__(
            0, write(["x" * 22, "score", {"score": "100", "maximum": "100"}])
        ),
        "presentation.digest",
    ),
    "said twice": (lambda f: _disclosures(f).append(_disclosures(f)[0]), "presentation.shape"),
    "not what it says": (lambda f: _disclosures(f).append("e30"), "presentation.digest"),
    "no text": (lambda f: _disclosures(f).append(7), "presentation.shape"),
    "padded": (lambda f: f.update(payload=f["payload"] + "="), "presentation.shape"),
    "one signature": (lambda f: f["signatures"].pop(), "presentation.shape"),
    "three signatures": (lambda f: f["signatures"].append(f["signatures"][1]), "presentation.shape"),
    "more in the file": (lambda f: f.update(kb_jwt="x"), "presentation.shape"),
    "more in the header": (lambda f: f["signatures"][0]["header"].update(kb_jwt="x"), "presentation.shape"),
    "a header at the second": (lambda f: f["signatures"][1].update(header={}), "presentation.shape"),
    "no header": (lambda f: f["signatures"][0].pop("header"), "presentation.shape"),
    "no object": (lambda f: f.update(signatures=7), "presentation.shape"),
    "the same party twice": (
        lambda f: f["signatures"].__setitem__(
            1, {k: v for k, v in f["signatures"][0].items() if k != "header"}
        ),
        "proof.missing",
    ),
    "another algorithm": (
        lambda f: f["signatures"][1].update(
            protected=write({"alg": "none", "iat": 1, "kid": "x", "typ": sd_jwt.TYPE})
        ),
        "presentation.shape",
    ),
    "an empty signature": (lambda f: f["signatures"][1].update(signature="AA"), "proof.does_not_match"),
}


@pytest.mark.parametrize("harm", FILE_HARMS)
def test_a_file_that_was_changed_is_refused(whole: Case, request_: Document, harm: str) -> None:
    file: Document = json.loads(json.dumps(shown(whole, request_, "score")))
    change, code = FILE_HARMS[harm]
    change(file)
    verdict = whole.verify(file)
    assert verdict.status is Status.REFUSED
    assert code in code_of(verdict)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update({"demoCustody": False}),
        lambda p: p.update({"assurance": "isolated"}),
        lambda p: p["revocation"].update(index=5),
        lambda p: p.update(vct="https://other.example/type"),
        lambda p: p.update(_sd_alg="md5"),
        lambda p: p["_sd"].append(p["_sd"][0]),
        lambda p: p.update(holder="이도윤"),
        lambda p: p["university"].update(_sd=[]),
        lambda p: p.update({"until": "2030-01-01T00:00:00Z"}),
    ],
)
def test_a_payload_that_was_changed_is_refused_even_where_one_party_signed_it(
    whole: Case, request_: Document, change: Callable[[Document], object]
) -> None:
    payload = json.loads(write_payload(request_))
    change(payload)
    raw = json.dumps(payload).encode()
    signatures = signed_by(whole.pair, raw, company=generate())
    file = shown(whole, request_, "score")
    file |= {
        "payload": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "signatures": [{**signatures[0], "header": file["signatures"][0]["header"]}, signatures[1]],
    }
    verdict = whole.verify(file)
    assert verdict.status is Status.REFUSED


def test_swapped_signatures_and_those_over_another_form_do_not_count(whole: Case, request_: Document) -> None:
    university, company = signed_by(whole.pair, write_payload(request_))
    assert "proof.missing" in code_of(whole.verify(present(request_, (company, university), ("score",))))
    other = signed_by(whole.pair, write_payload(ask_for_form(whole.credential)))
    mixed = whole.verify(present(request_, (university, other[1]), ("score",)))
    assert code_of(mixed) == ["proof.does_not_match"]


def _trusting(pair: Pair, **changes: Any) -> Trust:
    return Trust((pair.party(Role.UNIVERSITY, **changes), pair.party(Role.COMPANY)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"use": KeyUse.OPERATIONAL}, "proof.key_of_other_use"),
        ({"retired_at": NOW}, "proof.retired_key"),
        ({"compromised_at": NOW + timedelta(days=9)}, "proof.compromised_key"),
        ({"id": f"{UNIVERSITY.did}#other"}, "proof.unknown_key"),
    ],
)
def test_a_key_that_does_not_count_for_certificates_does_not_count_here(
    whole: Case, request_: Document, changes: dict[str, Any], code: str
) -> None:
    verdict = whole.verify(shown(whole, request_, "score"), trust=_trusting(whole.pair, **changes))
    assert verdict.status is Status.REFUSED
    assert [found for found in code_of(verdict) if found != "status.not_joint"] == [code]


def test_nobody_counts_whom_the_trust_file_does_not_name(whole: Case, request_: Document) -> None:
    verdict = whole.verify(shown(whole, request_, "score"), trust=Trust())
    assert verdict.status is Status.REFUSED
    assert code_of(verdict)[:2] == ["party.not_trusted"] * 2


def test_a_signature_from_the_future_is_refused(whole: Case, request_: Document) -> None:
    verdict = whole.verify(shown(whole, request_, "score"), at=NOW - timedelta(hours=1))
    assert "proof.from_the_future" in code_of(verdict)


def test_the_state_of_the_certificate_counts(case: Case, make_list: Callable[..., dict[str, bytes]]) -> None:
    request = ask_for_form(case.credential)
    file = shown(case, request, "holder")
    assert case.verify(file).status is Status.VALID
    assert case.verify(file, resources={}).status is Status.UNDECIDED
    withdrawn = make_list(encoded=encode_bits([94_567]))
    assert code_of(case.verify(file, resources=withdrawn)) == ["credential.revoked"]


def test_only_parts_that_there_are_can_be_shown(whole: Case, request_: Document) -> None:
    with pytest.raises(DocumentProblem):
        shown(whole, request_, "honours")


def test_a_request_holds_the_certificate_without_its_proofs(whole: Case, request_: Document) -> None:
    assert request_["certificate"] == without_proof(whole.credential)


def test_a_notice_of_one_organisation_refuses_where_the_hash_is_shown(
    whole: Case, request_: Document
) -> None:
    sha256 = sha256_of(whole.credential)
    notice = Notice(credential=sha256, by=COMPANY.did, reason="잘못 발급됨", time=NOW)
    key = generate()
    method = key_id(COMPANY.did, key.public_key())
    operational = PublicKey(method, encode_public(key.public_key()), use=KeyUse.OPERATIONAL)
    university, company = whole.pair.trust.parties
    trust = Trust((university, replace(company, keys=(*company.keys, operational))))
    signed = attach_signature(show_notice(notice), sign_notice(notice, key, method))
    resources = {**whole.resources, notice_address(STATUS_URL, sha256): write_notices([signed])}
    open_, hidden = (shown(whole, request_, *names) for names in (("certificate",), ("score",)))
    assert code_of(whole.verify(open_, trust=trust, resources=resources)) == ["credential.withdrawn_by"]
    assert whole.verify(hidden, trust=trust, resources=resources).status is Status.VALID
