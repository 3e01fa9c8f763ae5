"""Certificates, lists and trust files as they were first issued keep being valid, byte for byte."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import read_object, sha256_of
from lms.certs.core.trust import read_trust
from lms.certs.core.verify import Status, Verdict, verify

FOLDER = Path(__file__).parents[1] / "first_form"
AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
STATUS_URL = "https://duri.example/status/1"


def verdict(content: bytes) -> Verdict:
    trust = read_trust((FOLDER / "trust.json").read_bytes())
    return verify(content, trust, {STATUS_URL: (FOLDER / "status.json").read_bytes()}, AT)


def test_a_certificate_of_the_first_form_is_still_valid() -> None:
    content = (FOLDER / "credential.json").read_bytes()
    answer = verdict(content)
    assert (answer.status, answer.findings) == (Status.VALID, ())
    assert answer.facts is not None
    assert answer.facts.sha256 == "00c57ec26465e706d47cfa7796ce764462d33f5347fa0679314333f05e8671c3"
    claim = answer.facts.claim
    assert (claim.ranks, claim.suspension, claim.endorsement) == ((), None, None)
    assert not any(item.salted for item in claim.evidence)
    assert read_claim(read_object(content)) == claim


@pytest.mark.parametrize(("old", "new"), [("91.4", "99.4"), ("김하늘", "김바다"), ("94567", "94568")])
def test_a_changed_certificate_of_the_first_form_is_still_refused(old: str, new: str) -> None:
    content = (FOLDER / "credential.json").read_text(encoding="utf-8")
    assert old in content
    assert verdict(content.replace(old, new).encode()).status is Status.REFUSED


def test_its_hash_is_what_the_paper_carries() -> None:
    document = read_object((FOLDER / "credential.json").read_bytes())
    assert sha256_of(document) == "00c57ec26465e706d47cfa7796ce764462d33f5347fa0679314333f05e8671c3"
