"""The certificate on paper: PDF/A-3u, A4 landscape, with the signed JSON and room for two signatures."""

import hashlib
import io
import json
import warnings
from dataclasses import asdict
from functools import cache, lru_cache, partial
from importlib import import_module, resources
from typing import Any

import segno
from markupsafe import Markup

from lms.certs.adapters.templates import environment
from lms.certs.core.pdf import ATTACHMENT, LOG_PROOF, SIGNATURE_FIELDS
from lms.certs.core.sheet import WORDS, Seal, Sheet, read_sheet
from lms.certs.core.strict_json import Document, canonical, read_object
from lms.certs.core.trust import Role

_GROUND = "duri:ground"
_PRINTED_AND_LOCKED = 4 | 128  # annotation flags, ISO 32000-1 table 165


def render_certificate(
    document: Document,
    *,
    language: str,
    verify_url: str,
    title: str | None = None,
    log_proof: bytes | None = None,
    to_sign: bool = False,
) -> bytes:
    """Set a signed credential on paper and attach it.

    Args:
        document: with both proofs.
        language: of the paper, `ko` or `en`; the signed text keeps its own.
        verify_url: where the QR code leads.
        title: the achievement's name in `language`, if the signed one is in another.
        log_proof: what shows that the log holds the certificate; attached as a second file.
        to_sign: place an empty signature field for each organisation.
    """
    if to_sign:
        sheet = read_sheet(document, language=language, verify_url=verify_url, title=title)
        return _set(sheet, log_proof, to_sign=True)
    return _render(canonical(document), language, verify_url, title)


@lru_cache(maxsize=8)
def _render(content: bytes, language: str, verify_url: str, title: str | None) -> bytes:
    sheet = read_sheet(read_object(content), language=language, verify_url=verify_url, title=title)
    return _set(sheet, None, to_sign=False)


def _set(sheet: Sheet, log_proof: bytes | None, *, to_sign: bool) -> bytes:
    weasyprint = import_module("weasyprint")  # a second of start-up that most processes never need
    page = weasyprint.HTML(string=_html(sheet, to_sign=to_sign), url_fetcher=_fetch)
    with warnings.catch_warnings():  # the library leaves its own colour profile to the garbage collector
        warnings.filterwarnings("ignore", message=r"unclosed file.*\.icc", category=ResourceWarning)
        written: bytes = page.write_pdf(
            pdf_variant="pdf/a-3u",
            pdf_tags=True,
            attachments=_attachments(sheet, log_proof),
            finisher=partial(_place_fields, sheet) if to_sign else None,
        )
    return written


@cache
def template_digest() -> str:
    """Return what every page is set from, as one hex SHA-256: it changes where the look of a page does."""
    folder = resources.files("lms.certs")
    files = [*(folder / "templates/certs/pdf").iterdir(), folder / "templates/certs/_seal.html"]
    parts = [file.read_bytes() for file in sorted(files, key=str)]
    words = json.dumps([WORDS, [asdict(field) for field in SIGNATURE_FIELDS.values()]], sort_keys=True)
    return hashlib.sha256(b"\0".join([*parts, words.encode("utf-8")])).hexdigest()


def _attachments(sheet: Sheet, log_proof: bytes | None) -> list[Any]:
    attach = partial(
        import_module("weasyprint").Attachment, created=sheet.claim.issued_at, modified=sheet.claim.issued_at
    )
    credential = attach(
        string=json.dumps(sheet.document, ensure_ascii=False, indent=1).encode("utf-8"),
        name=ATTACHMENT,
        description="Open Badges 3.0 credential with two proofs",
        relationship="Source",
    )
    if log_proof is None:
        return [credential]
    description = "Proof that the transparency log holds the credential"
    return [
        credential,
        attach(string=log_proof, name=LOG_PROOF, description=description, relationship="Supplement"),
    ]


