import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lms.certs.core.document import CONTEXT, Claim, Evidence, LabResult, Skill, build_credential
from lms.certs.core.jsonld import CREDENTIALS_V2, OPEN_BADGES, long_way, pinned_contexts, to_nquads
from lms.certs.core.nquads import short_way
from lms.certs.core.problems import ProofProblem
from lms.certs.core.status import build_status_list, encode_bits
from lms.certs.core.strict_json import Document, without_proof
from tests.certs.conftest import CLAIM, NOW, Case, edition

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = TEXTS.filter(lambda text: bool(text.strip()))
ADDRESSES = st.sampled_from(
    ["https://a.example/x", "did:web:b.example#k", "urn:uuid:1", "http://c.example/가"]
)
SCORES = st.decimals(0, 100, places=1).map(str)


def short(document: Document) -> bytes | None:
    return short_way(document, pinned_contexts)


def proof_settings(document: Document) -> Document:
    config = {key: value for key, value in document["proof"][0].items() if key != "proofValue"}
    return {**config, "@context": document["@context"]}


def test_a_certificate_its_proof_and_a_status_list_take_the_short_way(case: Case) -> None:
    for document in (
        without_proof(case.credential),
        proof_settings(case.credential),
        build_status_list(edition()),
    ):
        assert short(document) == long_way(document)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    """Other claims of the same form: distinct parts, and sometimes equal ones."""
    claim = CLAIM
    labs = draw(st.lists(st.builds(LabResult, st.just("a"), WORDS, SCORES, SCORES), max_size=4))
    skills = draw(st.lists(st.builds(Skill, WORDS, ADDRESSES, WORDS), max_size=3))
    digests = st.integers(0, 15).map(lambda digit: f"{digit:x}" * 64)
    evidence = draw(st.lists(st.builds(Evidence, WORDS, digests, WORDS), max_size=4))
    achievement = replace(
        claim.achievement,
        name=draw(WORDS),
        description=draw(TEXTS),
        criteria=draw(TEXTS),
        language=draw(st.sampled_from(["ko", "en"])),
        skills=tuple(skills),
    )
    return replace(
        claim,
        holder_name=draw(WORDS),
        achievement=achievement,
        score=draw(SCORES),
        labs=tuple(replace(lab, slug=f"lab-{place}") for place, lab in enumerate(labs)),
        evidence=tuple(evidence),
        demo_custody=draw(st.booleans()),
        valid_until=draw(st.sampled_from([None, NOW + timedelta(days=1)])),
    )


@settings(max_examples=60, deadline=None)
@given(claim=claims())
def test_any_claim_gives_the_bytes_of_the_long_way(claim: Claim) -> None:
    document = build_credential(claim)
    found = short(document)
    equal_parts = [len({json.dumps(item) for item in items}) < len(items) for items in _lists(document)]
    assert found is not None or any(equal_parts)
    assert found is None or found == long_way(document)


def _lists(document: Document) -> list[list[Any]]:
    achievement = document["credentialSubject"]["achievement"]
    return [document.get("evidence", []), achievement.get("alignment", [])]


@settings(max_examples=10, deadline=None)
@given(places=st.sets(st.integers(0, 131_071), max_size=50), demo=st.booleans())
def test_any_status_list_gives_the_bytes_of_the_long_way(places: set[int], demo: bool) -> None:  # noqa: FBT001
    document = build_status_list(edition(encoded=encode_bits(places), demo_custody=demo))
    assert short(document) == long_way(document)


def _scoped(context: Document) -> dict[str, list[str]]:
    """Every type of a pinned context, with the terms that it brings."""
    found = {"": [name for name in context if not name.startswith("@")]}
    for name, definition in context.items():
        if isinstance(definition, dict) and isinstance(definition.get("@context"), dict):
            found[name] = [term for term in definition["@context"] if not term.startswith("@")]
    return found


def _types_and_terms() -> dict[str, list[str]]:
    contexts = [pinned_contexts()[url]["@context"] for url in CONTEXT]
    scopes = [_scoped(context) for context in contexts]
    everywhere = sorted({term for scope in scopes for term in scope.pop("")} - {"id", "type"})
    merged: dict[str, set[str]] = {}
    for scope in scopes:
        for name, terms in scope.items():
            merged.setdefault(name, set()).update(terms)
    return {name: [*sorted(terms - {"id", "type"}), *everywhere] for name, terms in merged.items()}


TERMS = _types_and_terms()
VALUES = TEXTS | ADDRESSES | st.booleans() | st.sampled_from(["assertionMethod", "authentication", "name"])


