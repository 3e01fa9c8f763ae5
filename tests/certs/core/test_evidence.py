import hashlib
import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.certs.core import evidence
from lms.certs.core.document import Claim, Evidence
from lms.certs.core.evidence import (
    MANIFEST,
    Bundle,
    BundleProblem,
    Piece,
    check_bundle,
    is_bundle,
    open_bundle,
    read_bundle,
    salted_digest,
    write_bundle,
)
from tests.certs.conftest import CLAIM

SALTS = ("11" * 32, "22" * 32)
NOTEBOOK = Piece("evidence/softmax/notebook.ipynb", SALTS[0], b'{"cells": []}')
ROW = Piece("evidence/softmax/gradebook.json", SALTS[1], b'{"score": "13.5"}')
BUNDLE = Bundle(
    made_at="2026-03-02T09:00:00Z",
    credential=b'{"id": "urn:uuid:1"}',
    trust=b'{"parties": []}',
    resources={"https://duri.example/status/1": b"{}", "did:web:nuri.example": b'{"id": 1}'},
    evidence=(NOTEBOOK, ROW),
    others={"README.ko.txt": "안녕".encode()},
)


@pytest.fixture
def salted() -> Claim:
    items = tuple(
        Evidence("softmax", salted_digest(piece.salt, piece.content), genre, salted=True)
        for piece, genre in ((NOTEBOOK, "Notebook"), (ROW, "GradebookRow"))
    )
    return replace(CLAIM, evidence=items)


def codes(found: Any) -> list[str]:
    return [finding.code for finding in found]


def repacked(change: Any = None, **files: bytes | None) -> bytes:
    """Return the bundle with other files, and its manifest changed."""
    with zipfile.ZipFile(io.BytesIO(write_bundle(BUNDLE))) as archive:
        kept: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    kept |= files
    if change is not None:
        manifest = json.loads(kept[MANIFEST] or b"{}")
        change(manifest)
        kept[MANIFEST] = json.dumps(manifest).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kept.items():
            if content is not None:
                archive.writestr(name, content)
    return packed.getvalue()


def test_a_bundle_reads_back(salted: Claim) -> None:
    assert read_bundle(write_bundle(BUNDLE)) == replace(BUNDLE, evidence=[NOTEBOOK, ROW])
    assert write_bundle(BUNDLE) == write_bundle(BUNDLE)
    assert check_bundle(salted, read_bundle(write_bundle(BUNDLE))) == ()


def test_a_salt_goes_in_front_of_the_content() -> None:
    assert salted_digest("00ff" * 16, b"x") == hashlib.sha256(bytes.fromhex("00ff" * 16) + b"x").hexdigest()
    assert salted_digest("", b"x") == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    "pieces",
    [
        (replace(NOTEBOOK, content=b"other"), ROW),
        (replace(NOTEBOOK, salt=SALTS[1]), ROW),
        (replace(NOTEBOOK, salt=""), ROW),
        (NOTEBOOK, replace(ROW, content=ROW.content + b" ")),
    ],
)
def test_a_file_that_is_not_the_signed_one_is_named(salted: Claim, pieces: tuple[Piece, Piece]) -> None:
    assert codes(check_bundle(salted, replace(BUNDLE, evidence=pieces))) == ["evidence.differs"]


def test_two_files_that_change_places_are_named(salted: Claim) -> None:
    assert codes(check_bundle(salted, replace(BUNDLE, evidence=(ROW, NOTEBOOK)))) == ["evidence.differs"] * 2


def test_a_file_kept_back_is_named_but_speaks_against_nothing(salted: Claim) -> None:
    partly = read_bundle(write_bundle(replace(BUNDLE, evidence=(None, ROW))))
    assert codes(check_bundle(salted, partly)) == [evidence.MISSING]
    assert codes(check_bundle(salted, replace(BUNDLE, evidence=()))) == [evidence.MISSING] * 2


def test_a_file_that_nobody_signed_is_named(salted: Claim) -> None:
    extra = replace(BUNDLE, evidence=(NOTEBOOK, ROW, Piece("evidence/more.txt", SALTS[0], b"more")))
    assert codes(check_bundle(salted, extra)) == ["evidence.unnamed"]


