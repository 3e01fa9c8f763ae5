"""What one organisation lets its signer sign, and the judgement of one document against it."""

import ipaddress
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from lms.certs.core.document import CONTEXT, Claim
from lms.certs.core.endorsement import Endorsement, read_endorsement
from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.problems import MISSHAPEN, CertificateProblem, DocumentProblem
from lms.certs.core.reading import read_claim
from lms.certs.core.status import REVOCATION, StatusList, contains, decode_bits, encode_bits, read_status_list
from lms.certs.core.strict_json import Document, read_object
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role

OLDEST = timedelta(days=30)
LONGEST_LIST = timedelta(hours=72)
DAILY_QUOTA = 2_000
_T = TypeVar("_T")


class Refusal(CertificateProblem):
    """Say why the organisation does not sign."""


class NotYet(Refusal):
    """Say why the organisation does not sign now; asking again later is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Hold one signer's own settings; the LMS cannot change them.

    `achievements` are approved one by one, `courses` and `status_lists` by the start of their address,
    which ends with a slash. With `open_roster` everybody may have an approved achievement; only a
    demonstration's signer does that.
    """

    role: Role
    name: str
    university: str
    company: str
    host: str
    port: int
    demo_custody: bool
    achievements: tuple[str, ...] = ()
    courses: tuple[str, ...] = ()
    status_lists: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Under which clients reach the server, besides those of its own machine and of its identifier."""
    open_roster: bool = False
    daily_quota: int = DAILY_QUOTA
    """Certificates signed within 24 hours at most."""
    approval: bool = False
    """Wait for a person before signing a certificate."""
    timestamps: str = ""
    """Address of a time-stamping authority (RFC 3161) for PDF signatures; empty: the signer's own clock."""

    @property
    def did(self) -> str:
        """Return the organisation's own identifier."""
        return self.university if self.role is Role.UNIVERSITY else self.company

    def approve(self, *, achievement: str | None = None, course: str | None = None) -> "Mandate":
        """Return the mandate with one more approval."""
        return replace(
            self,
            achievements=_with(self.achievements, achievement),
            courses=_with(self.courses, course),
        )


def read_mandate(content: bytes) -> Mandate:
    """Read a signer's settings.

    A file of the signer's first form says nothing about a roster: under demo custody it is open.

    Raises:
        DocumentProblem: not the settings of a signer.
    """
    try:
        settings = read_object(content)
        demo_custody = _exactly(bool, settings["demo_custody"])
        mandate = Mandate(
            role=Role(settings["role"]),
            name=_exactly(str, settings["name"]),
            university=_exactly(str, settings["university"]),
            company=_exactly(str, settings["company"]),
            host=_exactly(str, settings["host"]),
            port=_exactly(int, settings["port"]),
            demo_custody=demo_custody,
            achievements=_addresses(settings["achievements"]),
            courses=_addresses(settings["courses"]),
            status_lists=_addresses(settings["status_lists"]),
            names=_addresses(settings.get("names", [])),
            open_roster=_exactly(bool, settings.get("open_roster", demo_custody)),
            daily_quota=_exactly(int, settings.get("daily_quota", DAILY_QUOTA)),
            approval=_exactly(bool, settings.get("approval", False)),
            timestamps=_exactly(str, settings.get("timestamps", "")),
        )
    except MISSHAPEN:
        raise DocumentProblem("document.bad_value", field="signer.json") from None
    sound = {
        "courses": all(prefix.endswith("/") for prefix in mandate.courses),
        "status_lists": all(prefix.endswith("/") for prefix in mandate.status_lists),
        "host": _is_host(mandate.host),
        "timestamps": not mandate.timestamps or mandate.timestamps.startswith(("https://", "http://")),
        "company": mandate.university != mandate.company,
        "open_roster": mandate.demo_custody or not mandate.open_roster,
        "daily_quota": mandate.daily_quota >= 0,
    }
    for name, good in sound.items():
        if not good:
            raise DocumentProblem("document.bad_value", field=f"signer.json: {name}")
    return mandate


