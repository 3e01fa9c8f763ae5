"""A corrected certificate: both sign a new one, then the old one is withdrawn and leads to it."""

from datetime import timedelta

import pytest
from sqlalchemy import event, insert
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import Role as Member
from lms.accounts.models import User
from lms.certs import policy
from lms.certs.core.strict_json import canonical
from lms.certs.core.verify import verify
from lms.certs.models import Credential, IssuanceRequest, RequestState
from lms.certs.queries import credentials as queries
from lms.certs.services.batches import issue
from lms.certs.services.requests import correct, request_issuance, revoke
from lms.certs.services.status import keep_status_lists_fresh
from lms.errors import Conflict, Invalid, NotAllowed
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import NOW, PUBLIC_URL, Pair, facts, make_credential

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def credential(sessions: sessionmaker[Session], session: Session, pair: Pair) -> Credential:
    return session.get_one(Credential, make_credential(sessions, pair).id)


@pytest.fixture
def signatory(session: Session, credential: Credential) -> User:
    company = credential.enrolment.cohort.course.company
    return make_member(session, organisation=company, role=Member.SIGNATORY).user


def corrected(sessions: sessionmaker[Session], pair: Pair, request: IssuanceRequest) -> Credential:
    issued = issue(sessions, request.id, pair.signing, LATER)
    assert issued is not None
    return issued


def test_a_corrected_name_gets_a_certificate_that_takes_the_place_of_the_old_one(
    sessions: sessionmaker[Session], session: Session, credential: Credential, signatory: User, pair: Pair
) -> None:
    request = correct(session, signatory, credential.uuid, " 김 하늘이 ", at=LATER)
    session.commit()
    assert credential.revoked_at is None  # holds until the new one is there
    fresh = corrected(sessions, pair, request)
    assert fresh.document["credentialSubject"]["identifier"][0]["identityHash"] == "김 하늘이"
    assert fresh.uuid != credential.uuid
    assert keep_status_lists_fresh(sessions, pair.signing, LATER) == []
    session.expire_all()
    assert credential.revocation_reason == policy.SUPERSEDED
    found = queries.credential_after(session, credential.request)
    assert found is not None
    assert found.uuid == fresh.uuid
    assert queries.credential_before(session, found.request) is credential
    resources = queries.OwnResources(session, PUBLIC_URL)
    verdicts = [
        verify(canonical(each.document), pair.trust, resources, LATER).status for each in (credential, fresh)
    ]
    assert verdicts == ["refused", "valid"]


def test_points_that_changed_since_go_into_the_corrected_one(
    sessions: sessionmaker[Session], session: Session, credential: Credential, signatory: User, pair: Pair
) -> None:
    enrolment, version = credential.enrolment, credential.request.version
    request_issuance(session, enrolment, version, facts=facts(score="29"), language="ko", at=LATER)
    session.flush()
    request = correct(session, signatory, credential.uuid, "김하늘", at=LATER)
    session.commit()
    fresh = corrected(sessions, pair, request)
    assert fresh.document["credentialSubject"]["result"][0]["value"] == "29"
    assert credential.document["credentialSubject"]["result"][0]["value"] == "27"


def test_a_correction_that_is_refused_leaves_the_old_one_in_force(
    sessions: sessionmaker[Session], session: Session, credential: Credential, signatory: User, pair: Pair
) -> None:
    request = correct(session, signatory, credential.uuid, "김하늘", at=LATER)
    session.commit()
    pair.university.refuses = True
    assert issue(sessions, request.id, pair.signing, LATER) is None
    session.expire_all()
    assert request.state is RequestState.REFUSED
    assert credential.revoked_at is None


def test_one_correction_at_a_time_and_only_of_what_holds(
    session: Session, credential: Credential, signatory: User
) -> None:
    correct(session, signatory, credential.uuid, "김하늘", at=LATER)
    with pytest.raises(Conflict):
        correct(session, signatory, credential.uuid, "김하늘", at=LATER)
    revoke(session, signatory, credential.uuid, "대리 응시", at=LATER)
    with pytest.raises(Conflict):
        correct(session, signatory, credential.uuid, "김하늘", at=LATER)


def test_two_who_correct_at_the_same_moment_ask_for_one_certificate(
    session: Session, credential: Credential, signatory: User
) -> None:
    first = credential.request

    def meanwhile(*_: object) -> None:
        same = {"enrolment_id": first.enrolment_id, "edition": 2, "version_id": first.version_id}
        rest = {"language": "ko", "claim": {}, "proofs": {}, "created_at": LATER, "updated_at": LATER}
        session.execute(insert(IssuanceRequest).values(**same, **rest, state=RequestState.REQUESTED))

    event.listen(session, "before_flush", meanwhile, once=True)
    with pytest.raises(Conflict):
        correct(session, signatory, credential.uuid, "김하늘", at=LATER)


def test_only_staff_who_sign_correct_and_nobody_their_own_name(
    session: Session, credential: Credential
) -> None:
    with pytest.raises(NotAllowed):
        correct(session, make_user(session), credential.uuid, "김하늘", at=LATER)
    holder = credential.enrolment.user
    make_member(
        session, user=holder, organisation=credential.enrolment.cohort.course.company, role=Member.ADMIN
    )
    session.refresh(holder)
    with pytest.raises(NotAllowed):
        correct(session, holder, credential.uuid, "다른 이름", at=LATER)


def test_a_correction_needs_a_name(session: Session, credential: Credential, signatory: User) -> None:
    with pytest.raises(Invalid):
        correct(session, signatory, credential.uuid, "   ", at=LATER)
