"""What one organisation lets its signer sign, and the judgement of one document against it."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from lms.certs.core.document import CONTEXT, Claim
from lms.certs.core.joint import CLOCK_SKEW
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.reading import read_claim
from lms.certs.core.status import StatusList, contains, decode_bits, read_status_list
from lms.certs.core.strict_json import Document, read_object
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role

OLDEST = timedelta(days=30)
LONGEST_LIST = timedelta(hours=72)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_T = TypeVar("_T")


class Refusal(CertificateProblem):
    """Say why the organisation does not sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Hold one signer's own settings; the LMS cannot change them.

    `achievements` are approved one by one, `courses` and `status_lists` by the start of their address,
    which ends with a slash.
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

    Raises:
        DocumentProblem: not the settings of a signer.
    """
    try:
        settings = read_object(content)
        mandate = Mandate(
            role=Role(settings["role"]),
            name=_exactly(str, settings["name"]),
            university=_exactly(str, settings["university"]),
            company=_exactly(str, settings["company"]),
            host=_exactly(str, settings["host"]),
            port=_exactly(int, settings["port"]),
            demo_custody=_exactly(bool, settings["demo_custody"]),
            achievements=_addresses(settings["achievements"]),
            courses=_addresses(settings["courses"]),
            status_lists=_addresses(settings["status_lists"]),
        )
    except (CertificateProblem, KeyError, TypeError, ValueError, AttributeError):
        raise DocumentProblem("document.bad_value", field="signer.json") from None
    slashed = all(prefix.endswith("/") for prefix in (*mandate.courses, *mandate.status_lists))
    if not slashed or mandate.host not in _LOOPBACK or mandate.university == mandate.company:
        raise DocumentProblem("document.bad_value", field="signer.json")
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
    if not _covers(claim.achievement.id, mandate.achievements, mandate.courses):
        raise Refusal("signer.not_approved", achievement=claim.achievement.id[:200])
    if not _covers(claim.status.url, (), mandate.status_lists):
        raise Refusal("signer.list_not_approved", url=claim.status.url[:200])
    pairs = [(claim.score, claim.maximum), *((lab.score, lab.maximum) for lab in claim.labs)]
    if any(Decimal(score) > Decimal(maximum) for score, maximum in pairs):
        raise Refusal("signer.score")
    return claim


def review_status_list(
    document: Document,
    mandate: Mandate,
    now: datetime,
    before: StatusList | None,
) -> StatusList:
    """Judge an edition of a status list before signing it, given the edition signed before.

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
    if not _covers(edition.url, (), mandate.status_lists):
        raise Refusal("signer.list_not_approved", url=edition.url[:200])
    if not timedelta(0) < edition.valid_until - edition.valid_from <= LONGEST_LIST:
        raise Refusal("signer.lives_too_long", hours=int(LONGEST_LIST.total_seconds() // 3600))
    decode_bits(edition.encoded)
    if before is not None and edition.valid_from < before.valid_from:
        raise Refusal("signer.older_list")
    if before is not None and not contains(edition.encoded, before.encoded):
        raise Refusal("signer.unrevoked")
    return edition


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


def _exactly(kind: type[_T], value: object) -> _T:
    if type(value) is not kind:
        raise DocumentProblem("document.bad_value", field="signer.json")
    return value


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DocumentProblem("document.bad_value", field="signer.json")
    return tuple(value)
