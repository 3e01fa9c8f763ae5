"""The certificate file inside a PDF, and the two places on its page that the organisations sign."""

import io
from dataclasses import dataclass

from pypdf import PdfReader

from lms.certs.core.pdf_reading import PDF_PROBLEMS
from lms.certs.core.problems import Unreadable
from lms.certs.core.strict_json import MAX_BYTES
from lms.certs.core.trust import Role

ATTACHMENT = "credential.json"
LOG_PROOF = "log-proof.json"
MAX_PDF_BYTES = 5_000_000
_MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class SignatureField:
    """Name one organisation's signature field and its place on the page, in points from the lower left."""

    name: str
    box: tuple[float, float, float, float]


# Beneath the words of each seal: 56 mm wide and 8.6 mm high.
SIGNATURE_FIELDS = {
    Role.UNIVERSITY: SignatureField("university", (172.91, 104.88, 331.65, 129.26)),
    Role.COMPANY: SignatureField("company", (433.70, 104.88, 592.44, 129.26)),
}


def binding(sha256: str) -> str:
    """Return what both signatures give as their reason, so that each names the certificate it is about."""
    return f"Joint certificate, SHA-256 {sha256}"


def is_pdf(content: bytes) -> bool:
    """Tell whether the bytes begin as a PDF does."""
    return b"%PDF-" in content[:1024]


def credential_from_pdf(content: bytes) -> bytes:
    """Return the one attached `credential.json`.

    Raises:
        Unreadable: too large, broken, locked, without the attachment, or with more than one.
    """
    found = _attached(content, ATTACHMENT, MAX_BYTES)
    if len(found) != 1:
        raise Unreadable("pdf.twice" if found else "pdf.without_credential")
    return found[0]


def log_proof_from_pdf(content: bytes) -> bytes | None:
    """Return the attached proof of the transparency log, if there is one.

    Raises:
        Unreadable: too large, broken, locked, or with more than one.
    """
    found = _attached(content, LOG_PROOF, MAX_BYTES)
    if len(found) > 1:
        raise Unreadable("pdf.broken")
    return found[0] if found else None


def _attached(content: bytes, name: str, most_bytes: int) -> list[bytes]:
    if len(content) > MAX_PDF_BYTES:
        raise Unreadable("file.too_large", limit=MAX_PDF_BYTES)
    try:
        return _unpacked(PdfReader(io.BytesIO(content)), name, most_bytes)
    except PDF_PROBLEMS:
        raise Unreadable("pdf.broken") from None


def _unpacked(reader: PdfReader, name: str, most_bytes: int) -> list[bytes]:
    found: list[bytes] = []
    for position, file in enumerate(reader.attachment_list):
        if position >= _MOST_FILES:
            raise Unreadable("pdf.broken")
        if name in {file.name, file.alternative_name}:
            content = file.content
            if len(content) > most_bytes:
                raise Unreadable("file.too_large", limit=most_bytes)
            found.append(content)
        if len(found) > 1:
            break  # it is refused; the others need not be unpacked
    return found
