"""A word to an organisation's signatories when certificates wait for its signature too long."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts import queries as accounts
from lms.accounts.models import AuditEvent, Organisation, Role
from lms.accounts.services.audit import record
from lms.accounts.services.mail import queue_mail
from lms.certs.models import IssuanceRequest, RequestState
from lms.courses.models import Cohort, Course, Enrolment

PATIENCE = timedelta(days=3)
AGAIN = timedelta(days=7)
LETTER = {
    "ko": (
        "서명을 기다리는 인증서가 있습니다",
        (
            "{name} 님,\n\n{organisation}의 서명을 사흘 넘게 기다리는 인증서가 {count}건 있습니다.\n"
            "기관의 서명기가 실행 중인지, 승인 화면(서명기 주소의 /approve)에 기다리는 문서가 있는지,\n"
            "받을 사람이 서명기의 명단에 있는지 확인해 주시기 바랍니다.\n"
        ),
    ),
    "en": (
        "Certificates wait for a signature",
        (
            "{name},\n\n{count} of the certificates have waited more than three days for {organisation}.\n"
            "Please look whether the organisation's signer runs, whether documents wait on its page for\n"
            "approvals (/approve at the signer's address), and whether the learners are on its roster.\n"
        ),
    ),
}


def remind_signatories(session: Session, at: datetime) -> int:
    """Write to the signatories of organisations that are waited for, once a week; return how many letters."""
    letters = 0
    for organisation_id, count in _waited_for(session, at).items():
        subject = f"organisation:{organisation_id}"
        if _reminded_lately(session, subject, at):
            continue
        organisation = session.get_one(Organisation, organisation_id)
        letters += _write(session, organisation, count)
        record(session, None, "certificates.reminded", subject, count=count)
    return letters


def _waited_for(session: Session, at: datetime) -> Counter[int]:
    owner = {
        RequestState.WAITING_FOR_UNIVERSITY: Course.university_id,
        RequestState.WAITING_FOR_COMPANY: Course.company_id,
    }
    found: Counter[int] = Counter()
    for state, organisation_id in owner.items():
        rows = session.execute(
            select(organisation_id, func.count(IssuanceRequest.id))
            .join(IssuanceRequest.enrolment)
            .join(Cohort, Enrolment.cohort_id == Cohort.id)
            .join(Course, Cohort.course_id == Course.id)
            .where(IssuanceRequest.state == state, IssuanceRequest.created_at <= at - PATIENCE)
            .group_by(organisation_id)
        )
        found.update({row[0]: row[1] for row in rows})
    return found


def _reminded_lately(session: Session, subject: str, at: datetime) -> bool:
    last = session.scalar(
        select(func.max(AuditEvent.at)).where(
            AuditEvent.action == "certificates.reminded", AuditEvent.subject == subject
        )
    )
    return last is not None and last > at - AGAIN


def _write(session: Session, organisation: Organisation, count: int) -> int:
    signatories = [
        each.user for each in accounts.members(session, organisation) if each.role is Role.SIGNATORY
    ]
    for user in signatories:
        language = "ko" if user.language == "ko" else "en"
        subject, body = LETTER[language]
        name = organisation.name.get(language, organisation.slug)
        queue_mail(session, user.email, subject, body.format(name=user.name, organisation=name, count=count))
    return len(signatories)
