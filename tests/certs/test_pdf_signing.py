"""An organisation signs only a PDF whose credential it signed before and whose page says just that."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from pypdf import PdfReader

from lms.certs.adapters.pdf import render_certificate, template_digest
from lms.certs.core.mandate import Refusal
from lms.certs.core.pdf import SIGNATURE_FIELDS, credential_from_pdf, files_from_pdf
from lms.certs.core.pdf_review import MOST_PDF_BYTES, review_pdf
from lms.certs.core.pdf_signatures import examine_pdf
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.strict_json import read_object, sha256_of
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status
from tests.certs.conftest import NOW, Case
from tests.factories import pdf as pdfs
from tests.factories.tsa import serving_time

NAMES = [
    ("김하늘", "ko"),
    ("María Fernanda de la Concepción Gutiérrez-Villanueva", "en"),
    pytest.param("<b>&\"' office", "en", marks=pytest.mark.long),
    ("Nguyễn Văn Ánh", "en"),
    pytest.param("가" * 60, "ko", marks=pytest.mark.long),
]


def rewritten(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Write a file anew, in one piece, with a change."""
    made = copy_into_new_writer(PdfFileReader(io.BytesIO(content)))
    change(made)
    out = io.BytesIO()
    made.write(out)
    return out.getvalue()


def refused(content: bytes, case: Case, role: Role = Role.UNIVERSITY) -> str:
    with pytest.raises(CertificateProblem) as caught:
        review_pdf(content, role, pdfs.known(case.credential, role))
    return caught.value.code


def page(made: Any) -> Any:
    return made.root["/Pages"]["/Kids"][0].get_object()


def test_an_honest_paper_is_signed_by_both_in_turn(case: Case, signed: bytes) -> None:
    assert examine_pdf(signed, pdfs.roots(), datetime.now(UTC)).findings == ()
    assert read_object(credential_from_pdf(signed)) == case.credential


@pytest.mark.parametrize(("name", "language"), NAMES)
def test_whatever_the_name_an_honest_page_is_recognised(case: Case, name: str, language: str) -> None:
    subject = case.credential["credentialSubject"]
    named = subject["identifier"][0] | {"identityHash": name}
    subject = subject | {"identifier": [named, *subject["identifier"][1:]]}
    unsigned = {key: value for key, value in case.credential.items() if key != "proof"}
    document = case.pair.sign(unsigned | {"credentialSubject": subject})
    content = pdfs.paper(document, language)
    order = review_pdf(content, Role.UNIVERSITY, pdfs.known(document, Role.UNIVERSITY))
    assert order.sheet.holder == name


def test_a_certificate_that_the_signer_never_signed_is_refused(case: Case, draft: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        review_pdf(draft, Role.UNIVERSITY, lambda _: None)
    assert caught.value.code == "signer.pdf_not_mine"
    forged = {case.credential["id"]: (sha256_of(case.credential), {"proofValue": "z"})}
    with pytest.raises(Refusal):
        review_pdf(draft, Role.UNIVERSITY, forged.get)
    stale = {case.credential["id"]: ("0" * 64, case.credential["proof"][0])}
    with pytest.raises(Refusal):
        review_pdf(draft, Role.UNIVERSITY, stale.get)


def test_a_page_that_says_something_else_is_refused(case: Case) -> None:
    url = f"https://duri.example/verify/{case.credential['id'][9:]}#h={sha256_of(case.credential)}"
    other = render_certificate(
        case.credential, language="ko", verify_url=url, title="의학 박사", to_sign=True
    )
    assert refused(other, case) == "signer.pdf_page"


def lead_elsewhere(made: Any) -> None:
    link = next(n for n in (note.get_object() for note in page(made)["/Annots"]) if n["/Subtype"] == "/Link")
    link["/A"][pdf_name("/URI")] = generic.TextStringObject("https://elsewhere.example/#h=0")


def add_text(made: Any) -> None:
    font = next(iter(page(made)["/Resources"]["/Font"]))
    stream = generic.StreamObject(stream_data=b"BT %s 12 Tf 40 40 Td <00240024> Tj ET" % font.encode())
    made.add_stream_to_page(0, made.add_object(stream))


def add_image(made: Any) -> None:
    stream = generic.StreamObject({pdf_name("/Subtype"): pdf_name("/Image")}, stream_data=b"0")
    page(made)["/Resources"][pdf_name("/XObject")][pdf_name("/I")] = made.add_object(stream)


def add_script(made: Any) -> None:
    action = {
        pdf_name("/S"): pdf_name("/JavaScript"),
        pdf_name("/JS"): generic.TextStringObject("app.alert(1)"),
    }
    made.root[pdf_name("/OpenAction")] = generic.DictionaryObject(action)


def add_note(made: Any) -> None:
    note = {pdf_name("/Type"): pdf_name("/Annot"), pdf_name("/Subtype"): pdf_name("/Square")}
    page(made)["/Annots"].append(made.add_object(generic.DictionaryObject(note)))


def move_field(made: Any) -> None:
    field = made.root["/AcroForm"]["/Fields"][0].get_object()
    field[pdf_name("/Rect")] = generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 842, 595)])


