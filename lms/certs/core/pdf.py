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
_WANTED = {ATTACHMENT, LOG_PROOF}
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


def files_from_pdf(content: bytes) -> tuple[bytes, bytes | None]:
    """Return the one attached `credential.json`, and the proof of the transparency log if there is one.

    Raises:
        Unreadable: too large, broken, locked, without the credential, or with more than one of either.
    """
    if len(content) > MAX_PDF_BYTES:
        raise Unreadable("file.too_large", limit=MAX_PDF_BYTES)
    try:
        found = _unpacked(PdfReader(io.BytesIO(content)))
    except PDF_PROBLEMS:
        raise Unreadable("pdf.broken") from None
    if ATTACHMENT not in found:
        raise Unreadable("pdf.without_credential")
    return found[ATTACHMENT], found.get(LOG_PROOF)


def credential_from_pdf(content: bytes) -> bytes:
    """Return the one attached `credential.json`; raises as `files_from_pdf` does."""
    return files_from_pdf(content)[0]


def _unpacked(reader: PdfReader) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for position, file in enumerate(reader.attachment_list):
        if position >= _MOST_FILES:
            raise Unreadable("pdf.broken")
        for name in _WANTED & {file.name, file.alternative_name}:
            if name in found:  # it is refused; the others need not be unpacked
                raise Unreadable("pdf.twice")
            found[name] = file.content
            if len(found[name]) > MAX_BYTES:
                raise Unreadable("file.too_large", limit=MAX_BYTES)
    return found
