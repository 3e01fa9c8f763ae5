"""An employer's way: check a certificate without an account; and what happens while a signer is away."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.jail]
COURSE, LAB = "small-steps", "two-numbers"


@pytest.fixture
def certificate(stage: Stage) -> str:
    """Return the identifier of one good certificate; made once."""
    if not stage.one_certificate:
        stage.wait_for_lab(COURSE, LAB)
        enrolment = stage.newcomer("김하늘", "holder@example.org", COURSE)
        stage.hand_in(enrolment, LAB)
        stage.one_certificate = stage.certificate_of(enrolment)
    return stage.one_certificate


def check_file(page: Page, file: Path) -> None:
    page.goto("/verify")
    page.get_by_label("인증서 파일").set_input_files(file)
    page.get_by_role("button", name="이 인증서 확인하기").click()


def test_an_employer_checks_the_file_and_the_paper_and_a_forged_copy(
    stage: Stage, certificate: str, tmp_path: Path
) -> None:
    page = stage.open("/verify")
    good, paper, forged = (tmp_path / name for name in ("good.json", "paper.pdf", "forged.json"))
    good.write_bytes(page.request.get(f"/c/{certificate}.json").body())
    stage.signed_paper_of(certificate)
    paper.write_bytes(page.request.get(f"/c/{certificate}.pdf").body())
    for file in (good, paper):
        check_file(page, file)
        expect(page.locator(".verdict.good")).to_contain_text("김하늘")

    document = json.loads(good.read_bytes())
    document["credentialSubject"]["result"][0]["value"] = "9999"
    forged.write_text(json.dumps(document, ensure_ascii=False))
    check_file(page, forged)
    verdict = page.locator(".verdict.refused")
    expect(verdict).to_contain_text("거부합니다")
    expect(verdict.locator(".findings li").first).to_contain_text("서명")
    expect(page.locator(".verdict.good")).to_have_count(0)
    expect(page.locator(".seal:not(.refused)")).to_have_count(0)  # never half valid


def test_a_copy_with_one_signature_taken_off_is_refused_as_a_whole(stage: Stage, certificate: str) -> None:
    page = stage.open("/verify", language="en")
    document = page.request.get(f"/c/{certificate}.json").json()
    document["proof"] = document["proof"][:1]
    page.get_by_label("Or paste the JSON").fill(json.dumps(document))
    page.get_by_role("button", name="Check this certificate").click()
    expect(page.locator(".verdict.refused")).to_contain_text("Refused")
    expect(page.locator(".seal:not(.refused)")).to_have_count(0)


def test_a_paper_with_another_hash_is_unmasked_by_its_qr_code(stage: Stage, certificate: str) -> None:
    page = stage.open(f"/verify/{certificate}#h={'0' * 64}")
    expect(page.get_by_role("alert")).to_contain_text("종이가 이 인증서와 다릅니다")


def test_a_certificate_waits_for_a_signer_that_is_away_and_says_for_whom(stage: Stage) -> None:
    stage.wait_for_lab(COURSE, LAB)
    stage.stop_signer("company")
    try:
        enrolment = stage.newcomer("한가람", "garam@example.org", COURSE)
        stage.grade_of(stage.hand_in(enrolment, LAB))
        page = stage.open("/certificates", email="garam@example.org")
        waiting = page.get_by_text("서명을 기다리는 기관: 누리에이아이")
        for _ in range(100):
            if waiting.count():
                break
            page.wait_for_timeout(300)
            page.reload()
        expect(waiting).to_be_visible()
        expect(page.get_by_role("link", name="서명된 파일 (JSON)")).to_have_count(0)
    finally:
        stage.start_signer("company")
    staff = stage.open(f"/courses/{COURSE}/certificates", email="professor@hangang.example")
    staff.get_by_role("row").filter(has_text="한가람").get_by_role("button", name="지금 다시 요청").click()
    uuid = stage.certificate_of(enrolment)
    page.goto(f"/verify/{uuid}")
    expect(page.locator(".verdict.good")).to_contain_text("한가람")
