"""Connecting an application in a real browser: the page, its policy, and the way back."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from tests.factories.accounts import make_user
from tests.factories.applications import VERIFIER, authorize, registration

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


class _Back(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"back in the wallet")

    def log_message(self, *_said: object) -> None:
        """Say nothing."""


@pytest.fixture
def wallet_address() -> Iterator[str]:
    """A wallet on this machine, at another origin than the site."""
    server = HTTPServer(("127.0.0.1", 0), _Back)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/back"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Program:
    """The wallet's own way to the site, without a browser."""

    site: str
    back: str
    secret: tuple[str, str] = ("", "")

    def register(self) -> None:
        said = registration(redirect_uris=[self.back])
        told = requests.post(f"{self.site}/oauth/register", json=said, timeout=30).json()
        self.secret = (told["client_id"], told["client_secret"])

    def exchange(self, code: str, verifier: str = VERIFIER) -> dict[str, str]:
        sent = {"grant_type": "authorization_code", "redirect_uri": self.back}
        return self.post(**sent, code=code, code_verifier=verifier)

    def post(self, **sent: str) -> dict[str, str]:
        answer = requests.post(f"{self.site}/oauth/token", data=sent, auth=self.secret, timeout=30)
        told: dict[str, str] = answer.json()
        return told

    def read(self, given: dict[str, str]) -> int:
        headers = {"Authorization": f"Bearer {given['access_token']}"}
        return requests.get(f"{self.site}/ims/ob/v3p0/credentials", headers=headers, timeout=30).status_code


def agree(page: Page, program: Program) -> str:
    page.goto(program.site + authorize(program.secret[0], redirect_uri=program.back))
    expect(page.get_by_role("heading", name="Connect an application?")).to_be_visible()
    page.get_by_role("button", name="Let it read").click()
    page.wait_for_url(f"{program.back}?*")
    assert "back in the wallet" in page.content()
    return parse_qs(urlsplit(page.url).query)["code"][0]


def test_the_holder_agrees_the_application_reads_and_the_holder_ends_it(
    live_server: str, live_sessions: sessionmaker[Session], open_page: Open,
    sign_in_page: Callable[[Page, User], None], wallet_address: str,
) -> None:  # fmt: skip
    """The page's own policy lets the answer out; every write finds its turn in a real database file."""
    with live_sessions.begin() as session:
        holder = make_user(session, language="en")
    program = Program(live_server, wallet_address)
    program.register()
    page = open_page("/", language="en")
    sign_in_page(page, holder)
    code = agree(page, program)
    assert program.exchange(code, "w" * 43)["error"] == "invalid_grant"
    first = program.exchange(code)
    assert program.read(first) == 200
    second = program.post(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (program.read(first), program.read(second)) == (401, 200)
    page.goto(f"{live_server}/certificates/applications")
    page.get_by_text("End connection", exact=True).first.click()
    page.get_by_role("button", name="End connection").click()
    expect(page.get_by_text("The connection is ended.")).to_be_visible()
    assert program.read(second) == 401
    code = agree(page, program)
    third = program.exchange(code)
    assert program.read(third) == 200
    assert program.exchange(code)["error"] == "invalid_grant"
    assert program.read(third) == 401
