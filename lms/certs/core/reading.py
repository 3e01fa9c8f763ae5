"""From a document back to the claim it states, with no part left over."""

import base64
import binascii
from typing import Any

from lms.certs.core.document import (
    ASSURANCE,
    BETWEEN,
    DEMO_CUSTODY,
    PLACES,
    SALTED_DIGEST,
    SUSPENSION_STATUS,
    Achievement,
    Claim,
    Evidence,
    LabResult,
    Party,
    Rank,
    Skill,
    StatusEntry,
    build_credential,
)
from lms.certs.core.endorsement import read_endorsement
from lms.certs.core.problems import MISSHAPEN, DocumentProblem
from lms.certs.core.strict_json import Document, is_same, without_proof
from lms.certs.core.times import read_time

_MOST_ITEMS = 200
_MULTIHASH_BYTES = 34


def read_claim(document: Document) -> Claim:
    """Read the claim of a credential; building that claim again gives exactly this document.

    Raises:
        DocumentProblem: anything missing, added, renamed, doubled or of another type.
    """
    unsecured = without_proof(document)
    try:
        claim = _claim(unsecured)
        same = is_same(build_credential(claim), unsecured)
    except DocumentProblem:
        raise
    except MISSHAPEN:
        raise DocumentProblem("document.shape") from None
    if not same:
        raise DocumentProblem("document.shape")
    return claim


def _claim(document: Document) -> Claim:
    subject = document["credentialSubject"]
    name, email = subject["identifier"]
    results = _results(subject)
    boards = sum(key.startswith("place-") for key, _ in results)
    ranked = len(results) - len(PLACES) * boards
    (_, whole), *labs = results[:ranked]
    until, suspension = document.get("validUntil"), document.get(SUSPENSION_STATUS)
    return Claim(
        credential_id=_text(document["id"]),
        issued_at=read_time(document["validFrom"]),
        university=_party(document["issuer"]),
        company=_party(subject["source"]),
        holder_name=_text(name["identityHash"]),
        email_hash=_text(email["identityHash"]),
        email_salt=_text(email["salt"]),
        achievement=_achievement(subject["achievement"]),
        score=whole.score,
        maximum=whole.maximum,
        labs=tuple(lab for _, lab in labs),
        ranks=tuple(_rank(results[at : at + len(PLACES)]) for at in range(ranked, len(results), len(PLACES))),
        evidence=tuple(_evidence(item) for item in _items(document.get("evidence", []))),
        status=_status(document["credentialStatus"]),
        demo_custody=any(term.get("type") == DEMO_CUSTODY for term in _items(document["termsOfUse"])),
        assurance=_text(subject[ASSURANCE]),
        valid_until=None if until is None else read_time(until),
        suspension=None if suspension is None else _status(suspension),
        endorsement=_endorsement(subject["achievement"]),
    )


def _results(subject: Document) -> list[tuple[str, LabResult]]:
    descriptions = _items(subject["achievement"]["resultDescription"])
    results = _items(subject["result"])
    return [
        (
            _text(description["id"]).rpartition("#")[2],
            LabResult(
                slug=_text(description["id"]).rpartition("#")[2].removeprefix("lab-"),
                name=_text(description["name"]),
                score=_text(result["value"]),
                maximum=_text(description["valueMax"]),
            ),
        )
        for description, result in zip(descriptions, results, strict=True)
    ]


def _rank(results: list[tuple[str, LabResult]]) -> Rank:
    (key, place), (_, tied), (_, field) = results
    return Rank(
        slug=key.removeprefix("place-"),
        name=place.name.rpartition(BETWEEN)[0],
        place=int(place.score),
        tied=int(tied.score),
        field=int(field.score),
    )


def _endorsement(achievement: Document) -> Document | None:
    """Return the embedded endorsement, whose form is as strict: stock software shows all of it."""
    if "endorsement" not in achievement:
        return None
    [document] = _items(achievement["endorsement"])
    read_endorsement(document)
    return document


def _achievement(achievement: Document) -> Achievement:
    return Achievement(
        id=_text(achievement["id"]),
        name=_text(achievement["name"]),
        description=_text(achievement["description"]),
        criteria=_text(achievement["criteria"]["narrative"]),
        language=_text(achievement["inLanguage"]),
        skills=tuple(
            Skill(_text(item["targetName"]), _text(item["targetUrl"]), _text(item["targetFramework"]))
            for item in _items(achievement.get("alignment", []))
        ),
    )


def _party(profile: Document) -> Party:
    return Party(_text(profile["id"]), _text(profile["name"]), _text(profile["url"]))


def _status(entry: Document) -> StatusEntry:
    return StatusEntry(_text(entry["statusListCredential"]), int(_text(entry["statusListIndex"])))


def _evidence(item: Document) -> Evidence:
    salted = SALTED_DIGEST in item
    digest = _text(item[SALTED_DIGEST if salted else "digestMultibase"])
    return Evidence(_text(item["name"]), _sha256(digest), _text(item["genre"]), salted)


def _sha256(digest: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(digest.removeprefix("u") + "==")
    except binascii.Error:
        raise DocumentProblem("document.shape") from None
    if len(raw) != _MULTIHASH_BYTES:
        raise DocumentProblem("document.shape")
    return raw[2:].hex()


def _items(value: Any) -> list[Document]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise DocumentProblem("document.shape")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DocumentProblem("document.shape")
    return value
