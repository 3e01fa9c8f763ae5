"""Who may do what with certificates: every check and its button agree."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import Role as Member
from lms.certs import policy
from lms.certs.models import Credential, RequestState
from lms.errors import Conflict, NotAllowed
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import Pair, make_credential, make_request

WATCHERS = {Member.INSTRUCTOR, Member.SIGNATORY, Member.ADMIN}


@pytest.mark.parametrize("role", list(Member))
@pytest.mark.parametrize("side", ["university", "company", "elsewhere"])
def test_only_staff_of_the_two_organisations_watch_and_fewer_withdraw(
    session: Session, role: Member, side: str
) -> None:
    course = make_request(session).enrolment.cohort.course
    organisation = None if side == "elsewhere" else getattr(course, side)
    user = make_member(session, organisation=organisation, role=role).user
    session.refresh(user)
    assert policy.can_watch(user, course) is (side != "elsewhere" and role in WATCHERS)
    assert policy.can_withdraw(user, course) is (
        side != "elsewhere" and role in {Member.SIGNATORY, Member.ADMIN}
    )


def test_the_check_and_the_button_for_the_language_agree(session: Session) -> None:
    request = make_request(session)
    holder, stranger = request.enrolment.user, make_user(session)
    policy.check_can_choose_language(holder, request)
    assert policy.can_choose_language(holder, request)
    with pytest.raises(NotAllowed):
        policy.check_can_choose_language(stranger, request)
    assert not policy.can_choose_language(stranger, request)
    request.document = {"id": "frozen"}
    with pytest.raises(Conflict):
        policy.check_can_choose_language(holder, request)
    assert not policy.can_choose_language(holder, request)


def test_the_check_and_the_button_for_a_correction_agree(
    session: Session, sessions: sessionmaker[Session]
) -> None:
    credential = session.get_one(Credential, make_credential(sessions, Pair()).id)
    course = credential.enrolment.cohort.course
    signatory = make_member(session, organisation=course.company, role=Member.SIGNATORY).user
    policy.check_can_correct(signatory, credential, is_newest=True)
    assert policy.can_correct(signatory, credential, is_newest=True)
    with pytest.raises(Conflict):
        policy.check_can_correct(signatory, credential, is_newest=False)
    assert not policy.can_correct(signatory, credential, is_newest=False)
    with pytest.raises(NotAllowed):
        policy.check_can_correct(make_user(session), credential, is_newest=True)
    assert not policy.can_correct(make_user(session), credential, is_newest=True)


def test_an_issued_certificate_goes_nowhere_and_a_refused_one_only_back(session: Session) -> None:
    request = make_request(session)
    for state in RequestState:
        request.state = RequestState.ISSUED
        if state is not RequestState.ISSUED:
            with pytest.raises(Conflict):
                policy.check_can_move(request, state)
    request.state = RequestState.REFUSED
    policy.check_can_move(request, RequestState.REQUESTED)
    with pytest.raises(Conflict):
        policy.check_can_move(request, RequestState.ISSUED)


def test_every_state_has_its_ways_out() -> None:
    assert set(policy.TRANSITIONS) == set(RequestState)
