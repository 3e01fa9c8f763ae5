import sys
import threading
import unicodedata
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lms.certs.core.document import build_credential, hash_email
from lms.certs.core.mandate import Refusal, write_mandate
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.protocols import Kind
from lms.certs.signer import roster as roster_module
from lms.certs.signer.roster import (
    Roster,
    add_entries,
    make_entry,
    parse_entries,
    read_roster,
    remove_entries,
)
from tests.certs.conftest import CLAIM, NOW
from tests.certs.signer.conftest import MANDATE
from tests.factories.signers import opened

HANEUL, COURSE = "haneul@example.org", CLAIM.achievement.id


@pytest.fixture
def closed(folder: Path) -> Path:
    """A signer that looks at its own roster."""
    (folder / "signer.json").write_bytes(write_mandate(replace(MANDATE, open_roster=False)))
    return folder


def test_who_is_not_on_the_organisation_s_own_roster_is_not_certified(closed: Path) -> None:
    document = build_credential(CLAIM)
    with opened(closed) as signer:
        with pytest.raises(Refusal, match="not_on_roster"):
            signer.sign(document, Kind.CREDENTIAL, NOW)
        add_entries(
            closed, [make_entry("someone@example.org", COURSE), make_entry(HANEUL, "https://duri.example/b")]
        )
        with pytest.raises(Refusal, match="not_on_roster"):
            signer.sign(document, Kind.CREDENTIAL, NOW)
        add_entries(closed, [make_entry(" Haneul@Example.org", COURSE)])
        assert signer.sign(document, Kind.CREDENTIAL, NOW)


def test_who_was_withdrawn_between_request_and_signature_is_refused(closed: Path) -> None:
    add_entries(closed, [make_entry(HANEUL, COURSE)])
    with opened(closed) as signer:
        assert remove_entries(closed, HANEUL, COURSE) == 1
        with pytest.raises(Refusal, match="not_on_roster"):
            signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
        assert signer.chain.length == 0


@pytest.mark.parametrize(
    ("name", "score", "code"),
    [
        ("", "", None),
        ("김하늘", "91.4", None),
        (unicodedata.normalize("NFD", "김하늘"), "91.40", None),
        ("김바다", "", "signer.other_than_roster"),
        ("", "91.3", "signer.other_than_roster"),
        ("김하늘", "0", "signer.other_than_roster"),
    ],
)
def test_a_name_or_score_on_the_roster_binds(name: str, score: str, code: str | None) -> None:
    roster = Roster([make_entry(HANEUL, COURSE, name, score)])
    if code is None:
        assert roster.find(CLAIM).email == HANEUL
    else:
        with pytest.raises(Refusal, match=code):
            roster.find(CLAIM)


def test_two_threads_that_search_at_once_both_find_whom_they_look_for() -> None:
    people = [f"person{number}@example.org" for number in range(40)]
    roster = Roster([make_entry(each, COURSE) for each in people])
    missed: list[str] = []

    def search(seed: int) -> None:
        for turn in range(150):
            each, salt = people[(turn * (seed + 7)) % len(people)], f"{seed} {turn}"
            claim = replace(CLAIM, email_salt=salt, email_hash=hash_email(each, salt))
            try:
                assert roster.find(claim).email == each
            except Refusal:
                missed.append(each)

    every = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(every)
    assert missed == []


def test_an_address_is_searched_for_once_and_a_class_in_the_order_of_its_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [f"person{number}@example.org" for number in range(30)]
    roster = Roster([make_entry(each, COURSE) for each in people])
    claims = [replace(CLAIM, email_salt=each, email_hash=hash_email(each, each)) for each in people]
    hashed: list[bytes] = []
    monkeypatch.setattr(
        roster_module.hashlib, "sha256", lambda content: hashed.append(content) or sha256(content)
    )
    for _ in range(2):
        assert [roster.find(claim).email for claim in claims] == people
    assert len(hashed) == len(people)
    monkeypatch.setattr(roster_module, "_MOST_REMEMBERED", 30)
    stranger = replace(CLAIM, email_salt="x")
    for _ in range(2):
        with pytest.raises(Refusal, match="not_on_roster"):
            roster.find(stranger)
    assert len(hashed) == 2 * len(people)


def test_an_address_with_a_slash_stands_for_all_below_it() -> None:
    roster = Roster([make_entry(HANEUL, "https://duri.example/courses/deep-learning/")])
    assert roster.find(CLAIM)
    elsewhere = replace(
        CLAIM, achievement=replace(CLAIM.achievement, id="https://duri.example/courses/other/versions/1")
    )
    with pytest.raises(Refusal):
        roster.find(elsewhere)


@given(salt=st.text(min_size=1, max_size=20), other=st.emails())
def test_only_the_one_whose_address_was_hashed_is_found(salt: str, other: str) -> None:
    claim = replace(CLAIM, email_salt=salt, email_hash=hash_email(HANEUL, salt))
    assert Roster([make_entry(HANEUL, COURSE)]).find(claim)
    if other.strip().lower() != HANEUL:
        with pytest.raises(Refusal):
            Roster([make_entry(other, COURSE)]).find(claim)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"email\na@example.org\n",
        b"email,achievement\nnobody,https://duri.example/a\n",
        b"email,achievement\na@example.org,here\n",
        b"email,achievement,rank\na@example.org,https://duri.example/a,1\n",
        b"email,achievement,score\na@example.org,https://duri.example/a,many\n",
        b"email,achievement,score\na@example.org,https://duri.example/a,NaN\n",
        b"email,achievement\na@example.org,https://duri.example/a,more,and more\n",
        b'email,achievement\n"a@example.org,https://duri.example/a\n',
        b"email,achievement\n" + b"a" * 600 + b"@example.org,https://duri.example/a\n",
    ],
)
def test_a_roster_that_says_nothing_clear_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentProblem, match="roster"):
        parse_entries(content)


def test_a_roster_of_a_spreadsheet_is_read_and_written_back(tmp_path: Path) -> None:
    content = '\ufeffachievement,email,name\r\nhttps://duri.example/a,A@example.org,"김, 하늘"\r\n'.encode()
    add_entries(tmp_path, parse_entries(content))
    (entry,) = read_roster(tmp_path).entries.values()
    assert (entry.email, entry.name, entry.score) == ("a@example.org", "김, 하늘", "")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"email,achievement\na@example.org,https://duri.example/a\nb@ex\xffample.org,here\n", 3),
        (b'email,achievement\na@example.org,https://duri.example/a\n"b"c,d\n', 3),
    ],
)
def test_a_broken_roster_names_the_line(content: bytes, line: int) -> None:
    with pytest.raises(DocumentProblem) as caught:
        parse_entries(content)
    assert caught.value.params["line"] == line


def test_a_roster_does_not_grow_beyond_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "MOST_ENTRIES", 2)
    entries = [make_entry(f"{letter}@example.org", COURSE) for letter in "abc"]
    add_entries(tmp_path, entries[:2])
    with pytest.raises(DocumentProblem, match="too_large"):
        add_entries(tmp_path, entries[2:])
    assert len(read_roster(tmp_path).entries) == 2
    assert remove_entries(tmp_path, "a@example.org") == 1


def test_a_damaged_roster_signs_nothing(closed: Path) -> None:
    (closed / "roster.csv").write_text("email,achievement\nnobody,nothing\n")
    with opened(closed) as signer, pytest.raises(CertificateProblem, match="roster"):
        signer.sign(build_credential(CLAIM), Kind.CREDENTIAL, NOW)
