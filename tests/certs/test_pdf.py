"""The certificate on paper carries the signed file and says the same as it."""

import io
from datetime import UTC, datetime

import pytest
from pypdf import PdfReader

from lms.certs.adapters.pdf import render_certificate
from lms.certs.core.document import (
    Achievement,
    Claim,
    LabResult,
    Party,
    StatusEntry,
    build_credential,
    hash_email,
)
from lms.certs.core.pdf import credential_from_pdf
from lms.certs.core.proofs import Suite, attach, create_proof
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status, verify
from tests.factories.certs import DIDS, NOW, Pair

VERIFY_URL = "https://duri.example/verify/0b0e5b1e-54c5-4f6c-9d3f-1b2c3d4e5f60#h=abc"
A4_POINTS = (841.89, 595.28)


def signed(pair: Pair, *, name: str = "김하늘", title: str = "딥러닝 첫걸음 수료", labs: int = 2) -> Document:
    claim = Claim(
        credential_id="urn:uuid:0b0e5b1e-54c5-4f6c-9d3f-1b2c3d4e5f60",
        issued_at=NOW,
        university=Party(DIDS[Role.UNIVERSITY], "한강대학교", "https://hangang.example/"),
        company=Party(DIDS[Role.COMPANY], "누리에이아이", "https://nuri.example/"),
        holder_name=name,
        email_hash=hash_email("a@example.org", "salt"),
        email_salt="salt",
        achievement=Achievement("https://duri.example/courses/a/versions/1", title, "설명", "기준", "ko"),
        score="27",
        maximum="30",
        labs=tuple(LabResult(f"lab-{number}", f"실습 {number}", "13.5", "15") for number in range(labs)),
        status=StatusEntry("https://duri.example/status/1", 0),
        demo_custody=True,
    )
    document = build_credential(claim)
    proofs = (
        create_proof(document, signer.key, signer.key_id, suite, NOW)
        for signer, suite in ((pair.university, Suite.RDFC), (pair.company, Suite.JCS))
    )
    return attach(document, *proofs)


def words(pdf: bytes) -> str:
    return " ".join(PdfReader(io.BytesIO(pdf)).pages[0].extract_text().split())


def test_the_paper_carries_exactly_the_signed_file() -> None:
    pair = Pair()
    document = signed(pair)
    pdf = render_certificate(document, language="ko", verify_url=VERIFY_URL)
    assert read_object(credential_from_pdf(pdf)) == document
    verdict = verify(pdf, pair.trust, {}, datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
    assert verdict.status is Status.UNDECIDED  # both proofs hold; only the status list is not at hand
    assert verdict.facts is not None
    assert verdict.facts.university.good
    assert verdict.facts.company.good


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("ko", "두 기관이 함께 운영한 과정을 마쳤음을 증명합니다."),
        ("en", "A course that both organisations teach"),
    ],
)
def test_it_says_who_what_when_and_by_whom_in_both_languages(language: str, says: str) -> None:
    document = signed(Pair())
    text = words(render_certificate(document, language=language, verify_url=VERIFY_URL))
    for part in (says, "김하늘", "딥러닝 첫걸음 수료", "27", "30", "2026", "한강대학교", "누리에이아이"):
        assert part in text
    assert sha256_of(document)[:8] in text
    assert "shared-kernel" in text
    assert ("시연용 키" if language == "ko" else "keys for demonstration") in text


def test_a_title_in_another_language_stands_beside_the_signed_one() -> None:
    pdf = render_certificate(
        signed(Pair()), language="en", verify_url=VERIFY_URL, title="Completed Deep learning"
    )
    assert "Completed Deep learning" in words(pdf)
    assert "딥러닝 첫걸음 수료" in words(pdf)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("김하늘", "딥러닝"),
        ("María Fernanda de la Concepción Gutiérrez-Villanueva y Álvarez de Toledo", "A " * 60),
        ("Ng", "아주 긴 이름의 과정 " * 8),
        ("<script>&\"'", "<b>굵게</b> & ‘따옴표’"),
        ("가" * 60, "한"),
    ],
)
def test_it_is_one_archivable_landscape_page_whatever_the_name(name: str, title: str) -> None:
    pdf = render_certificate(signed(Pair(), name=name, title=title), language="ko", verify_url=VERIFY_URL)
    reader = PdfReader(io.BytesIO(pdf))
    assert len(reader.pages) == 1
    assert tuple(map(float, reader.pages[0].mediabox[2:])) == pytest.approx(A4_POINTS, abs=1)
    metadata = reader.xmp_metadata
    assert metadata is not None
    assert (metadata.pdfaid_part, metadata.pdfaid_conformance) == ("3", "U")
    assert "".join(name.split())[:12] in words(pdf).replace(" ", "")


def test_the_qr_code_can_also_be_clicked() -> None:
    reader = PdfReader(io.BytesIO(render_certificate(signed(Pair()), language="ko", verify_url=VERIFY_URL)))
    links = [note.get_object()["/A"]["/URI"] for note in reader.pages[0]["/Annots"]]
    assert set(links) == {VERIFY_URL}


def test_one_lab_is_not_one_labs() -> None:
    text = words(render_certificate(signed(Pair(), labs=1), language="en", verify_url=VERIFY_URL))
    assert "1 lab " in text
    assert "lab " not in words(
        render_certificate(signed(Pair(), labs=0), language="en", verify_url=VERIFY_URL)
    )
