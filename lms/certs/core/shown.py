"""What of a certificate is always shown, what its holder may hide, and the way back to a claim with gaps."""

from collections.abc import Mapping
from typing import Any

from lms.certs.core.document import (
    REQUIRED_SIGNER,
    Achievement,
    Claim,
    LabResult,
    Party,
    Rank,
    Skill,
    StatusEntry,
)
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import Document, canonical, sha256_of
from lms.certs.core.times import read_time, write_time

HOLDER, EMAIL, SCORE, DETAILS, CERTIFICATE = "holder", "email", "score", "details", "certificate"
LAB, RANK = "lab-", "rank-"


def parts(certificate: Document) -> Document:
    """Return what the holder may show or hide, by name: name, points, each lab, each place and so on.

    Raises:
        DocumentProblem: no certificate of ours.
    """
    return _parts(read_claim(certificate), sha256_of(certificate))


def open_parts(certificate: Document) -> Document:
    """Return what is shown with every part: who signed what when, its status, and what weakens it.

    Nothing of it leads to the certificate's public page, which shows everything.

    Raises:
        DocumentProblem: no certificate of ours.
    """
    return _open(read_claim(certificate))


def shown_claim(opened: Document, shown: Document) -> Claim:
    """Return the claim that was shown; what is hidden is empty. Writing it again gives exactly these parts.

    Raises:
        DocumentProblem: anything missing, added, renamed or of another type.
    """
    claim = _claim(opened, shown)
    sha256 = str(shown.get(CERTIFICATE, {}).get("sha256", ""))
    again = _parts(claim, sha256)
    same = canonical(_open(claim)) == canonical(opened)
    if not same or not shown.keys() <= again.keys():
        raise DocumentProblem("presentation.shape")
    if canonical({name: again[name] for name in shown}) != canonical(shown):
        raise DocumentProblem("presentation.shape")
    return claim


def _open(claim: Claim) -> Document:
    opened: Document = {
        "iss": claim.university.did,
        REQUIRED_SIGNER: [claim.university.did, claim.company.did],
        "university": {"name": claim.university.name, "url": claim.university.url},
        "company": {"name": claim.company.name, "url": claim.company.url},
        "achievement": {"name": claim.achievement.name, "language": claim.achievement.language},
        "issued": write_time(claim.issued_at),
        "assurance": claim.assurance,
        "demoCustody": claim.demo_custody,
        "revocation": _entry(claim.status),
    }
    if claim.suspension is not None:
        opened["suspension"] = _entry(claim.suspension)
    if claim.valid_until is not None:
        opened["until"] = write_time(claim.valid_until)
    return opened


def _parts(claim: Claim, sha256: str) -> Document:
    achievement = claim.achievement
    return {
        HOLDER: claim.holder_name,
        EMAIL: {"hash": claim.email_hash, "salt": claim.email_salt},
        SCORE: {"score": claim.score, "maximum": claim.maximum},
        DETAILS: {
            "id": achievement.id,
            "description": achievement.description,
            "criteria": achievement.criteria,
            "skills": [
                {"name": each.name, "url": each.url, "framework": each.framework}
                for each in achievement.skills
            ],
        },
        CERTIFICATE: {"id": claim.credential_id, "sha256": sha256},
        **{
            f"{LAB}{lab.slug}": {"name": lab.name, "score": lab.score, "maximum": lab.maximum}
            for lab in claim.labs
        },
        **{
            f"{RANK}{rank.slug}": {
                "name": rank.name, "place": rank.place, "tied": rank.tied, "field": rank.field,
            }
            for rank in claim.ranks
        },
    }  # fmt: skip


def _claim(opened: Document, shown: Document) -> Claim:
    email, score, certificate = (shown.get(name, {}) for name in (EMAIL, SCORE, CERTIFICATE))
    rests, until = opened.get("suspension"), opened.get("until")
    university, company = opened[REQUIRED_SIGNER]
    return Claim(
        credential_id=str(certificate.get("id", "")),
        issued_at=read_time(opened["issued"]),
        university=_party(university, opened["university"]),
        company=_party(company, opened["company"]),
        holder_name=str(shown.get(HOLDER, "")),
        email_hash=str(email.get("hash", "")),
        email_salt=str(email.get("salt", "")),
        achievement=_achievement(opened["achievement"], shown.get(DETAILS, {})),
        score=str(score.get("score", "")),
        maximum=str(score.get("maximum", "")),
        labs=tuple(_lab(slug, one) for slug, one in _named(shown, LAB)),
        status=_read_entry(opened["revocation"]),
        demo_custody=opened["demoCustody"] is True,
        assurance=str(opened["assurance"]),
        valid_until=None if until is None else read_time(until),
        ranks=tuple(_rank(slug, one) for slug, one in _named(shown, RANK)),
        suspension=None if rests is None else _read_entry(rests),
    )


def _named(shown: Document, start: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name.removeprefix(start), value) for name, value in shown.items() if name.startswith(start)]


def _party(did: Any, named: Mapping[str, Any]) -> Party:
    return Party(str(did), str(named["name"]), str(named["url"]))


def _achievement(named: Mapping[str, Any], details: Mapping[str, Any]) -> Achievement:
    skills = tuple(
        Skill(str(each["name"]), str(each["url"]), str(each["framework"]))
        for each in details.get("skills", ())
    )
    texts = (str(details.get(name, "")) for name in ("description", "criteria"))
    description, criteria = texts
    return Achievement(
        str(details.get("id", "")), str(named["name"]), description, criteria, str(named["language"]), skills
    )


def _lab(slug: str, told: Mapping[str, Any]) -> LabResult:
    return LabResult(slug, str(told["name"]), str(told["score"]), str(told["maximum"]))


def _rank(slug: str, told: Mapping[str, Any]) -> Rank:
    place, tied, field = (int(told[name]) for name in ("place", "tied", "field"))
    return Rank(slug, str(told["name"]), place, tied, field)


def _entry(entry: StatusEntry) -> Document:
    return {"list": entry.url, "index": entry.index}


def _read_entry(entry: Mapping[str, Any]) -> StatusEntry:
    return StatusEntry(str(entry["list"]), int(entry["index"]))
