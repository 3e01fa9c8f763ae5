import io
import struct
import warnings
import zipfile
from collections.abc import Callable

import pytest

from lms.certs.core import carriers, evidence
from lms.certs.core.carriers import Kind, kind_of, open_carrier, unpack
from lms.certs.core.evidence import Bundle, Piece, write_bundle
from lms.certs.core.problems import Unreadable

Files = dict[str, bytes]


def packed(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def told(files: Files) -> list[tuple[str, str]]:
    """Return name and code, content or identifier of all that is found."""
    items = unpack(list(files.items()))
    return [
        (
            item.name,
            item.problem.code if item.problem else item.wanted or item.content.decode(errors="replace"),
        )
        for item in items
    ]


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b'{"a": 1}', "", Kind.JSON),
        (b' \n{"a": "%PDF-"}', "a.pdf", Kind.JSON),
        (b"\xef\xbb\xbf<?xml", "a.json", Kind.SVG),
        (b"  <svg", "", Kind.SVG),
        (b"\x89PNG\r\n\x1a\n", "a.csv", Kind.PNG),
        (b"%PDF-1.7", "a.png", Kind.PDF),
        (b"junk\n%PDF-1.7", "", Kind.PDF),
        (b"PK\x03\x04%PDF-", "", Kind.ZIP),
        (b"PK\x05\x06" + b"\0" * 18, "", Kind.ZIP),
        (b"id\nurn:uuid:1", "list.CSV", Kind.CSV),
        (b"id\nurn:uuid:1", "list.txt", Kind.JSON),
        (b"", "", Kind.JSON),
    ],
)
def test_a_file_is_what_it_begins_as(content: bytes, name: str, kind: Kind) -> None:
    assert kind_of(content, name) is kind


def test_an_archive_is_not_one_certificate() -> None:
    with pytest.raises(Unreadable, match=r"carrier\.many"):
        open_carrier(packed({"a.json": b"{}"}))


def test_a_zip_gives_each_of_its_files_under_its_name() -> None:
    files = {
        "a.json": b"{1}",
        "folder/b.json": b"{2}",
        "folder/": b"",
        "__MACOSX/a.json": b"x",
        ".DS_Store": b"x",
    }
    assert told({"all.zip": packed(files), "c.json": b"{3}"}) == [
        ("all.zip/a.json", "{1}"),
        ("all.zip/folder/b.json", "{2}"),
        ("c.json", "{3}"),
    ]


def test_a_csv_gives_credentials_files_or_identifiers() -> None:
    quoted = '"{""a"": ""1,\n2""}"'
    assert told({"l.csv": f"label,credential\n김하늘,{quoted}\n박지우,\n,\n\n".encode("utf-8-sig")}) == [
        ("l.csv:2 김하늘", '{"a": "1,\n2"}'),
        ("l.csv:3 박지우", "csv.empty_row"),
    ]
    assert told({"l.csv": b"ID, other\nurn:uuid:1,x\n"}) == [("l.csv:2", "urn:uuid:1")]
    files = {"l.csv": b"file\na.json\n../b.json\nl.csv\n", "a.json": b"{1}", "c.json": b"{3}"}
    answers = [
        ("l.csv:2 a.json", "{1}"),
        ("l.csv:3", "csv.no_such_file"),
        ("l.csv:4", "csv.no_such_file"),
        ("c.json", "{3}"),
    ]
    assert told(files) == answers
    assert told({"x.zip": packed(files)}) == [(f"x.zip/{name}", found) for name, found in answers]


