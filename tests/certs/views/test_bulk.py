"""Many certificates at once: the employer's page, and programs with a token."""

import base64
import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services import tokens
from lms.accounts.services.limits import Limit
from lms.accounts.services.tokens import Purpose, make_token, person_of
from lms.certs import policy
from lms.certs.models import Credential
from lms.certs.queries.credentials import content_of
from lms.errors import NotKnown
from tests.certs.views.conftest import KEY
from tests.factories.accounts import make_user
from tests.factories.certs import NOW, PUBLIC_URL

SignIn = Callable[[User], None]


@pytest.fixture
def employer(session: Session, sign_in: SignIn) -> User:
    user = make_user(session)
    sign_in(user)
    return user


def zipped(**files: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.json", content)
    return written.getvalue()


def send(client: FlaskClient, address: str, files: dict[str, bytes], **headers: str) -> Any:
    """Send a form by hand: the test client would leave large files open on disk."""
    part = '--edge\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
    body = b"".join(part.format(name).encode() + content + b"\r\n" for name, content in files.items())
    kind = "multipart/form-data; boundary=edge"
    return client.post(address, data=body + b"--edge--\r\n", content_type=kind, headers=headers)


def report(page: str, name: str) -> bytes:
    found = re.search(rf'download="{name}" href="data:[^,]+;base64,([^"]+)"', page)
    assert found
    return base64.b64decode(found[1])


def test_a_zip_of_many_is_answered_row_by_row_with_two_reports(
    client: FlaskClient, credential: Credential, employer: User
) -> None:
    good = content_of(credential)
    files = {
        "all.zip": zipped(good=good, forged=good.replace("김하늘".encode(), "김바다".encode()), junk=b"x")
    }
    response = send(client, "/verify/many", files)
    page = response.get_data(as_text=True)
    assert response.status_code == 200
    assert re.findall(r'<tr id="row-\d+" data-status="(\w+)"', page) == ["valid", "refused", "unreadable"]
    assert page.count(">김하늘</td>") == 1
    assert "김바다" not in page
    assert 'max="3" value="3"' in page
    table = list(csv.DictReader(io.StringIO(report(page, "certificates.csv").decode("utf-8-sig"))))
    assert [(row["name"], row["status"]) for row in table] == [
        ("all.zip/good.json", "valid"),
        ("all.zip/forged.json", "refused"),
        ("all.zip/junk.json", "unreadable"),
    ]
    told = json.loads(report(page, "certificates.json"))
    assert told["counts"] == {"valid": 1, "refused": 1, "unreadable": 1, "undecided": 0}
    assert told["results"][0]["facts"]["claim"]["holder_name"] == "김하늘"
    del employer


def test_a_list_of_identifiers_is_looked_up_here_and_nowhere_else(
    client: FlaskClient, credential: Credential, employer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    ids = [
        f"urn:uuid:{credential.uuid}",
        f"{PUBLIC_URL}/verify/{credential.uuid}#h={credential.sha256}",
        f"{PUBLIC_URL}/c/{credential.uuid}",
        f"https://evil.example/c/{credential.uuid}",
        "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
    ]
    response = send(client, "/verify/many", {"list.csv": "\n".join(["id", *ids]).encode()})
    page = response.get_data(as_text=True)
    assert re.findall(r'data-status="(\w+)"', page) == ["valid"] * 3 + ["unreadable"] * 2
    del employer


def test_several_files_are_taken_at_once_and_none_is_explained(
    client: FlaskClient, credential: Credential, employer: User
) -> None:
    good = content_of(credential)
    page = send(client, "/verify/many", {"a.json": good, "b.json": good}).get_data(as_text=True)
    assert re.findall(r'data-status="(\w+)"', page) == ["valid", "valid"]
    nothing = client.post("/verify/many")
    assert nothing.status_code == 422
    assert 'role="alert"' in nothing.get_data(as_text=True)
    assert client.get("/verify/many").status_code == 200
    del employer


def test_strangers_are_sent_to_sign_in(client: FlaskClient) -> None:
    for method in (client.get, client.post):
        assert method("/verify/many").status_code in {302, 303, 401}


def test_both_the_page_and_programs_are_limited(
    client: FlaskClient, employer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "MANY_PER_PERSON", Limit(name="few", tries=2, seconds=60))
    token = {"Authorization": f"Bearer {make_token(employer, Purpose.VERIFY_MANY, KEY)}"}
    assert send(client, "/verify/many", {"a": b"x"}).status_code == 200
    assert send(client, "/api/verify/many", {"a": b"x"}, **token).status_code == 200
    assert send(client, "/api/verify/many", {"a": b"x"}, **token).status_code == 429
    assert send(client, "/verify/many", {"a": b"x"}).status_code == 429


def test_a_program_with_a_token_gets_json_or_a_table(
    app: Flask, client: FlaskClient, credential: Credential, employer: User
) -> None:
    page = client.post("/verify/many/token").get_data(as_text=True)
    shown = re.search(r'id="token">([^<]+)<', page)
    assert shown
    program = app.test_client()
    token = {"Authorization": f"Bearer {shown[1]}"}
    files = {"all.zip": zipped(good=content_of(credential))}
    told = send(program, "/api/verify/many", files, **token).get_json()
    assert (told["status"], told["counts"]["valid"]) == ("valid", 1)
    table = send(program, "/api/verify/many", files, **token, Accept="text/csv")
    assert table.mimetype == "text/csv"
    assert "김하늘" in table.get_data(as_text=True)
    assert send(program, "/api/verify/many", {}, **token).status_code == 422
    del employer


def test_a_program_without_a_good_token_is_refused(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, closed = make_user(session), make_user(session)
    closed.disabled_at = NOW
    session.commit()
    fine = make_token(user, Purpose.VERIFY_MANY, KEY)
    wrong = [
        "",
        "x",
        make_token(user, Purpose.VERIFY_MANY, "another key"),
        make_token(closed, Purpose.VERIFY_MANY, KEY),
        make_token(user, Purpose.BOARDS, KEY),
        fine[:-1],
        f"{fine}x",
    ]
    program = app.test_client()
    for token in wrong:
        sent = send(program, "/api/verify/many", {"a": b"x"}, Authorization=f"Bearer {token}")
        assert sent.status_code == 401
    assert person_of(session, fine, Purpose.VERIFY_MANY, KEY) is user
    user.session_token = "another password"
    with pytest.raises(NotKnown):
        person_of(session, fine, Purpose.VERIFY_MANY, KEY)
    user.session_token = "yet another"
    monkeypatch.setattr(tokens, "_SECONDS", -1)
    with pytest.raises(NotKnown):
        person_of(session, make_token(user, Purpose.VERIFY_MANY, KEY), Purpose.VERIFY_MANY, KEY)
