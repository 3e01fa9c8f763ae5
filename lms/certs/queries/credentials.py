"""Reads of certificates: what is due, one credential, status lists, and what a verifier needs."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, load_only

from lms.certs.core.document import SUSPENSION_STATUS
from lms.certs.core.heads import EntryKind
from lms.certs.core.keys import did_document
from lms.certs.core.log_proofs import proof_address
from lms.certs.core.many import Outcome, verify_many
from lms.certs.core.notices import write_notices
from lms.certs.core.status import contains, encode_bits
from lms.certs.core.strict_json import Document, canonical
from lms.certs.core.times import read_time
from lms.certs.core.trust import Trust, read_trust
from lms.certs.core.verify import Verdict, verify
from lms.certs.models import (
    Credential,
    Endorsement,
    IssuanceRequest,
    LogEntry,
    Notice,
    Purpose,
    RequestState,
    StatusList,
)
from lms.courses.models import Course, Enrolment
from lms.errors import N_, NotFound

UNDER_WAY = (
    RequestState.REQUESTED,
    RequestState.WAITING_FOR_NAME,
    RequestState.WAITING_FOR_UNIVERSITY,
    RequestState.WAITING_FOR_COMPANY,
)
MOST_AT_ONCE = 300
"""So many requests the worker carries before it looks at anything else: a second or two of work."""
BETWEEN_LIFTS = timedelta(minutes=5)
"""How often at most the signers are asked whether a suspension may end: one of them may not agree yet."""


class OwnResources(Mapping[str, bytes]):
    """What this installation serves, by address: lists, notices, log proofs; nothing is ever fetched."""

    def __init__(self, session: Session, public_url: str) -> None:
        self._session = session
        self._start = f"{public_url.rstrip('/')}/status/"
        self._beside = re.compile(
            re.escape(public_url.rstrip("/")) + r"/(log/proofs|status/([0-9]{1,9})/notices)/([0-9a-f]{64})"
        )

    def __getitem__(self, url: str) -> bytes:
        """Return the list, the notices or the log proof at this address.

        Raises:
            KeyError: it is not one of ours, or not signed yet.
        """
        if beside := self._beside.fullmatch(url):
            session, number, sha256 = self._session, beside[2], beside[3]
            found = notices(session, int(number), sha256) if number else log_proof(session, sha256)
            if found is None:
                raise KeyError(url)
            return found
        return self._status_list(url)

    def _status_list(self, url: str) -> bytes:
        number = url.removeprefix(self._start)
        if not url.startswith(self._start) or not re.fullmatch(r"[0-9]{1,9}", number):
            raise KeyError(url)
        found = self._session.get(StatusList, int(number))
        if found is None or found.document is None:
            raise KeyError(url)
        return canonical(found.document)

    def __iter__(self) -> Iterator[str]:
        ids = self._session.scalars(select(StatusList.id).where(StatusList.valid_until.is_not(None)))
        return (f"{self._start}{number}" for number in ids)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def due_requests(session: Session, at: datetime) -> Sequence[IssuanceRequest]:
    """Return the requests that the worker should carry further now, oldest first; only `id` is read."""
    return session.scalars(
        select(IssuanceRequest)
        .options(load_only(IssuanceRequest.id))
        .join(IssuanceRequest.enrolment)
        .where(
            IssuanceRequest.state.in_(UNDER_WAY),
            or_(IssuanceRequest.next_try_at.is_(None), IssuanceRequest.next_try_at <= at),
            or_(
                IssuanceRequest.state != RequestState.WAITING_FOR_NAME,
                Enrolment.confirmed_name.is_not(None),
            ),
        )
        .order_by(IssuanceRequest.id)
        .limit(MOST_AT_ONCE)
    ).all()


def requests_under_way(session: Session) -> Sequence[IssuanceRequest]:
    """Return all requests that are neither issued nor refused, oldest first."""
    return session.scalars(
        select(IssuanceRequest).where(IssuanceRequest.state.in_(UNDER_WAY)).order_by(IssuanceRequest.id)
    ).all()


def due_status_lists(
    session: Session, at: datetime, least_left: timedelta, among: Collection[int] | None = None
) -> list[int]:
    """Return the lists that must be signed: never signed, running out, or behind what was decided."""
    wanted = select(StatusList).order_by(StatusList.id)
    lists = session.scalars(wanted if among is None else wanted.where(StatusList.id.in_(among))).all()
    return [item.id for item in lists if _is_due(session, item, at, least_left)]


def places_set(session: Session, item: StatusList) -> Sequence[int]:
    """Return the places of a list whose certificates were withdrawn, or are suspended now."""
    suspends = item.purpose is Purpose.SUSPENSION
    place = Credential.suspension_index if suspends else Credential.status_index
    listed = Credential.suspension_list_id if suspends else Credential.status_list_id
    since = Credential.suspended_at if suspends else Credential.revoked_at
    found = session.scalars(select(place).where(listed == item.id, since.is_not(None)).order_by(place))
    return [index for index in found if index is not None]


def request(session: Session, request_id: int) -> IssuanceRequest:
    """Return a request.

    Raises:
        NotFound: there is none.
    """
    found = session.get(IssuanceRequest, request_id)
    if found is None:
        raise NotFound
    return found


def request_of_enrolment(session: Session, enrolment_id: int) -> IssuanceRequest | None:
    """Return the newest request of an enrolment, if its course's rule was met."""
    return session.scalars(
        select(IssuanceRequest)
        .where(IssuanceRequest.enrolment_id == enrolment_id)
        .order_by(IssuanceRequest.edition.desc())
        .limit(1)
    ).one_or_none()


