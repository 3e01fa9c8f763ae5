"""The company's word for the achievement itself: an endorsement that software of the standard can check.

It says in full what is endorsed, so that the company signs what it has read, and no more than that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lms.certs.core.document import CONTEXT, DEMO_CUSTODY, Achievement, Claim, Party, compose, profile
from lms.certs.core.joint import CLOCK_SKEW, Finding, examine_signature
from lms.certs.core.problems import MISSHAPEN, DocumentProblem
from lms.certs.core.proofs import Suite
from lms.certs.core.seen import Seen
from lms.certs.core.strict_json import Document, canonical, is_same, without_proof
from lms.certs.core.times import read_time, write_time
from lms.certs.core.trust import Role, Trust

SUITE = Suite.RDFC
"""Stock software checks no other; the company's proof of the certificate itself is of the other suite."""
SCHEMA_URL = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_endorsementcredential_schema.json"

_ID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST = 60_000
_OPEN = "proof.unproven_time"  # a log proof that is not at hand could still put it right
_NAMES = {"ko": "‘{name}’ 보증", "en": "Endorsement of “{name}”"}
_COMMENTS = {
    "ko": (
        "{name}\n\n{description}\n\n이수 기준: {criteria}\n\n"
        "이 성취의 설명과 이수 기준을 검토하였으며 이를 보증합니다."
    ),
    "en": (
        "{name}\n\n{description}\n\nCriteria: {criteria}\n\n"
        "We have read the description and the criteria of this achievement and endorse it."
    ),
}
_SKILLS = {"ko": "역량", "en": "Skills"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """Hold what a company says about an achievement; `comment` names everything that it has read."""

    id: str
    endorser: Party
    achievement_id: str
    name: str
    comment: str
    signed_at: datetime
    demo_custody: bool


def endorse(
    achievement: Achievement, endorser: Party, *, endorsement_id: str, at: datetime, demo_custody: bool
) -> Endorsement:
    """Say what a company endorses when it endorses this achievement."""
    return Endorsement(
        id=endorsement_id,
        endorser=endorser,
        achievement_id=achievement.id,
        name=endorsed_name(achievement),
        comment=endorsed_text(achievement),
        signed_at=at,
        demo_custody=demo_custody,
    )


def endorsed_name(achievement: Achievement) -> str:
    """Return the endorsement's own name, in the achievement's language."""
    return compose(_NAMES[achievement.language].format(name=achievement.name))


def endorsed_text(achievement: Achievement) -> str:
    """Return everything about the achievement that its endorsement covers, in the achievement's language."""
    text = _COMMENTS[achievement.language].format(
        name=achievement.name, description=achievement.description, criteria=achievement.criteria
    )
    skills = "".join(f"\n- {skill.name} <{skill.url}> ({skill.framework})" for skill in achievement.skills)
    return compose(f"{text}\n\n{_SKILLS[achievement.language]}:{skills}" if skills else text)


def build_endorsement(endorsement: Endorsement) -> Document:
    """Write an endorsement as an Open Badges 3.0 credential without its proof.

    Raises:
        DocumentProblem: a value that the form does not allow.
    """
    texts = (endorsement.name, endorsement.comment)
    if not _ID.fullmatch(endorsement.id) or not all(0 < len(text) <= _LONGEST for text in texts):
        raise DocumentProblem("document.bad_value", field="endorsement")
    document: Document = {
        "@context": list(CONTEXT),
        "id": endorsement.id,
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "name": endorsement.name,
        "issuer": profile(endorsement.endorser),
        "validFrom": write_time(endorsement.signed_at),
        "credentialSubject": {
            "id": endorsement.achievement_id,
            "type": ["EndorsementSubject"],
            "endorsementComment": endorsement.comment,
        },
        "credentialSchema": [{"id": SCHEMA_URL, "type": "1EdTechJsonSchemaValidator2019"}],
    }
    if endorsement.demo_custody:
        document["termsOfUse"] = [{"type": DEMO_CUSTODY}]
    return document


def read_endorsement(document: Document) -> Endorsement:
    """Read an endorsement; building it again gives exactly this document.

    Raises:
        DocumentProblem: anything missing, added, renamed or of another type.
    """
    try:
        unsecured = without_proof(document)
        issuer, subject = unsecured["issuer"], unsecured["credentialSubject"]
        endorsement = Endorsement(
            id=unsecured["id"],
            endorser=Party(issuer["id"], issuer["name"], issuer["url"]),
            achievement_id=subject["id"],
            name=unsecured["name"],
            comment=subject["endorsementComment"],
            signed_at=read_time(unsecured["validFrom"]),
            demo_custody="termsOfUse" in unsecured,
        )
        party = endorsement.endorser
        texts = (party.did, party.name, party.url, endorsement.achievement_id, endorsement.name)
        same = is_same(build_endorsement(endorsement), unsecured)
    except MISSHAPEN:
        raise DocumentProblem("endorsement.shape") from None
    if not same or not all(isinstance(text, str) for text in (*texts, endorsement.comment)):
        raise DocumentProblem("endorsement.shape")
    return endorsement


def examine_endorsement(
    claim: Claim, trust: Trust, at: datetime, proven: datetime | None = None, seen: Seen | None = None
) -> tuple[Finding, ...]:
    """Say what speaks against the endorsement that a certificate carries; nothing, where it has none.

    Args:
        proven: when the certificate, and so its endorsement, was signed at the latest, as a log shows.
        seen: what was found of other certificates with the same `trust` and `at`: most carry the same one.
    """
    document = claim.endorsement
    if document is None:
        return ()
    try:
        endorsement = read_endorsement(document)
    except DocumentProblem as problem:
        return (Finding(problem.code, problem.params),)
    against_signature = (seen or Seen()).once(
        ("endorsement", canonical(document), claim.company.did, proven),
        lambda: tuple(against_proof(document, claim.company.did, trust, at, proven)),
    )
    return (*_against_content(endorsement, claim, at), *against_signature)


def against_proof(
    document: Document, company: str, trust: Trust, at: datetime, proven: datetime | None = None
) -> Iterator[Finding]:
    """Say what speaks against the one proof of an endorsement: it must be the company's."""
    proofs = document.get("proof")
    if not isinstance(proofs, list) or len(proofs) != 1 or not isinstance(proofs[0], dict):
        yield Finding("endorsement.not_signed", {"reason": "proofs.count"})
        return
    signature = examine_signature(document, company, Role.COMPANY, trust, at, proven=proven)
    if signature.suite is not None and signature.suite != SUITE:
        yield Finding("endorsement.not_signed", {"reason": "proof.wrong_suite"})
    for finding in signature.findings:
        if finding.code == _OPEN:
            yield finding
        elif finding.code != "proof.wrong_suite":  # of a certificate's second proof
            yield Finding("endorsement.not_signed", {"reason": finding.code})


def _against_content(endorsement: Endorsement, claim: Claim, at: datetime) -> Iterator[Finding]:
    achievement = claim.achievement
    about = (endorsement.achievement_id, endorsement.name, endorsement.comment)
    if about != (achievement.id, endorsed_name(achievement), endorsed_text(achievement)):
        yield Finding("endorsement.other_achievement", {})
    if profile(endorsement.endorser) != profile(claim.company):
        yield Finding("endorsement.other_party", {"did": endorsement.endorser.did[:120]})
    if endorsement.demo_custody is not claim.demo_custody:
        yield Finding("endorsement.demo_custody", {})
    if endorsement.signed_at > at + CLOCK_SKEW:
        yield Finding("endorsement.not_signed", {"reason": "credential.not_yet_valid"})
