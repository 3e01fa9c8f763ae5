"""OAuth for applications: the way in, and every way around it."""

import base64
import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import AuditEvent, User
from lms.certs import policy
from lms.certs.core.open_badges import CREDENTIALS, OFFLINE, PROFILE
from lms.certs.models import Application, Connection, ConnectionToken
from lms.certs.services import connecting
from lms.certs.views.granting import server
from lms.db import now
from tests.factories.accounts import make_user
from tests.factories.applications import RETURN, VERIFIER, Wallet, asked_of, challenge, registration

SignIn = Callable[[User], None]


@pytest.fixture
def holder(session: Session) -> User:
    return make_user(session)


@pytest.fixture
def wallet(app: Flask, client: FlaskClient, sign_in: SignIn, holder: User) -> Wallet:
    sign_in(holder)
    return Wallet(app, client).register()


def way_back(answer: TestResponse) -> dict[str, str]:
    """What the link on the page would tell the application."""
    found = re.search(r'href="([^"]+)" rel="noreferrer"', answer.get_data(as_text=True))
    assert found is not None
    address = html.unescape(found[1])
    assert address.startswith(f"{RETURN}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def actions(session: Session) -> list[str]:
    mine = AuditEvent.action.like("certificate.%onnect%")
    return list(session.scalars(select(AuditEvent.action).where(mine).order_by(AuditEvent.id)))


def test_an_application_reads_what_the_holder_agreed_to(wallet: Wallet, session: Session) -> None:
    given = wallet.tokens()
    assert given["token_type"] == "Bearer"
    assert given["expires_in"] == 3600
    assert given["scope"] == f"{CREDENTIALS} {PROFILE} {OFFLINE}"
    read = wallet.read(given["access_token"]).get_json()
    assert read == {"credential": [], "compactJwsString": []}
    assert actions(session) == ["certificate.connected"]


def test_nothing_that_opens_anything_is_kept_readable(wallet: Wallet, session: Session) -> None:
    code = wallet.code()
    given = wallet.exchange(code).get_json()
    secrets = [wallet.secret, code, given["access_token"], given["refresh_token"]]
    kept = [
        str(vars(row))
        for table in (Application, Connection, ConnectionToken)
        for row in session.scalars(select(table))
    ]
    assert len(kept) == 3
    assert not [secret for secret in secrets for row in kept if secret in row]


def test_the_answer_names_its_author_and_carries_the_state(wallet: Wallet) -> None:
    answer = wallet.ask(state="a&b=c 하늘")
    assert answer.status_code == 303
    told = asked_of(answer)
    assert told["iss"] == "https://duri.example"
    assert told["state"] == "a&b=c 하늘"
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_refuses_gives_nothing(wallet: Wallet, session: Session) -> None:
    told = asked_of(wallet.ask(decision="refuse"))
    assert told["error"] == "access_denied"
    assert "code" not in told
    assert session.scalars(select(Connection)).all() == []


def test_an_answer_without_a_decision_is_a_refusal(wallet: Wallet) -> None:
    assert asked_of(wallet.browser.post(wallet.address()))["error"] == "access_denied"


REFUSED_ADDRESSES = [
    "http://wallet.example/callback",
    "https://wallet.example/callback#fragment",
    "https://someone@wallet.example/callback",
    "https://wallet.example:80:80/callback",
    "https://wallet.example:x/",
    "https://wallet.example\\@evil.example/",
    "https://wallet.example/\nSet-Cookie: x",
    "https://wallet.example/?code=mine",
    "https://wallet.example/?iss=mine",
    "https://wallet.example/?code=",
    "https://wallet.example/?x=1&state",
    "https://evil.example'; script-src *",
    "https://Wallet.example/callback",
    "https://wállet.example/callback",
    "https:///callback",
    "https://",
    "//wallet.example/callback",
    "javascript:alert(1)",
    "data:text/html,hello",
    "file:///etc/passwd",
    "com.example.wallet:/callback",
    "http://127.0.0.1.evil.example/",
    "http://localhost@evil.example/",
    "https://[::1/",
    "https://wallet.example/" + "x" * 400,
    "",
    7,
    None,
    ["https://wallet.example/callback"],
]


@pytest.fixture
def many_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "REGISTER_PER_ADDRESS", policy.Limit(name="many", tries=99, seconds=60))