def is_newest(session: Session, request: IssuanceRequest) -> bool:
    """Say whether nothing was asked for in the place of what a request led to."""
    newest = request_of_enrolment(session, request.enrolment_id)
    return newest is None or newest.id == request.id


def credential_of(session: Session, request_id: int) -> Credential | None:
    """Return what a request led to."""
    return session.scalars(select(Credential).where(Credential.request_id == request_id)).one_or_none()


def endorsement(session: Session, version_id: int, language: str) -> Endorsement | None:
    """Return the company's signed word for a course version in a language, if it is there."""
    return session.scalars(
        select(Endorsement).where(Endorsement.version_id == version_id, Endorsement.language == language)
    ).one_or_none()


def credential_before(session: Session, request: IssuanceRequest) -> Credential | None:
    """Return the certificate that a request corrects, if it corrects one."""
    return _credential_of_edition(session, request, request.edition - 1)


def credential_after(session: Session, request: IssuanceRequest) -> Credential | None:
    """Return the certificate that took the place of this request's, if one did."""
    return _credential_of_edition(session, request, request.edition + 1)


def credential(session: Session, uuid: str) -> Credential:
    """Return a certificate by its public address.

    Raises:
        NotFound: there is none.
    """
    try:
        wanted = str(UUID(uuid))
    except ValueError:
        wanted = ""
    found = session.scalars(select(Credential).where(Credential.uuid == wanted)).one_or_none()
    if found is None or is_erased(found):
        raise NotFound(
            N_("No certificate has this address. Scan the QR code again, or ask the holder for the file.")
        )
    return found


def status_list(session: Session, list_id: int) -> Document:
    """Return a signed list as it is served.

    Raises:
        NotFound: there is none, or both have not signed it yet.
    """
    found = session.get(StatusList, list_id)
    if found is None or found.document is None:
        raise NotFound
    return found.document


def resources(session: Session, found: Credential, trust: Trust) -> dict[str, bytes]:
    """Return what a certificate names and a verifier needs offline: status lists, DID documents."""
    entry = found.document["credentialStatus"]
    collected = {str(entry["statusListCredential"]): canonical(status_list(session, found.status_list_id))}
    suspension = found.document.get(SUSPENSION_STATUS)
    if suspension is not None and found.suspension_list_id is not None:
        listed = canonical(status_list(session, found.suspension_list_id))
        collected[str(suspension["statusListCredential"])] = listed
    for party in trust.parties:
        collected[party.did] = canonical(did_document(party.did, party.keys))
    proof = log_proof(session, found.sha256)
    if proof is not None:
        collected |= {proof_address(log.id, found.sha256): proof for log in trust.logs}
    return collected


