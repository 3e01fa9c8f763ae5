"""Reads of many certificates under way at once: what a step of their ceremony needs, in few statements."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.sql.base import ExecutableOption

from lms.certs.core.strict_json import canonical
from lms.certs.models import Credential, IssuanceRequest, StatusList
from lms.certs.queries.credentials import UNDER_WAY
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment


def with_people() -> ExecutableOption:
    """Read the learner along with a request."""
    return joinedload(IssuanceRequest.enrolment).joinedload(Enrolment.user)


def with_course() -> tuple[ExecutableOption, ...]:
    """Read the learner along with a request, and once what the certificates of a course share."""
    course = joinedload(IssuanceRequest.enrolment).selectinload(Enrolment.cohort).selectinload(Cohort.course)
    return (
        with_people(),
        course.selectinload(Course.university),
        course.selectinload(Course.company),
        selectinload(IssuanceRequest.version).selectinload(CourseVersion.course),
    )


def achievements(session: Session, request_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Return the course version and the language of those requests that are under way."""
    rows = session.execute(
        select(IssuanceRequest.id, IssuanceRequest.version_id, IssuanceRequest.language)
        .where(IssuanceRequest.id.in_(request_ids), IssuanceRequest.state.in_(UNDER_WAY))
        .order_by(IssuanceRequest.id)
    )
    return {row.id: (row.version_id, row.language) for row in rows}


def credentials_of(session: Session, request_ids: Collection[int]) -> Sequence[Credential]:
    """Return what these requests led to."""
    if not request_ids:
        return []
    found = select(Credential).where(Credential.request_id.in_(request_ids)).order_by(Credential.request_id)
    return session.scalars(found).all()


def resources_of_lists(session: Session, list_ids: Collection[int], public_url: str) -> dict[str, bytes]:
    """Return what a verifier asks for besides new certificates: these lists, all in the same editions."""
    start = public_url.rstrip("/")
    lists = session.execute(select(StatusList.id, StatusList.document).where(StatusList.id.in_(list_ids)))
    return {
        f"{start}/status/{each.id}": canonical(each.document) for each in lists if each.document is not None
    }
