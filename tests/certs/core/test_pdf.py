import io
import json

import pytest
from pypdf import PdfWriter

from lms.certs.core.pdf import MAX_PDF_BYTES, credential_from_pdf
from lms.certs.core.problems import Unreadable
from lms.certs.core.verify import Status
from tests.certs.conftest import Case


def pdf(*files: tuple[str, bytes]) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    for name, content in files:
        writer.add_attachment(name, content)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_certificate_in_a_pdf_is_verified_and_its_pages_are_not(case: Case) -> None:
    content = pdf(("notes.txt", b"hello"), ("credential.json", json.dumps(case.credential).encode()))
    verdict = case.verify(content)
    assert verdict.status is Status.VALID
    assert "notice.pdf_page" in {notice.code for notice in verdict.notices}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (pdf(), "pdf.without_credential"),
        (pdf(("other.json", b"{}")), "pdf.without_credential"),
        (pdf(("credential.json", b"{}"), ("credential.json", b"{}")), "pdf.twice"),
        (pdf(("credential.json", b"x" * 1_000_001)), "file.too_large"),
        # The first one decides: twenty small files that unpack to gigabytes are never held together.
        (pdf(*[("credential.json", bytes(1_000_001))] * 3), "file.too_large"),
        (pdf(("credential.json", b"{}"))[:300], "pdf.broken"),
        (b"%PDF-1.7\n" + b"<<" * 10_000, "pdf.broken"),
        (b"%PDF-" + bytes(MAX_PDF_BYTES), "file.too_large"),
    ],
)
def test_a_pdf_without_one_good_attachment_is_unreadable(content: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        credential_from_pdf(content)
    assert caught.value.code == code
