"""A certificate PDF counts only as both organisations signed it: about one credential, with nothing added."""

import io
import json
import random
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from lms.certs.core import pdf_signatures
from lms.certs.core.pdf_signatures import examine_pdf
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.core.trust import Role
from tests.certs.conftest import Case
from tests.factories import pdf as pdfs


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def codes(content: bytes, **changes: Any) -> set[str]:
    answer = examine_pdf(content, changes.get("roots", pdfs.roots()), changes.get("at", soon()))
    for told in (*answer.findings, *answer.notices):
        assert sentence(told.code, told.params, "ko") != sentence(told.code, told.params, "en")
    return {finding.code for finding in answer.findings}


def unchecked(content: bytes, document: Document, role: Role, signer: Role, number: int = 1) -> bytes:
    """Sign a file that no honest signer would sign."""
    sealing = pdfs.sealing(role, key=pdfs.pdf_identity(signer, number))
    return sealing.seal(content, "ko", sha256_of(document), datetime.now(UTC))


def updated(content: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """Append a change to a file as any PDF program can."""
    made = IncrementalPdfFileWriter(io.BytesIO(content))
    change(made)
    out = io.BytesIO()
    made.write(out)
    return out.getvalue()


def paint_over(made: IncrementalPdfFileWriter) -> None:
    stream = generic.StreamObject(stream_data=b"q 1 1 1 rg 0 0 842 595 re f Q")
    made.add_stream_to_page(0, made.add_object(stream))


def set_note(made: IncrementalPdfFileWriter) -> None:
    made.root["/Note"] = generic.TextStringObject("later")
    made.update_root()


def attach(name: str, content: bytes) -> Callable[[IncrementalPdfFileWriter], None]:
    def change(made: IncrementalPdfFileWriter) -> None:
        file = embed.EmbeddedFileObject.from_file_data(made, content, mime_type="application/json")
        embed.embed_file(made, embed.FileSpec(file_spec_string=name, file_name=name, embedded_data=file))

    return change


def swap_credential(document: Document) -> Callable[[IncrementalPdfFileWriter], None]:
    """Put another credential in the place of the attached one."""

    def change(made: IncrementalPdfFileWriter) -> None:
        file = made.root["/Names"]["/EmbeddedFiles"]["/Names"][1].get_object()
        stream = generic.StreamObject(stream_data=json.dumps(document).encode())
        file["/EF"][pdf_name("/F")] = made.add_object(stream)
        made.mark_update(made.root["/Names"]["/EmbeddedFiles"]["/Names"].raw_get(1))

    return change


def other(document: Document) -> Document:
    return {**document, "id": "urn:uuid:00000000-0000-4000-8000-000000000000"}


def test_a_pdf_that_both_signed_is_good_and_says_who(signed: bytes) -> None:
    answer = examine_pdf(signed, pdfs.roots(), soon())
    assert (answer.findings, answer.unknown, answer.notices) == ((), (), ())
    assert [(each.role, each.name) for each in answer.signatures] == list(pdfs.NAMES.items())
    assert all(each.signed_at is not None and each.stamped_at is None for each in answer.signatures)


def test_one_signature_is_not_enough(draft: bytes, certified: bytes) -> None:
    assert codes(certified) == {"pdf.one_signature"}
    assert codes(draft) == {"pdf.signature_count"}


def test_a_cut_off_second_signature_is_missed(signed: bytes) -> None:
    assert codes(signed[: signed.rindex(b"%%EOF", 0, -10) + 6]) == {"pdf.one_signature"}


@pytest.mark.parametrize(
    "change", [paint_over, set_note, attach("credential.json", b"{}"), attach("a.txt", b"a")]
)
def test_what_is_appended_after_signing_is_refused(
    signed: bytes, change: Callable[[IncrementalPdfFileWriter], None]
) -> None:
    assert "pdf.appended" in codes(updated(signed, change))


def test_white_space_after_the_end_is_refused_too(signed: bytes) -> None:
    assert codes(signed + b"\n% more\n") & {"pdf.appended", "pdf.signatures_broken"}


@pytest.mark.parametrize("change", [paint_over, set_note, attach("a.txt", b"a")])
def test_what_was_changed_between_the_two_signatures_is_refused(
    case: Case, certified: bytes, change: Callable[[IncrementalPdfFileWriter], None]
) -> None:
    between = unchecked(updated(certified, change), case.credential, Role.COMPANY, Role.COMPANY)
    assert "pdf.appended" in codes(between)


def test_another_credential_in_the_place_of_the_signed_one_is_refused(case: Case, signed: bytes) -> None:
    assert codes(updated(signed, swap_credential(other(case.credential)))) & {"pdf.appended"}


def test_signatures_about_another_credential_than_the_embedded_one_are_refused(
    case: Case, draft: bytes, certified: bytes
) -> None:
    wrong = {**case.credential, "name": "다른 과정"}
    first = unchecked(draft, wrong, Role.UNIVERSITY, Role.UNIVERSITY)
    assert "pdf.other_credential" in codes(unchecked(first, wrong, Role.COMPANY, Role.COMPANY))
    assert "pdf.other_credential" in codes(unchecked(certified, wrong, Role.COMPANY, Role.COMPANY))


def test_a_credential_swapped_between_the_signatures_is_refused(case: Case, certified: bytes) -> None:
    swapped = updated(certified, swap_credential(other(case.credential)))
    found = codes(unchecked(swapped, case.credential, Role.COMPANY, Role.COMPANY))
    assert {"pdf.appended"} <= found


def test_a_signature_under_another_root_is_refused(case: Case, certified: bytes) -> None:
    stranger = unchecked(certified, case.credential, Role.COMPANY, Role.COMPANY, number=2)
    assert codes(stranger) == {"pdf.other_root"}


@pytest.mark.parametrize("party", list(Role))
def test_the_same_party_twice_is_refused(case: Case, draft: bytes, party: Role) -> None:
    twice = draft
    for role in Role:
        twice = unchecked(twice, case.credential, role, party)
    assert "pdf.same_party" in codes(twice)


def test_one_party_with_two_keys_is_refused(case: Case, certified: bytes) -> None:
    root = pdfs.pdf_root(Role.UNIVERSITY, 1)
    leaf = pdfs.make_leaf(root, "누리에이아이", pdfs.LONG_AGO)
    key = pdfs.PdfIdentity(key=leaf.key, certificate=leaf.certificate, chain=(root.certificate,))
    sealing = pdfs.sealing(Role.COMPANY, key=key)
    signed = sealing.seal(certified, "ko", sha256_of(case.credential), datetime.now(UTC))
    assert "pdf.same_party" in codes(signed)


def test_the_two_in_each_others_place_are_refused(case: Case, draft: bytes) -> None:
    swapped = draft
    for role in Role:
        swapped = unchecked(swapped, case.credential, role, pdfs.OTHER[role])
    assert {"pdf.other_root", "pdf.same_party"} <= codes(swapped)


def test_a_changed_byte_is_refused(signed: bytes) -> None:
    at = signed.index(b"/Title")
    changed = signed[: at + 8] + bytes([signed[at + 8] ^ 1]) + signed[at + 9 :]
    assert codes(changed) & {"pdf.changed", "pdf.signatures_broken", "pdf.broken"}


def test_a_signature_from_the_future_or_from_before_the_certificate_is_refused(signed: bytes) -> None:
    assert codes(signed, at=datetime(2026, 3, 2, tzinfo=UTC)) == {"pdf.other_time"}
    late = examine_pdf(signed, pdfs.roots(), soon(), issued_at=soon())
    assert {finding.code for finding in late.findings} == {"pdf.other_time"}


def test_without_the_library_the_answer_says_what_is_missing(
    signed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_signatures, "can_read_signatures", lambda: False)
    answer = examine_pdf(signed, pdfs.roots(), soon())
    assert [(each.code, each.params) for each in answer.unknown] == [("pdf.extra_missing", {"extra": "pdf"})]


@pytest.mark.parametrize("count", [6, pytest.param(400, marks=pytest.mark.long)])
def test_of_files_with_one_bit_changed_anywhere_none_passes(signed: bytes, count: int) -> None:
    """One bit in each of so many parts of the file, a fifth of a second each; and the file cut short.

    The hole for the signature itself is all zeros behind it, and is no part of what is signed.
    """
    numbers = random.Random(11)
    for part in range(count):
        at = numbers.randrange(len(signed) * part // count, len(signed) * (part + 1) // count)
        changed = signed[:at] + bytes([signed[at] ^ (1 << numbers.randrange(8))]) + signed[at + 1 :]
        assert codes(changed) or _is_padding(signed, at)
    for share in (1, 5, 9):
        assert codes(signed[: len(signed) * share // 10])


def _is_padding(content: bytes, at: int) -> bool:
    start = content.rfind(b"/Contents <", 0, at)
    return start >= 0 and b">" not in content[start + 10 : at + 1]


def bomb() -> bytes:
    """Return a PDF whose catalogue hides in a stream of zeros."""
    packed = zlib.compress(bytes(300_000_000), 9)
    head = b"%%PDF-1.7\n1 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>\nstream\n" % len(
        packed
    )
    body = head + packed + b"\nendstream\nendobj\n"
    rows = zlib.compress(b"\x00\x00\x00\x00\xff" + b"\x01\x00\x00\x09\x00" + b"\x02\x00\x00\x01\x00")
    xref = b"<</Type/XRef/Size 3/W[1 3 1]/Root 2 0 R/Filter/FlateDecode/Length %d>>\nstream\n" % len(rows)
    return body + b"3 0 obj\n" + xref + rows + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(body)


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\n" + b"startxref\n9\n%%EOF\n" * 5_000,
        b"%PDF-1.7\n1 0 obj\n" + b"[" * 100_000 + b"\nendobj\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\nxref\n0 1\n0000000000 65535 f \ntrailer\n<</Prev 9/Root 1 0 R>>\nstartxref\n9\n%%EOF\n",
        bomb(),
    ],
    ids=["empty", "revisions", "nesting", "circle", "bomb"],
)
def test_hostile_files_are_answered_within_bounds(content: bytes) -> None:
    assert codes(content) <= {"pdf.signatures_broken", "pdf.signature_count"}
