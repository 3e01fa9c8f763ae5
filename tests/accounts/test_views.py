import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, OutgoingMail, Role, User
from tests.factories.accounts import make_member, make_organisation, make_user

GOOD = "a sentence to remember"
ORGANISATION = {"slug": "taken", "name_ko": "가", "name_en": "A", "kind": "company"}
SignIn = Callable[[User], None]


def link_in_mail(session: Session) -> str:
    mail = session.scalars(select(OutgoingMail).order_by(OutgoingMail.id.desc())).first()
    assert mail is not None
    found = re.search(r"http://127\.0\.0\.1:8000(/\S+)", mail.body)
    assert found is not None
    return found[1]


def test_home_greets_the_person_who_is_signed_in(
    client: FlaskClient, session: Session, sign_in: SignIn
) -> None:
    sign_in(make_user(session, name="이바다"))
    assert "이바다" in client.get("/").text


def test_signing_up_confirming_and_signing_in(client: FlaskClient, session: Session) -> None:
    answer = client.post("/sign-up", data={"name": "김하늘", "email": "sky@example.org", "password": GOOD})
    assert answer.headers["Location"] == "/check-mail/sign-up"
    link = link_in_mail(session)
    assert client.get(link).status_code == 200
    assert client.get(link).status_code == 200  # looking does not use a link up
    assert client.post(link).status_code == 302
    assert client.post(link).status_code == 404
    answer = client.post("/sign-in", data={"email": "sky@example.org", "password": GOOD, "next": "/profile"})
    assert answer.headers["Location"] == "/profile"
    assert "sky@example.org" in client.get("/profile").text


def test_the_answer_is_the_same_with_and_without_an_account(client: FlaskClient, session: Session) -> None:
    make_user(session, email="known@example.org", password=GOOD)
    session.commit()
    forms = {
        "/sign-up": {"name": "김하늘", "password": GOOD},
        "/reset": {},
        "/sign-in": {"password": "a wrong sentence"},
    }
    for path, data in forms.items():
        known, unknown = (
            client.post(path, data={**data, "email": email})
            for email in ("known@example.org", f"new{len(path)}@example.org")
        )
        assert known.status_code == unknown.status_code, path
        assert known.headers.get("Location") == unknown.headers.get("Location")
        strip = [
            re.sub(r'[\w.]+@example\.org|name="csrf_token".*?>', "", answer.text)
            for answer in (known, unknown)
        ]
        assert strip[0] == strip[1]


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("/sign-in", {}, "Fill this in."),
        ("/sign-in", {"email": "sky@example.org", "password": "x" * 5000}, "Use at most 200 characters."),
        ("/sign-in", {"email": "sky@example.org", "password": "wrong"}, "do not fit together"),
        ("/sign-up", {"name": "", "email": "a@example.org", "password": GOOD}, "Fill this in."),
        ("/sign-up", {"name": "x" * 121, "email": "a@example.org", "password": GOOD}, "Use at most 120"),
        ("/sign-up", {"name": "a\u202eb", "email": "a@example.org", "password": GOOD}, "cannot be shown"),
        ("/sign-up", {"name": "a\x07b", "email": "a@example.org", "password": GOOD}, "cannot be shown"),
        ("/sign-up", {"name": "A", "email": "no address", "password": GOOD}, "This is no mail address"),
        ("/sign-up", {"name": "A", "email": "하늘@example.org", "password": GOOD}, "This is no mail address"),
        (
            "/sign-up",
            {"name": "A", "email": "a@example.org\r\nBcc: b@example.org", "password": GOOD},
            "no mail",
        ),
        ("/sign-up", {"name": "A", "email": "a@example.org", "password": "short"}, "at least 10 characters"),
        ("/reset", {"email": "@"}, "This is no mail address"),
    ],
)
def test_bad_input_of_visitors_is_explained(
    client: FlaskClient, path: str, data: dict[str, str], message: str
) -> None:
    answer = client.post(path, data=data, headers={"Accept-Language": "en"})
    assert answer.status_code == 422
    assert message in answer.text
    assert 'id="summary"' in answer.text
    assert "x" * 300 not in answer.text


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("/profile", {"name": "", "language": "ko", "timezone": "UTC"}, "Fill this in."),
        ("/profile", {"name": "A", "language": "xx", "timezone": "UTC"}, "Not a valid choice"),
        ("/profile", {"name": "A", "language": "ko", "timezone": "../etc/passwd"}, "Not a valid choice"),
        ("/profile/password", {"current": "wrong", "new": GOOD}, "not your present password"),
        ("/profile/password", {"current": "", "new": ""}, "Fill this in."),
        (
            "/organisations/new",
            {"slug": "A B", "name_ko": "가", "name_en": "A", "kind": "company"},
            "small letters",
        ),
        ("/organisations/new", {**ORGANISATION, "kind": "club"}, "Invalid Choice"),
        ("/organisations/taken", {"email": "a@example.org", "role": "site_admin"}, "Not a valid choice"),
        ("/organisations/taken", {"email": "no", "role": "instructor"}, "This is no mail address"),
        (
            "/organisations/new",
            ORGANISATION,
            "is taken",
        ),
    ],
)
def test_bad_input_of_people_who_signed_in_is_explained(
    client: FlaskClient, session: Session, sign_in: SignIn, path: str, data: dict[str, str], message: str
) -> None:
    operator = make_organisation(session, kind=OrganisationKind.OPERATOR)
    make_organisation(session, slug="taken")
    admin = make_member(session, organisation=operator, role=Role.SITE_ADMIN).user
    admin.language = "en"
    sign_in(admin)
    answer = client.post(path, data=data)
    assert answer.status_code == 422
    assert message in answer.text


