"""What certificates show on the pages of lower domains."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import Role as Member
from lms.accounts.models import User
from lms.certs import panels
from lms.certs.models import Credential
from lms.certs.services.batches import issue
from tests.factories.accounts import make_member, make_user
from tests.factories.certs import NOW, Pair, make_enrolment, make_request


def shown(
    app: Flask, user: User | None, monkeypatch: pytest.MonkeyPatch, enrolment: object, course: object
) -> str:
    """Render the course panel as this person sees it."""
    with app.test_request_context("/courses/x", headers={"Accept-Language": "ko"}):
        if user is not None:
            monkeypatch.setattr(panels, "current_user", user)
        return str(panels.course_certificate(course=course, enrolment=enrolment, cohort=None))  # type: ignore[arg-type]


def test_before_there_is_a_certificate_the_course_page_is_left_alone(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolment = make_enrolment(session)
    session.commit()
    assert shown(app, None, monkeypatch, enrolment, enrolment.cohort.course) == ""


def test_the_course_page_says_for_whom_it_waits_and_then_leads_to_it(
    app: Flask, session: Session, sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair()
    request = make_request(session)
    enrolment = request.enrolment
    session.commit()
    pair.university.down = True
    issue(sessions, request.id, pair.signing, NOW)
    assert "한강대학교" in shown(app, None, monkeypatch, enrolment, enrolment.cohort.course)
    pair.university.down = False
    issued = issue(sessions, request.id, pair.signing, NOW)
    assert isinstance(issued, Credential)
    assert f"/c/{issued.uuid}" in shown(app, None, monkeypatch, enrolment, enrolment.cohort.course)


def test_staff_are_led_to_all_certificates_of_the_course(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = make_enrolment(session).cohort.course
    staff = make_member(session, organisation=course.company, role=Member.SIGNATORY).user
    session.commit()
    session.refresh(staff)
    assert f"/courses/{course.slug}/certificates" in shown(app, staff, monkeypatch, None, course)


def test_the_home_page_lists_ones_certificates_once_there_are_any(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(session)
    stranger = make_user(session)
    session.commit()
    with app.test_request_context("/", headers={"Accept-Language": "en"}):
        monkeypatch.setattr(panels, "current_user", request.enrolment.user)
        assert "My certificates" in panels.my_certificates()
        monkeypatch.setattr(panels, "current_user", stranger)
        assert panels.my_certificates() == ""
