import copy
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lms.certs.core.document import SUSPENSION_STATUS, Rank, StatusEntry, build_credential
from lms.certs.core.mandate import Mandate, Refusal, review_status_list
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.status import build_status_list, encode_bits, read_status_list
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import (
    COMPANY,
    NOW,
    STATUS_URL,
    SUSPENSION_URL,
    UNIVERSITY,
    Case,
    edition,
    whole_claim,
)


def answer(verdict: Verdict) -> tuple[Status, set[str]]:
    return verdict.status, {finding.code for finding in verdict.findings}


def rests(case: Case, **changes: Any) -> dict[str, bytes]:
    """Return the resources with another edition of the list of suspensions."""
    listed = edition(**{"url": SUSPENSION_URL, "purpose": "suspension", **changes})
    signed = case.pair.sign(build_status_list(listed))
    return {**case.resources, SUSPENSION_URL: json.dumps(signed).encode()}


def test_a_suspended_certificate_is_refused_with_a_code_of_its_own(whole: Case) -> None:
    verdict = whole.verify(resources=rests(whole, encoded=encode_bits([17])))
    assert answer(verdict) == (Status.REFUSED, {"credential.suspended"})
    assert answer(whole.verify(resources=rests(whole, encoded=encode_bits([18])))) == (Status.VALID, set())


def test_an_unreachable_or_stale_list_of_suspensions_leaves_the_answer_open(whole: Case) -> None:
    one = {STATUS_URL: whole.resources[STATUS_URL]}
    assert answer(whole.verify(resources=one)) == (Status.UNDECIDED, {"status.unreachable"})
    old = rests(whole, valid_until=NOW + timedelta(minutes=30))
    assert answer(whole.verify(resources=old)) == (Status.UNDECIDED, {"status.expired"})


def test_one_list_cannot_stand_in_for_the_other(whole: Case) -> None:
    swapped = {
        STATUS_URL: rests(whole, url=STATUS_URL)[SUSPENSION_URL],
        SUSPENSION_URL: whole.resources[SUSPENSION_URL],
    }
    assert answer(whole.verify(resources=swapped)) == (Status.REFUSED, {"status.other_purpose"})
    for changes in ({"purpose": "revocation"}, {"url": STATUS_URL}):
        verdict = whole.verify(resources=rests(whole, **changes))
        assert verdict.status is Status.REFUSED


def test_a_list_of_an_unknown_purpose_is_refused(whole: Case) -> None:
    verdict = whole.verify(resources=rests(whole, purpose="message"))
    assert answer(verdict) == (Status.REFUSED, {"status.shape"})


@pytest.mark.parametrize("spoil", ["drop", "index", "list", "purpose", "type"])
def test_the_place_of_a_suspension_is_part_of_what_was_signed(whole: Case, spoil: str) -> None:
    document = copy.deepcopy(whole.credential)
    entry = document[SUSPENSION_STATUS]
    if spoil == "drop":
        del document[SUSPENSION_STATUS]
    else:
        changed = {
            "index": {"statusListIndex": "18", "id": f"{SUSPENSION_URL}#18"},
            "list": {"statusListCredential": STATUS_URL, "id": f"{STATUS_URL}#17"},
            "purpose": {"statusPurpose": "message"},
            "type": {"type": "Other"},
        }
        entry.update(changed[spoil])
    assert whole.verify(document).status is Status.REFUSED


def test_both_places_must_be_in_different_lists(whole: Case) -> None:
    with pytest.raises(DocumentProblem, match="bad_value"):
        build_credential(replace(whole_claim(whole.pair), suspension=StatusEntry(STATUS_URL, 3)))


@pytest.mark.parametrize(
    "rank",
    [
        Rank("digits", "x", 0, 1, 5),
        Rank("digits", "x", 6, 1, 5),
        Rank("digits", "x", 1, 0, 5),
        Rank("digits", "x", 1, 6, 5),
        Rank("Digits!", "x", 1, 1, 5),
    ],
)
def test_an_impossible_place_on_a_board_is_refused(whole: Case, rank: Rank) -> None:
    with pytest.raises(DocumentProblem, match="bad_value"):
        build_credential(replace(whole_claim(whole.pair), ranks=(rank,)))


def test_the_place_on_a_board_is_signed_with_its_tie_group_and_field(whole: Case) -> None:
    results = whole.credential["credentialSubject"]["result"][-3:]
    assert [result["value"] for result in results] == ["3", "2", "41"]
    for position in range(3):
        spoilt = copy.deepcopy(whole.credential)
        spoilt["credentialSubject"]["result"][-3 + position]["value"] = "1"
        assert whole.verify(spoilt).status is Status.REFUSED


def test_a_signer_lets_a_suspension_end_but_no_revocation() -> None:
    mandate = Mandate(
        role=Role.COMPANY, name="누리에이아이", university=UNIVERSITY.did, company=COMPANY.did,
        host="127.0.0.1", port=1, demo_custody=True, status_lists=("https://duri.example/status/",),
    )  # fmt: skip
    for purpose, ends in (("suspension", True), ("revocation", False)):
        before = edition(url=SUSPENSION_URL, purpose=purpose, encoded=encode_bits([4]))
        later = build_status_list(replace(before, encoded=encode_bits([])))
        if ends:
            for lifted in ({4}, None):
                assert review_status_list(later, mandate, NOW, before, lifted) == read_status_list(later)
            with pytest.raises(Refusal, match=r"signer\.not_lifted"):
                review_status_list(later, mandate, NOW, before, {5})
        else:
            with pytest.raises(Refusal, match=r"signer\.unrevoked"):
                review_status_list(later, mandate, NOW, before)
    other = build_status_list(edition(url=SUSPENSION_URL))
    with pytest.raises(Refusal, match=r"signer\.other_purpose"):
        review_status_list(other, mandate, NOW, edition(url=SUSPENSION_URL, purpose="suspension"))
