import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from lms.certs.core.bundled import (
    RECORD,
    Recorded,
    compare_points,
    grade_again,
    records_of,
    with_evidence,
    with_regrading,
)
from lms.certs.core.document import Evidence, build_credential
from lms.certs.core.evidence import Bundle, Piece, salted_digest
from lms.certs.core.joint import Finding
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import Case, whole_claim

SALT = "5a" * 32
RECORDED = Recorded(
    "softmax",
    json.dumps(
        {"outcomes": [{"grade_id": "shown", "hidden": False}, {"grade_id": "kept", "hidden": True}]}
    ).encode(),
)


def bundle(case: Case, content: bytes = b"{}", **changes: Any) -> Bundle:
    whole: dict[str, Any] = {
        "made_at": "2026-03-02T09:00:00Z",
        "credential": json.dumps(case.credential).encode(),
        "trust": b"{}",
        "resources": {},
        "evidence": (Piece("evidence/softmax/notebook.ipynb", SALT, content),),
    }
    return Bundle(**(whole | changes))


def codes(findings: Any) -> list[str]:
    return [finding.code for finding in findings]


def test_files_that_match_are_counted_beside_a_valid_certificate(whole: Case) -> None:
    verdict = with_evidence(whole.verify(), bundle(whole))
    assert verdict.status is Status.VALID
    assert verdict.notices[-1] == Finding("evidence.checked", {"count": 1})


def test_a_file_that_differs_refuses_a_valid_certificate(whole: Case) -> None:
    verdict = with_evidence(whole.verify(), bundle(whole, b"other"))
    assert (verdict.status, codes(verdict.findings)) == (Status.REFUSED, ["evidence.differs"])


def test_a_file_kept_back_leaves_the_certificate_valid(whole: Case) -> None:
    verdict = with_evidence(whole.verify(), bundle(whole, evidence=()))
    assert verdict.status is Status.VALID
    assert "evidence.not_included" in codes(verdict.notices)


@pytest.mark.parametrize("credential", [b"{}", b"", b"{", b'{"id": "urn:uuid:2"}'])
def test_the_bundle_of_another_certificate_is_refused(whole: Case, credential: bytes) -> None:
    verdict = with_evidence(whole.verify(), bundle(whole, credential=credential))
    assert (verdict.status, codes(verdict.findings)) == (Status.REFUSED, ["bundle.other_credential"])


def test_an_answer_that_is_open_or_refused_stays_so(whole: Case) -> None:
    assert with_evidence(whole.verify(resources={}), bundle(whole)).status is Status.UNDECIDED
    unreadable = whole.verify(b"{")
    assert with_evidence(unreadable, bundle(whole)) == unreadable


def answer(**changes: Any) -> bytes:
    told: dict[str, Any] = {"same": True, "ran": True, "inputs": [], "result": [], "explained": []}
    return json.dumps(told | changes).encode()


def difference(grade_id: str, part: str = "score") -> dict[str, Any]:
    return {"where": f"outcomes[{grade_id}].{part}", "recorded": 1.0, "now": 0.0}


def test_visible_tests_that_give_the_same_points_say_so() -> None:
    assert compare_points(RECORDED, answer()) == [Finding("regrade.same", {"name": "softmax", "count": 1})]
    hidden = answer(
        same=False, result=[difference("kept"), {"where": "total.score", "recorded": 2, "now": 1}]
    )
    assert codes(compare_points(RECORDED, hidden)) == ["regrade.same"]


def test_a_lab_whose_tests_are_all_hidden_agrees_about_nothing() -> None:
    kept = Recorded("softmax", json.dumps({"outcomes": [{"grade_id": "kept", "hidden": True}]}).encode())
    assert codes(compare_points(kept, answer())) == ["regrade.not_possible"]


def test_the_hand_in_and_the_lab_are_found_by_the_hashes_that_the_record_names(whole: Case) -> None:
    work, lab = b"hand-in", b"lab"
    named = [hashlib.sha256(content).hexdigest() for content in (work, lab)]
    record = json.dumps(
        {"submission": {"sha256": named[0]}, "release": {"student_notebook": named[1]}}
    ).encode()
    kinds = ((record, RECORD), (lab, "LabRelease"), (work, "Notebook"))
    claim = replace(
        whole_claim(whole.pair),
        evidence=tuple(
            Evidence("softmax", salted_digest(SALT, one), kind, salted=True) for one, kind in kinds
        ),
    )
    pieces = tuple(Piece(f"evidence/{kind}", SALT, one) for one, kind in kinds)
    assert records_of(claim, bundle(whole, evidence=pieces)) == [Recorded("softmax", record, work, lab)]
    assert records_of(claim, bundle(whole, evidence=pieces[:2])) == [Recorded("softmax", record, None, lab)]


def test_a_visible_test_that_gives_other_points_is_named() -> None:
    [found] = compare_points(RECORDED, answer(same=False, result=[difference("shown")]))
    assert found.code == "regrade.differs"
    assert found.params["where"] == "outcomes[shown].score"


@pytest.mark.parametrize(
    "content",
    [
        answer(ran=False, explained=["The packages differ."]),
        b'{"genuine": false, "reason": "forged"}',
        b"Traceback",
        b"[]",
        b'{"ran": true}',
        answer(result=[7]),
    ],
)
def test_an_answer_without_points_is_no_agreement(content: bytes) -> None:
    assert codes(compare_points(RECORDED, content)) == ["regrade.not_possible"]


def test_what_is_missing_is_said() -> None:
    [found] = grade_again([RECORDED], ["flask"], lambda _: pytest.fail("not called"))
    assert found.code == "regrade.not_possible"
    assert found.params["reason"] == 'not installed: flask; pip install "duri[server]"'
    assert codes(grade_again([], [], lambda _: (b"", ""))) == ["regrade.not_possible"]
    [silent] = grade_again([RECORDED], [], lambda _: (b"", "a\nno database"))
    assert silent.params["reason"] == "no database"
    assert codes(grade_again([RECORDED], [], lambda _: (answer(), ""))) == ["regrade.same"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("regrade.same", Status.VALID),
        ("regrade.differs", Status.REFUSED),
        ("regrade.not_possible", Status.UNDECIDED),
    ],
)
def test_grading_again_weighs_in_the_answer(whole: Case, code: str, status: Status) -> None:
    params = {"name": "softmax", "count": 1, "where": "x", "recorded": "1", "now": "0", "reason": "x"}
    assert with_regrading(whole.verify(), [Finding(code, params)]).status is status
    refused = Verdict(Status.REFUSED)
    assert with_regrading(refused, [Finding(code, params)]).status is Status.REFUSED


def test_only_records_that_the_certificate_binds_are_graded_again(whole: Case) -> None:
    items = (Evidence("softmax", salted_digest(SALT, b"r"), RECORD, salted=True),)
    claim = replace(whole_claim(whole.pair), evidence=items)
    shared = bundle(whole, evidence=(Piece("evidence/softmax/record.json", SALT, b"r"), None))
    assert records_of(claim, shared) == [Recorded("softmax", b"r")]
    assert build_credential(claim)["evidence"][0]["genre"] == RECORD
