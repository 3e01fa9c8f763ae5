"""Suspending a certificate, which either organisation may, and ending that, for which both must agree."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.models import Credential
from lms.certs.queries import credentials as queries
from lms.certs.services import letters
from lms.certs.services.requests import checked_reason


def suspend(session: Session, actor: User, uuid: str, reason: str, *, at: datetime) -> Credential:
    """Let a certificate rest; the worker has its list signed anew, which shows it to the world."""
    credential = queries.credential(session, uuid)
    policy.check_can_suspend(actor, credential)
    suspended = session.scalar(
        update(Credential)
        .where(Credential.id == credential.id, Credential.suspended_at.is_(None))
        .values(
            suspended_at=at,
            suspension_reason=checked_reason(reason),
            university_lifts_at=None,
            company_lifts_at=None,
        )
        .returning(Credential.id)
    )
    session.refresh(credential)
    if suspended is None:  # by somebody else at the same moment: the holder is told once
        policy.check_can_suspend(actor, credential)
    record(session, actor, "certificate.suspended", f"credential:{credential.id}")
    letters.tell_suspended(session, credential)
    return credential


def lift(session: Session, actor: User, uuid: str, *, at: datetime) -> Credential:
    """Agree to end a suspension in the name of one's organisation; it ends once both agreed."""
    credential = queries.credential(session, uuid)
    policy.check_can_lift(actor, credential)
    course = credential.enrolment.cohort.course
    sides = policy.sides_of(actor, course)
    session.execute(
        update(Credential)
        .where(Credential.id == credential.id, Credential.suspended_at.is_not(None))
        .values({policy.LIFTS[side]: at for side in sides})
    )  # two who agree at once write different columns
    session.refresh(credential)
    for side in sorted(sides):
        record(session, actor, "certificate.lift_agreed", f"credential:{credential.id}", side=str(side))
    if policy.awaited_sides(credential):
        return credential
    credential.suspended_at, credential.suspension_reason = None, ""
    credential.university_lifts_at = credential.company_lifts_at = None
    record(session, actor, "certificate.lifted", f"credential:{credential.id}")
    letters.tell_lifted(session, credential)
    return credential
