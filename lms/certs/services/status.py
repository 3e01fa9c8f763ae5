"""Status lists: signed by both before the first certificate, renewed before half of their time is over."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.problems import StatusProblem
from lms.certs.core.protocols import Kind
from lms.certs.core.status import (
    LEAST_BITS,
    build_status_list,
    contains,
    encode_bits,
    places_in,
    read_status_list,
)
from lms.certs.core.status import StatusList as Edition
from lms.certs.core.strict_json import Document, canonical
from lms.certs.core.trust import Role
from lms.certs.core.verify import verify_status_list
from lms.certs.models import Purpose, StatusList
from lms.certs.queries import credentials as queries
from lms.certs.services.signing import Signing, Unanswered, both_languages, sign_jointly
from lms.db import reading

VALIDITY = timedelta(hours=48)


def keep_status_lists_fresh(
    sessions: sessionmaker[Session], signing: Signing, at: datetime
) -> list[Unanswered]:
    """Sign every list anew whose time is half over or that lags behind; return who did not sign."""
    with reading(sessions) as session:
        due = queries.due_status_lists(session, at, VALIDITY / 2)
    unanswered = []
    for list_id in due:
        try:
            renew_status_list(sessions, list_id, signing, at)
        except Unanswered as error:
            unanswered.append(error)
    return unanswered


def due_lists(session: Session, list_ids: Collection[int], at: datetime) -> list[int]:
    """Return which of these lists must be signed before a certificate can stand in them."""
    return queries.due_status_lists(session, at, VALIDITY / 2, among=list_ids)


def renew_status_list(sessions: sessionmaker[Session], list_id: int, signing: Signing, at: datetime) -> None:
    """Let both organisations sign a new edition of a list, unless the present one is fresh and complete.

    Raises:
        Unanswered: one of the two did not sign; the present edition stays.
    """
    with reading(sessions) as session:
        if not queries.due_status_lists(session, at, VALIDITY / 2, among=[list_id]):
            return
        draft = _draft(session, list_id, signing, at)
        cautious = _draft(session, list_id, signing, at, keeps=True)
    try:
        signed = sign_jointly(signing, draft, Kind.STATUS_LIST, at)
    except Unanswered as missing:
        if not missing.refusal or cautious == draft:
            raise
        # One organisation's own signer has yet to be told that a suspension may end: the list stays fresh.
        signed = sign_jointly(signing, cautious, Kind.STATUS_LIST, at)
    try:
        edition = verify_status_list(canonical(signed), signing.trust, at)
    except StatusProblem as problem:
        raise Unanswered(Role.UNIVERSITY, both_languages(problem.code, problem.params)) from None
    with sessions.begin() as session:
        _keep(session, list_id, signed, edition)


def open_status_list(session: Session, course_id: int, purpose: Purpose = Purpose.REVOCATION) -> StatusList:
    """Return the list that takes the course's next certificate; a full one is followed by a new one."""
    found = session.scalars(
        select(StatusList)
        .where(
            StatusList.course_id == course_id,
            StatusList.purpose == purpose,
            StatusList.next_index < LEAST_BITS,
        )
        .order_by(StatusList.id)
    ).first()
    if found is None:
        found = StatusList(course_id=course_id, purpose=purpose)
        session.add(found)
        session.flush()
    return found


def take_status_lists(session: Session, list_ids: Collection[int]) -> dict[int, StatusList]:
    """Return lists, kept from other workers until the transaction ends; each says its next free place.

    Who takes places counts `next_index` on: no other certificate has or will have them.
    """
    wanted = select(StatusList.id).where(StatusList.id.in_(list_ids)).order_by(StatusList.id)
    session.execute(
        update(StatusList)
        .where(StatusList.id.in_(wanted.with_for_update()))
        .values(next_index=StatusList.next_index),
        execution_options={"synchronize_session": False},
    )  # the first statement writes: two workers take turns here
    held = select(StatusList).where(StatusList.id.in_(list_ids)).execution_options(populate_existing=True)
    return {each.id: each for each in session.scalars(held)}


def _draft(
    session: Session, list_id: int, signing: Signing, at: datetime, *, keeps: bool = False
) -> Document:
    """Write the next edition of a list; with `keeps` every place stays set that is set in the present one.

    A revocation stays, whatever became of the rows about it: a person may ask to be forgotten.
    """
    found = session.get_one(StatusList, list_id)
    places = set(queries.places_set(session, found))
    if (keeps or found.purpose is Purpose.REVOCATION) and found.document is not None:
        places |= places_in(read_status_list(found.document).encoded)
    return build_status_list(
        Edition(
            url=signing.status_url(list_id),
            university_did=signing.did(Role.UNIVERSITY),
            company_did=signing.did(Role.COMPANY),
            valid_from=at,
            valid_until=at + VALIDITY,
            encoded=encode_bits(sorted(places)),
            demo_custody=signing.demo_custody,
            purpose=found.purpose,
        )
    )


def _keep(session: Session, list_id: int, signed: Document, edition: Edition) -> None:
    """Keep an edition, unless another worker kept one meanwhile that knows more."""
    current = take_status_lists(session, [list_id])[list_id]
    if current.document is not None:
        kept = read_status_list(current.document)
        loses = current.purpose is Purpose.REVOCATION and not contains(edition.encoded, kept.encoded)
        if kept.valid_from > edition.valid_from or loses:
            return
    current.document = signed
    current.valid_until = edition.valid_until