@pytest.mark.usefixtures("many_registrations")
def test_no_application_registers_an_address_that_could_mean_another(client: FlaskClient) -> None:
    for address in REFUSED_ADDRESSES:
        answer = client.post("/oauth/register", json=registration(redirect_uris=[RETURN, address]))
        assert answer.status_code == 400, address
        assert answer.get_json()["error"] == "invalid_redirect_uri"


TAKEN_ADDRESSES = [
    "https://wallet.example/cb?tenant=7",
    "http://127.0.0.1:8765/cb",
    "http://localhost/",
    "https://a-b.example:8443/",
]


@pytest.mark.usefixtures("many_registrations")
def test_addresses_that_mean_one_place_are_taken(client: FlaskClient) -> None:
    for address in TAKEN_ADDRESSES:
        assert client.post("/oauth/register", json=registration(redirect_uris=[address])).status_code == 201


UNUSABLE: list[Any] = [
    {"client_name": None},
    {"client_name": " "},
    {"client_name": "x" * 81},
    {"client_name": "지갑\u202egnp.exe"},
    {"client_name": ["x"]},
    {"token_endpoint_auth_method": "none"},
    {"token_endpoint_auth_method": "client_secret_post"},
    {"grant_types": ["client_credentials"]},
    {"grant_types": ["password", "authorization_code"]},
    {"grant_types": ["refresh_token"]},
    {"grant_types": "authorization_code"},
    {"response_types": ["token"]},
    {"response_types": [{}]},
    {"scope": "admin"},
    {"scope": OFFLINE},
    {"scope": 7},
    {"logo_uri": "javascript:alert(1)"},
    {"policy_uri": {}},
    {"client_uri": "http://localhost/about"},
    {"tos_uri": "https://someone@wallet.example/"},
    {"software_id": "x" * 400},
]


@pytest.mark.usefixtures("many_registrations")
def test_what_cannot_be_used_is_not_registered(client: FlaskClient, session: Session) -> None:
    for changes in UNUSABLE:
        answer = client.post("/oauth/register", json=registration(**changes))
        assert answer.status_code == 400
        assert answer.get_json()["error"] == "invalid_client_metadata"
        assert session.scalars(select(Application)).all() == []


NO_OBJECTS = [b"", b"[]", b"{", b'{"client_name": "\\ud800"}', b'{"a": 1, "a": 2}', b"\xff", b" " * 20_000]


@pytest.mark.usefixtures("many_registrations")
def test_a_registration_that_is_no_json_object_is_refused(client: FlaskClient) -> None:
    for body in NO_OBJECTS:
        answer = client.post("/oauth/register", data=body, content_type="application/json")
        assert answer.status_code == 400
        assert answer.get_json()["error"] == "invalid_client_metadata"


def test_a_registration_says_what_it_was_given_and_nothing_that_was_not_taken(client: FlaskClient) -> None:
    said = registration(
        scope=f"{CREDENTIALS} {CREDENTIALS.replace('readonly', 'upsert')}", jwks_uri="https://x.example/"
    )
    told = client.post("/oauth/register", json=said).get_json()
    assert told["scope"] == CREDENTIALS
    assert "jwks_uri" not in told
    assert told["client_secret_expires_at"] == 0
    assert len(told["client_secret"]) >= 43


def test_a_page_about_an_application_may_ask_for_anything(client: FlaskClient) -> None:
    address = "https://wallet.example/about?scope=all&state="
    told = client.post("/oauth/register", json=registration(tos_uri=address))
    assert (told.status_code, (told.get_json() or {})["tos_uri"]) == (201, address)


