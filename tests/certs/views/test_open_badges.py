"""The Open Badges API, and the holder's pages of connected applications."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.certs import policy
from lms.certs.core.open_badges import CREDENTIALS, OFFLINE, PROFILE
from lms.certs.core.trust import Trust
from lms.certs.core.verify import Status, verify
from lms.certs.models import Connection, Credential
from lms.certs.queries import connections
from lms.certs.queries import credentials as queries
from lms.certs.services.erasing import erase
from lms.certs.services.status import keep_status_lists_fresh
from tests.factories.accounts import make_user
from tests.factories.applications import RETURN, Inside, Wallet, asked_of, registration
from tests.factories.certs import NOW, PUBLIC_URL, Pair, make_credential

SignIn = Callable[[User], None]


@pytest.fixture
def holder(session: Session) -> User:
    made = make_user(session)
    session.commit()
    return made


@pytest.fixture
def credential(sessions: sessionmaker[Session], session: Session, pair: Pair, holder: User) -> Credential:
    return session.get_one(Credential, make_credential(sessions, pair, user_id=holder.id).id)


@pytest.fixture
def wallet(app: Flask, client: FlaskClient, sign_in: SignIn, holder: User) -> Wallet:
    sign_in(holder)
    return Wallet(app, client).register()


def links(header: str) -> dict[str, str]:
    return {relation: address for address, relation in re.findall(r'<([^>]+)>; rel="(\w+)"', header)}


def minor(answer: object) -> str:
    told = answer.get_json()  # type: ignore[attr-defined]
    assert {"imsx_codeMajor", "imsx_severity", "imsx_description", "imsx_codeMinor"} == set(told)
    return str(told["imsx_codeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"])


def test_a_real_client_goes_the_whole_way(
    app: Flask, client: FlaskClient, sign_in: SignIn, session: Session, sessions: sessionmaker[Session],
    holder: User, credential: Credential, pair: Pair,
) -> None:  # fmt: skip
    """Discovery, registration, consent, exchange, reading, checking, going on, ending."""
    sign_in(holder)
    keep_status_lists_fresh(sessions, pair.signing, NOW)
    with OAuth2Session(
        token_endpoint_auth_method="client_secret_basic", code_challenge_method="S256", redirect_uri=RETURN
    ) as there:
        there.mount(PUBLIC_URL, Inside(app))
        described = there.get(f"{PUBLIC_URL}/ims/ob/v3p0/discovery", withhold_token=True).json()
        scheme = described["components"]["securitySchemes"]["OAuth2ACG"]
        flow, base = scheme["flows"]["authorizationCode"], described["servers"][0]["url"]
        asked = registration(scope=" ".join(flow["scopes"]), client_name="Sky wallet")
        registered = there.post(scheme["x-imssf-registrationUrl"], json=asked, withhold_token=True).json()
        there.client_id, there.client_secret = registered["client_id"], registered["client_secret"]
        there.scope = registered["scope"]
        address, state = there.create_authorization_url(flow["authorizationUrl"], code_verifier="k" * 50)
        page = client.get(address.removeprefix(PUBLIC_URL))
        assert "Sky wallet" in page.get_data(as_text=True)
        answer = client.post(address.removeprefix(PUBLIC_URL), data={"decision": "allow"})
        there.fetch_token(
            flow["tokenUrl"], authorization_response=answer.location, state=state, code_verifier="k" * 50
        )
        read = there.get(f"{base}/credentials")
        assert read.headers["Content-Type"] == "application/json"
        assert read.headers["X-Total-Count"] == "1"
        (found,) = read.json()["credential"]
        assert found == credential.document
        resources = queries.resources(session, credential, Trust())
        assert verify(json.dumps(found).encode(), pair.trust, resources, NOW).status is Status.VALID
        assert there.get(f"{base}/profile").json()["name"] == holder.name
        there.refresh_token(flow["refreshUrl"])
        assert there.get(f"{base}/credentials").status_code == 200
        (connection,) = session.scalars(select(Connection))
        client.post(f"/certificates/applications/{connection.id}/end")
        assert there.get(f"{base}/credentials").status_code == 401


def test_nobody_reads_what_is_another_holders(
    wallet: Wallet, sign_in: SignIn, session: Session, sessions: sessionmaker[Session], pair: Pair,
    credential: Credential,
) -> None:  # fmt: skip
    other = make_user(session, name="이바다")
    session.commit()
    theirs = make_credential(sessions, pair, user_id=other.id)
    mine = wallet.tokens()
    sign_in(other)
    others = wallet.tokens()
    assert wallet.read(mine["access_token"]).get_json()["credential"] == [credential.document]
    assert wallet.read(others["access_token"]).get_json()["credential"] == [theirs.document]
    profiles = [wallet.read(one["access_token"], "/profile").get_json() for one in (mine, others)]
    assert profiles[0]["id"] != profiles[1]["id"]
    assert profiles[1]["name"] == "이바다"


def test_the_holder_has_one_name_for_each_application(app: Flask, wallet: Wallet) -> None:
    second = Wallet(app, wallet.browser).register(client_name="other")
    told = [
        one.read(one.tokens()["access_token"], "/profile").get_json()["id"]
        for one in (wallet, wallet, second)
    ]
    assert told[0] == told[1] != told[2]
    assert all(one.startswith("urn:uuid:") for one in told)


def test_certificates_come_in_pages(
    wallet: Wallet, session: Session, sessions: sessionmaker[Session], pair: Pair, holder: User,
    credential: Credential,
) -> None:  # fmt: skip
    for number in range(2):
        more = session.get_one(Credential, make_credential(sessions, pair, user_id=holder.id).id)
        more.issued_at = NOW + timedelta(days=number + 1)
    session.commit()
    token = wallet.tokens()["access_token"]
    whole = wallet.read(token)
    everything = [one["id"] for one in whole.get_json()["credential"]]
    assert everything[0] == credential.document["id"]
    assert set(links(whole.headers["Link"])) == {"first", "last"}
    seen, address = [], f"{PUBLIC_URL}/ims/ob/v3p0/credentials?limit=2"
    while address:
        answer = wallet.http.get(
            address.removeprefix(PUBLIC_URL), headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.headers["X-Total-Count"] == "3"
        seen += [one["id"] for one in answer.get_json()["credential"]]
        found = links(answer.headers["Link"])
        assert "limit=2&offset=2" in found["last"]
        address = found.get("next", "")
    assert seen == everything
    assert "offset=0" in found["prev"]
    after = wallet.read(token, since="2026-11-22T14:02:04Z", limit="1")
    assert [one["id"] for one in after.get_json()["credential"]] == [everything[1]]
    assert "since=2026-11-22T14%3A02%3A04Z" in links(after.headers["Link"])["next"]
    beyond = wallet.read(token, offset="900000000")
    assert beyond.get_json()["credential"] == []
    assert "next" not in links(beyond.headers["Link"])
    at_last = datetime(
        2026, 11, 24, tzinfo=UTC
    ).isoformat()  # its + arrives as a space where nobody encodes it
    assert wallet.read(token, since=at_last.replace("+", " ")).get_json()["credential"] == []


def test_a_page_that_cannot_be_read_is_refused(wallet: Wallet) -> None:
    token = wallet.tokens()["access_token"]
    for query in (
        {"limit": "0"}, {"limit": "-1"}, {"limit": "x"}, {"limit": ""}, {"limit": "9" * 400}, {"limit": "１"},
        {"offset": "-1"}, {"offset": "1.5"}, {"offset": str(2**64)},
        {"since": "yesterday"}, {"since": "2026-03-02"}, {"since": "2026-03-02T09:00:00"},
        {"since": "0001-01-01T00:00:00+09:00"}, {"since": "9999-12-31T23:59:59-09:00"}, {"since": ""},
    ):  # fmt: skip
        answer = wallet.read(token, **query)
        assert answer.status_code == 400, query
        assert minor(answer) == "invalid_query_parameter"


def test_without_a_token_that_covers_it_nothing_is_read(wallet: Wallet) -> None:
    for header in (None, "x", wallet.secret, "a b"):
        answer = wallet.read(header)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        assert minor(answer) == "unauthorizedrequest"
    small = wallet.tokens(scope=CREDENTIALS)["access_token"]
    assert wallet.read(small).status_code == 200
    answer = wallet.read(small, "/profile")
    assert answer.status_code == 403
    assert minor(answer) == "forbidden"
    code = wallet.code()
    assert wallet.read(code).status_code == 401
    assert wallet.read(None, access_token=small).status_code == 401


def test_a_cookie_opens_nothing_here(wallet: Wallet) -> None:
    assert wallet.browser.get("/ims/ob/v3p0/credentials").status_code == 401


def test_nothing_can_be_put_in(wallet: Wallet) -> None:
    token = wallet.tokens()["access_token"]
    for path in ("credentials", "profile", "discovery"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = wallet.http.open(
                f"/ims/ob/v3p0/{path}", method=method, headers={"Authorization": f"Bearer {token}"}, json={}
            )
            assert answer.status_code == 405
            assert minor(answer) == "not_allowed"
            assert "GET" in answer.headers["Allow"]
    scopes = wallet.http.get("/ims/ob/v3p0/discovery").get_json()["components"]["securitySchemes"][
        "OAuth2ACG"
    ]
    assert set(scopes["flows"]["authorizationCode"]["scopes"]) == {CREDENTIALS, PROFILE, OFFLINE}


def test_an_application_reads_only_so_often(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    token = wallet.tokens()["access_token"]
    monkeypatch.setattr(policy, "READ_PER_CONNECTION", policy.Limit(name="few", tries=1, seconds=60))
    assert wallet.read(token).status_code == 200
    answer = wallet.read(token)
    assert answer.status_code == 429
    assert minor(answer) == "server_busy"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_of_ours_has_the_shape_of_the_standard_too(
    app: Flask, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = wallet.tokens()["access_token"]
    app.config["PROPAGATE_EXCEPTIONS"] = app.testing = False

    def broken(*_args: object) -> None:
        raise RuntimeError("something of ours")

    monkeypatch.setattr("lms.certs.views.open_badges.read_page", broken)
    answer = wallet.read(token)
    assert answer.status_code == 500
    assert minor(answer) == "internal_server_error"
    assert "something of ours" not in answer.get_data(as_text=True)


def test_a_withdrawn_certificate_is_read_until_it_is_erased(
    wallet: Wallet, session: Session, credential: Credential
) -> None:
    token = wallet.tokens()["access_token"]
    credential.revoked_at = NOW
    session.commit()
    assert len(wallet.read(token).get_json()["credential"]) == 1
    erase(session, credential.uuid, at=NOW)
    session.commit()
    assert wallet.read(token).get_json()["credential"] == []


def test_the_page_says_who_wants_what_for_how_long(wallet: Wallet) -> None:
    wallet.browser.set_cookie("language", "en")
    page = wallet.browser.get(wallet.address())
    text = page.get_data(as_text=True)
    for said in (
        "하늘 지갑",
        "https://wallet.example",
        "All your certificates",
        "Your name",
        "while you are away",
    ):
        assert said in text, said
    assert "Nobody has checked" in text
    policy_said = page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://wallet.example;" in policy_said
    assert "frame-ancestors 'none'" in policy_said
    once = wallet.browser.get(wallet.address(scope=CREDENTIALS)).get_data(as_text=True)
    assert "for about an hour" in once
    assert "Your name" not in once
    wallet.browser.set_cookie("language", "ko")
    assert "아무도 확인하지 않았어요" in wallet.browser.get(wallet.address()).get_data(as_text=True)


def test_the_name_of_an_application_stays_text(app: Flask, wallet: Wallet) -> None:
    hostile = Wallet(app, wallet.browser).register(client_name="<b onmouseover=alert(1)>{{ 7 * 7 }}")
    text = hostile.browser.get(hostile.address()).get_data(as_text=True)
    assert "<b onmouseover" not in text
    assert "{{ 7 * 7 }}" in text


def test_agreeing_needs_the_pages_own_token_and_somebody_signed_in(app: Flask, wallet: Wallet) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    assert wallet.browser.post(wallet.address(), data={"decision": "allow"}).status_code == 400
    app.config["WTF_CSRF_ENABLED"] = False
    stranger = app.test_client()
    led = stranger.get(wallet.address())
    assert led.status_code == 302
    assert led.location.startswith("/sign-in?next=")
    assert stranger.post(wallet.address(), data={"decision": "allow"}).location.startswith("/sign-in")


def test_only_so_many_answers_are_taken_from_one_person(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "CONNECT_PER_PERSON", policy.Limit(name="few", tries=1, seconds=60))
    assert "code" in asked_of(wallet.ask())
    assert wallet.ask().status_code == 429


def test_many_connections_come_page_by_page_and_are_read_at_once(
    wallet: Wallet, app: Flask, session: Session, holder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lms.certs.queries.connections.PER_PAGE", 2)
    for name in ("one", "two", "three"):
        Wallet(app, wallet.browser).register(client_name=name).tokens()
    pages = [
        wallet.browser.get(f"/certificates/applications?page={number}").get_data(as_text=True)
        for number in (1, 2, 9)
    ]
    assert ["three" in page for page in pages] == [True, False, False]
    assert ["one<br>" in page for page in pages] == [False, True, True]
    assert "page=2" in pages[0]
    session.expunge_all()
    with counted(session) as statements:
        found = connections.connections_of(session, session.get_one(User, holder.id))
        assert [one.application.registered["client_name"] for one in found.rows] == ["three", "two"]
        assert {one.user.id for one in found.rows} == {holder.id}
    assert len([one for one in statements if one.startswith("SELECT")]) == 3


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = session.get_bind().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_the_holder_sees_and_ends_connections_and_nobody_else_does(
    wallet: Wallet, sign_in: SignIn, session: Session, holder: User
) -> None:
    wallet.browser.set_cookie("language", "en")
    assert "No application is connected" in wallet.browser.get("/certificates/applications").get_data(
        as_text=True
    )
    wallet.code()  # agreed, and never fetched: nothing came of it
    token = wallet.tokens()["access_token"]
    wallet.read(token)
    page = wallet.browser.get("/certificates/applications").get_data(as_text=True)
    (address,) = re.findall(r'action="(/certificates/applications/\d+/end)"', page)
    assert page.count("하늘 지갑") == 1
    assert "never" not in page
    sign_in(make_user(session))
    assert wallet.browser.post(address).status_code == 403
    assert "하늘 지갑" not in wallet.browser.get("/certificates/applications").get_data(as_text=True)
    assert wallet.browser.post("/certificates/applications/999999/end").status_code == 404
    assert wallet.read(token).status_code == 200
    sign_in(holder)
    assert wallet.browser.post(address).status_code == 303
    assert wallet.browser.post(address).status_code == 303
    assert wallet.read(token).status_code == 401
    assert "ended" in wallet.browser.get("/certificates/applications").get_data(as_text=True)


def test_the_terms_are_open_to_everybody(client: FlaskClient) -> None:
    described = client.get("/ims/ob/v3p0/discovery").get_json()["info"]
    page = client.get(described["termsOfService"].removeprefix(PUBLIC_URL))
    assert page.status_code == 200
    assert "90" in page.get_data(as_text=True)