def log_proof(session: Session, sha256: str) -> bytes | None:
    """Return the proof that a certificate stands in the log; None until both co-signed a head with it."""
    issued = (LogEntry.document == sha256, LogEntry.kind == EntryKind.ISSUED)
    found = session.scalars(select(LogEntry.proof).where(*issued)).first()
    return None if found is None else found.encode("utf-8")


def notices(session: Session, list_id: int, sha256: str) -> bytes | None:
    """Return the notices about a certificate of a status list; None where the list has no such one."""
    listed = (Credential.status_list_id == list_id, Credential.sha256 == sha256)
    found = session.scalars(select(Credential.id).where(*listed)).one_or_none()
    signed = session.scalars(select(Notice.document).where(Notice.credential_id == found).order_by(Notice.id))
    return None if found is None else write_notices(one for one in signed if one is not None)


def course(session: Session, slug: str) -> Course:
    """Return a course.

    Raises:
        NotFound: there is none of this name.
    """
    found = session.scalars(select(Course).where(Course.slug == slug)).one_or_none()
    if found is None:
        raise NotFound
    return found


def content_of(found: Credential) -> bytes:
    """Return the certificate file."""
    return json.dumps(found.document, ensure_ascii=False, indent=1).encode("utf-8")


def title_of(found: Credential, language: str) -> str | None:
    """Return what was achieved in a language other than the signed one, from the same course version."""
    if language == found.request.language:
        return None
    titles: Mapping[str, str] = found.request.version.outline["certificate"]["title"]
    return titles.get(language)


def verify_url(found: Credential, public_url: str) -> str:
    """Return where the QR code leads; the hash after # binds the paper to what the page shows."""
    return f"{public_url.rstrip('/')}/verify/{found.uuid}#h={found.sha256}"


def pinned_trust(path: Path) -> Trust:
    """Return whose keys count on this installation; nobody's, while there is no trust file.

    Raises:
        TrustProblem: the file is there but cannot be used.
    """
    try:
        return read_trust(path.read_bytes())
    except FileNotFoundError:
        return Trust()


def verdict_on(session: Session, content: bytes, trust: Trust, public_url: str, at: datetime) -> Verdict:
    """Check a certificate file with the status lists that this installation serves."""
    return verify(content, trust, OwnResources(session, public_url), at)


def verdicts_on(
    session: Session, files: Sequence[tuple[str, bytes]], trust: Trust, public_url: str, at: datetime
) -> Iterator[Outcome]:
    """Check many certificate files, one at a time; a row of a CSV may name a certificate of this place."""
    return verify_many(
        files,
        lambda content: verdict_on(session, content, trust, public_url, at),
        lambda wanted: _content_named(session, wanted, public_url),
    )


def _content_named(session: Session, wanted: str, public_url: str) -> bytes | None:
    """Find a certificate by its identifier or its address here; no other address is looked at."""
    named = wanted.partition("#")[0].removeprefix("urn:uuid:")
    for start in ("/c/", "/verify/"):
        named = named.removeprefix(f"{public_url.rstrip('/')}{start}")
    try:
        return content_of(credential(session, named))
    except NotFound:
        return None


def _credential_of_edition(session: Session, request: IssuanceRequest, edition: int) -> Credential | None:
    return session.scalars(
        select(Credential)
        .join(Credential.request)
        .where(IssuanceRequest.enrolment_id == request.enrolment_id, IssuanceRequest.edition == edition)
    ).one_or_none()


def is_erased(found: Credential) -> bool:
    """Say whether nothing but hashes and signatures are left of a certificate."""
    return "id" not in found.document


def _is_due(session: Session, item: StatusList, at: datetime, least_left: timedelta) -> bool:
    if item.document is None or item.valid_until is None or item.valid_until - at < least_left:
        return True
    encoded = item.document["credentialSubject"]["encodedList"]
    wanted = encode_bits(places_set(session, item))
    if not contains(encoded, wanted):
        return True
    ended = item.purpose is Purpose.SUSPENSION and not contains(wanted, encoded)
    return ended and at - read_time(item.document["validFrom"]) >= BETWEEN_LIFTS