def test_a_list_that_names_a_doubled_file_decides_nothing() -> None:
    items = list(unpack([("l.csv", b"file\na\n"), ("a", b"{1}"), ("a", b"{2}")]))
    assert [item.content for item in items if not item.problem] == [b"{1}", b"{2}"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,b\n1,2\n", "csv.no_column"),
        (b"file,id\n1,2\n", "csv.no_column"),
        (b"id,id\n1,2\n", "csv.no_column"),
        (b"", "csv.no_column"),
        (b"id\n\xff\n", "csv.not_utf8"),
        (b'id\n"unclosed\n', "csv.broken"),
        (b"id\n" + b"x" * 200_000, "csv.broken"),
        (b"id\n" + b"\n" * 50_000_000, "file.too_large"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(content: bytes, code: str) -> None:
    assert [found for _, found in told({"l.csv": content})][-1] == code


def with_directory_of(content: bytes, size: int) -> bytes:
    end = content.rfind(b"PK\x05\x06")
    return content[: end + 12] + struct.pack("<I", size) + content[end + 16 :]


def locked(content: bytes) -> bytes:
    """Set the flag of encryption in both headers."""
    first, central = content.find(b"PK\x03\x04"), content.find(b"PK\x01\x02")
    changed = bytearray(content)
    changed[first + 6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def damaged(content: bytes) -> bytes:
    return content.replace(b"{stored}", b"{stoned}")


HOSTILE = {
    "a mark alone": (b"PK\x03\x04", "zip.broken"),
    "a mark and nothing": (b"PK\x03\x04" + b"\0" * 100, "zip.broken"),
    "empty": (packed({}), "zip.empty"),
    "cut off": (packed({"a": b"{}"})[:-30], "zip.broken"),
    "says millions": (with_directory_of(packed({"a": b"{}"}), 2_000_001), "many.too_many"),
    "says three": (with_directory_of(packed({"a": b"{}"}), 3), "zip.broken"),
    "large when unpacked": (packed({"a": b" " * 5_000_001}), "file.too_large"),
    "one in another": (packed({"a": packed({"b": b"{}"})}), "zip.nested"),
    "bzip2": (packed({"a": b"{}"}, zipfile.ZIP_BZIP2), "zip.locked"),
    "lzma": (packed({"a": b"{}"}, zipfile.ZIP_LZMA), "zip.locked"),
    "with a password": (locked(packed({"a": b"{}"})), "zip.locked"),
    "damaged": (damaged(packed({"a": b"{stored}"}, zipfile.ZIP_STORED)), "zip.damaged"),
}


@pytest.mark.parametrize(("content", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_is_answered(content: bytes, code: str) -> None:
    assert [found for _, found in told({"all.zip": content})] == [code]


def test_a_bomb_of_many_files_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "MAX_UNPACKED_BYTES", 3_000)
    bomb = packed({f"{number}": b" " * 1_000 for number in range(10)})
    assert len(bomb) < 3_000
    assert [found for _, found in told({"all.zip": bomb})][3:] == ["zip.too_large"]


def test_files_that_are_refused_count_towards_the_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "MAX_UNPACKED_BYTES", 3_000)
    monkeypatch.setattr(carriers, "MAX_FILE_BYTES", 999)
    inner = packed({"a": b"{}"}) + bytes(800)
    for content, code in ((b" " * 1_000, "file.too_large"), (inner, "zip.nested")):
        bomb = packed({f"{number}": content for number in range(10)})
        found = [one for _, one in told({"all.zip": bomb})]
        assert found == [code] * (3_000 // len(content)) + ["zip.too_large"]


def test_a_holders_bundle_is_one_certificate_with_what_lies_beside_it() -> None:
    bundle = Bundle(
        made_at="", credential=b"{1}", trust=b"{}", resources={"https://a.example/1": b"{2}"},
        log_proof=b"{3}", evidence=(Piece("evidence/notebook.ipynb", "5a" * 32, b"large"),),
    )  # fmt: skip
    content = write_bundle(bundle)
    assert open_carrier(content) == carriers.Carried(Kind.ZIP, b"{1}", b"{3}", bundle.resources)
    [item] = unpack([("bundle.zip", content)])
    assert (item.name, item.content, item.problem) == ("bundle.zip", content, None)
    with pytest.raises(Unreadable, match=r"bundle\.needs_newer"):
        open_carrier(packed({"manifest.json": b'{"format": "duri-bundle/9"}'}))
    assert told({"a.zip": packed({"manifest.json": b'{"format": "other"}'})}) == [
        ("a.zip/manifest.json", '{"format": "other"}')
    ]


def test_an_archive_larger_than_any_bundle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed({"manifest.json": b'{"format": "duri-bundle/1"}'})
    monkeypatch.setattr(evidence, "MAX_BUNDLE_BYTES", len(content) - 1)
    with pytest.raises(Unreadable, match=r"file\.too_large"):
        open_carrier(content)


def test_more_than_the_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriers, "MOST_CERTIFICATES", 3)
    rows = b"id\n" + b"urn:uuid:1\n" * 9
    assert [found for _, found in told({"l.csv": rows})] == ["urn:uuid:1"] * 3 + ["many.too_many"]
    many = packed({f"{number}": b"{}" for number in range(4)})
    assert [found for _, found in told({"all.zip": many})] == ["many.too_many"]


def test_two_files_of_one_name_in_an_archive_are_both_answered() -> None:
    written = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w") as archive:
        warnings.simplefilter("ignore")
        for content in ("{1}", "{2}"):
            archive.writestr("a.json", content)
        archive.writestr("l.csv", "file\na.json\n")
    assert sorted(found for _, found in told({"x.zip": written.getvalue()})) == ["{1}", "{2}"]


def test_a_name_is_shown_in_one_line() -> None:
    assert told({"a\x1b[2J\n.json": b"{}"})[0][0] == "a�[2J�.json"


@pytest.mark.parametrize("make", [lambda: packed({"a": b"{}", "l.csv": b"file\na\n"})])
def test_any_damage_to_an_archive_is_answered(make: Callable[[], bytes]) -> None:
    good = make()
    for place in range(len(good)):
        spoilt = good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
        assert told({"all.zip": spoilt})
