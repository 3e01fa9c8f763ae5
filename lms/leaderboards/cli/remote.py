"""`lms boards submit`, `standings` and `points`: entering and reading the boards of a server, over HTTP."""

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import quote, urlsplit

import click
import httpx

from lms.commands import LANGUAGE
from lms.leaderboards.cli.remote_lines import (
    board_lines,
    entry_lines,
    flat,
    local,
    moment,
    people_lines,
    word,
)
from lms.leaderboards.core.honours import Tier
from lms.leaderboards.core.tables import printable

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
WAIT = httpx.Timeout(30, write=300, read=120)  # seconds; a large file takes its time
MOST_SHOWN = 1000
MOST_FAULTS = 20
LOOK_SECONDS = 3.0  # between questions whether an entry is scored


class Status(IntEnum):
    """With what a command ends; 0 is well done, 2 a wrong way of calling it."""

    UNREACHABLE = 1
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    NOT_TAKEN = 5
    TOO_SOON = 6
    NOT_NOW = 7
    NOT_SCORED = 8


REFUSALS = {
    401: ("unknown-token", Status.NOT_ALLOWED),
    403: ("refused", Status.NOT_ALLOWED),
    404: ("not-there", Status.NOT_FOUND),
    409: ("conflict", Status.NOT_NOW),
    413: ("too-large", Status.NOT_TAKEN),
    422: ("faults", Status.NOT_TAKEN),
    429: ("too-soon", Status.TOO_SOON),
}
SERVER = click.option(
    "--server", envvar="DURI_SERVER", required=True, show_envvar=True, help="Its address: https://…"
)


@click.command("submit", short_help="Send a file to a challenge on a server.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--challenge", "slug", metavar="SLUG", required=True, help="Its name in its address.")
@SERVER
@click.option("--wait", "waits", is_flag=True, help="Wait until it is scored, and print what came of it.")
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it came.")
@LANGUAGE
@click.pass_context
def submit(
    context: click.Context,
    /,
    file: Path,
    *,
    slug: str,
    server: str,
    waits: bool,
    as_json: bool,
    language: str,
) -> None:
    """Send FILE to a challenge and print the receipt; DURI_TOKEN holds your token.

    With --wait also its score, or why it has none; of a notebook that failed on hidden data also what it
    said on the files that everyone has.

    Status 1: the server cannot be reached or has trouble; 3: the token is not good, or you may not; 4: no
    such challenge or team; 5: the file was not taken; 6: too soon; 7: not at this time; 8: with --wait, it
    has no score.
    """
    with _Asking(context, server, slug, language) as asking:
        if not asking.token:
            asking.end(Status.NOT_ALLOWED, "no-token")
        with file.open("rb") as content:
            told = asking.post("entries", content, filename=file.name)
        if not as_json:
            _say_receipt(asking, told)
        entry = _awaited(asking, told) if waits else None
    if as_json:
        click.echo(json.dumps(entry or told, ensure_ascii=False))
    elif entry is not None:
        for line in entry_lines(entry, language):
            click.echo(line)
    if entry is not None and entry.get("state") != "scored":
        raise SystemExit(int(Status.NOT_SCORED))


def _say_receipt(asking: "_Asking", told: Mapping[str, Any]) -> None:
    known = {name: flat(told.get(name)) for name in ("id", "bytes", "sha256")}
    asking.say("received", at=moment(told.get("received_at")), **known)
    quota = told.get("quota")
    if isinstance(quota, dict):
        asking.say("left", left=flat(quota.get("left")), limit=flat(quota.get("limit")))


