import hashlib
import socket
from pathlib import Path

import pytest

from lms.certs.core import jsonld
from lms.certs.core.document import CONTEXT
from lms.certs.core.jsonld import CREDENTIALS_V2, pinned_contexts, to_nquads
from lms.certs.core.meaning import meaning
from lms.certs.core.problems import ProofProblem

FOLDER = Path(jsonld.__file__).with_name("contexts")


def test_the_contexts_are_those_that_were_pinned_and_carry_a_notice() -> None:
    notice = (FOLDER / "NOTICE.md").read_text()
    for url, (name, digest) in jsonld._PINNED.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
        assert url in notice
        assert name in notice
    assert {path.name for path in FOLDER.glob("*.json")} == {name for name, _ in jsonld._PINNED.values()}
    assert set(CONTEXT) == set(pinned_contexts())


def test_a_damaged_context_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, digest = jsonld._PINNED[CREDENTIALS_V2]
    (tmp_path / name).write_bytes((FOLDER / name).read_bytes() + b" ")
    monkeypatch.setattr(jsonld, "_FOLDER", tmp_path)
    with pytest.raises(ProofProblem, match=r"context\.damaged"):
        jsonld._read_pinned(name, digest)


@pytest.mark.parametrize("url", ["https://www.w3.org/2018/credentials/v1", "file:///etc/passwd", "context"])
def test_no_context_is_ever_fetched(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ProofProblem, match=r"jsonld\.broken"):
        to_nquads({"@context": [CREDENTIALS_V2, url], "id": "urn:x:1", "type": "VerifiableCredential"})


@pytest.mark.parametrize("language", ['en> .\n<urn:x:1> <urn:x:2> "forged', "en us", "", "e" * 9, "ko-\n"])
def test_a_language_cannot_forge_a_statement(language: str) -> None:
    named = {"@context": [CREDENTIALS_V2], "id": "urn:x:1", "type": "VerifiableCredential"}
    good = to_nquads({**named, "name": {"@value": "수료증", "@language": "ko-KR"}})
    assert good.count(b"\n") == 2
    with pytest.raises(ProofProblem, match=r"jsonld\.(strange_address|broken)"):
        to_nquads({**named, "name": {"@value": "수료증", "@language": language}})


@pytest.mark.parametrize("direction", ["rtl", "ltr"])
def test_the_direction_of_a_text_is_in_no_rdf_and_so_it_is_refused(direction: str) -> None:
    named = {"@context": [CREDENTIALS_V2], "id": "urn:x:1", "type": "VerifiableCredential"}
    with pytest.raises(ProofProblem, match=r"jsonld\.undefined_term"):
        to_nquads({**named, "name": {"@value": "شهادة", "@language": "ar", "@direction": direction}})
    term = {"@id": "urn:x:title", "@direction": direction}
    with pytest.raises(ProofProblem, match=r"jsonld\.undefined_term"):
        to_nquads({**named, "@context": [CREDENTIALS_V2, {"title": term}], "title": "가"})


def test_documents_of_strangers_mean_what_the_pinned_vocabularies_say() -> None:
    document = {"@context": [CREDENTIALS_V2], "id": "urn:x:1", "type": ["VerifiableCredential", "urn:x:T"]}
    assert meaning(document, pinned_contexts()) == to_nquads(document)
    own = {**document, "@context": [CREDENTIALS_V2, {"title": "urn:x:title"}], "title": "가"}
    assert b"<urn:x:title>" in meaning(own, pinned_contexts())
    with pytest.raises(ProofProblem, match=r"vc\.unknown_context"):
        meaning({**document, "@context": [CREDENTIALS_V2, "urn:x:context"]}, pinned_contexts())
