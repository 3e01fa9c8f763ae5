"""Reading a PDF that may be hostile with the library that understands signatures, within bounds.

That library is no part of the base install; it is loaded on first use.
"""

import io
import logging
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, util
from typing import Any, TypeVar

from pypdf import PdfReader
from pypdf.errors import PyPdfError

EXTRA = "pdf"
_T = TypeVar("_T")
_MOST_STREAM_BYTES = 16_000_000
_MOST_DECODED_BYTES = 64_000_000
_MOST_REVISIONS = 8
_MOST_FILES = 20
# What a hostile file makes the readers raise besides their own errors.
PDF_PROBLEMS = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def pdf_problems() -> tuple[type[Exception], ...]:
    """Return what reading a hostile file may raise, what the library of signatures adds included."""
    return (
        *PDF_PROBLEMS,
        import_module("pyhanko.pdf_utils.misc").PdfError,
        import_module("pyhanko_certvalidator.errors").PathError,
        import_module("pyhanko_certvalidator.errors").ValidationError,
    )


def can_read_signatures() -> bool:
    """Say whether the library that reads signatures is installed."""
    return util.find_spec("pyhanko") is not None


def apart(work: Callable[[], _T]) -> _T:
    """Do something with the library of signatures in a thread of its own.

    Its calls run an event loop each, which is refused in a thread that runs one already.
    """
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(work).result()


def open_pdf(content: bytes) -> Any:
    """Return a strict reader with bounds on what unpacking may take; it may raise any of `pdf_problems`."""
    for name in ("pyhanko", "pyhanko_certvalidator"):  # the answer says what is wrong
        logging.getLogger(name).setLevel(logging.CRITICAL)
    limits = import_module("pyhanko.pdf_utils.decode_limits")
    bounds = limits.DecodeLimits(
        per_stream=limits.StreamDecodeLimits(max_output_size=_MOST_STREAM_BYTES),
        document_budget=limits.DocumentDecodeBudget(base_allowance=_MOST_DECODED_BYTES),
    )
    if content.count(b"startxref") > _MOST_REVISIONS:
        raise ValueError("too many revisions")
    reader = import_module("pyhanko.pdf_utils.reader").PdfFileReader
    return reader(io.BytesIO(content), strict=True, decode_limits=bounds)


def attached_names(root: Any) -> list[str]:
    """Return the names of the files attached to one revision of a document."""
    return [str(name) for name, _ in _attached(root)]


def attached_files(root: Any, name: str, most_bytes: int) -> list[bytes]:
    """Return the content of every attached file of this name in one revision of a document."""
    files = [file["/EF"]["/F"] for found, file in _attached(root) if str(found) == name]
    contents = [file.data for file in files]
    if any(len(content) > most_bytes for content in contents):
        raise ValueError("an attached file is too large")
    return contents


def _attached(root: Any) -> list[tuple[Any, Any]]:
    if "/Names" not in root or "/EmbeddedFiles" not in root["/Names"]:
        return []
    tree = root["/Names"]["/EmbeddedFiles"]
    if "/Kids" in tree or len(tree["/Names"]) > 2 * _MOST_FILES:
        raise ValueError("more files than a certificate carries")
    flat = tree["/Names"]
    return [(flat[at], flat[at + 1]) for at in range(0, len(flat), 2)]


def page_text(content: bytes) -> str:
    """Return the words of the first page."""
    return PdfReader(io.BytesIO(content)).pages[0].extract_text()