def add_file(made: Any) -> None:
    names = made.root["/Names"]["/EmbeddedFiles"]["/Names"]
    names.extend([generic.TextStringObject("z.exe"), names.raw_get(1)])


def hide_layer(made: Any) -> None:
    made.root[pdf_name("/OCProperties")] = generic.DictionaryObject()


@pytest.mark.parametrize(
    "change",
    [lead_elsewhere, add_text, add_image, add_script, add_note, move_field, add_file, hide_layer],
    ids=lambda change: change.__name__,
)
def test_a_file_with_anything_more_than_a_certificate_is_refused(
    case: Case, draft: bytes, change: Callable[[Any], None]
) -> None:
    changed = rewritten(draft, change)
    assert refused(changed, case) in {"signer.pdf_form", "signer.pdf_page", "pdf.twice"}


def test_a_plain_rewriting_is_signed_so_that_the_refusals_above_are_about_the_change(
    case: Case, draft: bytes
) -> None:
    content = rewritten(draft, lambda _: None)
    assert review_pdf(content, Role.UNIVERSITY, pdfs.known(case.credential, Role.UNIVERSITY))


def test_each_signs_in_turn_only(case: Case, draft: bytes, certified: bytes, signed: bytes) -> None:
    assert refused(draft, case, Role.COMPANY) == "signer.pdf_turn"
    assert refused(certified, case, Role.UNIVERSITY) == "signer.pdf_turn"
    assert refused(signed, case, Role.COMPANY) == "signer.pdf_turn"
    at = certified.index(b"/Title")
    broken = certified[: at + 8] + b"X" + certified[at + 9 :]
    assert refused(broken, case, Role.COMPANY) in {"signer.pdf_turn", "signer.pdf_form"}


def test_a_file_that_somebody_appended_to_is_not_signed(case: Case, draft: bytes) -> None:
    made = IncrementalPdfFileWriter(io.BytesIO(draft))
    made.root["/Note"] = generic.TextStringObject("x")
    made.update_root()
    out = io.BytesIO()
    made.write(out)
    assert refused(out.getvalue(), case) == "signer.pdf_turn"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"%PDF-" + bytes(MOST_PDF_BYTES), "signer.too_large"),
        (b"%PDF-1.7\n" + b"<<" * 10_000, "pdf.broken"),
        (b"no pdf", "pdf.broken"),
    ],
)
def test_hostile_bytes_are_refused(case: Case, content: bytes, code: str) -> None:
    assert refused(content, case) == code


def test_the_log_proof_travels_as_a_second_file(case: Case, draft: bytes) -> None:
    url = f"https://duri.example/verify/{case.credential['id'][9:]}#h={sha256_of(case.credential)}"
    proven = render_certificate(
        case.credential, language="ko", verify_url=url, log_proof=b'{"tree": 1}', to_sign=True
    )
    assert files_from_pdf(proven)[1] == b'{"tree": 1}'
    assert review_pdf(proven, Role.UNIVERSITY, pdfs.known(case.credential, Role.UNIVERSITY))
    assert files_from_pdf(draft)[1] is None


