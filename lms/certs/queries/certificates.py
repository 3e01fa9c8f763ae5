"""Reads of certificates on their way or issued: a person's wallet, and a course's, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager, selectinload

from lms.certs.models import Credential, IssuanceRequest
from lms.courses.models import Cohort, CourseVersion, Enrolment

PER_PAGE = 50
# Only what was withdrawn can be erased, so that of few documents more is looked at than whether they were.
_IS_THERE = or_(
    Credential.id.is_(None),
    Credential.revoked_at.is_(None),
    Credential.document["id"].as_string().is_not(None),
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on its way: the request, and the credential once it is issued."""

    request: IssuanceRequest
    credential: Credential | None
    is_newest: bool = True
    """Nothing was asked for in its place."""

    def refusal(self, language: str) -> str:
        """Return why it was refused or cannot go on, in Korean or English."""
        lines = self.request.refusal.split("\n")
        return lines[-1] if language == "ko" else lines[0]


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """One page of a course's certificates."""

    rows: Sequence[Certificate]
    total: int
    number: int
    count: int


def wallet(session: Session, user_id: int) -> list[Certificate]:
    """Return a person's certificates, issued or on their way, newest first."""
    return _read(session, _certificates(Enrolment.user_id == user_id))


def certificates_of_course(session: Session, course_id: int, number: int = 1) -> CertificatePage:
    """Return one page of a course's certificates, issued or on their way, newest first."""
    here = Cohort.course_id == course_id
    counted = (
        select(func.count(IssuanceRequest.id))
        .join(IssuanceRequest.enrolment)
        .join(Enrolment.cohort)
        .outerjoin(Credential, Credential.request_id == IssuanceRequest.id)
    )
    total = session.scalar(counted.where(here, _IS_THERE)) or 0
    count = max(1, -(-total // PER_PAGE))
    number = min(max(number, 1), count)
    page = _certificates(here).offset((number - 1) * PER_PAGE).limit(PER_PAGE)
    return CertificatePage(_read(session, page), total, number, count)


def certificate_of_enrolment(session: Session, enrolment_id: int) -> Certificate | None:
    """Return the newest certificate of an enrolment, issued or on its way."""
    found = _read(session, _certificates(IssuanceRequest.enrolment_id == enrolment_id))
    return found[0] if found else None


def _certificates(condition: ColumnElement[bool]) -> Select[IssuanceRequest, Credential, bool]:
    later = aliased(IssuanceRequest)
    replaced = exists().where(
        later.enrolment_id == IssuanceRequest.enrolment_id, later.edition > IssuanceRequest.edition
    )
    return (
        select(IssuanceRequest, Credential, ~replaced)
        .join(IssuanceRequest.enrolment)
        .join(Enrolment.cohort)
        .join(Cohort.course)
        .outerjoin(Credential, Credential.request_id == IssuanceRequest.id)
        .options(
            contains_eager(IssuanceRequest.enrolment)
            .contains_eager(Enrolment.cohort)
            .contains_eager(Cohort.course),
            selectinload(IssuanceRequest.version).load_only(CourseVersion.outline),
        )
        .where(condition, _IS_THERE)
        .order_by(IssuanceRequest.id.desc())
    )


def _read(session: Session, found: Select[IssuanceRequest, Credential, bool]) -> list[Certificate]:
    return [
        Certificate(request, credential, newest) for request, credential, newest in session.execute(found)
    ]
