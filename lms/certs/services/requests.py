"""What people and the course's rule ask of certificates: to be made, in a language, again, no more."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.certs.queries import credentials as queries
from lms.certs.services import letters
from lms.courses.models import CourseVersion, Enrolment
from lms.courses.services.enrolling import correct_name
from lms.errors import N_, Invalid

LANGUAGES = ("ko", "en")
LONGEST_REASON = 300


def request_issuance(
    session: Session,
    enrolment: Enrolment,
    version: CourseVersion,
    *,
    facts: dict[str, Any],
    language: str,
    at: datetime,
) -> IssuanceRequest:
    """Note that a certificate is due; safe to repeat. Until it is being signed the newest facts count.

    Args:
        facts: `score`, `maximum` as decimal strings, `assurance`, and `labs`: a list of `slug`, `title`
            (text, or language -> text), `score`, `maximum`, and the hex SHA-256 `submission_sha256`,
            `release_digest`, `environment_sha256`.
    """
    found = queries.request_of_enrolment(session, enrolment.id)
    if found is not None:
        return _bring_up_to_date(found, version, facts, at)
    made = IssuanceRequest(
        enrolment_id=enrolment.id,
        version_id=version.id,
        language=language if language in LANGUAGES else LANGUAGES[0],
        claim=facts,
        state=RequestState.REQUESTED if enrolment.confirmed_name else RequestState.WAITING_FOR_NAME,
        proofs={},
        created_at=at,
        updated_at=at,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # asked for twice at once: the other one is the request
        found = queries.request_of_enrolment(session, enrolment.id)
        if found is None:
            raise
        return found
    record(session, None, "certificate.requested", f"issuance_request:{made.id}")
    return made


def choose_language(session: Session, user: User, request_id: int, language: str) -> IssuanceRequest:
    """Set the language of the signed text, as long as nothing is being signed."""
    request = queries.request(session, request_id)
    policy.check_can_choose_language(user, request)
    if language not in LANGUAGES:
        raise Invalid(N_("Choose Korean or English."), field="language")
    request.language = language
    record(session, user, "certificate.language_chosen", f"issuance_request:{request.id}", language=language)
    return request


def retry(session: Session, actor: User, request_id: int, *, at: datetime) -> IssuanceRequest:
    """Ask the signers again at once; a refused request is written anew, from the facts it was made of."""
    request = queries.request(session, request_id)
    policy.check_can_retry(actor, request)
    if request.state is RequestState.REFUSED:
        request.state = RequestState.REQUESTED
        request.document, request.proofs, request.refusal = None, {}, ""
    request.tries, request.next_try_at, request.updated_at = 0, None, at
    record(session, actor, "certificate.retried", f"issuance_request:{request.id}")
    return request


def revoke(session: Session, actor: User, uuid: str, reason: str, *, at: datetime) -> Credential:
    """Withdraw a certificate; the worker has the status list signed anew, which shows it to the world."""
    credential = queries.credential(session, uuid)
    policy.check_can_revoke(actor, credential)
    withdrawn = session.scalar(
        update(Credential)
        .where(Credential.id == credential.id, Credential.revoked_at.is_(None))
        .values(revoked_at=at, revocation_reason=checked_reason(reason))
        .returning(Credential.id)
    )
    session.refresh(credential)
    if withdrawn is None:  # by somebody else at the same moment: the holder is told once
        policy.check_can_revoke(actor, credential)
    record(session, actor, "certificate.revoked", f"credential:{credential.id}")
    letters.tell_withdrawn(session, credential)
    return credential


def correct(session: Session, actor: User, uuid: str, name: str, *, at: datetime) -> IssuanceRequest:
    """Ask for a corrected certificate: with this name, and the facts as they are by now.

    The present one holds until both have signed the new one, which then takes its place.
    """
    credential = queries.credential(session, uuid)
    policy.check_can_correct(actor, credential, is_newest=queries.is_newest(session, credential.request))
    enrolment, before = credential.enrolment, credential.request
    if name.strip() != enrolment.confirmed_name:
        correct_name(session, actor, enrolment, name)
    made = IssuanceRequest(
        enrolment_id=enrolment.id,
        edition=before.edition + 1,
        version_id=before.version_id,
        language=before.language,
        claim=before.later_claim or before.claim,
        state=RequestState.REQUESTED,
        proofs={},
        created_at=at,
        updated_at=at,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # asked for twice at once: the other one is on its way
        policy.check_can_correct(actor, credential, is_newest=False)
        raise
    record(session, actor, "certificate.correction_requested", f"credential:{credential.id}", request=made.id)
    return made


def checked_reason(reason: str) -> str:
    """Return a reason as it is kept.

    Raises:
        Invalid: it is empty or too long.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid(
            N_("Say in 1 to %(limit)d characters why; the holder will read it."),
            field="reason",
            limit=LONGEST_REASON,
        )
    return reason


def _bring_up_to_date(
    request: IssuanceRequest, version: CourseVersion, facts: dict[str, Any], at: datetime
) -> IssuanceRequest:
    if request.state is RequestState.ISSUED:
        request.later_claim = None if request.claim == facts else facts
    elif request.document is None and request.claim != facts:
        request.claim, request.version_id, request.updated_at = facts, version.id, at
    return request