def _awaited(asking: "_Asking", receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for an entry until there is nothing more to come: a score, or why there is none, with its log."""
    while True:
        told = asking.get("entries", id=flat(receipt.get("id"))).get("entries")
        entry = next((one for one in told or () if isinstance(one, dict)), None)
        if entry is None or entry.get("id") != receipt.get("id"):
            asking.end(Status.UNREACHABLE, "no-such-entry", server=asking.server)
        if entry.get("state") not in {"received", "scoring"} and not entry.get("log_follows"):
            return entry
        time.sleep(LOOK_SECONDS)


@click.command("standings", short_help="Show the board of a challenge on a server.")
@click.argument("slug", metavar="SLUG")
@SERVER
@click.option(
    "--top", default=50, show_default=True, type=click.IntRange(1, MOST_SHOWN), help="Places shown."
)
@click.option("--public", is_flag=True, help="The public part also after the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it came.")
@LANGUAGE
@click.pass_context
def standings(
    context: click.Context, slug: str, *, server: str, top: int, public: bool, as_json: bool, language: str
) -> None:
    """Show the board of the challenge SLUG, and your own place where DURI_TOKEN holds your token.

    Status as with `submit`.
    """
    with _Asking(context, server, slug, language) as asking:
        told = asking.get("board", limit=top, **({"share": "public"} if public else {}))
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    for line in board_lines(told, language):
        click.echo(line)


@click.command("points", short_help="Show points and medals of the people on a server.")
@SERVER
@click.option("--organisation", default="", help="Only people who stand for it; its short name.")
@click.option("--country", default="", help="Only people in it: two letters, as KR.")
@click.option("--tier", type=click.Choice([each.value for each in Tier]), help="Only people of it.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help="Of fifty people each.")
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it came.")
@LANGUAGE
@click.pass_context
def points(
    context: click.Context, /, *, server: str, as_json: bool, language: str, **wanted: str | int | None
) -> None:
    """Show the people who show their points over all ended challenges, the most first.

    Status as with `submit`.
    """
    with _Asking(context, server, None, language) as asking:
        told = asking.get("honours", **{name: value for name, value in wanted.items() if value})
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    for line in people_lines(told, language):
        click.echo(line)


class _Asking:
    """One conversation with a server; everything that goes wrong ends the command with a sentence."""

    def __init__(self, context: click.Context, server: str, slug: str | None, language: str) -> None:
        self.token = os.environ.get("DURI_TOKEN", "").strip()  # never an argument: others can see those
        self.language = language
        self.slug = slug
        self.server = server.rstrip("/")
        self._check_token()
        self._check_server()
        headers = {"Accept": "application/json", "Accept-Language": language, "User-Agent": "lms-boards"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        way = context.obj if isinstance(context.obj, httpx.BaseTransport) else None
        self._client = httpx.Client(headers=headers, timeout=WAIT, transport=way)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _check_token(self) -> None:
        """End where no server can know the token, which is no text that fits into a header."""
        if not (self.token.isascii() and self.token.isprintable()):
            self.end(Status.NOT_ALLOWED, "unknown-token")

    def _check_server(self) -> None:
        try:
            parts = urlsplit(self.server)
            known = parts.scheme in {"http", "https"} and bool(parts.hostname)
        except ValueError:
            known = False
        if not known:
            self.end(2, "bad-server", server=printable(self.server))
        if self.token and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            click.echo(word("in-the-open", self.language).format(server=self.server), err=True)

    def say(self, code: str, **params: object) -> None:
        """Say one sentence in the reader's language."""
        click.echo(word(code, self.language).format(**params))

    def end(self, status: int, code: str, *more: str, **params: object) -> NoReturn:
        """Say what went wrong, and end."""
        click.echo(word(code, self.language).format(**params), err=True)
        for line in more:
            click.echo(line, err=True)
        raise SystemExit(int(status))

    def get(self, what: str, **query: int | str) -> dict[str, Any]:
        """Ask for something of the challenge, or of the whole server."""
        return self._answer("GET", what, params=query)

    def post(self, what: str, content: Any, **query: str) -> dict[str, Any]:
        """Send something to the challenge."""
        return self._answer("POST", what, params=query, content=content)

    def _answer(self, method: str, what: str, **request: Any) -> dict[str, Any]:
        within = "" if self.slug is None else f"challenges/{quote(self.slug, safe='')}/"
        address = f"{self.server}/api/{within}{what}"
        try:
            response = self._client.request(method, address, **request)
        except httpx.ReadTimeout:
            self.end(Status.UNREACHABLE, "slow", server=self.server)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as problem:
            why = printable(str(problem)) or type(problem).__name__
            self.end(Status.UNREACHABLE, "unreachable", server=printable(self.server), why=why)
        told = _document(response)
        if told is None or not response.is_success:
            self._refuse(response, told)
        return told

    def _refuse(self, response: httpx.Response, told: Mapping[str, Any] | None) -> NoReturn:
        status = response.status_code
        if response.is_redirect:
            where = flat(response.headers.get("Location"))
            self.end(Status.UNREACHABLE, "elsewhere", where=where)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            self.end(Status.UNREACHABLE, "trouble", *self._details(told), number=status)
        is_ours = told is not None or status == httpx.codes.REQUEST_ENTITY_TOO_LARGE  # a proxy may say that
        if status not in REFUSALS or not is_ours or self.slug is None:
            self.end(Status.UNREACHABLE, "not-ours", server=self.server, number=status)
        code, end = REFUSALS[status]
        self.end(end, code, *self._details(told), *self._next(response), slug=printable(self.slug))

    def _details(self, told: Mapping[str, Any] | None) -> list[str]:
        """Return what the server said, and each fault with its line."""
        if told is None:
            return []
        faults = told.get("faults")
        if not isinstance(faults, list) or not faults:
            return [flat(told["detail"])] if told.get("detail") else []
        known = [fault for fault in faults if isinstance(fault, dict)]
        lines = [self._fault(fault) for fault in known[:MOST_FAULTS]]
        if len(known) > MOST_FAULTS:
            lines.append(word("more", self.language).format(more=len(known) - MOST_FAULTS))
        return lines

    def _fault(self, fault: Mapping[str, Any]) -> str:
        detail = flat(fault.get("detail"))
        if fault.get("line") is None:
            return detail
        return word("line", self.language).format(line=flat(fault["line"]), detail=detail)

    def _next(self, response: httpx.Response) -> list[str]:
        after = response.headers.get("Retry-After", "")
        if not (after.isascii() and after.isdigit() and len(after) < 9):  # noqa: PLR2004 - fits a time
            return []
        at = datetime.now(UTC) + timedelta(seconds=int(after))
        return [word("next", self.language).format(at=local(at))]


def _document(response: httpx.Response) -> dict[str, Any] | None:
    """Return what a server of ours answered; None: it was not one."""
    try:
        told = response.json()
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