def _place_fields(sheet: Sheet, _: object, pdf: Any) -> None:
    """Add the empty signature fields before anybody signs, each tagged where its seal stands.

    Source: ISO 32000-1, 12.7.4.5 (signature fields), 14.7.4.4 (from an annotation to its structure element).
    """
    pydyf = import_module("pydyf")
    objects: list[Any] = [item for item in pdf.objects if isinstance(item, dict)]
    page = next(item for item in objects if item.get("Type") == "/Page")
    seals = [item for item in objects if item.get("S") == "/Sect"]
    tree = next(item for item in objects if "Nums" in item)
    fields = []
    for seal, section in zip(sheet.seals, seals, strict=True):
        widget = _widget(pydyf, sheet, seal)
        widget["P"], widget["StructParent"] = page.reference, tree["Nums"][-2] + 1
        pdf.add_object(widget["AP"]["N"])
        widget["AP"]["N"] = widget["AP"]["N"].reference
        pdf.add_object(widget)
        form = _form_element(pydyf, widget, section, page)
        pdf.add_object(form)
        section["K"].append(form.reference)
        tree["Nums"].extend([widget["StructParent"], form.reference])
        page.setdefault("Annots", pydyf.Array()).append(widget.reference)
        fields.append(widget.reference)
    pdf.catalog["AcroForm"] = pydyf.Dictionary({"Fields": pydyf.Array(fields), "SigFlags": 3})


def _widget(pydyf: Any, sheet: Sheet, seal: Seal) -> Any:
    place = SIGNATURE_FIELDS[Role(seal.role)]
    left, bottom, right, top = place.box
    blank = {"Type": "/XObject", "Subtype": "/Form", "BBox": pydyf.Array([0, 0, right - left, top - bottom])}
    label = WORDS[sheet.language]["field"].format(name=seal.name)
    return pydyf.Dictionary(
        {
            "Type": "/Annot",
            "Subtype": "/Widget",
            "FT": "/Sig",
            "T": pydyf.String(place.name),
            "TU": pydyf.String(label),
            "F": _PRINTED_AND_LOCKED,
            "Rect": pydyf.Array(place.box),
            "AP": pydyf.Dictionary({"N": pydyf.Stream([], pydyf.Dictionary(blank))}),
        }
    )


def _form_element(pydyf: Any, widget: Any, section: Any, page: Any) -> Any:
    link = {"Type": "/OBJR", "Obj": widget.reference, "Pg": page.reference}
    return pydyf.Dictionary(
        {
            "Type": "/StructElem",
            "S": "/Form",
            "K": pydyf.Dictionary(link),  # no list of one: verifiers follow this very path
            "Pg": page.reference,
            "P": section.reference,
        }
    )


def _html(sheet: Sheet, *, to_sign: bool) -> str:
    return (
        environment()
        .get_template("certs/pdf/certificate.html")
        .render(
            sheet=sheet,
            language=sheet.language,
            words=WORDS[sheet.language],
            css=Markup(_style()),  # noqa: S704 - our own file
            qr=_qr(sheet.verify_url, WORDS[sheet.language]["check"]),
            to_sign=to_sign,
        )
    )


@cache
def _style() -> str:
    return (resources.files("lms.certs") / "templates/certs/pdf/certificate.css").read_text(encoding="utf-8")


@cache
def _ground() -> str:
    return environment().get_template("certs/pdf/ground.svg").render()


def _qr(address: str, title: str) -> Markup:
    drawing = io.BytesIO()
    segno.make(address, error="m").save(
        drawing, kind="svg", border=0, xmldecl=False, svgns=True, omitsize=True, title=title, encoding="utf-8"
    )
    return Markup(drawing.getvalue().decode("utf-8"))  # noqa: S704 - drawn here


def _fetch(url: str, *_: object, **__: object) -> Any:
    """Hand out the pattern of the ground, which as a background is no part of what is read out."""
    if url != _GROUND:
        raise ValueError(f"a certificate loads nothing from outside: {url[:80]}")
    response = import_module("weasyprint.urls").URLFetcherResponse
    return response(url, _ground().encode("utf-8"), {"Content-Type": "image/svg+xml"})