def test_only_so_many_applications_register_from_one_address(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "REGISTER_PER_ADDRESS", policy.Limit(name="few", tries=1, seconds=60))
    assert client.post("/oauth/register", json=registration()).status_code == 201
    answer = client.post("/oauth/register", json=registration())
    assert answer.status_code == 429
    assert answer.get_json()["error"] == "temporarily_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_no_address_closes_the_door_for_others(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    monkeypatch.setattr(policy, "REGISTER_PER_ADDRESS", policy.Limit(name="lots", tries=600, seconds=60))
    for _ in range(520):
        client.post("/oauth/register", data=b"", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    answer = client.post("/oauth/register", json=registration(), environ_base={"REMOTE_ADDR": "192.0.2.8"})
    assert answer.status_code == 201
    assert len(session.scalars(select(Application.id)).all()) == 1


def test_of_applications_that_nobody_connected_only_so_many_are_kept(
    wallet: Wallet, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet.tokens()
    monkeypatch.setattr(connecting, "MOST_UNCONNECTED", 2)
    begun = now()
    for number in range(4):
        moment = begun + timedelta(seconds=number)
        connecting.register(session, registration(), client_id=f"idle {number}", secret="s", at=moment)
    left = session.scalars(select(Application.client_id)).all()
    assert sorted(left) == sorted([wallet.id, "idle 2", "idle 3"])


def test_applications_that_nobody_connected_are_forgotten(
    wallet: Wallet, app: Flask, client: FlaskClient, session: Session
) -> None:
    wallet.tokens()
    Wallet(app, client).register(client_name="idle")
    later = now() + connecting.UNUSED + timedelta(days=1)
    connecting.register(session, registration(), client_id="new", secret="s", at=later)
    left = session.scalars(select(Application.client_id)).all()
    assert sorted(left) == sorted([wallet.id, "new"])


def test_what_was_agreed_to_and_never_fetched_is_forgotten(wallet: Wallet, session: Session) -> None:
    wallet.tokens()
    wallet.code()
    fetched, idle = session.scalars(select(Connection).order_by(Connection.id)).all()
    fetched.code_ends_at = idle.code_ends_at = now() - timedelta(seconds=1)
    kept = fetched.id
    session.commit()
    wallet.code()
    session.expire_all()
    left = session.scalars(select(Connection.id).order_by(Connection.id)).all()
    assert len(left) == 2
    assert left[0] == kept


UNKNOWN_ADDRESSES: list[Any] = [
    {"redirect_uri": "https://evil.example/"},
    {"redirect_uri": f"{RETURN}/"},
    {"redirect_uri": f"{RETURN}?x=1"},
    {"redirect_uri": f"{RETURN}\"'<script>"},
    {"redirect_uri": None},
    {"client_id": "someone"},
    {"client_id": None},
    {"response_type": 'to"ken\\'},
]


def test_an_unknown_address_is_never_answered(wallet: Wallet) -> None:
    for changes in UNKNOWN_ADDRESSES:
        answer = wallet.browser.post(wallet.address(**changes), data={"decision": "allow"})
        assert answer.status_code == 400
        assert answer.location is None
        assert RETURN not in html.unescape(answer.get_data(as_text=True)), changes
    assert wallet.browser.get(wallet.address(client_id="someone")).status_code == 400


NOT_DONE: list[Any] = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "x" * 129}, "invalid_request"),
    ({"scope": "admin"}, "invalid_scope"),
    ({"scope": f"{CREDENTIALS} admin"}, "invalid_scope"),
    ({"scope": CREDENTIALS.replace("readonly", "upsert")}, "invalid_scope"),
    ({"scope": OFFLINE}, "invalid_scope"),
    ({"scope": None}, "invalid_scope"),
]


def test_what_the_server_does_not_do_is_told_to_the_holder_who_may_go_back(
    wallet: Wallet, session: Session
) -> None:
    """Nobody is led on unasked: anybody may register an address."""
    for changes, error in NOT_DONE:
        answer = wallet.browser.post(wallet.address(**changes), data={"decision": "allow"})
        assert answer.status_code == 400
        assert answer.location is None
        told = way_back(answer)
        assert told["error"] == error, changes
        assert told["state"] == "26357667"
        assert told["iss"] == "https://duri.example"
    assert wallet.browser.get(wallet.address(scope="admin")).status_code == 400
    assert session.scalars(select(Connection)).all() == []


