"""The steps of the ceremony within the database; `batches` takes certificates through them.

Every step moves many requests in a short transaction of its own and nothing is locked while a signer is
asked: a worker may be killed between any two steps, and whoever repeats the ceremony carries on from the last
one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, load_only
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.base import ExecutableOption

from lms.accounts.services.audit import record_all
from lms.certs import policy
from lms.certs.core.document import SUSPENSION_STATUS, Claim
from lms.certs.core.problems import CertificateProblem, DocumentProblem
from lms.certs.core.proofs import attach
from lms.certs.core.seen import Seen
from lms.certs.core.strict_json import Document, write
from lms.certs.core.trust import Role
from lms.certs.core.verify import Status, verify
from lms.certs.models import Credential, IssuanceRequest, Purpose, RequestState
from lms.certs.queries import credentials as queries
from lms.certs.queries import under_way
from lms.certs.services import letters
from lms.certs.services.evidence import wait_for_views
from lms.certs.services.log import log_issued
from lms.certs.services.signing import Signing, Unanswered, both_languages
from lms.certs.services.status import open_status_list

_TEXT = load_only(
    IssuanceRequest.enrolment_id,
    IssuanceRequest.edition,
    IssuanceRequest.state,
    IssuanceRequest.document,
    IssuanceRequest.proofs,
)
WAITING = {
    Role.UNIVERSITY: RequestState.WAITING_FOR_UNIVERSITY,
    Role.COMPANY: RequestState.WAITING_FOR_COMPANY,
}
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
IN_HAND = timedelta(seconds=30)
"""So long no other worker takes up what one has in hand; of one that dies it is taken up after that."""
MOST_WAITS = 120
"""How often, `FIRST_PAUSE` apart, a certificate waits for evidence; then it is issued without."""

Problem = CertificateProblem | Unanswered
"""What came between: it is refused, or it waits."""


Text = tuple[Document, Document]
"""A document that is fixed, and the proofs of it as far as collected, by role."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A certificate with both proofs that our own verifier found good."""

    document: Document
    proofs: Document
    signed: Document
    claim: Claim
    sha256: str


def take(
    session: Session, request_ids: Sequence[int], at: datetime, *along: ExecutableOption
) -> Sequence[IssuanceRequest]:
    """Return requests, kept from other workers until the transaction ends: the first statement writes."""
    wanted = select(IssuanceRequest.id).where(IssuanceRequest.id.in_(request_ids))
    session.execute(
        update(IssuanceRequest)
        .where(IssuanceRequest.id.in_(wanted.order_by(IssuanceRequest.id).with_for_update()))
        .values(updated_at=at),
        execution_options={"synchronize_session": False},
    )
    held = select(IssuanceRequest).where(IssuanceRequest.id.in_(request_ids)).order_by(IssuanceRequest.id)
    return session.scalars(held.options(*along).execution_options(populate_existing=True)).all()


def prepare(session: Session, request_ids: Sequence[int], at: datetime) -> dict[int, list[int]]:
    """Return the status lists that each certificate stands in, for those that can be signed now."""
    found: dict[int, list[int]] = {}
    unwritten = []
    for request in take(session, request_ids, at, under_way.with_people()):
        if request.state not in queries.UNDER_WAY:
            continue
        if request.document is not None:
            found[request.id] = _lists_of(request.document)
            request.next_try_at = at + IN_HAND
        elif not request.enrolment.confirmed_name:
            _move(request, RequestState.WAITING_FOR_NAME)
        else:
            unwritten.append(request)
    return found | _fresh_lists(session, unwritten, at)


def _fresh_lists(session: Session, requests: Sequence[IssuanceRequest], at: datetime) -> dict[int, list[int]]:
    patient = [request for request in requests if request.tries < MOST_WAITS]
    waiting = wait_for_views(session, patient, at)
    courses: dict[int, list[int]] = {}
    found = {}
    for request in requests:
        course_id = request.enrolment.cohort.course_id
        if request.id in waiting:  # what students see of the last lab is part of the evidence
            request.tries += 1
            request.next_try_at = at + FIRST_PAUSE
            continue
        if course_id not in courses:
            courses[course_id] = [open_status_list(session, course_id, purpose).id for purpose in Purpose]
        found[request.id] = courses[course_id]
        request.next_try_at = at + IN_HAND
    return found


def _lists_of(document: Document) -> list[int]:
    """Return the status lists that a document names; one of the first form names no suspension list."""
    entries = [document["credentialStatus"]]
    entries += [document[SUSPENSION_STATUS]] if SUSPENSION_STATUS in document else []
    return [int(str(entry["statusListCredential"]).rpartition("/")[2]) for entry in entries]


def is_complete(text: Text) -> bool:
    """Say whether both organisations' proofs are there."""
    _, proofs = text
    return proofs.keys() == {str(role) for role in Role}


def keep_proofs(session: Session, texts: Mapping[int, Text], at: datetime) -> None:
    """Keep the proofs collected so far, unless a document is another one by now."""
    for request in take(session, sorted(texts), at, _TEXT):
        document, proofs = texts[request.id]
        if request.document == document and request.state in queries.UNDER_WAY:
            request.proofs = {**proofs, **request.proofs}


