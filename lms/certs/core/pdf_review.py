"""What an organisation looks at before it signs a PDF: whose credential it carries, and what its page says.

The library that reads PDFs with signatures is loaded on first use: whoever checks bare JSON never needs it.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lms.certs.core.mandate import Refusal
from lms.certs.core.pdf import ATTACHMENT, LOG_PROOF, SIGNATURE_FIELDS, credential_from_pdf
from lms.certs.core.pdf_reading import attached_names, open_pdf, page_text, pdf_problems
from lms.certs.core.sheet import WORDS, Sheet, read_sheet
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.trust import Role

MOST_PDF_BYTES = 1_500_000
_MOST_OBJECTS = 2_000
_MOST_DEPTH = 60
_PAGE = (0, 0, 842, 595)  # A4 landscape, in points
_SLACK = 1
# What a page that only shows a certificate has no use for: whatever acts, moves, hides or loads.
_FORBIDDEN_KEYS = frozenset(
    {"/AA", "/JS", "/JavaScript", "/OpenAction", "/XFA", "/OCProperties", "/OC", "/Encrypt", "/Alternates"}
    | {"/RichMediaContent", "/Collection", "/Requirements", "/DSS", "/PieceInfo", "/Threads", "/FS"}
)
_FORBIDDEN_VALUES = frozenset(
    {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/ResetForm", "/GoToR", "/GoToE", "/Hide"}
    | {"/Movie", "/Sound", "/Rendition", "/RichMedia", "/3D", "/Screen", "/Image"}
    | {"/FreeText", "/Stamp", "/Text", "/Ink"}
)


@dataclass(frozen=True, slots=True)
class Order:
    """Hold what is signed: the sheet, and the certificate's identifier and hash."""

    sheet: Sheet
    credential_id: str
    sha256: str


Known = Callable[[str], tuple[str, Document] | None]
"""Returns what this signer's journal says of a certificate: the hash it signed, and its proof."""


def review_pdf(content: bytes, role: Role, known: Known) -> Order:
    """Judge a PDF before signing it in this part.

    Raises:
        Refusal: with the first thing against it.
        Unreadable: it is no PDF that carries one credential.
        DocumentProblem: the credential has not the one form that is signed.
    """
    if len(content) > MOST_PDF_BYTES:
        raise Refusal("signer.too_large", limit=MOST_PDF_BYTES)
    document = read_object(credential_from_pdf(content))
    digest = sha256_of(document)
    _check_mine(document, digest, known)
    try:
        reader = open_pdf(content)
        _check_turn(reader, role)
        _check_parts(reader)
        sheet = _expected(reader, document, digest)
        _check_page(reader, sheet, page_text(content))
    except pdf_problems():
        raise Refusal("signer.pdf_form", part="PDF") from None
    return Order(sheet, str(document["id"]), digest)


def _check_mine(document: Document, digest: str, known: Known) -> None:
    found = known(str(document.get("id")))
    proofs = document.get("proof")
    if found is None or found[0] != digest or not isinstance(proofs, list) or found[1] not in proofs:
        raise Refusal("signer.pdf_not_mine", id=str(document.get("id"))[:80])


def _check_turn(reader: Any, role: Role) -> None:
    """The university signs a file of one piece; the company one to which only the university added."""
    names = [signature.field_name for signature in reader.embedded_signatures]
    before = [] if role is Role.UNIVERSITY else [SIGNATURE_FIELDS[Role.UNIVERSITY].name]
    if names != before or reader.total_revisions != len(before) + 1:
        raise Refusal("signer.pdf_turn", role=str(role))
    for signature in reader.embedded_signatures:
        status = import_module("pyhanko.sign.validation.status")
        signature.compute_integrity_info()
        whole = signature.coverage == status.SignatureCoverageLevel.ENTIRE_FILE
        digests = [
            attribute["values"][0].native
            for attribute in signature.signer_info["signed_attrs"]
            if attribute["type"].native == "message_digest"
        ]
        if not whole or digests != [signature.compute_digest()] or _permission(signature) != "FILL_FORMS":
            raise Refusal("signer.pdf_turn", role=str(role))


def _permission(signature: Any) -> str | None:
    return signature.docmdp_level.name if signature.docmdp_level is not None else None


