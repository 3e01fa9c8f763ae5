import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certs.core.document import Claim, build_credential
from lms.certs.core.joint import Finding
from lms.certs.core.many import REPORT_COLUMNS, Outcome, counts, tell_many, verify_many, worst, write_report
from lms.certs.core.strict_json import canonical
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import Case

ORDER = [Status.VALID, Status.UNDECIDED, Status.REFUSED, Status.UNREADABLE]


def rows(report: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(report, newline="")))


@given(st.lists(st.sampled_from(ORDER), min_size=1))
def test_unreadable_comes_over_refused_over_undecided_over_valid(statuses: list[Status]) -> None:
    assert worst(statuses) is max(statuses, key=ORDER.index)


def test_of_nothing_nothing_is_valid() -> None:
    assert worst([]) is Status.UNREADABLE


def test_each_is_verified_and_an_identifier_is_looked_up(case: Case) -> None:
    content = canonical(case.credential)
    files = [("a.json", content), ("l.csv", b"id\nknown\nunknown\n")]
    found = list(verify_many(files, case.verify, lambda wanted: content if wanted == "known" else None))
    assert [(one.name, one.verdict.status) for one in found] == [
        ("a.json", Status.VALID),
        ("l.csv:2", Status.VALID),
        ("l.csv:3", Status.UNREADABLE),
    ]
    assert found[2].verdict.findings[0].code == "csv.unknown_id"
    alone = list(verify_many(files[1:], case.verify))
    assert {one.verdict.findings[0].code for one in alone} == {"csv.needs_platform"}
    assert counts(found) == {"unreadable": 1, "refused": 0, "undecided": 0, "valid": 2}


def test_the_report_says_of_a_certificate_only_what_is_proven(case: Case) -> None:
    good, forged = case.verify(), case.verify({**case.credential, "name": "박사"})
    report = write_report([Outcome("a.json", good), Outcome("b.json", forged)], "ko")
    first, second = rows(report)
    assert tuple(first) == REPORT_COLUMNS
    assert (first["status"], first["holder"], first["score"], first["reasons"]) == (
        "valid",
        "김하늘",
        "91.4",
        "",
    )
    assert first["university"] == "한강대학교"
    assert (second["status"], second["holder"], second["university"]) == ("refused", "", "")
    assert second["codes"]
    assert "요청하세요" in second["reasons"] or "바뀌" in second["reasons"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_hostile_name_becomes_no_formula(case: Case, claim: Claim, start: str) -> None:
    name = f'{start}HYPERLINK("https://evil.example")'
    signed = case.pair.sign(build_credential(replace(claim, holder_name=name)))
    verdict = case.verify(signed)
    assert verdict.status is Status.VALID
    told = rows(write_report([Outcome(name, verdict)], "en"))[0]
    assert (told["name"], told["holder"]) == (f"'{name}", f"'{name}")


def test_programs_get_every_language_they_ask_for() -> None:
    verdict = Verdict(Status.UNREADABLE, (Finding("json.broken", {}),))
    told = tell_many([Outcome("x", verdict)], {"en": "en", "ko": "ko"})
    finding = told["results"][0]["findings"][0]
    assert finding["en"] != finding["ko"]
    assert told["results"][0]["facts"] is None