@st.composite
def nodes(draw: st.DrawFn, depth: int = 3) -> Document:
    """Any node that the contexts have words for, right or wrong."""
    kinds = draw(st.lists(st.sampled_from(sorted(TERMS)), max_size=2))
    words = [term for kind in kinds or sorted(TERMS)[:1] for term in TERMS[kind]]
    words += ["https://duri.example/ns#x", "undefined", "name:x", "@id", "@value", "id"]
    inner = VALUES if depth == 0 else VALUES | nodes(depth - 1)
    values = inner | st.lists(inner, max_size=2) | st.sampled_from([None, 3, 1.5, {}, []])
    node: Document = draw(st.dictionaries(st.sampled_from(words), values, max_size=4))
    if kinds:
        node["type"] = draw(st.sampled_from([kinds, kinds[0], [*kinds, "https://duri.example/ns#T"]]))
    if draw(st.booleans()):
        node["id"] = draw(ADDRESSES | st.sampled_from(["relative", "_:b1", "VerifiableCredential:x"]))
    if draw(st.integers(0, 5)) == 0:
        node["@context"] = draw(
            st.sampled_from([CONTEXT, CREDENTIALS_V2, [OPEN_BADGES], None, {}, CONTEXT[:1]])
        )
    return node


def _agrees(document: Document) -> bool:
    """Where the short way answers, the long way gives the same bytes; what that refuses, this does too."""
    found = short(document)
    if found is not None:
        assert found == long_way(document)
        assert to_nquads(document) == found
    return found is not None


@settings(max_examples=250, deadline=None)
@given(node=nodes())
def test_whatever_the_contexts_have_words_for_both_ways_agree(node: Document) -> None:
    _agrees({**node, "@context": CONTEXT})


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(
    node=nodes(), contexts=st.sampled_from([CONTEXT, CONTEXT[:1], CONTEXT[:2], CONTEXT[1:], CONTEXT[::-1]])
)
def test_both_ways_agree_about_twenty_thousand_documents(node: Document, contexts: list[str]) -> None:
    _agrees({**node, "@context": contexts})


def test_a_credential_inside_another_takes_the_short_way_too(case: Case) -> None:
    endorsement = {
        "@context": CONTEXT,
        "id": "urn:uuid:1",
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "issuer": {"id": "did:web:nuri-ai.example", "type": ["Profile"], "name": "누리에이아이"},
        "credentialSubject": {
            "id": case.credential["credentialSubject"]["achievement"]["id"],
            "type": ["EndorsementSubject"],
            "endorsementComment": "읽고 보증합니다.\n\t“\\n”",
        },
        "proof": [case.credential["proof"][0], case.credential["proof"][1]],
    }
    document = json.loads(json.dumps(without_proof(case.credential)))
    document["credentialSubject"]["achievement"]["endorsement"] = [endorsement]
    assert _agrees(document)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(honours="summa cum laude"),
        lambda document: document.update(id="relative"),
        lambda document: document["@context"].append("https://evil.example/context"),
        lambda document: document["issuer"].update({"@id": "did:web:evil.example"}),
        lambda document: document["issuer"].update(type=["Profile", "Unheard"]),
    ],
)
def test_what_the_long_way_refuses_does_not_slip_through(
    case: Case, spoil: Callable[[Document], None]
) -> None:
    document = json.loads(json.dumps(without_proof(case.credential)))
    spoil(document)
    assert short(document) is None
    with pytest.raises(ProofProblem):
        to_nquads(document)


@pytest.mark.parametrize(
    "context", [{"honours": "https://schema.org/name"}, {"@vocab": "https://x.example/"}, None, []]
)
def test_a_vocabulary_of_its_own_is_not_judged_on_the_short_way(case: Case, context: object) -> None:
    document = without_proof(case.credential)
    assert short({**document, "@context": [*CONTEXT, context]}) is None
    assert short({**document, "issuer": {**document["issuer"], "@context": context}}) is None


def test_a_quotation_mark_cannot_forge_a_statement(case: Case) -> None:
    document = json.loads(json.dumps(without_proof(case.credential)))
    document["name"] = '" .\n<urn:x> <https://schema.org/name> "박사'
    found = short(document)
    assert found == long_way(document)
    assert found is not None
    assert found.count(b"\n") == (short(without_proof(case.credential)) or b"").count(b"\n")


def test_parts_of_which_the_same_is_said_take_the_long_way(claim: Claim) -> None:
    document = build_credential(replace(claim, evidence=claim.evidence[:1] * 2))
    assert short(document) is None
    assert to_nquads(document) == long_way(document)
