"""What was found once is found again only under the very same bytes."""

from datetime import timedelta

import pytest

from lms.certs.core.joint import examine_signature
from lms.certs.core.seen import Seen
from lms.certs.core.strict_json import canonical, sha256_of
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status, verify
from tests.certs.conftest import NOW, UNIVERSITY, Case

AT = NOW + timedelta(hours=1)


def test_a_second_look_asks_nobody() -> None:
    seen, answers = Seen(), iter("abc")
    assert [seen.once(("list", b"1"), lambda: next(answers)) for _ in range(3)] == ["a", "a", "a"]
    assert seen.once(("list", b"2"), lambda: "another") == "another"


def kept(case: Case) -> Seen:
    seen = Seen()
    signature = examine_signature(case.credential, UNIVERSITY.did, Role.UNIVERSITY, case.pair.trust, AT)
    seen.keep_signature(case.credential, case.credential["proof"][0], signature)
    return seen


def test_a_good_proof_is_found_again_with_its_document_only(case: Case) -> None:
    seen, proofs = kept(case), case.credential["proof"]
    about = (UNIVERSITY.did, Role.UNIVERSITY)
    assert seen.signature(sha256_of(case.credential), *about, proofs) is not None
    assert seen.signature(sha256_of({**case.credential, "name": "x"}), *about, proofs) is None
    assert seen.signature(sha256_of(case.credential), *about, [*proofs, proofs[0]]) is None
    changed = {**proofs[0], "created": "2026-03-02T09:00:01Z"}
    assert seen.signature(sha256_of(case.credential), *about, [changed, proofs[1]]) is None
    assert seen.signature(sha256_of(case.credential), UNIVERSITY.did, Role.COMPANY, proofs) is None
    assert seen.signature(sha256_of(case.credential), *about, "none") is None


def test_a_bad_proof_is_not_remembered(case: Case) -> None:
    seen = kept(case)
    broken = {**case.credential["proof"][0], "proofValue": case.credential["proof"][1]["proofValue"]}
    signed = {**case.credential, "proof": [broken]}
    signature = examine_signature(signed, UNIVERSITY.did, Role.UNIVERSITY, case.pair.trust, AT)
    seen.keep_signature(signed, broken, signature)
    assert not signature.good
    assert seen.signature(sha256_of(signed), UNIVERSITY.did, Role.UNIVERSITY, [broken]) is None


@pytest.mark.parametrize("part", ["name", "proof", "list", "endorsement"])
def test_what_is_known_of_a_good_one_saves_no_bad_one(whole: Case, part: str) -> None:
    seen, trust, resources = Seen(), whole.pair.trust, dict(whole.resources)
    for _ in range(2):
        content = canonical(whole.credential)
        assert verify(content, trust, resources, AT, seen=seen).status is Status.VALID
    changed = dict(whole.credential)
    if part == "name":
        changed["name"] = "another"
    elif part == "proof":
        changed["proof"] = [changed["proof"][0], {**changed["proof"][1], "created": "2026-03-02T09:00:01Z"}]
    elif part == "list":
        resources = {url: content.replace(b"revocation", b"suspension") for url, content in resources.items()}
    else:
        subject = changed["credentialSubject"]
        [said] = subject["achievement"]["endorsement"]
        other = {**said, "proof": [{**said["proof"][0], "created": "2026-03-02T09:00:01Z"}]}
        achievement = {**subject["achievement"], "endorsement": [other]}
        changed["credentialSubject"] = {**subject, "achievement": achievement}
        changed = whole.pair.sign(changed)
    assert verify(canonical(changed), trust, resources, AT, seen=seen).status is Status.REFUSED
    assert verify(canonical(changed), trust, resources, AT).status is Status.REFUSED
