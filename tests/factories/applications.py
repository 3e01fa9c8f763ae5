"""An application of somebody else: registers itself, sends the holder to agree, exchanges and reads."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lms.certs.core.open_badges import CREDENTIALS, OFFLINE, PROFILE

RETURN = "https://wallet.example/callback"
SCOPE = f"{CREDENTIALS} {PROFILE} {OFFLINE}"
VERIFIER = "v" * 43
ROOT = "/ims/ob/v3p0"


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def asked_of(response: TestResponse) -> dict[str, str]:
    """What an answer brings back to the application."""
    return {name: values[0] for name, values in parse_qs(urlsplit(response.location).query).items()}


def registration(**changes: Any) -> dict[str, Any]:
    said = {
        "client_name": "하늘 지갑",
        "client_uri": "https://wallet.example/",
        "redirect_uris": [RETURN],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": SCOPE,
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def authorize(client_id: str, /, **changes: Any) -> str:
    """Where an application sends its holder."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": RETURN,
        "scope": SCOPE,
        "state": "26357667",
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    return "/oauth/authorize?" + urlencode({name: v for name, v in asked.items() if v is not None})


class Inside(requests.adapters.BaseAdapter):
    """Let a client of requests talk to an application in this process."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.app = app

    def send(self, request: requests.PreparedRequest, **_settings: Any) -> requests.Response:
        answer = self.app.test_client(use_cookies=False).open(
            request.url, method=request.method, headers=dict(request.headers), data=request.body
        )
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status_code, request.url, request
        response.headers.update(answer.headers)
        response._content = answer.get_data()
        return response

    def close(self) -> None:
        """There is nothing to close."""


@dataclass
class Wallet:
    """One registered application and its own way to the server; `browser` is the holder's."""

    app: Flask
    browser: FlaskClient
    id: str = ""
    secret: str = ""
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.app.test_client(use_cookies=False)

    def register(self, **changes: Any) -> "Wallet":
        answer = self.http.post("/oauth/register", json=registration(**changes))
        assert answer.status_code == 201, answer.get_data(as_text=True)
        self.id, self.secret = answer.get_json()["client_id"], answer.get_json()["client_secret"]
        return self

    def address(self, **changes: Any) -> str:
        return authorize(self.id, **changes)

    def ask(self, decision: str = "allow", **changes: Any) -> TestResponse:
        """Send the holder's browser to the page and press one of its buttons."""
        page = self.browser.get(self.address(**changes))
        assert page.status_code == 200, page.get_data(as_text=True)
        found = re.search(r'method="post" action="(/oauth/authorize[^"]+)"', page.get_data(as_text=True))
        assert found is not None
        return self.browser.post(found[1].replace("&amp;", "&"), data={"decision": decision})

    def code(self, **changes: Any) -> str:
        return asked_of(self.ask(**changes))["code"]

    def post(self, path: str, *, secret: str | None = None, **sent: Any) -> TestResponse:
        data = {name: value for name, value in sent.items() if value is not None}
        return self.http.post(path, data=data, auth=(self.id, secret or self.secret))

    def exchange(self, code: str, **changes: Any) -> TestResponse:
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": RETURN,
            "code_verifier": VERIFIER,
        } | changes
        return self.post("/oauth/token", **sent)

    def tokens(self, **changes: Any) -> dict[str, Any]:
        answer = self.exchange(self.code(**changes))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        given: dict[str, Any] = answer.get_json()
        return given

    def refresh(self, token: str, **changes: Any) -> TestResponse:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=token, **changes)

    def read(self, token: str | None, path: str = "/credentials", **query: Any) -> TestResponse:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http.get(ROOT + path, query_string=query, headers=headers)
