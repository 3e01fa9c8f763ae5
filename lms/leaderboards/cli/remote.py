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
MOST_LOOK_SECONDS = 30.0  # while the server has trouble
PATIENCE_SECONDS = 300.0  # with a server that has trouble, before nobody waits any longer


class Status(IntEnum):
    """With what a command ends; 0 is well done, 2 a wrong way of calling it."""

    UNREACHABLE = 1
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    NOT_TAKEN = 5
    TOO_SOON = 6
    NOT_NOW = 7
    NOT_SCORED = 8


class Refused(Exception):
    """A question without an answer: what to say of it, and with what the command ends."""

    def __init__(
        self, status: int, code: str, *more: str, again: float | None = None, **params: object
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.more, self.params = status, code, more, params
        self.again = again  # in how many seconds the same question may have an answer; None: it has none


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
        entry = _waited(asking, told, as_json=as_json) if waits else None
    if as_json:
        _print(entry or told)
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


def _print(told: Mapping[str, Any]) -> None:
    """Print what a server answered, in ASCII: no sign in it steers a terminal, or is none of its encoding."""
    click.echo(json.dumps(told))


def _waited(asking: "_Asking", receipt: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Wait for an entry; whatever ends the waiting, its receipt is printed, and that it was received said.

    Raises:
        Refused: the server does not tell of the entry.
    """
    try:
        return _awaited(asking, receipt)
    except (Refused, KeyboardInterrupt) as ended:
        if as_json:
            _print(receipt)
        kept = word("kept", asking.language).format(id=flat(receipt.get("id")))
        if isinstance(ended, KeyboardInterrupt):
            click.echo(kept, err=True)
        elif ended.again is None:
            ended.more = (*ended.more, kept)
        else:
            raise Refused(Status.UNREACHABLE, "cannot-tell", kept, server=printable(asking.server)) from ended
        raise


def _awaited(asking: "_Asking", receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for an entry until there is nothing more to come: a score, or why there is none, with its log.

    A server that has trouble is asked again, for some minutes: it has the entry.

    Raises:
        Refused: it does not tell of the entry.
    """
    pause, trouble_at = LOOK_SECONDS, None
    while True:
        try:
            entry = _entry(asking, receipt)
        except Refused as refused:
            moment_now = time.monotonic()
            trouble_at = moment_now if trouble_at is None else trouble_at
            if refused.again is None or moment_now + refused.again - trouble_at > PATIENCE_SECONDS:
                raise
            time.sleep(max(pause, refused.again))
            pause = min(2 * pause, MOST_LOOK_SECONDS)
            continue
        if str(entry.get("state")) not in {"received", "scoring"} and not entry.get("log_follows"):
            return entry
        pause, trouble_at = LOOK_SECONDS, None
        time.sleep(pause)


def _entry(asking: "_Asking", receipt: Mapping[str, Any]) -> dict[str, Any]:
    told = asking.get("entries", id=flat(receipt.get("id"))).get("entries")
    found = next((one for one in told if isinstance(one, dict)), None) if isinstance(told, list) else None
    if found is None or found.get("id") != receipt.get("id"):
        raise Refused(Status.UNREACHABLE, "no-such-entry", server=asking.server)
    return found


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
        _print(told)
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
        _print(told)
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

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        self._client.close()
        if isinstance(problem, Refused):
            self.end(problem.status, problem.code, *problem.more, **problem.params)

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
            raise Refused(Status.UNREACHABLE, "slow", again=0, server=self.server) from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as problem:
            why = printable(str(problem)) or type(problem).__name__
            again = 0 if isinstance(problem, httpx.HTTPError) else None
            raise Refused(
                Status.UNREACHABLE, "unreachable", again=again, server=printable(self.server), why=why
            ) from problem
        told = _document(response)
        if told is None or not response.is_success:
            raise self._refused(response, told)
        return told

    def _refused(self, response: httpx.Response, told: Mapping[str, Any] | None) -> Refused:
        """Say what an answer means that is not what was asked for."""
        status, after = response.status_code, _after(response)
        if response.is_redirect:
            return Refused(Status.UNREACHABLE, "elsewhere", where=flat(response.headers.get("Location")))
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Refused(
                Status.UNREACHABLE, "trouble", *self._details(told), again=after or 0, number=status
            )
        again = after or 0 if status == httpx.codes.TOO_MANY_REQUESTS else None
        is_ours = told is not None or status == httpx.codes.REQUEST_ENTITY_TOO_LARGE  # a proxy may say that
        if status not in REFUSALS or not is_ours or self.slug is None:
            return Refused(Status.UNREACHABLE, "not-ours", again=again, server=self.server, number=status)
        code, end = REFUSALS[status]
        more = [*self._details(told), *self._next(after)]
        return Refused(end, code, *more, again=again, slug=printable(self.slug))

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

    def _next(self, after: int | None) -> list[str]:
        if after is None:
            return []
        return [word("next", self.language).format(at=local(datetime.now(UTC) + timedelta(seconds=after)))]


def _after(response: httpx.Response) -> int | None:
    """Return in how many seconds a server wants to be asked again; None: it does not say."""
    after = response.headers.get("Retry-After", "")
    fits = after.isascii() and after.isdigit() and len(after) < 9  # noqa: PLR2004 - fits a time
    return int(after) if fits else None


def _document(response: httpx.Response) -> dict[str, Any] | None:
    """Return what a server of ours answered; None: it was not one."""
    try:
        told = response.json()
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
