"""Bad input that touches more than one part: each row of it ends in an answer, and never in a good one."""

import base64
import gzip
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lms.certs.core.baking import bake_png, bake_svg
from lms.certs.core.document import Claim, build_credential
from lms.certs.core.verify import Status, Verdict
from tests.certs.conftest import STATUS_URL, Case
from tests.certs.core.test_baking import SVG, png

OLDER = [
    "https://www.w3.org/2018/credentials/v1",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.0.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json",
]


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


@pytest.mark.parametrize("place", [0, 1])
def test_a_proof_from_another_certificate_of_the_same_two_is_refused(
    case: Case, claim: Claim, place: int
) -> None:
    other = case.pair.sign(build_credential(replace(claim, holder_name="김바다")))
    proofs = list(case.credential["proof"])
    proofs[place] = other["proof"][place]
    assert codes(case.verify({**case.credential, "proof": proofs})) == {"proof.does_not_match"}


@pytest.mark.parametrize("old", OLDER)
@pytest.mark.parametrize("place", [0, 1])
def test_an_older_vocabulary_is_refused(case: Case, old: str, place: int) -> None:
    context = list(case.credential["@context"])
    context[place] = old
    assert codes(case.verify({**case.credential, "@context": context})) == {"context.not_pinned"}


@pytest.mark.parametrize("change", [lambda urls: urls[::-1], lambda urls: urls[:1], lambda urls: urls * 2])
def test_vocabularies_in_another_order_or_number_are_refused(
    case: Case, change: Callable[[list[str]], list[str]]
) -> None:
    context = change(list(case.credential["@context"]))
    assert codes(case.verify({**case.credential, "@context": context})) == {"context.not_pinned"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9007199254740993"])
def test_numbers_that_not_everyone_reads_alike_are_unreadable(case: Case, number: str) -> None:
    text = json.dumps(case.credential).replace('"hashed": false', f'"hashed": {number}', 1)
    verdict = case.verify(text.encode())
    assert (verdict.status, codes(verdict)) == (Status.UNREADABLE, {"json.bad_number"})


def test_a_list_that_unpacks_without_end_is_refused(case: Case, make_list: Callable[..., Any]) -> None:
    bomb = "u" + base64.urlsafe_b64encode(gzip.compress(b"\0" * 50_000_000)).decode().rstrip("=")
    assert len(bomb) < 70_000
    assert codes(case.verify(resources=make_list(encoded=bomb))) == {"status.bad_encoding"}


def test_no_address_in_any_file_is_ever_opened(
    case: Case, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    inner = replace(claim.status, url="http://169.254.169.254/latest/meta-data")
    signed = case.pair.sign(build_credential(replace(claim, status=inner)))
    plain = json.dumps(signed).encode()
    for content in (plain, bake_png(png(), plain), bake_svg(SVG, plain)):
        verdict = case.verify(content)
        assert (verdict.status, codes(verdict)) == (Status.UNDECIDED, {"status.unreachable"})
    assert case.verify(resources={STATUS_URL: b"http://169.254.169.254/"}).status is Status.REFUSED


@pytest.mark.parametrize("part", ["credentialStatus", "termsOfUse", "evidence", "credentialSchema", "issuer"])
def test_a_part_taken_out_and_signed_by_nobody_is_refused(whole: Case, part: str) -> None:
    document = {key: value for key, value in whole.credential.items() if key != part}
    assert whole.verify(document).status is Status.REFUSED
