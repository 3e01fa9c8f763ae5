"""From the facts of a course to the claim that is signed."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from lms.accounts.models import Organisation
from lms.certs.core.document import (
    SHARED_KERNEL,
    Achievement,
    Claim,
    Evidence,
    LabResult,
    Party,
    Skill,
    StatusEntry,
    hash_email,
)
from lms.certs.core.trust import Role
from lms.certs.models import IssuanceRequest
from lms.certs.services.signing import Signing
from lms.courses.core.outline import in_language, read_outline
from lms.courses.models import CourseVersion

SALT_BYTES = 16
_GENRES = {
    "submission_sha256": "Notebook",
    "release_digest": "LabRelease",
    "environment_sha256": "Environment",
}


def write_claim(request: IssuanceRequest, signing: Signing, status: StatusEntry, at: datetime) -> Claim:
    """State everything that the certificate will say, in the language that its holder chose."""
    enrolment, facts = request.enrolment, request.claim
    course = enrolment.cohort.course
    salt = secrets.token_hex(SALT_BYTES)
    labs = [lab for lab in facts.get("labs", []) if isinstance(lab, Mapping)]
    return Claim(
        credential_id=f"urn:uuid:{uuid4()}",
        issued_at=at,
        university=_party(course.university, Role.UNIVERSITY, signing, request.language),
        company=_party(course.company, Role.COMPANY, signing, request.language),
        holder_name=enrolment.confirmed_name or "",
        email_hash=hash_email(enrolment.user.email, salt),
        email_salt=salt,
        achievement=_achievement(request.version, request.language, signing.public_url),
        score=str(facts["score"]),
        maximum=str(facts["maximum"]),
        labs=tuple(_lab(lab, request.language) for lab in labs),
        evidence=tuple(piece for lab in labs for piece in _evidence(lab, request.language)),
        status=status,
        demo_custody=signing.demo_custody,
        assurance=str(facts.get("assurance") or SHARED_KERNEL),
    )


def achievement_id(version: CourseVersion, public_url: str) -> str:
    """Return the address under which a course version is certified; it names exactly these files."""
    return f"{public_url.rstrip('/')}/courses/{version.course.slug}/versions/{version.number}"


def _achievement(version: CourseVersion, language: str, public_url: str) -> Achievement:
    outline = read_outline(version.outline)
    return Achievement(
        id=achievement_id(version, public_url),
        name=in_language(outline.certificate.title, language),
        description=in_language(outline.summary, language),
        criteria=in_language(outline.certificate.criteria, language),
        language=language,
        skills=tuple(
            Skill(in_language(skill.name, language), skill.url, urlsplit(skill.url).netloc)
            for skill in outline.skills
            if skill.url
        ),
    )


def _party(organisation: Organisation, role: Role, signing: Signing, language: str) -> Party:
    return Party(
        did=signing.did(role),
        name=in_language(organisation.name, language),
        url=organisation.website or signing.public_url,
    )


def _lab(lab: Mapping[str, Any], language: str) -> LabResult:
    return LabResult(str(lab["slug"]), _title(lab, language), str(lab["score"]), str(lab["maximum"]))


def _evidence(lab: Mapping[str, Any], language: str) -> list[Evidence]:
    return [
        Evidence(_title(lab, language), str(lab[key]), genre)
        for key, genre in _GENRES.items()
        if lab.get(key)
    ]


def _title(lab: Mapping[str, Any], language: str) -> str:
    title = lab["title"]
    return in_language(title, language) if isinstance(title, Mapping) else str(title)
