"""The ceremony and everything around it, with two signers that can be down, refuse or lie."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent, OutgoingMail
from lms.accounts.models import Role as Member
from lms.certs.core.protocols import Kind
from lms.certs.core.status import is_set
from lms.certs.core.strict_json import canonical
from lms.certs.core.trust import Role, Trust
from lms.certs.core.verify import Status, verify, verify_status_list
from lms.certs.models import Credential, IssuanceRequest, RequestState, StatusList
from lms.certs.queries import credentials as queries
from lms.certs.services.batches import issue
from lms.certs.services.ceremony import FIRST_PAUSE
from lms.certs.services.requests import choose_language, request_issuance, retry, revoke
from lms.certs.services.signing import Signing
from lms.certs.services.status import VALIDITY, keep_status_lists_fresh
from lms.errors import Conflict, Invalid, NotAllowed
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import NOW, PUBLIC_URL, Pair, facts, make_credential, make_enrolment, make_request


@pytest.fixture
def pair() -> Pair:
    return Pair()


def ask_for_one(sessions: sessionmaker[Session], **changes: object) -> int:
    with sessions.begin() as session:
        return make_request(session, **changes).id  # type: ignore[arg-type]


def look(sessions: sessionmaker[Session], request_id: int) -> IssuanceRequest:
    with sessions() as session:
        return session.get_one(IssuanceRequest, request_id)


def verdict(session: Session, credential: Credential, pair: Pair) -> Status:
    resources = queries.OwnResources(session, PUBLIC_URL)
    return verify(canonical(credential.document), pair.trust, resources, NOW).status


def test_a_certificate_is_issued_with_both_signatures_and_verifies(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    credential = make_credential(sessions, pair)
    with sessions() as session:
        assert verdict(session, credential, pair) is Status.VALID
        assert look(sessions, credential.request_id).state is RequestState.ISSUED
        assert [proof["cryptosuite"] for proof in credential.document["proof"]] == [
            "eddsa-rdfc-2022",
            "eddsa-jcs-2022",
        ]
        assert credential.document["name"] == "딥러닝 첫걸음 수료"
        names = [item["identityHash"] for item in credential.document["credentialSubject"]["identifier"]]
        assert names[0] == "김하늘"
        assert session.scalar(
            select(func.count(AuditEvent.id)).where(AuditEvent.action == "certificate.issued")
        )


def test_the_holder_is_told_by_mail_where_it_is(sessions: sessionmaker[Session], pair: Pair) -> None:
    credential = make_credential(sessions, pair)
    with sessions() as session:
        mail = session.scalars(select(OutgoingMail)).one()
        assert mail.recipient == credential.enrolment.user.email
        assert f"{PUBLIC_URL}/c/{credential.uuid}" in mail.body


def test_an_english_certificate_speaks_english(sessions: sessionmaker[Session], pair: Pair) -> None:
    document = make_credential(sessions, pair, language="en").document
    assert document["name"] == "Completed Deep learning: first steps"
    assert document["issuer"]["name"] == "Hangang University"
    assert document["evidence"][0]["name"] == "Softmax"


def test_the_status_list_stands_before_the_first_certificate_is_signed(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    make_credential(sessions, pair)
    assert pair.university.asked == [Kind.STATUS_LIST, Kind.STATUS_LIST, Kind.CREDENTIAL]
    assert pair.company.asked == [Kind.STATUS_LIST, Kind.STATUS_LIST, Kind.ENDORSEMENT, Kind.CREDENTIAL]


@pytest.mark.parametrize("role", list(Role))
def test_a_signer_that_is_down_is_waited_for_by_name_and_the_certificate_comes_when_it_is_back(
    sessions: sessionmaker[Session], pair: Pair, role: Role
) -> None:
    request_id = ask_for_one(sessions)
    signer = pair.university if role is Role.UNIVERSITY else pair.company
    signer.down = True
    assert issue(sessions, request_id, pair.signing, NOW) is None
    request = look(sessions, request_id)
    assert request.state == f"waiting_for_{role}"
    assert request.next_try_at == NOW + FIRST_PAUSE
    with sessions() as session:
        assert session.scalar(select(func.count(Credential.id))) == 0
        assert queries.due_requests(session, NOW) == []
        assert [due.id for due in queries.due_requests(session, NOW + FIRST_PAUSE)] == [request_id]
    signer.down = False
    assert issue(sessions, request_id, pair.signing, NOW + FIRST_PAUSE) is not None


def test_pauses_double_but_end(sessions: sessionmaker[Session], pair: Pair) -> None:
    request_id = ask_for_one(sessions)
    pair.company.down = True
    pauses = []
    for _ in range(12):
        issue(sessions, request_id, pair.signing, NOW)
        pauses.append((look(sessions, request_id).next_try_at or NOW) - NOW)
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == pauses[-2] == timedelta(minutes=10)


def test_a_signer_that_is_not_configured_is_waited_for(sessions: sessionmaker[Session], pair: Pair) -> None:
    request_id = ask_for_one(sessions)
    signing = pair.signing
    alone = type(signing)(
        signers={Role.UNIVERSITY: pair.university},
        trust=signing.trust,
        public_url=PUBLIC_URL,
        demo_custody=True,
    )
    assert issue(sessions, request_id, alone, NOW) is None
    assert look(sessions, request_id).state is RequestState.WAITING_FOR_COMPANY


def test_a_refusal_is_kept_in_both_languages_and_staff_can_try_again(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    request_id = ask_for_one(sessions)
    pair.company.refuses = True
    assert issue(sessions, request_id, pair.signing, NOW) is None
    request = look(sessions, request_id)
    assert request.state is RequestState.REFUSED
    assert request.refusal.splitlines() == ["This course is not approved.", "승인되지 않은 과정입니다."]
    assert request.proofs == {}
    pair.company.refuses = False
    assert issue(sessions, request_id, pair.signing, NOW) is None
    with sessions.begin() as session:
        organisation = session.get_one(IssuanceRequest, request_id).enrolment.cohort.course.company
        actor = make_member(session, organisation=organisation, role=Member.INSTRUCTOR).user
        retry(session, actor, request_id, at=NOW)
    assert issue(sessions, request_id, pair.signing, NOW) is not None


@pytest.mark.parametrize("role", list(Role))
def test_a_lying_signer_gets_nothing_kept(sessions: sessionmaker[Session], pair: Pair, role: Role) -> None:
    request_id = ask_for_one(sessions)
    (pair.university if role is Role.UNIVERSITY else pair.company).lies = True
    assert issue(sessions, request_id, pair.signing, NOW) is None
    request = look(sessions, request_id)
    assert request.state is RequestState.REFUSED
    assert "does not match" in request.refusal
    with sessions() as session:
        assert session.scalar(select(func.count(Credential.id))) == 0


def test_a_ceremony_killed_between_two_signatures_carries_on_with_the_same_document(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    request_id = ask_for_one(sessions)

    def killed() -> None:
        if pair.company.asked[-1] == Kind.CREDENTIAL:
            raise KeyboardInterrupt

    pair.company.before = killed
    with pytest.raises(KeyboardInterrupt):
        issue(sessions, request_id, pair.signing, NOW)
    half = look(sessions, request_id)
    assert set(half.proofs) == {"university"}
    with sessions() as session:
        assert session.scalar(select(func.count(Credential.id))) == 0
    pair.company.before = lambda: None
    credential = issue(sessions, request_id, pair.signing, NOW)
    assert credential is not None
    assert half.document is not None
    assert credential.document["id"] == half.document["id"]
    assert credential.document["proof"][0] == half.proofs["university"]
    assert pair.university.asked.count(Kind.CREDENTIAL) == 1


def test_two_workers_at_once_issue_one_certificate(shared: sessionmaker[Session], pair: Pair) -> None:
    request_id = ask_for_one(shared)
    meeting = threading.Barrier(2, timeout=20)
    met = threading.local()

    def meet() -> None:
        if not getattr(met, "done", False):
            met.done = True
            meeting.wait()

    pair.university.before = meet
    issued: list[Credential | None] = []
    workers = [
        threading.Thread(target=lambda: issued.append(issue(shared, request_id, pair.signing, NOW)))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    with shared() as session:
        credential = session.scalars(select(Credential)).one()
        assert verdict(session, credential, pair) is Status.VALID
    assert len(issued) == 2
    assert credential.uuid in {found.uuid for found in issued if found is not None}


def test_without_a_confirmed_name_nothing_is_signed(sessions: sessionmaker[Session], pair: Pair) -> None:
    with sessions.begin() as session:
        request = make_request(session, enrolment=make_enrolment(session, name=None))
        assert request.state is RequestState.WAITING_FOR_NAME
        assert queries.due_requests(session, NOW) == []
    assert issue(sessions, request.id, pair.signing, NOW) is None
    assert pair.university.asked == []
    with sessions.begin() as session:
        session.get_one(IssuanceRequest, request.id).enrolment.confirmed_name = "김하늘"
    with sessions() as session:
        assert [due.id for due in queries.due_requests(session, NOW)] == [request.id]
    assert issue(sessions, request.id, pair.signing, NOW) is not None


def test_asking_twice_is_one_request_and_the_newest_facts_count_until_signing(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    with sessions.begin() as session:
        first = make_request(session)
        again = make_request(session, enrolment=first.enrolment, score="29")
        assert again.id == first.id
        assert again.claim["score"] == "29"
    credential = issue(sessions, first.id, pair.signing, NOW)
    assert credential is not None
    with sessions.begin() as session:
        make_request(
            session, enrolment=session.get_one(type(first.enrolment), first.enrolment_id), score="30"
        )
    assert look(sessions, first.id).claim["score"] == "29"
    assert issue(sessions, first.id, pair.signing, NOW) is None
    assert credential.document["credentialSubject"]["result"][0]["value"] == "29"


def test_a_claim_that_cannot_be_signed_is_refused_with_its_reason(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    request_id = ask_for_one(sessions, score="viele")
    assert issue(sessions, request_id, pair.signing, NOW) is None
    request = look(sessions, request_id)
    assert request.state is RequestState.REFUSED
    assert "score" in request.refusal


@pytest.mark.parametrize("damage", [{"labs": [{"slug": "softmax"}]}, {"labs": [{}]}, {"score": None}])
def test_damaged_facts_are_refused_and_block_nobody_else(
    sessions: sessionmaker[Session], pair: Pair, damage: dict[str, object]
) -> None:
    damaged = ask_for_one(sessions, **damage)
    assert issue(sessions, damaged, pair.signing, NOW) is None
    assert look(sessions, damaged).state is RequestState.REFUSED
    assert make_credential(sessions, pair).uuid


def test_before_the_trust_file_is_there_certificates_wait(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    request_id = ask_for_one(sessions)
    early = Signing(signers=pair.signing.signers, trust=Trust(), public_url=PUBLIC_URL, demo_custody=True)
    assert issue(sessions, request_id, early, NOW) is None
    assert look(sessions, request_id).state is RequestState.WAITING_FOR_UNIVERSITY
    assert issue(sessions, request_id, pair.signing, NOW) is not None


def test_two_certificates_of_one_course_have_places_of_their_own(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    first = make_credential(sessions, pair)
    with sessions.begin() as session:
        cohort_id = session.get_one(Credential, first.id).enrolment.cohort_id
        other = type(first.enrolment)(
            user_id=make_user(session).id,
            cohort_id=cohort_id,
            enrolled_at=NOW,
            requested_name="이도윤",
            confirmed_name="이도윤",
        )
        session.add(other)
        session.flush()
        request = make_request(session, enrolment=other)
    second = issue(sessions, request.id, pair.signing, NOW)
    assert second is not None
    assert second.status_list_id == first.status_list_id
    assert (first.status_index, second.status_index) == (0, 1)


def withdraw(
    sessions: sessionmaker[Session], credential: Credential, role: Member = Member.SIGNATORY
) -> None:
    with sessions.begin() as session:
        course = session.get_one(Credential, credential.id).enrolment.cohort.course
        actor = make_member(session, organisation=course.company, role=role).user
        revoke(session, actor, credential.uuid, "다른 사람의 답안이었습니다.", at=NOW)


def test_a_withdrawn_certificate_is_refused_as_soon_as_the_list_is_signed_anew(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    credential = make_credential(sessions, pair)
    withdraw(sessions, credential)
    with sessions() as session:
        assert verdict(session, credential, pair) is Status.VALID
    assert keep_status_lists_fresh(sessions, pair.signing, NOW) == []
    with sessions() as session:
        assert verdict(session, credential, pair) is Status.REFUSED
        encoded = queries.status_list(session, credential.status_list_id)["credentialSubject"]["encodedList"]
        assert is_set(encoded, credential.status_index)
        mails = session.scalars(select(OutgoingMail).order_by(OutgoingMail.id)).all()
        assert "다른 사람의 답안" in mails[-1].body


def test_only_a_signatory_or_admin_withdraws_and_only_once(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    credential = make_credential(sessions, pair)
    with pytest.raises(NotAllowed):
        withdraw(sessions, credential, Member.INSTRUCTOR)
    with sessions.begin() as session, pytest.raises(NotAllowed):
        revoke(session, make_member(session, role=Member.ADMIN).user, credential.uuid, "그냥", at=NOW)
    with sessions.begin() as session:
        course = session.get_one(Credential, credential.id).enrolment.cohort.course
        actor = make_member(session, organisation=course.university, role=Member.ADMIN).user
        with pytest.raises(Invalid):
            revoke(session, actor, credential.uuid, "  ", at=NOW)
    withdraw(sessions, credential, Member.ADMIN)
    with pytest.raises(Conflict):
        withdraw(sessions, credential)


def test_lists_are_renewed_before_half_of_their_time_is_over(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    credential = make_credential(sessions, pair)
    early, late = NOW + VALIDITY / 2, NOW + VALIDITY / 2 + timedelta(seconds=1)
    with sessions() as session:
        before = queries.status_list(session, credential.status_list_id)
    keep_status_lists_fresh(sessions, pair.signing, early)
    with sessions() as session:
        assert queries.status_list(session, credential.status_list_id) == before
    keep_status_lists_fresh(sessions, pair.signing, late)
    with sessions() as session:
        renewed = queries.status_list(session, credential.status_list_id)
        assert verify_status_list(canonical(renewed), pair.trust, late).valid_until == late + VALIDITY
        assert verdict(session, credential, pair) is not Status.REFUSED


def test_a_list_that_only_one_signed_is_not_kept(sessions: sessionmaker[Session], pair: Pair) -> None:
    credential = make_credential(sessions, pair)
    withdraw(sessions, credential)
    pair.company.down = True
    missing = keep_status_lists_fresh(sessions, pair.signing, NOW)
    assert [error.role for error in missing] == [Role.COMPANY]
    with sessions() as session:
        encoded = queries.status_list(session, credential.status_list_id)["credentialSubject"]["encodedList"]
        assert not is_set(encoded, credential.status_index)
        assert session.get_one(StatusList, credential.status_list_id).valid_until == NOW + VALIDITY


def test_the_holder_chooses_the_language_until_signing_begins(
    sessions: sessionmaker[Session], pair: Pair
) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        holder = request.enrolment.user
        with pytest.raises(NotAllowed):
            choose_language(session, make_user(session), request.id, "en")
        with pytest.raises(Invalid):
            choose_language(session, holder, request.id, "fr")
        choose_language(session, holder, request.id, "en")
    issued = issue(sessions, request.id, pair.signing, NOW)
    assert issued is not None
    assert issued.document["credentialSubject"]["achievement"]["inLanguage"] == "en"
    with sessions.begin() as session, pytest.raises(Conflict):
        choose_language(session, session.get_one(type(holder), holder.id), request.id, "ko")


def test_a_second_settling_at_the_same_moment_finds_the_first(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        enrolment, version = request.enrolment, request.version
        session.expire_all()
        again = request_issuance(session, enrolment, version, facts=facts(), language="ko", at=NOW)
        assert again.id == request.id
