import json
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from lms.certs.core.document import (
    Claim,
    Evidence,
    LabResult,
    Party,
    StatusEntry,
    build_credential,
    hash_email,
)
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.reading import read_claim
from tests.certs.conftest import CLAIM, Case

NAMES = (
    st.text(min_size=1, max_size=20).filter(str.strip).map(lambda text: unicodedata.normalize("NFC", text))
)
SCORES = st.decimals(0, 1000, places=2).map(str)


def test_a_signed_certificate_fits_the_open_badges_schema(case: Case, standards: Path) -> None:
    schema = json.loads((standards / "ob3-schema/ob_v3p0_achievementcredential_schema.json").read_text())
    validator = Draft201909Validator(schema)
    assert list(validator.iter_errors(case.credential)) == []
    assert list(validator.iter_errors({**case.credential, "credentialStatus": []}))


@settings(max_examples=40)
@given(holder=NAMES, score=SCORES, labs=st.lists(st.tuples(NAMES, SCORES), max_size=4))
def test_a_claim_reads_back_from_its_document(holder: str, score: str, labs: list[tuple[str, str]]) -> None:
    results = tuple(LabResult(f"lab-{n}", name, points, "1000") for n, (name, points) in enumerate(labs))
    claim = replace(CLAIM, holder_name=holder, score=score, maximum="1000", labs=results)
    assert read_claim(build_credential(claim)) == claim


def test_the_least_claim_reads_back(claim: Claim) -> None:
    least = replace(
        claim, labs=(), evidence=(), demo_custody=False, achievement=replace(claim.achievement, skills=())
    )
    assert read_claim(build_credential(least)) == least


def test_decomposed_names_are_composed(claim: Claim) -> None:
    decomposed = replace(claim, holder_name=unicodedata.normalize("NFD", claim.holder_name))
    assert build_credential(decomposed) == build_credential(claim)


@pytest.mark.parametrize(
    "change",
    [
        {"credential_id": "1"},
        {"score": "91,4"},
        {"score": "-1"},
        {"maximum": "NaN"},
        {"holder_name": "  "},
        {"labs": (LabResult("a", "A", "1", "1"), LabResult("a", "B", "1", "1"))},
        {"labs": (LabResult("A b", "A", "1", "1"),)},
        {"evidence": (Evidence("a", "AB"),)},
        {"status": StatusEntry("https://duri.example/status/1", -1)},
        {"status": StatusEntry("status/1", 1)},
        {"company": CLAIM.university},
        {"company": Party("did:web:x.example", "X", "javascript:alert(1)")},
        {"achievement": replace(CLAIM.achievement, language="fr")},
        {"achievement": replace(CLAIM.achievement, id="https://duri.example/#a")},
    ],
)
def test_values_that_cannot_be_signed_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentProblem, match="bad_value"):
        build_credential(replace(CLAIM, **change))


def test_an_address_is_hashed_as_the_standard_says() -> None:
    expected = "sha256$b5809d8a92f8858436d7e6b87c12ebc0ae1eac4baecc2c0b913aee2c922ef399"
    assert hash_email(" A@Example.com ", "Kosher") == expected