def tags(content: bytes) -> tuple[Any, ...]:
    """Return what a screen reader goes by: title, language, order of the structure, labels of the fields."""
    reader = PdfReader(io.BytesIO(content))
    root = reader.root_object

    def walk(item: Any) -> Iterator[str]:
        known = item.get_object()
        if isinstance(known, list):
            for each in known:
                yield from walk(each)
        elif isinstance(known, dict):
            if "/S" in known:
                yield f"{known['/S']} {known.get('/Alt', '')}"
            if known.get("/Type") == "/OBJR":
                yield f"→ {known['/Obj']['/Subtype']}"
            if "/K" in known:
                yield from walk(known["/K"])

    fields = [(field["/T"], field["/TU"]) for field in root["/AcroForm"]["/Fields"]]
    shown = (root["/MarkInfo"]["/Marked"], root["/ViewerPreferences"]["/DisplayDocTitle"])
    return reader.metadata.title, root["/Lang"], shown, list(walk(root["/StructTreeRoot"])), fields


def test_after_both_signatures_a_screen_reader_finds_all_it_found_before(draft: bytes, signed: bytes) -> None:
    title, language, shown, structure, fields = tags(signed)
    assert tags(draft) == (title, language, shown, structure, fields)
    assert (title, language, shown) == ("김하늘 – 딥러닝 첫걸음", "ko", (True, True))
    assert [name for name, _ in fields] == [place.name for place in SIGNATURE_FIELDS.values()]
    assert all("서명" in label for _, label in fields)
    assert structure.count("/Form ") == structure.count("→ /Widget") == 2
    assert structure.index("/H1 ") < structure.index("/Form ")
    assert all(line != "/Figure " for line in structure)  # every figure has a text


def test_stamps_are_drawn_with_an_embedded_font(signed: bytes) -> None:
    reader = PdfReader(io.BytesIO(signed))
    for field in reader.root_object["/AcroForm"]["/Fields"]:
        fonts = field["/AP"]["/N"]["/Resources"]["/Font"]
        for font in fonts.values():
            inside = font["/DescendantFonts"][0]["/FontDescriptor"]
            assert "/FontFile2" in inside or "/FontFile3" in inside
            assert "/ToUnicode" in font


def test_a_time_stamp_is_asked_for_where_an_authority_is_configured(case: Case, draft: bytes) -> None:
    with serving_time() as (url, asked):
        first = pdfs.seal(draft, case.credential, Role.UNIVERSITY, timestamps=url)
        whole = pdfs.seal(first, case.credential, Role.COMPANY)
    answer = examine_pdf(whole, pdfs.roots(), datetime.now(UTC))
    assert answer.findings == ()
    assert [each.stamped_at is not None for each in answer.signatures] == [True, False]
    assert [notice.code for notice in answer.notices] == ["notice.pdf_time_unknown_authority"]
    assert asked


def test_an_authority_that_is_down_means_later_and_not_never(case: Case, draft: bytes) -> None:
    with pytest.raises(OSError, match="timestamp"):
        pdfs.seal(draft, case.credential, Role.UNIVERSITY, timestamps="http://127.0.0.1:9/")


def test_the_digest_of_the_template_is_stable() -> None:
    assert template_digest() == template_digest()
    assert len(template_digest()) == 64


def test_the_verifier_wants_the_signatures_of_whom_the_trust_file_pins(
    case: Case, draft: bytes, certified: bytes, signed: bytes
) -> None:
    moment = max(datetime.now(UTC), NOW)
    pinned = pdfs.with_roots(case.pair.trust)
    wanted = {signed: "", certified: "pdf.one_signature", draft: "pdf.signature_count"}
    for content, code in wanted.items():
        found = {finding.code for finding in case.verify(content, trust=pinned, at=moment).findings}
        assert {each for each in found if each.startswith("pdf.")} == ({code} if code else set())
    notices = {notice.code for notice in case.verify(signed, trust=pinned, at=moment).notices}
    assert "notice.pdf_signed" in notices
    assert "notice.pdf_page" not in notices


def test_who_pins_no_roots_has_the_credential_checked_and_is_told_so(
    case: Case, draft: bytes, signed: bytes
) -> None:
    for content in (draft, signed):
        verdict = case.verify(content)
        assert verdict.status is Status.VALID
        assert "notice.pdf_page" in {notice.code for notice in verdict.notices}
