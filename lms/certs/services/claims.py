"""From the facts of a course to the claim that is signed."""

import secrets
from collections.abc import Mapping, Sequence
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
    Rank,
    Skill,
    StatusEntry,
    hash_email,
)
from lms.certs.core.trust import Role
from lms.certs.models import IssuanceRequest
from lms.certs.services.signing import Signing
from lms.courses.core.outline import Outline, in_language, read_outline
from lms.courses.models import CourseVersion

SALT_BYTES = 16
_RANKED = {"ko": "{title}({day} 기준)", "en": "{title} (as of {day})"}
_GENRES = {
    "submission_sha256": "Notebook",
    "release_digest": "LabRelease",
    "environment_sha256": "Environment",
}


class Describing:
    """Describe what the certificates of a batch have in common, each version and organisation once."""

    def __init__(self, signing: Signing) -> None:
        self.signing = signing
        self._outlines: dict[int, Outline] = {}
        self._achievements: dict[tuple[int, str], Achievement] = {}
        self._parties: dict[tuple[int, Role, str], Party] = {}

    def outline(self, version: CourseVersion) -> Outline:
        """Return what the course's files say."""
        if version.id not in self._outlines:
            self._outlines[version.id] = read_outline(version.outline)
        return self._outlines[version.id]

    def achievement(self, version: CourseVersion, language: str) -> Achievement:
        """Return what a course version certifies, in one language."""
        about = (version.id, language)
        if about not in self._achievements:
            outline = self.outline(version)
            self._achievements[about] = _achievement(version, outline, language, self.signing.public_url)
        return self._achievements[about]

    def party(self, organisation: Organisation, role: Role, language: str) -> Party:
        """Return one of the two organisations, in one language."""
        about = (organisation.id, role, language)
        if about not in self._parties:
            self._parties[about] = describe_party(organisation, role, self.signing, language)
        return self._parties[about]


def write_claim(
    request: IssuanceRequest, describing: Describing, entries: Sequence[StatusEntry], at: datetime
) -> Claim:
    """State everything that the certificate will say, in the language that its holder chose.

    Args:
        entries: the certificate's places in the lists of withdrawals and of suspensions.

    Raises:
        DocumentProblem, KeyError, TypeError, ValueError: the facts are damaged, or those of an older release.
    """
    status, suspension = entries
    if not isinstance(request.claim.get("labs", []), list):
        raise TypeError("labs")
    enrolment, facts = request.enrolment, request.claim
    course = enrolment.cohort.course
    salt = secrets.token_hex(SALT_BYTES)
    labs = labs_of(request)
    return Claim(
        credential_id=f"urn:uuid:{uuid4()}",
        issued_at=at,
        university=describing.party(course.university, Role.UNIVERSITY, request.language),
        company=describing.party(course.company, Role.COMPANY, request.language),
        holder_name=enrolment.confirmed_name or "",
        email_hash=hash_email(enrolment.user.email, salt),
        email_salt=salt,
        achievement=describing.achievement(request.version, request.language),
        score=str(facts["score"]),
        maximum=str(facts["maximum"]),
        labs=tuple(_lab(lab, request.language) for lab in labs),
        evidence=tuple(piece for lab in labs for piece in _plain_evidence(lab, request.language)),
        ranks=_ranks(labs, describing.outline(request.version), request.language),
        status=status,
        suspension=suspension,
        demo_custody=describing.signing.demo_custody,
        assurance=str(facts.get("assurance") or SHARED_KERNEL),
    )


def labs_of(request: IssuanceRequest) -> list[Mapping[str, Any]]:
    """Return what the facts of a request say of each lab."""
    listed = request.claim.get("labs", [])
    return [lab for lab in listed if isinstance(lab, Mapping)] if isinstance(listed, list) else []


def achievement_id(version: CourseVersion, public_url: str) -> str:
    """Return the address under which a course version is certified; it names exactly these files."""
    return f"{public_url.rstrip('/')}/courses/{version.course.slug}/versions/{version.number}"


def describe_achievement(version: CourseVersion, language: str, public_url: str) -> Achievement:
    """State what a course version certifies, in one language."""
    return _achievement(version, read_outline(version.outline), language, public_url)


def _achievement(version: CourseVersion, outline: Outline, language: str, public_url: str) -> Achievement:
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


def describe_party(organisation: Organisation, role: Role, signing: Signing, language: str) -> Party:
    """Name one of the two organisations, in one language."""
    return Party(
        did=signing.did(role),
        name=in_language(organisation.name, language),
        url=organisation.website or signing.public_url,
    )


def _lab(lab: Mapping[str, Any], language: str) -> LabResult:
    return LabResult(str(lab["slug"]), title_of(lab, language), str(lab["score"]), str(lab["maximum"]))


def _ranks(labs: Sequence[Mapping[str, Any]], outline: Outline, language: str) -> tuple[Rank, ...]:
    """State the places on leaderboards, where the course says that its certificate shows them."""
    if not outline.certificate.rank:
        return ()
    return tuple(_rank(lab, outline, language) for lab in labs if "rank" in lab and "tied" in lab)


def _rank(lab: Mapping[str, Any], outline: Outline, language: str) -> Rank:
    known = outline.labs.get(str(lab["slug"]))
    board = known.settings.board if known else None
    title = in_language(board.title, language) if board else title_of(lab, language)
    name = _RANKED[language].format(title=title, day=lab["ranked_on"])
    return Rank(str(lab["slug"]), name, int(lab["rank"]), int(lab["tied"]), int(lab["field"]))


def _plain_evidence(lab: Mapping[str, Any], language: str) -> list[Evidence]:
    return [
        Evidence(title_of(lab, language), str(lab[key]), genre)
        for key, genre in _GENRES.items()
        if lab.get(key)
    ]


def title_of(lab: Mapping[str, Any], language: str) -> str:
    """Return the name of a lab from the facts of a request."""
    title = lab["title"]
    return in_language(title, language) if isinstance(title, Mapping) else str(title)