def write_mandate(mandate: Mandate) -> bytes:
    """Write a signer's settings."""
    return json.dumps(asdict(mandate), ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def review_credential(document: Document, mandate: Mandate, now: datetime) -> Claim:
    """Judge a certificate before signing it.

    Raises:
        Refusal: with the first thing against it.
        DocumentProblem: the document has not the one form that is signed.
    """
    if "proof" in document:
        raise Refusal("signer.has_proofs")
    if document.get("@context") != CONTEXT:
        raise DocumentProblem("context.not_pinned")
    claim = read_claim(document)
    _check_pair(claim.university.did, claim.company.did, mandate)
    _check_custody(mandate, demo_custody=claim.demo_custody)
    _check_date(claim.issued_at, now)
    _check_achievement(claim.achievement.id, mandate)
    for entry in (claim.status, *([claim.suspension] if claim.suspension else [])):
        _check_list(entry.url, mandate)
    pairs = [(claim.score, claim.maximum), *((lab.score, lab.maximum) for lab in claim.labs)]
    if any(Decimal(score) > Decimal(maximum) for score, maximum in pairs):
        raise Refusal("signer.score")
    return claim


def review_status_list(
    document: Document,
    mandate: Mandate,
    now: datetime,
    before: StatusList | None,
    lifted: Collection[int] | None = (),
) -> StatusList:
    """Judge an edition of a status list before signing it, given the edition signed before.

    Args:
        lifted: the places at which a suspension may end; None: all.

    Raises:
        Refusal: with the first thing against it.
        StatusProblem: the document has not the one form that is signed.
    """
    if "proof" in document:
        raise Refusal("signer.has_proofs")
    edition = read_status_list(document)
    _check_pair(edition.university_did, edition.company_did, mandate)
    _check_custody(mandate, demo_custody=edition.demo_custody)
    _check_date(edition.valid_from, now)
    _check_list(edition.url, mandate)
    if not timedelta(0) < edition.valid_until - edition.valid_from <= LONGEST_LIST:
        raise Refusal("signer.lives_too_long", hours=int(LONGEST_LIST.total_seconds() // 3600))
    decode_bits(edition.encoded)
    if before is not None:
        _check_edition(edition, before, lifted)
    return edition


def review_endorsement(document: Document, mandate: Mandate, now: datetime) -> Endorsement:
    """Judge an endorsement of an achievement before signing it; only a company's signer is asked for it.

    Raises:
        Refusal: with the first thing against it.
        DocumentProblem: the document has not the one form that is signed.
    """
    if "proof" in document:
        raise Refusal("signer.has_proofs")
    endorsement = read_endorsement(document)
    if mandate.role is not Role.COMPANY or endorsement.endorser.did != mandate.company:
        raise Refusal("signer.not_the_pair")
    _check_custody(mandate, demo_custody=endorsement.demo_custody)
    _check_date(endorsement.signed_at, now)
    _check_achievement(endorsement.achievement_id, mandate)
    return endorsement


def _check_edition(edition: StatusList, before: StatusList, lifted: Collection[int] | None) -> None:
    if edition.valid_from < before.valid_from:
        raise Refusal("signer.older_list")
    if edition.purpose != before.purpose:
        raise Refusal("signer.other_purpose")
    if contains(edition.encoded, before.encoded):
        return
    if edition.purpose == REVOCATION:
        raise Refusal("signer.unrevoked")
    if lifted is not None and not contains(edition.encoded, _without(before.encoded, lifted)):
        raise Refusal("signer.not_lifted")


def _without(encoded: str, places: Collection[int]) -> str:
    """Return a list in which these places are not set."""
    bits = decode_bits(encoded)
    size = len(bits) * 8
    found = (index for index in range(size) if bits[index // 8] & (0x80 >> (index % 8)))
    return encode_bits((index for index in found if index not in places), size)


def _check_achievement(address: str, mandate: Mandate) -> None:
    if not _covers(address, mandate.achievements, mandate.courses):
        raise Refusal("signer.not_approved", achievement=address[:200])


def _check_list(address: str, mandate: Mandate) -> None:
    if not _covers(address, (), mandate.status_lists):
        raise Refusal("signer.list_not_approved", url=address[:200])


def _check_pair(university: str, company: str, mandate: Mandate) -> None:
    if (university, company) != (mandate.university, mandate.company):
        raise Refusal("signer.not_the_pair")


def _check_custody(mandate: Mandate, *, demo_custody: bool) -> None:
    if demo_custody is not mandate.demo_custody:
        raise Refusal("signer.demo_custody")


def _check_date(moment: datetime, now: datetime) -> None:
    if not now - OLDEST <= moment <= now + CLOCK_SKEW:
        raise Refusal("signer.not_now", date=write_time(moment))


def _covers(address: str, exact: tuple[str, ...], starts: tuple[str, ...]) -> bool:
    plain = not any(part in {".", ".."} for part in address.split("/")) and "?" not in address
    return address in exact or (plain and any(address.startswith(start) for start in starts))


def _with(addresses: tuple[str, ...], address: str | None) -> tuple[str, ...]:
    return addresses if address is None or address in addresses else (*addresses, address)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text == "localhost"
    return True


def _exactly(kind: type[_T], value: object) -> _T:
    if type(value) is not kind:
        raise DocumentProblem("document.bad_value", field="signer.json")
    return value


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DocumentProblem("document.bad_value", field="signer.json")
    return tuple(value)
