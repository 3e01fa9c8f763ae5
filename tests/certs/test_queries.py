"""Reads of certificates, above all what a verifier is given."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core.strict_json import canonical
from lms.certs.core.trust import Trust
from lms.certs.core.verify import Status, verify
from lms.certs.models import Credential, IssuanceRequest
from lms.certs.queries import certificates
from lms.certs.queries import credentials as queries
from lms.errors import NotFound
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential, make_enrolment, make_request


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/status/1",
        f"{PUBLIC_URL}/status/",
        f"{PUBLIC_URL}/status/1/../2",
        f"{PUBLIC_URL}/status/-1",
        f"{PUBLIC_URL}/status/1%20",
        f"{PUBLIC_URL}/status/١",
        f"{PUBLIC_URL}/status/99999999999999999999",
        f"{PUBLIC_URL}.evil.example/status/1",
        "file:///etc/passwd",
        "",
    ],
)
def test_only_our_own_status_lists_are_at_hand(session: Session, url: str) -> None:
    resources = queries.OwnResources(session, PUBLIC_URL)
    assert url not in resources
    assert resources.get(url) is None


def test_everything_a_verifier_needs_offline_is_collected(
    sessions: sessionmaker[Session], session: Session
) -> None:
    pair = Pair()
    credential = make_credential(sessions, pair)
    collected = queries.resources(session, session.get_one(Credential, credential.id), pair.trust)
    lists = (credential.status_list_id, credential.suspension_list_id)
    assert set(collected) == {f"{PUBLIC_URL}/status/{each}" for each in lists} | {
        party.did for party in pair.trust.parties
    }
    assert verify(canonical(credential.document), pair.trust, collected, NOW).status is Status.VALID
    assert set(queries.OwnResources(session, PUBLIC_URL)) <= set(collected)


def test_a_wallet_holds_its_owners_certificates_only(session: Session) -> None:
    owner = make_user(session)
    mine = make_request(session, enrolment=make_enrolment(session, user=owner))
    make_request(session)
    assert [item.request.id for item in certificates.wallet(session, owner.id)] == [mine.id]
    assert certificates.wallet(session, make_user(session).id) == []


def test_the_certificates_of_a_course_come_page_by_page_and_say_which_is_the_newest(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "PER_PAGE", 2)
    first = make_request(session)
    enrolment = first.enrolment
    course_id = enrolment.cohort.course_id
    second = IssuanceRequest(
        enrolment_id=first.enrolment_id, edition=2, version_id=first.version_id, language="ko",
        claim=first.claim, proofs={}, created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    session.add(second)
    session.flush()
    other = make_enrolment(session)
    other.cohort_id = enrolment.cohort_id
    session.flush()
    session.refresh(other)
    third = make_request(session, enrolment=other)
    make_request(session)
    pages = [certificates.certificates_of_course(session, course_id, number) for number in (0, 2, 99)]
    assert [[row.request.id for row in page.rows] for page in pages] == [
        [third.id, second.id], [first.id], [first.id],
    ]  # fmt: skip
    assert {(page.total, page.count) for page in pages} == {(3, 2)}
    assert [row.is_newest for page in pages[:2] for row in page.rows] == [True, True, False]
    newest = certificates.certificate_of_enrolment(session, enrolment.id)
    assert newest is not None
    assert newest.request is second


@pytest.mark.parametrize("uuid", ["", "nonsense", "0b0e5b1e-54c5-4f6c-9d3f-1b2c3d4e5f60", "' OR 1=1", "\x00"])
def test_an_unknown_certificate_is_not_there(session: Session, uuid: str) -> None:
    with pytest.raises(NotFound):
        queries.credential(session, uuid)


def test_without_a_trust_file_nobody_is_trusted(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert queries.pinned_trust(tmp_path_factory.mktemp("empty") / "trust.json") == Trust()
