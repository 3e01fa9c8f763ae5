"""The company's endorsement of what a course version certifies: asked for once, carried by all."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.services.audit import record
from lms.certs.core.document import Achievement, Party
from lms.certs.core.endorsement import against_proof, build_endorsement, endorse, read_endorsement
from lms.certs.core.protocols import Kind
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role
from lms.certs.models import Endorsement, IssuanceRequest
from lms.certs.queries import credentials as queries
from lms.certs.services.claims import describe_achievement, describe_party
from lms.certs.services.signing import Signing, Unanswered, ask
from lms.db import reading

_ENDORSES_NOTHING = "signer.not_in_browser"


def keep_endorsement(
    sessions: sessionmaker[Session], request_id: int, signing: Signing, at: datetime
) -> None:
    """Have the company endorse what a request will certify, unless its word is there and still holds.

    A company that signs in a browser endorses nothing: its certificates carry no endorsement.

    Raises:
        Unanswered: its signer did not sign.
        DocumentProblem: there is nothing that could be endorsed.
    """
    with reading(sessions) as session:
        request = queries.request(session, request_id)
        if _is_there(session, request, signing, at):
            return
        achievement, company = _what_and_who(request, signing)
        version_id, language = request.version_id, request.language
    draft = build_endorsement(
        endorse(
            achievement,
            company,
            endorsement_id=f"urn:uuid:{uuid4()}",
            at=at,
            demo_custody=signing.demo_custody,
        )
    )
    try:
        proof = ask(signing, Role.COMPANY, draft, Kind.ENDORSEMENT, at)
    except Unanswered as refused:
        if refused.code != _ENDORSES_NOTHING:
            raise
        with sessions.begin() as session:
            _drop(session, version_id, language)
        return
    with sessions.begin() as session:
        _keep(session, version_id, language, {**draft, "proof": [proof]}, at)


def _what_and_who(request: IssuanceRequest, signing: Signing) -> tuple[Achievement, Party]:
    company = request.enrolment.cohort.course.company
    return (
        describe_achievement(request.version, request.language, signing.public_url),
        describe_party(company, Role.COMPANY, signing, request.language),
    )


def _is_there(session: Session, request: IssuanceRequest, signing: Signing, at: datetime) -> bool:
    """Say whether an endorsement is kept that says what it should now, by a key that still counts."""
    kept = queries.endorsement(session, request.version_id, request.language)
    if kept is None:
        return False
    said = read_endorsement(kept.document)
    expected = endorse(
        *_what_and_who(request, signing),
        endorsement_id=said.id,
        at=said.signed_at,
        demo_custody=signing.demo_custody,
    )
    wanted = build_endorsement(expected) == build_endorsement(said)
    return wanted and not any(against_proof(kept.document, signing.did(Role.COMPANY), signing.trust, at))


def _drop(session: Session, version_id: int, language: str) -> None:
    """Let go of an endorsement that says what is no longer so."""
    session.execute(
        delete(Endorsement).where(Endorsement.version_id == version_id, Endorsement.language == language)
    )


def _keep(session: Session, version_id: int, language: str, document: Document, at: datetime) -> None:
    """Keep an endorsement in the place of an older one; of two asked for at once either will do."""
    replaced = session.execute(
        update(Endorsement)
        .where(Endorsement.version_id == version_id, Endorsement.language == language)
        .values(document=document, signed_at=at)
        .returning(Endorsement.id)
    ).all()  # the first statement writes: two workers take turns here
    if replaced:
        return
    made = Endorsement(version_id=version_id, language=language, document=document, signed_at=at)
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:  # asked for twice at once: the other one stands
        return
    record(session, None, "certificate.endorsed", f"endorsement:{made.id}")
