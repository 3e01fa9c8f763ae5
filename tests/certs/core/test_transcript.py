"""Transcripts: what is put into one, and that each certificate in it has its own answer."""

import hashlib
import json
from pathlib import Path

import pytest

from lms.certs import verifier
from lms.certs.core.carriers import Kind, kind_of, open_carrier, unpack
from lms.certs.core.jsonld import long_way, pinned_contexts
from lms.certs.core.many import verify_many
from lms.certs.core.problems import ProofProblem, Unreadable
from lms.certs.core.strict_json import Document
from lms.certs.core.transcript import CLR, build_transcript, read_transcript, write_transcript
from lms.certs.core.trust import write_trust
from tests.certs.conftest import NOW, Case

CONTEXT = Path(__file__).with_name("clr-context-2.0.1.json")
SHA256 = "880f1902d4158f2f33ce06af41b90719977cd1ea337a9de2e41edb3ff5e543d6"
MAKER = ("https://duri.example", "Duri")


def transcript(*certificates: Document) -> Document:
    return build_transcript(
        certificates, transcript_id="urn:uuid:7f0d1d9e-3a53-4c43-9a35-3f3b3c1f5a10", maker=MAKER, at=NOW
    )


@pytest.fixture
def content(case: Case, whole: Case) -> bytes:
    return write_transcript(transcript(case.credential, whole.credential))


def test_every_term_of_a_transcript_is_one_of_the_standards(whole: Case) -> None:
    raw = CONTEXT.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == SHA256
    contexts = {**pinned_contexts(), CLR: json.loads(raw)}
    written = transcript(whole.credential)
    nquads = long_way({**written, "credentialSubject": {**written["credentialSubject"]}}, contexts).decode()
    assert "vocab.html#ClrCredential" in nquads
    assert "vocab.html#verifiableCredential" in nquads
    with pytest.raises(ProofProblem):
        long_way({**written, "invented": "x"}, contexts)


def test_certificates_come_out_as_they_were_put_in(case: Case, whole: Case, content: bytes) -> None:
    assert [json.loads(one) for one in read_transcript(content)] == [case.credential, whole.credential]


def test_each_certificate_of_a_transcript_has_its_own_answer(case: Case, whole: Case, content: bytes) -> None:
    resources = {**case.resources, **whole.resources}
    spoiled = json.loads(content)
    spoiled["credentialSubject"]["verifiableCredential"][0]["name"] = "다른 이름"
    for raw, expected in (
        (content, ["valid", "valid"]),
        (json.dumps(spoiled).encode(), ["refused", "valid"]),
    ):
        outcomes = list(verify_many([("t.json", raw)], lambda one: case.verify(one, resources=resources)))
        assert [str(outcome.verdict.status) for outcome in outcomes] == expected
        assert [outcome.name for outcome in outcomes] == ["t.json:1", "t.json:2"]


def test_what_stands_around_certificates_is_never_an_answer(case: Case, content: bytes) -> None:
    assert kind_of(content) is Kind.TRANSCRIPT
    with pytest.raises(Unreadable) as problem:
        open_carrier(content)
    assert problem.value.code == "carrier.transcript"
    assert str(case.verify(content).status) == "unreadable"


@pytest.mark.parametrize(
    "changes",
    [
        {"credentialSubject": []},
        {"credentialSubject": {}},
        {"credentialSubject": {"verifiableCredential": []}},
    ],
    ids=str,
)
def test_a_transcript_without_certificates_is_unreadable(case: Case, changes: Document) -> None:
    raw = write_transcript({**transcript(case.credential), **changes})
    (item,) = unpack([("t.json", raw)])
    assert item.problem is not None
    assert item.problem.code == "transcript.empty"


def test_a_strange_transcript_is_unreadable_and_breaks_nothing(case: Case) -> None:
    strange = {
        **transcript(case.credential),
        "credentialSubject": {"verifiableCredential": [7, None, [], "x", {}]},
    }
    outcomes = list(verify_many([("t.json", write_transcript(strange))], case.verify))
    assert {str(outcome.verdict.status) for outcome in outcomes} == {"unreadable"}
    doubled = write_transcript(transcript(case.credential))[:-1] + b', "id": "x"}'
    (item,) = unpack([("t.json", doubled)])
    assert item.problem is not None
    assert item.problem.code == "json.duplicate_key"


def test_lms_verify_answers_for_each(
    tmp_path: Path, case: Case, whole: Case, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.json").write_bytes(content)
    (tmp_path / "trust.json").write_bytes(write_trust(case.pair.trust.parties))
    options = [
        str(tmp_path / "t.json"),
        "--trust",
        str(tmp_path / "trust.json"),
        "--at",
        "2026-03-02T10:00:00Z",
        "--json",
    ]
    for number, (url, raw) in enumerate({**case.resources, **whole.resources}.items()):
        (tmp_path / f"{number}.json").write_bytes(raw)
        options += ["--resource", f"{url}={tmp_path / f'{number}.json'}"]
    assert verifier.main(options) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["valid"] == 2
