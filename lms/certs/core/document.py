"""The document that two organisations sign: a claim, and the Open Badges credential it becomes."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from lms.certs.core.jsonld import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.strict_json import Document
from lms.certs.core.times import write_time

NAMESPACE = "https://duri.example/ns#"  # a name only: nothing is ever fetched from it
JOINT_ISSUANCE_POLICY = f"{NAMESPACE}JointIssuancePolicy"
REQUIRED_SIGNER = f"{NAMESPACE}requiredSigner"
DEMO_CUSTODY = f"{NAMESPACE}DemoCustody"
ASSURANCE = f"{NAMESPACE}assurance"
SUSPENSION_STATUS = f"{NAMESPACE}suspensionStatus"
SALTED_DIGEST = f"{NAMESPACE}saltedDigest"

CONTEXT = [CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS]
SCHEMA_URL = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
SHARED_KERNEL = "shared-kernel"
PLACES = {
    "place": {"ko": "순위", "en": "place"},
    "tied": {"ko": "같은 점수인 사람 수(본인 포함)", "en": "people with the same score, the holder included"},
    "field": {"ko": "순위에 든 사람 수", "en": "people ranked"},
}
"""The three results that a place on a leaderboard becomes, in this order, and their names."""
BETWEEN = " · "

_SCORE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"(https?|urn|did):[^\s<>\"{}|\\^`#\x00-\x20]+")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_CREDENTIAL_ID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MULTIHASH_SHA256 = b"\x12\x20"
_MOST_RANKED = 999_999_999


@dataclass(frozen=True, slots=True)
class Party:
    """Name one of the two organisations."""

    did: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Skill:
    """Point at a skill of a public framework (ESCO, O*NET…)."""

    name: str
    url: str
    framework: str


@dataclass(frozen=True, slots=True)
class Achievement:
    """Describe what was achieved, in the certificate's language; `id` is the course version's address."""

    id: str
    name: str
    description: str
    criteria: str
    language: str
    skills: tuple[Skill, ...] = ()


@dataclass(frozen=True, slots=True)
class LabResult:
    """State the points of one lab; `slug` is unique in the course."""

    slug: str
    name: str
    score: str
    maximum: str


@dataclass(frozen=True, slots=True)
class Rank:
    """State a place on a leaderboard: `tied` have that score, the holder among them, of `field` ranked.

    `name` says which board and when; `slug` is unique in the course.
    """

    slug: str
    name: str
    place: int
    tied: int
    field: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Fix a file that led to the result by its hash (hex SHA-256); `genre` says what kind of file.

    A salted hash tells nothing to who lacks the salt, so that a guess at the file cannot be tried.
    """

    name: str
    sha256: str
    genre: str = "Notebook"
    salted: bool = False


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Say at which place of which status list a revocation, or a suspension, would show."""

    url: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold everything that a certificate states. Scores are decimal strings in points.

    `ranks`, `suspension` and `endorsement` are absent from certificates of the first form. `endorsement` is
    the company's signed word for the achievement (`lms.certs.core.endorsement`).
    """

    credential_id: str
    issued_at: datetime
    university: Party
    company: Party
    holder_name: str
    email_hash: str
    email_salt: str
    achievement: Achievement
    score: str
    maximum: str
    labs: tuple[LabResult, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    status: StatusEntry
    demo_custody: bool
    assurance: str = SHARED_KERNEL
    valid_until: datetime | None = None
    ranks: tuple[Rank, ...] = ()
    suspension: StatusEntry | None = None
    endorsement: Document | None = None


def hash_email(email: str, salt: str) -> str:
    """Hide an address so that only who knows it can recognise it.

    Source: Open Badges 3.0, IdentityHash: SHA-256 over the address followed by the salt.
    """
    return "sha256$" + hashlib.sha256((email.strip().lower() + salt).encode("utf-8")).hexdigest()


def build_credential(claim: Claim) -> Document:
    """Write a claim as an Open Badges 3.0 credential without proofs; equal claims give equal documents.

    Raises:
        DocumentProblem: a value that the form does not allow.
    """
    check_claim(claim)
    document: Document = {
        "@context": list(CONTEXT),
        "id": claim.credential_id,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": compose(claim.achievement.name),
        "issuer": profile(claim.university),
        "validFrom": write_time(claim.issued_at),
        "credentialSubject": _subject(claim),
        "credentialSchema": [{"id": SCHEMA_URL, "type": "1EdTechJsonSchemaValidator2019"}],
        "credentialStatus": _status(claim.status, "revocation"),
        "termsOfUse": joint_policy(
            claim.credential_id,
            (claim.university.did, claim.company.did),
            demo_custody=claim.demo_custody,
        ),
    }
    if claim.evidence:
        document["evidence"] = [_evidence(item) for item in claim.evidence]
    if claim.valid_until is not None:
        document["validUntil"] = write_time(claim.valid_until)
    if claim.suspension is not None:
        document[SUSPENSION_STATUS] = _status(claim.suspension, "suspension")
    return document


def joint_policy(document_id: str, signers: Iterable[str], *, demo_custody: bool) -> list[Document]:
    """Say inside the signed bytes who must have signed, and whether the keys are those of a demonstration."""
    policy: Document = {
        "id": f"{document_id}#joint-issuance",
        "type": JOINT_ISSUANCE_POLICY,
        REQUIRED_SIGNER: [{"id": did} for did in signers],
    }
    return [policy, {"type": DEMO_CUSTODY}] if demo_custody else [policy]


def check_claim(claim: Claim) -> None:
    """Refuse values that would not survive signing and reading.

    Raises:
        DocumentProblem: naming the field.
    """
    entries = [claim.status, *([claim.suspension] if claim.suspension else [])]
    addresses = [claim.achievement.id, claim.university.did, claim.company.did]
    addresses += [
        *(entry.url for entry in entries),
        claim.university.url,
        claim.company.url,
        *(skill.url for skill in claim.achievement.skills),
    ]
    scores = [claim.score, claim.maximum]
    scores += [value for lab in claim.labs for value in (lab.score, lab.maximum)]
    slugs, boards = [lab.slug for lab in claim.labs], [rank.slug for rank in claim.ranks]
    checks = {
        "credential_id": bool(_CREDENTIAL_ID.fullmatch(claim.credential_id)),
        "address": all(_IDENTIFIER.fullmatch(address.split("#")[0]) for address in addresses),
        "achievement": "#" not in claim.achievement.id and claim.achievement.language in {"ko", "en"},
        "score": all(_SCORE.fullmatch(score) for score in scores),
        "labs": len(set(slugs)) == len(slugs) and all(_SLUG.fullmatch(slug) for slug in slugs),
        "ranks": len(set(boards)) == len(boards) and all(map(_is_rank, claim.ranks)),
        "evidence": all(_SHA256.fullmatch(item.sha256) for item in claim.evidence),
        "status": all(entry.index >= 0 and "#" not in entry.url for entry in entries)
        and len({entry.url for entry in entries}) == len(entries),
        "holder_name": bool(claim.holder_name.strip()),
        "parties": claim.university.did != claim.company.did,
    }
    wrong = [field for field, good in checks.items() if not good]
    if wrong:
        raise DocumentProblem("document.bad_value", field=wrong[0])


def digest_multibase(sha256: str) -> str:
    """Write a hex SHA-256 as a multibase multihash."""
    raw = _MULTIHASH_SHA256 + bytes.fromhex(sha256)
    return "u" + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


class _Result(NamedTuple):
    key: str
    name: str
    value: str
    most: str
    kind: str = "RawScore"
    least: str = "0"


def _places(rank: Rank, language: str) -> Iterator[_Result]:
    for key, value in zip(PLACES, (rank.place, rank.tied, rank.field), strict=True):
        name = f"{rank.name}{BETWEEN}{PLACES[key][language]}"
        kind = f"ext:Leaderboard{key.title()}"
        yield _Result(f"{key}-{rank.slug}", name, str(value), str(rank.field), kind, "1")


def _is_rank(rank: Rank) -> bool:
    counted = 1 <= rank.place <= rank.field and 1 <= rank.tied <= rank.field
    return counted and rank.field <= _MOST_RANKED and bool(_SLUG.fullmatch(rank.slug))


def _subject(claim: Claim) -> Document:
    achievement = claim.achievement
    results = [_Result("score", achievement.name, claim.score, claim.maximum)]
    results += [_Result(f"lab-{lab.slug}", lab.name, lab.score, lab.maximum) for lab in claim.labs]
    results += [result for rank in claim.ranks for result in _places(rank, achievement.language)]
    described: Document = {
        "id": achievement.id,
        "type": ["Achievement"],
        "achievementType": "Course",
        "name": compose(achievement.name),
        "description": compose(achievement.description),
        "criteria": {"narrative": compose(achievement.criteria)},
        "inLanguage": achievement.language,
        "resultDescription": [
            {
                "id": f"{achievement.id}#{result.key}",
                "type": ["ResultDescription"],
                "name": compose(result.name),
                "resultType": result.kind,
                "valueMin": result.least,
                "valueMax": result.most,
            }
            for result in results
        ],
    }
    if claim.endorsement is not None:
        described["endorsement"] = [claim.endorsement]
    if achievement.skills:
        described["alignment"] = [_alignment(skill) for skill in achievement.skills]
    return {
        "type": ["AchievementSubject"],
        "identifier": [
            _identity("name", compose(claim.holder_name), None),
            _identity("emailAddress", claim.email_hash, claim.email_salt),
        ],
        "source": profile(claim.company),
        "achievement": described,
        "result": [
            {
                "type": ["Result"],
                "resultDescription": f"{achievement.id}#{result.key}",
                "value": result.value,
            }
            for result in results
        ],
        ASSURANCE: claim.assurance,
    }


def profile(party: Party) -> Document:
    """Write an organisation as Open Badges names it."""
    return {"id": party.did, "type": ["Profile"], "name": compose(party.name), "url": party.url}


def _identity(kind: str, value: str, salt: str | None) -> Document:
    identity: Document = {
        "type": "IdentityObject",
        "hashed": salt is not None,
        "identityHash": value,
        "identityType": kind,
    }
    return identity if salt is None else {**identity, "salt": salt}


def _alignment(skill: Skill) -> Document:
    return {
        "type": ["Alignment"],
        "targetName": compose(skill.name),
        "targetUrl": skill.url,
        "targetFramework": compose(skill.framework),
    }


def _status(entry: StatusEntry, purpose: str) -> Document:
    return {
        "id": f"{entry.url}#{entry.index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.url,
    }


def _evidence(item: Evidence) -> Document:
    return {
        "type": ["Evidence"],
        "name": compose(item.name),
        "genre": item.genre,
        SALTED_DIGEST if item.salted else "digestMultibase": digest_multibase(item.sha256),
    }


def compose(text: str) -> str:
    """Compose Hangul and accents: the two spellings look the same but would be signed differently."""
    return unicodedata.normalize("NFC", text)
