"""The steps of the ceremony within the database; `batches` takes certificates through them.

Every step is a short transaction of its own and nothing is locked while a signer is asked: a worker may be
killed between any two steps, and whoever repeats the ceremony carries on from the last one.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.services.audit import record
from lms.certs import policy
from lms.certs.core.document import SUSPENSION_STATUS, StatusEntry, build_credential
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.proofs import attach
from lms.certs.core.reading import read_claim
from lms.certs.core.strict_json import Document, canonical, sha256_of
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status, verify
from lms.certs.models import Credential, IssuanceRequest, Purpose, RequestState
from lms.certs.queries import credentials as queries
from lms.certs.services import letters
from lms.certs.services.claims import write_claim
from lms.certs.services.evidence import bind, wait_for_views
from lms.certs.services.log import log_issued
from lms.certs.services.signing import Signing, Unanswered
from lms.certs.services.status import open_status_list, take_status_place

WAITING = {
    Role.UNIVERSITY: RequestState.WAITING_FOR_UNIVERSITY,
    Role.COMPANY: RequestState.WAITING_FOR_COMPANY,
}
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
MOST_WAITS = 120
"""How often, `FIRST_PAUSE` apart, a certificate waits for evidence; then it is issued without."""


def take(session: Session, request_id: int, at: datetime) -> IssuanceRequest:
    """Return the request, kept from other workers until the transaction ends: the first statement writes."""
    session.execute(update(IssuanceRequest).where(IssuanceRequest.id == request_id).values(updated_at=at))
    return session.get_one(IssuanceRequest, request_id, populate_existing=True)


def prepare(session: Session, request_id: int, at: datetime) -> list[int] | None:
    """Return the status lists that the certificate stands in; None where there is nothing to sign now."""
    request = take(session, request_id, at)
    if request.state not in queries.UNDER_WAY:
        return None
    if request.document is not None:
        return _lists_of(request.document)
    if not request.enrolment.confirmed_name:
        _move(request, RequestState.WAITING_FOR_NAME)
        return None
    if request.tries < MOST_WAITS and wait_for_views(session, request, at):
        request.tries += 1  # what students see of the last lab is part of the evidence
        request.next_try_at = at + FIRST_PAUSE
        return None
    course_id = request.enrolment.cohort.course_id
    return [open_status_list(session, course_id, purpose).id for purpose in Purpose]


def _lists_of(document: Document) -> list[int]:
    """Return the status lists that a document names; one of the first form names no suspension list."""
    entries = [document["credentialStatus"]]
    entries += [document[SUSPENSION_STATUS]] if SUSPENSION_STATUS in document else []
    return [int(str(entry["statusListCredential"]).rpartition("/")[2]) for entry in entries]


def freeze(session: Session, request_id: int, lists: list[int], signing: Signing, at: datetime) -> None:
    """Write the document once; both signers get exactly this one, however often they are asked."""
    request = take(session, request_id, at)
    if request.document is not None or request.state not in queries.UNDER_WAY:
        return
    entries = [StatusEntry(signing.status_url(each), take_status_place(session, each)) for each in lists]
    kept = queries.endorsement(session, request.version_id, request.language)
    try:
        claim = write_claim(request, signing, entries, at)
        bound = bind(session, request, signing.blobs, at) if signing.blobs else ()
    except (KeyError, TypeError, ValueError):  # facts of an older release, or damaged ones
        raise DocumentProblem("document.bad_value", field="facts") from None
    whole = replace(claim, evidence=bound or claim.evidence, endorsement=kept.document if kept else None)
    request.document = build_credential(whole)
    request.tries = 0  # waiting for a signer is another matter


def complete(session: Session, request_id: int, signing: Signing, at: datetime) -> Credential | None:
    """Put the whole together and keep it if our own verifier finds it good.

    Raises:
        DocumentProblem: it does not; the finding's code.
    """
    request = take(session, request_id, at)
    if request.state is RequestState.ISSUED:
        return queries.credential_of(session, request_id)
    if request.document is None or set(request.proofs) != {str(role) for role in Role}:
        return None
    signed = attach(request.document, *(request.proofs[role] for role in Role))
    resources = queries.OwnResources(session, signing.public_url)
    verdict = verify(canonical(signed), signing.trust.without_logs(), resources, at)
    if verdict.status is not Status.VALID:
        finding = verdict.findings[0]
        raise DocumentProblem(finding.code, **finding.params)
    return _keep(session, request, signed, signing, at)


def _keep(
    session: Session, request: IssuanceRequest, signed: Document, signing: Signing, at: datetime
) -> Credential:
    claim = read_claim(signed)
    credential = Credential(
        uuid=claim.credential_id.removeprefix("urn:uuid:"),
        request_id=request.id,
        enrolment=request.enrolment,
        document=signed,
        sha256=sha256_of(signed),
        status_list_id=int(claim.status.url.rpartition("/")[2]),
        status_index=claim.status.index,
        issued_at=at,
    )
    if claim.suspension is not None:
        credential.suspension_list_id = int(claim.suspension.url.rpartition("/")[2])
        credential.suspension_index = claim.suspension.index
    session.add(credential)
    _supersede(session, request, at)
    _move(request, RequestState.ISSUED)
    session.flush()
    log_issued(session, credential)
    record(session, None, "certificate.issued", f"credential:{credential.id}")
    letters.tell_issued(session, credential, signing)
    return credential


def _supersede(session: Session, request: IssuanceRequest, at: datetime) -> None:
    """Withdraw what a corrected certificate takes the place of; its list is signed anew soon after."""
    before = queries.credential_before(session, request)
    if before is not None and before.revoked_at is None:
        before.revoked_at, before.revocation_reason = at, policy.SUPERSEDED
        record(session, None, "certificate.superseded", f"credential:{before.id}")


def wait(sessions: sessionmaker[Session], request_id: int, missing: Unanswered, at: datetime) -> None:
    """Note for whom the certificate waits, and ask again after a while that doubles."""
    with sessions.begin() as session:
        request = take(session, request_id, at)
        if request.state not in queries.UNDER_WAY:
            return
        _move(request, WAITING[missing.role], missing.refusal)
        _postpone(request, at)


def _postpone(request: IssuanceRequest, at: datetime) -> None:
    request.tries += 1
    pause = FIRST_PAUSE * 2 ** min(request.tries - 1, 10)
    request.next_try_at = at + min(pause, LONGEST_PAUSE)


def refuse(sessions: sessionmaker[Session], request_id: int, refusal: str, at: datetime) -> None:
    """Note why it is not signed; the proofs collected so far are of no use and go."""
    with sessions.begin() as session:
        request = take(session, request_id, at)
        if request.state not in queries.UNDER_WAY:
            return
        _move(request, RequestState.REFUSED, refusal)
        request.proofs = {}
        record(session, None, "certificate.refused", f"issuance_request:{request.id}")


def _move(request: IssuanceRequest, state: RequestState, refusal: str = "") -> None:
    policy.check_can_move(request, state)
    request.state, request.refusal, request.next_try_at = state, refusal, None