def _check_parts(reader: Any) -> None:
    if set(attached_names(reader.root)) - {LOG_PROOF} != {ATTACHMENT}:
        raise Refusal("signer.pdf_form", part="/EmbeddedFiles")
    found = 0
    for revision in range(reader.total_revisions):
        for reference in reader.xrefs.explicit_refs_in_revision(revision):
            found += 1
            if found > _MOST_OBJECTS:
                raise Refusal("signer.pdf_form", part=f"> {_MOST_OBJECTS}")
            for part in _forbidden(reader.get_object(reference), _MOST_DEPTH):
                raise Refusal("signer.pdf_form", part=part)
    if reader.encrypted:
        raise Refusal("signer.pdf_form", part="/Encrypt")


def _forbidden(item: Any, depth: int) -> Iterator[str]:
    """Yield every part of an object, but not of those it refers to, that the page has no use for."""
    if depth == 0:
        yield "…"
    elif isinstance(item, dict):
        for key in item:
            value = item.raw_get(key) if hasattr(item, "raw_get") else item[key]
            if key in _FORBIDDEN_KEYS or (_is_name(value) and value in _FORBIDDEN_VALUES):
                yield f"{key} {value}"[:60] if _is_name(value) else str(key)
            yield from _forbidden(value, depth - 1)
    elif isinstance(item, list):
        for position in range(len(item)):
            yield from _forbidden(_at(item, position), depth - 1)


def _at(items: Any, position: int) -> Any:
    """Return an item of an array without following a reference."""
    return items.raw_get(position) if hasattr(items, "raw_get") else items[position]


def _is_name(value: Any) -> bool:
    return isinstance(value, import_module("pyhanko.pdf_utils.generic").NameObject)


def _expected(reader: Any, document: Document, digest: str) -> Sheet:
    """Return the sheet that this certificate gives in the file's language; nothing else may stand there."""
    language = str(reader.root.get("/Lang"))
    addresses = {
        str(note["/A"]["/URI"]) for note in _notes(reader) if note["/Subtype"] == "/Link" and "/A" in note
    }
    identifier = str(document["id"]).removeprefix("urn:uuid:")
    ending = f"/verify/{identifier}#h={digest}"
    if language not in WORDS or len(addresses) != 1 or not min(addresses).endswith(ending):
        raise Refusal("signer.pdf_page")
    return read_sheet(document, language=language, verify_url=min(addresses))


def _check_page(reader: Any, sheet: Sheet, text: str) -> None:
    pages = reader.root["/Pages"]
    box = tuple(float(edge) for edge in pages["/Kids"][0]["/MediaBox"])
    form = [field.get_object() for field in reader.root["/AcroForm"]["/Fields"]]
    fields = {str(field["/T"]): tuple(map(float, field["/Rect"])) for field in form}
    wanted = {field.name: field.box for field in SIGNATURE_FIELDS.values()}
    if pages["/Count"] != 1 or len(pages["/Kids"]) != 1 or not _near(box, _PAGE):
        raise Refusal("signer.pdf_form", part="/Pages")
    if fields.keys() != wanted.keys() or not all(_near(fields[name], wanted[name]) for name in wanted):
        raise Refusal("signer.pdf_form", part="/AcroForm")
    kinds = Counter(str(note["/Subtype"]) for note in _notes(reader))
    if kinds["/Widget"] != len(wanted) or kinds.keys() - {"/Widget", "/Link"}:
        raise Refusal("signer.pdf_form", part="/Annots")
    if not _says_just(text, sheet):
        raise Refusal("signer.pdf_page")


def _near(box: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return len(box) == len(wanted) and all(abs(a - b) <= _SLACK for a, b in zip(box, wanted, strict=True))


def _notes(reader: Any) -> list[Any]:
    return [note.get_object() for note in reader.root["/Pages"]["/Kids"][0].get("/Annots", [])]


def _says_just(text: str, sheet: Sheet) -> bool:
    """Tell whether the page holds every line of the sheet once and nothing more; spaces do not count.

    The name is compared by its letters: scripts that join or reorder them are extracted in another order.
    """
    rest = _plain(text)
    for line in sorted(sheet.lines, key=len, reverse=True):
        plain = _plain(line)
        if line == sheet.holder:
            continue
        if plain not in rest:
            return False
        rest = rest.replace(plain, "\n", 1)
    return Counter(rest.replace("\n", "")) == Counter(_plain(sheet.holder))


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
