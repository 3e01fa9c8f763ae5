"""The certificate file inside a PDF."""

import io

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from lms.certs.core.problems import Unreadable
from lms.certs.core.strict_json import MAX_BYTES

ATTACHMENT = "credential.json"
MAX_PDF_BYTES = 5_000_000
_MOST_FILES = 20
# What a hostile PDF makes the reader raise besides its own errors.
_READER_ERRORS = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


def is_pdf(content: bytes) -> bool:
    """Tell whether the bytes begin as a PDF does."""
    return b"%PDF-" in content[:1024]


def credential_from_pdf(content: bytes) -> bytes:
    """Return the one attached `credential.json`.

    Raises:
        Unreadable: too large, broken, locked, without the attachment, or with more than one.
    """
    if len(content) > MAX_PDF_BYTES:
        raise Unreadable("file.too_large", limit=MAX_PDF_BYTES)
    try:
        found = _attached(PdfReader(io.BytesIO(content)))
    except _READER_ERRORS:
        raise Unreadable("pdf.broken") from None
    if len(found) != 1:
        raise Unreadable("pdf.twice" if found else "pdf.without_credential")
    return found[0]


def _attached(reader: PdfReader) -> list[bytes]:
    found: list[bytes] = []
    for position, file in enumerate(reader.attachment_list):
        if position >= _MOST_FILES:
            raise Unreadable("pdf.broken")
        if ATTACHMENT in {file.name, file.alternative_name}:
            content = file.content
            if len(content) > MAX_BYTES:
                raise Unreadable("file.too_large", limit=MAX_BYTES)
            found.append(content)
        if len(found) > 1:
            break  # it is refused; the others need not be unpacked
    return found