def test_a_parameter_that_comes_twice_is_refused(wallet: Wallet) -> None:
    for name in ("client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"):
        answer = wallet.browser.get(f"{wallet.address()}&{name}=x")
        assert answer.status_code == 400, name
        assert answer.location is None
        assert "Multiple" in answer.get_data(as_text=True), name


def test_an_application_asks_for_no_more_than_it_registered(app: Flask, wallet: Wallet) -> None:
    small = Wallet(app, wallet.browser).register(scope=CREDENTIALS)
    answer = small.browser.get(small.address(scope=f"{CREDENTIALS} {PROFILE}"))
    assert way_back(answer)["error"] == "invalid_scope"


INCOMPLETE: list[Any] = [
    ({"code_verifier": "w" * 43}, "invalid_grant"),
    ({"code_verifier": challenge(VERIFIER)}, "invalid_grant"),
    ({"code_verifier": None}, "invalid_request"),
    ({"code_verifier": "v"}, "invalid_request"),
    ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
    ({"redirect_uri": None}, "invalid_grant"),
    ({"code": "x"}, "invalid_grant"),
    ({"code": None}, "invalid_request"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ({"grant_type": None}, "unsupported_grant_type"),
]


def test_a_code_opens_nothing_without_all_that_belongs_to_it(wallet: Wallet) -> None:
    code = wallet.code()
    for changes, error in INCOMPLETE:
        answer = wallet.exchange(**{"code": code} | changes)
        assert answer.status_code == 400
        assert answer.get_json()["error"] == error, changes
    assert wallet.exchange(code).status_code == 200


def test_a_code_belongs_to_the_application_that_asked(app: Flask, wallet: Wallet) -> None:
    other = Wallet(app, wallet.browser).register(client_name="other")
    code = wallet.code()
    assert other.exchange(code).get_json()["error"] == "invalid_grant"
    assert wallet.exchange(code, secret="wrong").status_code == 401
    assert wallet.exchange(code).status_code == 200


def test_a_code_shown_twice_ends_what_it_led_to(wallet: Wallet, session: Session) -> None:
    code = wallet.code()
    given = wallet.exchange(code).get_json()
    again = wallet.exchange(code)
    assert again.status_code == 400
    assert again.get_json()["error"] == "invalid_grant"
    assert wallet.read(given["access_token"]).status_code == 401
    assert wallet.refresh(given["refresh_token"]).status_code == 400
    assert actions(session) == ["certificate.connected", "certificate.connection_misused"]


def test_of_two_exchanges_at_once_one_finds_the_code_used(
    wallet: Wallet, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = wallet.code()
    monkeypatch.setattr(connecting, "use_code", lambda *_args, **_named: False)
    assert wallet.exchange(code).get_json()["error"] == "invalid_grant"
    session.expire_all()
    assert session.scalars(select(ConnectionToken)).all() == []
    assert session.scalars(select(Connection)).one().withdrawn_at is not None


def test_a_code_is_good_for_two_minutes(wallet: Wallet, session: Session) -> None:
    code = wallet.code()
    session.scalars(select(Connection)).one().code_ends_at = now()
    session.commit()
    assert wallet.exchange(code).get_json()["error"] == "invalid_grant"


NO_PROOFS = [
    "Basic",
    "Basic !",
    "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    "Basic eA==",
    "Bearer x",
    "",
]


@pytest.mark.parametrize("name", ["a\0b", "x" * 49])
def test_an_application_is_not_looked_for_under_a_name_that_none_can_have(
    wallet: Wallet, session: Session, name: str
) -> None:
    session.add(Application(client_id=name, secret_hash="0" * 64, registered={}, created_at=now()))
    session.flush()  # another database would take neither
    proof = base64.b64encode(f"{name}:x".encode()).decode()
    told = wallet.http.post(
        "/oauth/token", data={"grant_type": "refresh_token"}, headers={"Authorization": f"Basic {proof}"}
    )
    assert (told.status_code, (told.get_json() or {})["error"]) == (401, "invalid_client")
    with wallet.app.test_request_context():
        assert server.query_client(name) is None


def test_what_is_given_ends_with_the_connection_and_says_so(wallet: Wallet, session: Session) -> None:
    given = wallet.tokens()
    session.scalars(select(Connection)).one().ends_at = now() + timedelta(minutes=5)
    session.commit()
    assert 200 < wallet.refresh(given["refresh_token"]).get_json()["expires_in"] <= 300


def test_an_application_that_cannot_prove_who_it_is_gets_nothing(wallet: Wallet) -> None:
    sent = {
        "grant_type": "authorization_code",
        "code": wallet.code(),
        "token": "x",
        "client_id": wallet.id,
        "client_secret": wallet.secret,
        "redirect_uri": RETURN,
        "code_verifier": VERIFIER,
    }
    for header in NO_PROOFS:
        for path in ("/oauth/token", "/oauth/revoke"):
            headers = {"Authorization": header} if header else {}
            answer = wallet.http.post(path, data=sent, headers=headers)
            assert answer.status_code == 401, header
            assert answer.get_json()["error"] == "invalid_client"
            assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_going_on_gives_new_tokens_and_takes_the_old_ones_back(wallet: Wallet) -> None:
    first = wallet.tokens()
    second = wallet.refresh(first["refresh_token"]).get_json()
    assert second["refresh_token"] != first["refresh_token"]
    assert wallet.read(second["access_token"]).status_code == 200
    assert wallet.read(first["access_token"]).status_code == 401


def test_a_refresh_token_shown_twice_ends_the_connection(wallet: Wallet, session: Session) -> None:
    first = wallet.tokens()
    second = wallet.refresh(first["refresh_token"]).get_json()
    assert wallet.refresh(first["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert wallet.read(second["access_token"]).status_code == 401
    assert wallet.refresh(second["refresh_token"]).status_code == 400
    assert actions(session)[-1] == "certificate.connection_misused"


def test_of_two_refreshes_at_once_one_ends_the_connection(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = wallet.tokens()
    monkeypatch.setattr(connecting, "replace", lambda *_args, **_named: False)
    assert wallet.refresh(given["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert wallet.read(given["access_token"]).status_code == 401


def test_replaced_tokens_are_forgotten_after_a_week(wallet: Wallet, session: Session) -> None:
    given = wallet.tokens()
    given = wallet.refresh(given["refresh_token"]).get_json()
    first = session.scalars(select(ConnectionToken).order_by(ConnectionToken.id)).first()
    assert first is not None
    first.replaced_at = now() - connecting.REMEMBERED - timedelta(hours=1)
    session.commit()
    wallet.refresh(given["refresh_token"])
    assert len(session.scalars(select(ConnectionToken.id)).all()) == 2


def test_going_on_can_narrow_what_is_read_and_never_widen_it(wallet: Wallet) -> None:
    given = wallet.tokens(scope=f"{CREDENTIALS} {OFFLINE}")
    wide = wallet.refresh(given["refresh_token"], scope=f"{CREDENTIALS} {PROFILE}")
    assert wide.get_json()["error"] == "invalid_scope"
    both = wallet.tokens()
    narrow = wallet.refresh(both["refresh_token"], scope=PROFILE).get_json()
    assert narrow["scope"] == PROFILE
    assert wallet.read(narrow["access_token"]).status_code == 403
    assert wallet.read(narrow["access_token"], "/profile").status_code == 200
    assert wallet.refresh(narrow["refresh_token"]).get_json()["scope"] == both["scope"]


def test_a_refresh_token_belongs_to_its_application(app: Flask, wallet: Wallet) -> None:
    other = Wallet(app, wallet.browser).register(client_name="other")
    given = wallet.tokens()
    assert other.refresh(given["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert other.post("/oauth/revoke", token=given["refresh_token"]).status_code == 400
    assert wallet.refresh(given["access_token"]).get_json()["error"] == "invalid_grant"
    assert wallet.refresh(given["refresh_token"]).status_code == 200


def test_without_the_holders_word_for_it_there_is_no_going_on(wallet: Wallet, session: Session) -> None:
    given = wallet.tokens(scope=CREDENTIALS)
    assert "refresh_token" not in given
    (connection,) = session.scalars(select(Connection))
    assert connection.ends_at - connection.created_at == connecting.ONCE


def test_giving_back_one_token_ends_it_and_giving_back_the_other_ends_all(wallet: Wallet) -> None:
    given = wallet.tokens()
    assert wallet.post("/oauth/revoke", token=given["access_token"]).status_code == 200
    assert wallet.read(given["access_token"]).status_code == 401
    given = wallet.refresh(given["refresh_token"]).get_json()
    assert (
        wallet.post("/oauth/revoke", token=given["refresh_token"], token_type_hint="access_token").status_code
        == 200
    )
    assert wallet.read(given["access_token"]).status_code == 401
    assert wallet.refresh(given["refresh_token"]).status_code == 400
    assert wallet.post("/oauth/revoke", token=given["refresh_token"]).status_code == 200
    assert wallet.post("/oauth/revoke", token="never there").status_code == 200
    assert wallet.post("/oauth/revoke").get_json()["error"] == "invalid_request"


@pytest.mark.parametrize("how", ["withdrawn", "over", "disabled", "new password", "token over"])
def test_what_has_ended_opens_nothing(wallet: Wallet, session: Session, holder: User, how: str) -> None:
    given = wallet.tokens()
    (connection,), (token,) = (
        session.scalars(select(Connection)).all(),
        session.scalars(select(ConnectionToken)).all(),
    )
    if how == "withdrawn":
        connecting.end(session, holder, connection.id, at=now())
    elif how == "over":
        connection.ends_at = now()
    elif how == "disabled":
        holder.disabled_at = now()
    elif how == "new password":
        holder.session_token = "another"
    else:
        token.ends_at = now()
    session.commit()
    answer = wallet.read(given["access_token"])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (wallet.refresh(given["refresh_token"]).status_code == 200) is (how == "token over")


def test_a_code_is_worth_nothing_after_a_new_password(wallet: Wallet, session: Session, holder: User) -> None:
    code = wallet.code()
    holder.session_token = "another"
    session.commit()
    assert wallet.exchange(code).get_json()["error"] == "invalid_grant"


def test_guesses_end_also_where_one_would_be_right(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    given, code = wallet.tokens(), wallet.code()
    monkeypatch.setattr(policy, "FAILED_PER_ADDRESS", policy.Limit(name="few", tries=2, seconds=60))
    assert [wallet.exchange("x").status_code for _ in range(3)] == [400, 400, 429]
    answer = wallet.read("x")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert (
        answer.get_json()["imsx_codeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
        == "server_busy"
    )
    for right in (
        wallet.exchange(code),
        wallet.refresh(given["refresh_token"]),
        wallet.read(given["access_token"]),
        wallet.post("/oauth/revoke", token=given["access_token"]),
    ):
        assert right.status_code == 429
        assert int(right.headers["Retry-After"]) > 0
    monkeypatch.setattr(policy, "FAILED_PER_ADDRESS", policy.Limit(name="more", tries=2, seconds=60))
    assert wallet.exchange(code).status_code == 200


def test_an_installation_without_https_gives_no_tokens(app: Flask, wallet: Wallet) -> None:
    code = wallet.code()
    app.extensions["settings"] = replace(app.extensions["settings"], public_url="http://duri.example")
    assert wallet.browser.get(wallet.address()).status_code == 400
    assert wallet.exchange(code).get_json()["error"] == "insecure_transport"


def test_the_server_describes_itself(client: FlaskClient) -> None:
    told = client.get("/.well-known/oauth-authorization-server").get_json()
    assert told["issuer"] == "https://duri.example"
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["token_endpoint"] == "https://duri.example/oauth/token"
    for name in ("authorization", "token", "registration", "revocation"):
        path = told[f"{name}_endpoint"].removeprefix("https://duri.example")
        assert client.post(path).status_code != 404
