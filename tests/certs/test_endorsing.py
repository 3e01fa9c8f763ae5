"""The company endorses a course version once for each language, and again only when something changed."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.protocols import Kind, SignerRefused
from lms.certs.models import Credential, Endorsement, IssuanceRequest, RequestState
from lms.certs.services.batches import issue
from tests.factories.certs import (
    NOW,
    Pair,
    make_credential,
    make_enrolment,
    make_request,
)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def another(
    sessions: sessionmaker[Session], pair: Pair, first: Credential, language: str = "ko"
) -> Credential:
    """Issue a certificate of the same course version to somebody else."""
    with sessions.begin() as session:
        enrolment = make_enrolment(session)
        enrolment.cohort_id = session.get_one(Credential, first.id).enrolment.cohort_id
        session.flush()
        session.refresh(enrolment)
        request = make_request(session, enrolment=enrolment, language=language)
    issued = issue(sessions, request.id, pair.signing, NOW)
    assert issued is not None
    return issued


def endorsement_in(credential: Credential) -> object:
    return credential.document["credentialSubject"]["achievement"]["endorsement"]


def test_every_certificate_of_a_version_carries_one_endorsement_asked_for_once(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first = make_credential(sessions, pair)
    second = another(sessions, pair, first)
    assert pair.company.asked.count(Kind.ENDORSEMENT) == 1
    assert Kind.ENDORSEMENT not in pair.university.asked
    assert endorsement_in(first) == endorsement_in(second)


def test_each_language_has_an_endorsement_of_its_own(sessions: sessionmaker[Session], pair: Pair) -> None:
    first = make_credential(sessions, pair)
    another(sessions, pair, first, language="en")
    assert pair.company.asked.count(Kind.ENDORSEMENT) == 2
    with sessions() as session:
        assert sorted(session.scalars(select(Endorsement.language))) == ["en", "ko"]


def test_a_new_name_of_the_company_asks_for_a_new_endorsement(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first = make_credential(sessions, pair)
    with sessions.begin() as session:
        company = session.get_one(Credential, first.id).enrolment.cohort.course.company
        company.name = {"ko": "새 이름", "en": "New name"}
    second = another(sessions, pair, first)
    assert endorsement_in(first) != endorsement_in(second)
    assert pair.company.asked.count(Kind.ENDORSEMENT) == 2
    with sessions() as session:
        assert len(session.scalars(select(Endorsement)).all()) == 1


def test_certificates_of_a_company_that_signs_in_a_browser_carry_no_endorsement(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first = make_credential(sessions, pair)
    assert endorsement_in(first)

    def endorses_nothing() -> None:
        if pair.company.asked[-1] == Kind.ENDORSEMENT:
            raise SignerRefused("signer.not_in_browser", "Not in a browser.", "브라우저에서는 안 해요.")

    pair.company.before = endorses_nothing
    assert endorsement_in(another(sessions, pair, first)) == endorsement_in(first)  # its word still holds
    with sessions.begin() as session:
        company = session.get_one(Credential, first.id).enrolment.cohort.course.company
        company.name = {"ko": "새 이름", "en": "New name"}
    later = another(sessions, pair, first)
    assert "endorsement" not in later.document["credentialSubject"]["achievement"]


def test_a_company_that_is_down_when_it_should_endorse_is_waited_for(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    with sessions.begin() as session:
        request_id = make_request(session).id

    def down_for_endorsements() -> None:
        pair.company.down = pair.company.asked[-1] == Kind.ENDORSEMENT

    pair.company.before = down_for_endorsements
    assert issue(sessions, request_id, pair.signing, NOW) is None
    with sessions() as session:
        waiting = session.get_one(IssuanceRequest, request_id)
        assert (waiting.state, waiting.document) == (RequestState.WAITING_FOR_COMPANY, None)
    pair.company.before = lambda: None
    pair.company.down = False
    assert issue(sessions, request_id, pair.signing, NOW) is not None