def test_a_plain_hash_of_the_first_form_is_checked_as_one() -> None:
    claim = replace(CLAIM, evidence=(Evidence("a", hashlib.sha256(b"x").hexdigest()),))
    good = replace(BUNDLE, evidence=(Piece("evidence/0/notebook.ipynb", "", b"x"),))
    assert check_bundle(claim, good) == ()
    bad = replace(BUNDLE, evidence=(Piece("evidence/0/notebook.ipynb", "", b"y"),))
    assert codes(check_bundle(claim, bad)) == ["evidence.differs"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "bundle.none"),
        (b"PK\x03\x04", "bundle.none"),
        (b"{}", "bundle.none"),
        (repacked(**{MANIFEST: None}), "bundle.none"),
        (repacked(**{MANIFEST: b"[]"}), "bundle.damaged"),
        (repacked(**{MANIFEST: b"{}"}), "bundle.damaged"),
        (repacked(**{MANIFEST: b"x" * 1_000_001}), "bundle.damaged"),
        (repacked(**{"trust.json": b"{}"}), "bundle.damaged"),
        (repacked(**{"trust.json": None}), "bundle.damaged"),
        (repacked(**{"more.txt": b"more"}), "bundle.damaged"),
        (repacked(**{"../evil": b""}), "bundle.damaged"),
        (repacked(**{"/etc/passwd": b""}), "bundle.damaged"),
        (repacked(**{"a/../../b": b""}), "bundle.damaged"),
        (repacked(**{"C:evil": b""}), "bundle.damaged"),
        (repacked(lambda manifest: manifest.update(format="duri-bundle/2")), "bundle.needs_newer"),
        (repacked(lambda manifest: manifest.update(more=1)), "bundle.needs_newer"),
        (repacked(lambda manifest: manifest.update(credential="none.json")), "bundle.damaged"),
        (
            repacked(lambda manifest: manifest.update(evidence=[{"path": "x", "salt": "11"}])),
            "bundle.damaged",
        ),
        (repacked(lambda manifest: manifest.update(evidence=[7])), "bundle.damaged"),
        (repacked(lambda manifest: manifest.update(resources=[])), "bundle.damaged"),
        (repacked(lambda manifest: manifest.update(files=None)), "bundle.damaged"),
    ],
)
def test_what_is_no_bundle_says_so(content: bytes, code: str) -> None:
    with pytest.raises(BundleProblem) as problem:
        read_bundle(content)
    assert problem.value.code == code


def test_doubled_names_and_other_packings_are_refused() -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            archive.writestr("a", b"a" * 1000)
        with pytest.raises(BundleProblem):
            read_bundle(packed.getvalue())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(BundleProblem):
        read_bundle(packed.getvalue())


def test_a_zip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(BundleProblem) as problem:
        read_bundle(repacked(**{f"f{number}": bytes(60_000) for number in range(3)}))
    assert problem.value.code == "bundle.too_large"


def test_many_entries_are_not_even_listed() -> None:
    with pytest.raises(BundleProblem) as problem:
        read_bundle(b"PK\x01\x02" * 2_000)
    assert problem.value.code == "bundle.too_large"


def test_to_verify_the_certificate_nothing_else_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_bundle(replace(BUNDLE, others={"paper.pdf": bytes(200_000)}))
    monkeypatch.setattr(evidence, "MAX_VERIFIED_BYTES", 100_000)
    found = open_bundle(content)
    assert (found.credential, found.resources) == (BUNDLE.credential, BUNDLE.resources)
    assert (found.evidence, found.others) == ([], {})
    monkeypatch.setattr(evidence, "MAX_VERIFIED_BYTES", 1)
    with pytest.raises(BundleProblem) as problem:
        open_bundle(content)
    assert problem.value.code == "bundle.too_large"


@pytest.mark.parametrize(
    "content",
    [
        repacked(**{"trust.json": b"{1}"}),
        repacked(**{"trust.json": None}),
        repacked(lambda manifest: manifest.update(credential="none.json")),
        repacked(lambda manifest: manifest.update(credential=[])),
        repacked(lambda manifest: manifest.update(files=None)),
        repacked(lambda manifest: manifest.update(resources=[])),
    ],
)
def test_a_damaged_bundle_is_one_and_is_not_opened(content: bytes) -> None:
    assert is_bundle(content)
    with pytest.raises(BundleProblem) as problem:
        open_bundle(content)
    assert problem.value.code == "bundle.damaged"


def test_another_archive_is_no_bundle() -> None:
    for content in (b"", b"PK\x03\x04", repacked(**{MANIFEST: None}), repacked(**{MANIFEST: b"{}"})):
        assert not is_bundle(content)


def test_a_huge_file_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_BUNDLE_BYTES", 10)
    with pytest.raises(BundleProblem) as problem:
        read_bundle(write_bundle(BUNDLE))
    assert problem.value.code == "bundle.too_large"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_bundle_with_any_byte_changed_is_the_same_or_refused(data: st.DataObject) -> None:
    content = bytearray(write_bundle(BUNDLE))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read_bundle(bytes(content))
    except BundleProblem:
        return
    assert found == replace(BUNDLE, evidence=[NOTEBOOK, ROW])  # times and such, which say nothing
