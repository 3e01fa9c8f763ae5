import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator

from lms.certs.core.document import Achievement, Claim, build_credential
from lms.certs.core.endorsement import (
    build_endorsement,
    endorse,
    endorsed_text,
    examine_endorsement,
    read_endorsement,
)
from lms.certs.core.keys import generate
from lms.certs.core.mandate import Mandate, Refusal, review_endorsement
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.proofs import Suite, verify_proof
from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import without_proof
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status
from tests.certs.conftest import CLAIM, COMPANY, ENDORSEMENT_ID, NOW, UNIVERSITY, Case, endorsed, whole_claim


def codes(found: Any) -> list[str]:
    return [finding.code for finding in found]


def walk(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from walk(item, (*path, key))


def with_endorsement(case: Case, document: Any) -> Any:
    return case.pair.sign(build_credential(replace(whole_claim(case.pair), endorsement=document)))


def test_a_certificate_of_the_present_form_is_valid_and_says_what_it_says(whole: Case) -> None:
    verdict = whole.verify()
    assert (verdict.status, verdict.findings) == (Status.VALID, ())
    assert verdict.facts is not None
    assert verdict.facts.claim == whole_claim(whole.pair)


def test_the_present_form_fits_the_open_badges_schema(whole: Case, standards: Path) -> None:
    schema = json.loads((standards / "ob3-schema/ob_v3p0_achievementcredential_schema.json").read_text())
    assert list(Draft201909Validator(schema).iter_errors(whole.credential)) == []


def test_an_endorsement_names_all_that_the_company_has_read() -> None:
    text = endorsed_text(CLAIM.achievement)
    achievement = CLAIM.achievement
    for part in (achievement.name, achievement.description, achievement.criteria, achievement.skills[0].url):
        assert part in text


def test_the_proof_of_an_endorsement_is_one_that_stock_software_checks(whole: Case) -> None:
    document = endorsed(whole.pair)
    [proof] = document["proof"]
    assert proof["cryptosuite"] == "eddsa-rdfc-2022"
    verify_proof(document, proof, whole.pair.keys[Role.COMPANY].public_key())


def test_an_endorsement_reads_back_and_nothing_may_be_added(whole: Case) -> None:
    document = without_proof(endorsed(whole.pair))
    assert build_endorsement(read_endorsement(document)) == document
    for path, value in walk(document):
        if isinstance(value, dict):
            spoilt = copy.deepcopy(document)
            inner = spoilt
            for key in path:
                inner = inner[key]
            inner["honours"] = "summa cum laude"
            with pytest.raises(DocumentProblem, match=r"endorsement\.shape"):
                read_endorsement(spoilt)


@pytest.mark.parametrize("other", [None, [], {}, 1, "", [{}]])
def test_any_part_of_another_type_in_an_endorsement_is_noticed(whole: Case, other: object) -> None:
    document = endorsed(whole.pair)
    for path, value in walk(document):
        if path and value != other:
            spoilt = copy.deepcopy(document)
            inner: Any = spoilt
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = other
            claim = replace(whole_claim(whole.pair), endorsement=spoilt)
            assert examine_endorsement(claim, whole.pair.trust, NOW), path


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"achievement_id": "https://duri.example/courses/other/versions/1"},
            "endorsement.other_achievement",
        ),
        ({"comment": "Anything goes."}, "endorsement.other_achievement"),
        ({"name": "Praise"}, "endorsement.other_achievement"),
        ({"endorser": replace(COMPANY, name="다른 회사")}, "endorsement.other_party"),
        ({"endorser": UNIVERSITY}, "endorsement.other_party"),
        ({"demo_custody": False}, "endorsement.demo_custody"),
        ({"signed_at": NOW + timedelta(days=1)}, "endorsement.not_signed"),
        ({"role": Role.UNIVERSITY}, "endorsement.not_signed"),
        ({"key": generate()}, "endorsement.not_signed"),
        ({"suite": Suite.JCS}, "endorsement.not_signed"),
        ({"created": NOW + timedelta(days=1)}, "endorsement.not_signed"),
    ],
)
def test_an_endorsement_of_something_else_or_by_someone_else_is_refused(
    whole: Case, changes: dict[str, Any], code: str
) -> None:
    verdict = whole.verify(with_endorsement(whole, endorsed(whole.pair, **changes)))
    assert verdict.status is Status.REFUSED
    assert set(codes(verdict.findings)) == {code}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("proof"),
        lambda document: document.update(proof=[]),
        lambda document: document.update(proof=document["proof"] * 2),
        lambda document: document["proof"][0].update(proofValue="z1"),
        lambda document: document["proof"][0].update(proofPurpose="authentication"),
    ],
)
def test_an_endorsement_without_its_one_good_proof_is_refused(
    whole: Case, spoil: Callable[[Any], None]
) -> None:
    document = endorsed(whole.pair)
    spoil(document)
    verdict = whole.verify(with_endorsement(whole, document))
    assert (verdict.status, set(codes(verdict.findings))) == (Status.REFUSED, {"endorsement.not_signed"})