def examine(
    session: Session, texts: Mapping[int, Text], signing: Signing, seen: Seen, at: datetime
) -> tuple[dict[int, Whole], dict[int, Problem]]:
    """Put each whole together and let our own verifier judge it, the very bytes that would be kept.

    Returns:
        Those that it finds good, and its finding about each of the others; neither holds one that lacks a
        proof.
    """
    complete = {number: text for number, text in texts.items() if is_complete(text)}
    lists = {number for document, _ in complete.values() for number in _lists_of(document)}
    resources = under_way.resources_of_lists(session, lists, signing.public_url)
    trust = signing.trust.without_logs()
    good: dict[int, Whole] = {}
    problems: dict[int, Problem] = {}
    for number, (document, proofs) in complete.items():
        signed = attach(document, *(proofs[role] for role in Role))
        verdict = verify(write(signed), trust, resources, at, seen=seen)
        if verdict.status is Status.VALID and verdict.facts is not None:
            good[number] = Whole(document, proofs, signed, verdict.facts.claim, verdict.facts.sha256)
        else:
            problems[number] = DocumentProblem(verdict.findings[0].code, **verdict.findings[0].params)
    return good, problems


def keep(
    session: Session, wholes: Mapping[int, Whole], signing: Signing, at: datetime
) -> Sequence[Credential]:
    """Keep what was found good, unless it is another document by now."""
    requests = take(session, sorted(wholes), at, _TEXT, under_way.with_people())
    fresh = {
        request.id: request
        for request in requests
        if request.state in queries.UNDER_WAY and _is_of(request, wholes[request.id])
    }
    if not fresh:
        return []
    rows = [_row(request, wholes[number], at) for number, request in fresh.items()]
    session.execute(insert(Credential), rows)
    made = under_way.credentials_of(session, fresh)
    for credential in made:
        request = fresh[credential.request_id]
        set_committed_value(credential, "request", request)
        set_committed_value(credential, "enrolment", request.enrolment)
        request.proofs = wholes[request.id].proofs
        _move(request, RequestState.ISSUED)
    log_issued(session, made)
    letters.tell_issued(session, made, signing)
    superseded = [_supersede(session, each, at) for each in fresh.values() if each.edition > 1]
    events = [("certificate.superseded", number) for number in superseded if number is not None]
    events += [("certificate.issued", credential.id) for credential in made]
    record_all(session, None, ((action, f"credential:{number}", {}) for action, number in events))
    return made


def _is_of(request: IssuanceRequest, whole: Whole) -> bool:
    """Say whether a request still has the document, and no other proofs than the whole."""
    return request.document == whole.document and request.proofs.items() <= whole.proofs.items()


def _row(request: IssuanceRequest, whole: Whole, at: datetime) -> dict[str, Any]:
    status, suspension = whole.claim.status, whole.claim.suspension
    return {
        "uuid": whole.claim.credential_id.removeprefix("urn:uuid:"),
        "request_id": request.id,
        "enrolment_id": request.enrolment_id,
        "document": whole.signed,
        "sha256": whole.sha256,
        "status_list_id": int(status.url.rpartition("/")[2]),
        "status_index": status.index,
        "issued_at": at,
        "suspension_list_id": int(suspension.url.rpartition("/")[2]) if suspension else None,
        "suspension_index": suspension.index if suspension else None,
    }


def _supersede(session: Session, request: IssuanceRequest, at: datetime) -> int | None:
    """Withdraw what a corrected certificate takes the place of; its list is signed anew soon after."""
    before = queries.credential_before(session, request)
    if before is None or before.revoked_at is not None:
        return None
    before.revoked_at, before.revocation_reason = at, policy.SUPERSEDED
    return before.id


def put_off(session: Session, problems: Mapping[int, Problem], at: datetime) -> None:
    """Note with each request what came between: why it is refused, or for whom it waits."""
    refused = []
    for request in take(session, sorted(problems), at):
        if request.state not in queries.UNDER_WAY:
            continue
        problem = problems[request.id]
        if isinstance(problem, Unanswered) and not problem.final:
            _move(request, WAITING[problem.role], problem.refusal)
            _postpone(request, at)
        else:
            _move(request, RequestState.REFUSED, _refusal(problem))
            request.proofs = {}  # what was collected so far is of no use
            refused.append(f"issuance_request:{request.id}")
    if refused:
        record_all(session, None, (("certificate.refused", subject, {}) for subject in refused))


def _refusal(problem: Problem) -> str:
    if isinstance(problem, Unanswered):
        return problem.refusal
    return both_languages(problem.code, problem.params)


def _postpone(request: IssuanceRequest, at: datetime) -> None:
    """Ask again after a while that doubles."""
    request.tries += 1
    pause = FIRST_PAUSE * 2 ** min(request.tries - 1, 10)
    request.next_try_at = at + min(pause, LONGEST_PAUSE)


def _move(request: IssuanceRequest, state: RequestState, refusal: str = "") -> None:
    policy.check_can_move(request, state)
    request.state, request.refusal, request.next_try_at = state, refusal, None
