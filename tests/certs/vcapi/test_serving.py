import asyncio
import json
import socket
from typing import Any

import pytest
from click.testing import CliRunner
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

import lms.certs.cli
from lms.certs.core.jsonld import CREDENTIALS_V2, pinned_contexts
from lms.certs.core.problems import ProofProblem, Unreadable
from lms.certs.vcapi.answers import answer_post
from lms.certs.vcapi.contexts import known_contexts
from lms.certs.vcapi.desk import Desk
from lms.certs.vcapi.serving import VcApi
from tests.certs.vcapi.conftest import NOW


def ask(*requests: tuple[str, str, bytes | None, dict[str, str]]) -> list[HTTPResponse]:
    async def converse() -> list[HTTPResponse]:
        server = VcApi(0, {}, {})
        server.start()
        client = AsyncHTTPClient(force_instance=True)
        try:
            return [
                await client.fetch(
                    HTTPRequest(server.desk.address + path, method, body=body, headers=headers),
                    raise_error=False,
                )
                for method, path, body, headers in requests
            ]
        finally:
            client.close()
            await server.stop()

    return asyncio.run(converse())


def test_the_server_issues_and_shows_its_list_and_itself() -> None:
    credential = {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "credentialSubject": {"id": "did:example:subject"},
    }
    body = json.dumps({"credential": credential}).encode()
    issued, shown, listed, unknown = ask(
        ("POST", "/credentials/issue", body, {}),
        ("GET", "/", None, {}),
        ("GET", "/status/revocation", None, {}),
        ("GET", "/elsewhere", None, {}),
    )
    assert (issued.code, json.loads(issued.body)["issuer"]) == (201, "did:example:issuer")
    assert json.loads(shown.body)["mode"] == "test"
    assert json.loads(listed.body)["issuer"] == json.loads(shown.body)["issuer"]
    assert (unknown.code, unknown.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_server_answers_nobody_who_came_by_another_name() -> None:
    for response in ask(
        ("GET", "/", None, {"Host": "evil.example"}),
        ("POST", "/credentials/issue", b"{}", {"Host": "evil.example:8199"}),
    ):
        assert (response.code, response.body) == (403, b"{}")


def test_the_server_takes_the_loopback_address_only() -> None:
    server = VcApi(0, {}, {})
    try:
        assert server.socket.getsockname()[0] == "127.0.0.1"
    finally:
        server.socket.close()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "PARSING_ERROR"),
        (b"\xff", "PARSING_ERROR"),
        (b"[]", "PARSING_ERROR"),
        (b'{"credential": {}, "credential": {}}', "PARSING_ERROR"),
        (b'{"credential": {"name": NaN}}', "PARSING_ERROR"),
        (b'{"credential": ' * 100_000, "PARSING_ERROR"),
        (b'{"credential": "' + b"a" * 1_000_000 + b'"}', "PARSING_ERROR"),
        (b"{}", "MALFORMED_VALUE_ERROR"),
        (b'{"credential": []}', "MALFORMED_VALUE_ERROR"),
        (b'{"credential": {}, "options": []}', "MALFORMED_VALUE_ERROR"),
    ],
)
def test_a_request_that_is_none_is_refused_with_problem_details(
    desk: Desk, content: bytes, kind: str
) -> None:
    answer = answer_post(desk, "/credentials/issue", content, NOW)
    assert (answer.status, answer.body["status"]) == (400, 400)
    assert answer.body["type"] == f"https://www.w3.org/TR/vc-data-model#{kind}"
    assert answer.body["errors"] == [{name: answer.body[name] for name in ("type", "title", "detail")}]


def test_an_address_that_there_is_not_is_said(desk: Desk) -> None:
    assert answer_post(desk, "/credentials/derive", b"{}", NOW).status == 404


def test_each_start_has_a_key_of_its_own() -> None:
    assert Desk("http://127.0.0.1:1").did != Desk("http://127.0.0.1:1").did


def test_a_further_context_stands_in_nobodys_place() -> None:
    for address in (*pinned_contexts(), "https://www.w3.org/2018/credentials/v1"):
        with pytest.raises(ProofProblem):
            known_contexts({address: b'{"@context": {}}'})
    with pytest.raises(Unreadable):
        known_contexts({"https://a.example/v1": b"no JSON"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--context", "https://a.example/v1"],
        ["--context", "https://a.example/v1=/nowhere"],
        ["--context", f"{CREDENTIALS_V2}={__file__}"],
        ["--context", f"https://a.example/v1={__file__}"],
        ["--resource", "=x"],
    ],
)
def test_the_command_refuses_what_it_cannot_use(arguments: list[str]) -> None:
    result = CliRunner().invoke(lms.certs.cli.certs, ["vc-api", "--port", "0", *arguments])
    assert result.exit_code in {1, 2}
    assert "Traceback" not in result.output


def test_the_command_says_when_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result: Any = CliRunner().invoke(lms.certs.cli.certs, ["vc-api", "--port", port])
    assert result.exit_code == 1
    assert "Name another" in result.output