def test_an_endorsement_cannot_be_taken_out_or_doubled(whole: Case) -> None:
    for change in (None, [], [endorsed(whole.pair)] * 2):
        spoilt = copy.deepcopy(whole.credential)
        achievement = spoilt["credentialSubject"]["achievement"]
        achievement["endorsement"] = change
        if change is None:
            del achievement["endorsement"]
        assert whole.verify(spoilt).status is Status.REFUSED


def test_another_achievement_cannot_borrow_an_endorsement(whole: Case) -> None:
    claim = whole_claim(whole.pair)
    easier = replace(claim, achievement=replace(claim.achievement, criteria="출석만 하면 됩니다."))
    verdict = whole.verify(whole.pair.sign(build_credential(easier)))
    assert codes(verdict.findings) == ["endorsement.other_achievement"]


def test_an_english_achievement_is_endorsed_in_english() -> None:
    english = Achievement("https://duri.example/c", "First steps", "Networks.", "60 of 100.", "en")
    said = endorse(english, COMPANY, endorsement_id=ENDORSEMENT_ID, at=NOW, demo_custody=False)
    assert said.name == "Endorsement of “First steps”"
    assert "termsOfUse" not in build_endorsement(said)


def mandate(**changes: Any) -> Mandate:
    settings: dict[str, Any] = {
        "role": Role.COMPANY,
        "name": "누리에이아이",
        "university": UNIVERSITY.did,
        "company": COMPANY.did,
        "host": "127.0.0.1",
        "port": 1,
        "demo_custody": True,
        "courses": ("https://duri.example/courses/deep-learning/",),
    }
    return Mandate(**(settings | changes))


def test_a_companys_signer_endorses_what_it_has_approved(whole: Case) -> None:
    document = without_proof(endorsed(whole.pair))
    assert review_endorsement(document, mandate(), NOW).achievement_id == CLAIM.achievement.id


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"role": Role.UNIVERSITY}, "signer.not_the_pair"),
        ({"company": "did:web:other.example"}, "signer.not_the_pair"),
        ({"courses": ()}, "signer.not_approved"),
        ({"demo_custody": False}, "signer.demo_custody"),
    ],
)
def test_a_signer_refuses_to_endorse_beyond_its_mandate(
    whole: Case, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refusal, match=code):
        review_endorsement(without_proof(endorsed(whole.pair)), mandate(**settings), NOW)
    with pytest.raises(Refusal, match=r"signer\.has_proofs"):
        review_endorsement(endorsed(whole.pair), mandate(), NOW)


def test_a_signer_sees_a_strange_endorsement_inside_a_certificate(claim: Claim) -> None:
    stranger = {"id": "urn:uuid:1", "type": ["VerifiableCredential"], "name": "x"}
    with pytest.raises(DocumentProblem, match=r"endorsement\.shape"):
        read_claim(build_credential(replace(claim, endorsement=stranger)))


def test_any_changed_value_of_what_the_first_form_did_not_have_is_noticed(whole: Case, case: Case) -> None:
    known = {path for path, _ in walk(case.credential)}
    leaves = [
        path
        for path, value in walk(whole.credential)
        if path not in known and not isinstance(value, dict | list)
    ]
    assert len(leaves) > 40
    for path in leaves:
        spoilt = copy.deepcopy(whole.credential)
        inner: Any = spoilt
        for key in path[:-1]:
            inner = inner[key]
        value = inner[path[-1]]
        inner[path[-1]] = not value if isinstance(value, bool) else f"{value}x"
        assert whole.verify(spoilt).status is Status.REFUSED, path
