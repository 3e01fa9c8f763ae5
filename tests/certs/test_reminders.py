from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OutgoingMail
from lms.accounts.models import Role as Member
from lms.certs.models import IssuanceRequest, RequestState
from lms.certs.services.reminders import AGAIN, PATIENCE, remind_signatories
from lms.db import now
from tests.factories.accounts import make_member
from tests.factories.certs import make_request


@pytest.mark.parametrize("language", ["ko", "en"])
def test_signatories_are_reminded_of_what_waits_for_them_once_a_week(
    sessions: sessionmaker[Session], language: str
) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        course = request.enrolment.cohort.course
        signatory = make_member(session, organisation=course.company, role=Member.SIGNATORY).user
        signatory.language = language
        make_member(session, organisation=course.company, role=Member.INSTRUCTOR)
        make_member(session, organisation=course.university, role=Member.SIGNATORY)
        request.state, request.created_at = RequestState.WAITING_FOR_COMPANY, now() - PATIENCE
        email = signatory.email
        for moment, letters in ((now(), 1), (now(), 0), (now() + AGAIN + timedelta(minutes=1), 1)):
            assert remind_signatories(session, moment) == letters
        sent = session.scalars(select(OutgoingMail)).all()
        assert {mail.recipient for mail in sent} == {email}
        assert ("서명을 기다리는" in sent[0].subject) is (language == "ko")


def test_nobody_is_reminded_of_what_waits_for_a_day_or_for_somebody_else(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        request = make_request(session)
        make_member(session, organisation=request.enrolment.cohort.course.company, role=Member.SIGNATORY)
        request.state, request.created_at = RequestState.WAITING_FOR_COMPANY, now() - timedelta(days=1)
        assert remind_signatories(session, now()) == 0
        old: IssuanceRequest = make_request(session)
        old.state, old.created_at = RequestState.WAITING_FOR_NAME, now() - timedelta(days=30)
        assert remind_signatories(session, now()) == 0