def test_a_changed_password_ends_every_other_session(app: Flask, session: Session) -> None:
    make_user(session, email="sky@example.org", password=GOOD)
    session.commit()
    here, there = app.test_client(), app.test_client()
    for client in (here, there):
        client.post("/sign-in", data={"email": "sky@example.org", "password": GOOD})
        assert client.get("/profile").status_code == 200
    answer = here.post("/profile/password", data={"current": GOOD, "new": "another sentence"})
    assert answer.status_code == 302
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302


def test_a_reset_link_sets_the_password_once(client: FlaskClient, session: Session) -> None:
    make_user(session, email="sky@example.org", password=GOOD)
    session.commit()
    client.post("/reset", data={"email": "sky@example.org"})
    link = link_in_mail(session)
    assert client.post(link, data={"password": "short"}).status_code == 422
    assert client.post(link, data={"password": "another sentence"}).status_code == 302
    assert client.get("/profile").status_code == 200
    assert client.post(link, data={"password": "a third sentence"}).status_code == 404


def test_signing_out_ends_the_session(client: FlaskClient, session: Session, sign_in: SignIn) -> None:
    sign_in(make_user(session))
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out").status_code == 302
    assert client.get("/profile").status_code == 302


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\x01/x"]
)
def test_signing_in_leads_nowhere_else(client: FlaskClient, session: Session, target: str) -> None:
    make_user(session, email="sky@example.org", password=GOOD)
    session.commit()
    data = {"email": "sky@example.org", "password": GOOD, "next": target}
    assert client.post("/sign-in", data=data).headers["Location"] == "/"


def test_visitors_are_led_to_sign_in_and_back(client: FlaskClient) -> None:
    assert client.get("/profile?x=1").headers["Location"] == "/sign-in?next=/profile?x%3D1"


def test_a_disabled_account_is_out_at_once(client: FlaskClient, session: Session, sign_in: SignIn) -> None:
    user = make_user(session)
    sign_in(user)
    user.disabled_at = user.created_at
    session.commit()
    assert client.get("/profile").status_code == 302


@pytest.mark.parametrize(
    "path", ["/audit", "/organisations", "/organisations/new", "/organisations/hangang-university"]
)
def test_pages_of_administration_are_closed_to_others(
    client: FlaskClient, session: Session, sign_in: SignIn, path: str
) -> None:
    university = make_organisation(session, slug="hangang-university")
    sign_in(make_member(session, organisation=university, role=Role.INSTRUCTOR).user)
    assert client.get(path).status_code == 403


def test_an_admin_invites_and_ends_roles(client: FlaskClient, session: Session, sign_in: SignIn) -> None:
    university = make_organisation(session, slug="hangang-university")
    admin = make_member(session, organisation=university, role=Role.ADMIN)
    member = make_member(
        session, user=make_user(session, name="박나무"), organisation=university, role=Role.ASSISTANT
    )
    sign_in(admin.user)
    page = "/organisations/hangang-university"
    assert client.post(page, data={"email": "new@example.org", "role": "instructor"}).status_code == 302
    assert "new@example.org" in client.get(page).text
    assert "박나무" not in client.get(f"{page}?q=nobody").text
    assert client.post(f"{page}/members/{member.id}/end").status_code == 302
    assert "박나무" not in client.get(page).text
    assert client.post(f"{page}/members/{admin.id}/end").status_code == 409
    elsewhere = make_member(session, role=Role.ASSISTANT)
    session.commit()
    assert client.post(f"{page}/members/{elsewhere.id}/end").status_code == 404


def test_an_invitation_is_accepted_on_its_page(
    client: FlaskClient, session: Session, sign_in: SignIn
) -> None:
    university = make_organisation(session, slug="hangang-university")
    sign_in(make_member(session, organisation=university, role=Role.ADMIN).user)
    client.post("/organisations/hangang-university", data={"email": "new@example.org", "role": "instructor"})
    link = link_in_mail(session)
    sign_in(make_user(session))
    assert client.post(link).status_code == 403
    sign_in(make_user(session, email="new@example.org"))
    assert client.get(link).status_code == 200
    assert client.post(link).status_code == 302
    assert "강사" in client.get("/profile").text


def test_the_outbox_is_there_in_a_demonstration_only(client: FlaskClient, app: Flask) -> None:
    assert client.get("/outbox").status_code == 200
    app.extensions["settings"] = replace(app.extensions["settings"], demo=False)
    assert client.get("/outbox").status_code == 404


def test_a_hostile_name_is_text_on_every_page(client: FlaskClient, session: Session, sign_in: SignIn) -> None:
    sign_in(make_user(session, name="<script>alert(1)</script>"))
    for path in ("/", "/profile"):
        assert "<script>alert" not in client.get(path).text
