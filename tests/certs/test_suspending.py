"""Suspensions: either organisation begins one, both must agree to its end, every step reaches the list."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import AuditEvent, OutgoingMail, User
from lms.accounts.models import Role as Member
from lms.certs import policy
from lms.certs.core.protocols import Kind, SignerRefused
from lms.certs.core.status import contains
from lms.certs.core.strict_json import Document, canonical
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role
from lms.certs.core.verify import Verdict, verify
from lms.certs.models import Credential, StatusList
from lms.certs.queries import credentials as queries
from lms.certs.services.requests import revoke
from lms.certs.services.status import keep_status_lists_fresh
from lms.certs.services.suspending import lift, suspend
from lms.errors import Conflict, Invalid, NotAllowed
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import NOW, PUBLIC_URL, KeySigner, Pair, make_credential

LATER = NOW + timedelta(minutes=1)
LATE = LATER + queries.BETWEEN_LIFTS


@dataclass
class Keeper(KeySigner):
    """A signer whose staff have to agree before a suspension ends."""

    agrees: bool = True
    kept: str = ""

    def sign(self, document: Document, kind: Kind) -> Document:
        proof = super().sign(document, kind)
        if kind is Kind.STATUS_LIST and document["credentialSubject"]["statusPurpose"] == "suspension":
            encoded = document["credentialSubject"]["encodedList"]
            if not self.agrees and not contains(encoded, self.kept):
                raise SignerRefused("signer.not_lifted", "It rests still.", "아직 멈춰 있습니다.")
            self.kept = encoded
        return proof


@pytest.fixture
def keeper() -> Keeper:
    return Keeper(Role.COMPANY)


@pytest.fixture
def pair(keeper: Keeper) -> Pair:
    return Pair(company=keeper)


@pytest.fixture
def credential(sessions: sessionmaker[Session], session: Session, pair: Pair) -> Credential:
    return session.get_one(Credential, make_credential(sessions, pair).id)


def staff(session: Session, credential: Credential, side: Role, role: Member = Member.SIGNATORY) -> User:
    course = credential.enrolment.cohort.course
    organisation = course.university if side is Role.UNIVERSITY else course.company
    return make_member(session, organisation=organisation, role=role).user


def answer(session: Session, credential: Credential, pair: Pair) -> Verdict:
    resources = queries.OwnResources(session, PUBLIC_URL)
    return verify(canonical(credential.document), pair.trust, resources, LATE + queries.BETWEEN_LIFTS)


def codes(verdict: Verdict) -> list[str]:
    return [str(verdict.status), *(finding.code for finding in verdict.findings)]


def test_a_suspension_reaches_the_verifier_and_ends_once_both_agree(
    sessions: sessionmaker[Session], session: Session, credential: Credential, pair: Pair
) -> None:
    assert codes(answer(session, credential, pair)) == ["valid"]
    suspend(session, staff(session, credential, Role.COMPANY), credential.uuid, "이의 검토 중", at=NOW)
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, LATER) == []
    session.expire_all()
    assert codes(answer(session, credential, pair)) == ["refused", "credential.suspended"]

    lift(session, staff(session, credential, Role.COMPANY), credential.uuid, at=LATER)
    assert credential.suspended_at is not None
    assert policy.awaited_sides(credential) == {Role.UNIVERSITY}
    lift(session, staff(session, credential, Role.UNIVERSITY), credential.uuid, at=LATER)
    assert credential.suspended_at is None
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, LATE) == []
    session.expire_all()
    assert codes(answer(session, credential, pair)) == ["valid"]


def test_a_signer_that_does_not_let_a_suspension_end_leaves_the_list_fresh(
    sessions: sessionmaker[Session], session: Session, credential: Credential, pair: Pair, keeper: Keeper
) -> None:
    suspend(session, staff(session, credential, Role.COMPANY), credential.uuid, "이의 검토 중", at=NOW)
    session.commit()
    assert keep_status_lists_fresh(sessions, pair.signing, LATER) == []
    for side in Role:
        lift(session, staff(session, credential, side), credential.uuid, at=LATER)
    session.commit()
    keeper.agrees = False
    assert keep_status_lists_fresh(sessions, pair.signing, LATE) == []
    session.expire_all()
    listed = session.get_one(StatusList, credential.suspension_list_id)
    assert listed.document is not None
    assert listed.document["validFrom"] == write_time(LATE)
    assert codes(answer(session, credential, pair)) == ["refused", "credential.suspended"]
    asked = len(keeper.asked)
    assert keep_status_lists_fresh(sessions, pair.signing, LATE + timedelta(minutes=1)) == []
    assert len(keeper.asked) == asked  # not at every look
    keeper.agrees = True
    assert keep_status_lists_fresh(sessions, pair.signing, LATE + queries.BETWEEN_LIFTS) == []
    session.expire_all()
    assert codes(answer(session, credential, pair)) == ["valid"]


def test_every_step_is_written_down_and_told(session: Session, credential: Credential) -> None:
    suspend(session, staff(session, credential, Role.COMPANY), credential.uuid, "이의 검토 중", at=NOW)
    for side in Role:
        lift(session, staff(session, credential, side), credential.uuid, at=NOW)
    actions = session.scalars(
        select(AuditEvent.action).where(AuditEvent.subject == f"credential:{credential.id}")
    ).all()
    agreed = ["certificate.lift_agreed"] * 2
    assert actions[1:] == ["certificate.suspended", *agreed, "certificate.lifted"]
    bodies = session.scalars(select(OutgoingMail.body).order_by(OutgoingMail.id)).all()
    assert "이의 검토 중" in bodies[-2]
    assert "다시 유효" in bodies[-1]


def test_nobody_ends_a_suspension_alone(session: Session, credential: Credential) -> None:
    signatory = staff(session, credential, Role.COMPANY)
    suspend(session, signatory, credential.uuid, "이의 검토 중", at=NOW)
    lift(session, signatory, credential.uuid, at=NOW)
    with pytest.raises(Conflict):
        lift(session, signatory, credential.uuid, at=NOW)
    assert not policy.can_lift(signatory, credential)
    assert credential.suspended_at == NOW


def test_only_staff_who_sign_suspend_and_lift(session: Session, credential: Credential) -> None:
    for user in (make_user(session), staff(session, credential, Role.COMPANY, Member.INSTRUCTOR)):
        assert not policy.can_suspend(user, credential)
        with pytest.raises(NotAllowed):
            suspend(session, user, credential.uuid, "이유", at=NOW)
        with pytest.raises(NotAllowed):
            lift(session, user, credential.uuid, at=NOW)
    with pytest.raises(Invalid):
        suspend(session, staff(session, credential, Role.COMPANY), credential.uuid, "  ", at=NOW)


def test_what_does_not_hold_cannot_be_suspended(session: Session, credential: Credential) -> None:
    admin = staff(session, credential, Role.UNIVERSITY, Member.ADMIN)
    with pytest.raises(Conflict):
        lift(session, admin, credential.uuid, at=NOW)
    suspend(session, admin, credential.uuid, "이유", at=NOW)
    with pytest.raises(Conflict):
        suspend(session, admin, credential.uuid, "이유", at=NOW)
    revoke(session, admin, credential.uuid, "이유", at=NOW)
    with pytest.raises(Conflict):
        lift(session, admin, credential.uuid, at=NOW)


@pytest.mark.parametrize(("decide", "column"), [(suspend, "suspended_at"), (revoke, "revoked_at")])
def test_who_decides_just_after_somebody_else_is_told_so_and_the_holder_once(
    session: Session, credential: Credential, decide: Callable[..., Credential], column: str
) -> None:
    signatory = staff(session, credential, Role.COMPANY)
    told = session.scalar(select(func.count(OutgoingMail.id)))
    meanwhile = update(Credential).values({column: NOW})
    session.execute(meanwhile, execution_options={"synchronize_session": False})
    with pytest.raises(Conflict):
        decide(session, signatory, credential.uuid, "이유", at=NOW)
    assert session.scalar(select(func.count(OutgoingMail.id))) == told


def test_a_certificate_of_the_first_form_can_only_be_withdrawn(
    session: Session, credential: Credential
) -> None:
    credential.suspension_list_id = credential.suspension_index = None
    admin = staff(session, credential, Role.UNIVERSITY, Member.ADMIN)
    assert not policy.can_suspend(admin, credential)
    with pytest.raises(Conflict):
        suspend(session, admin, credential.uuid, "이유", at=NOW)
    assert revoke(session, admin, credential.uuid, "이유", at=NOW).revoked_at == NOW
