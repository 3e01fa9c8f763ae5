"""`lms boards submit`, `standings` and `points`: entering and reading the boards of a server, over HTTP."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import quote, urlsplit

import click
import httpx

from lms.commands import LANGUAGE
from lms.leaderboards.core.honours import Tier
from lms.leaderboards.core.tables import printable

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
WAIT = httpx.Timeout(30, write=300, read=120)  # seconds; a large file takes its time
MOST_SHOWN = 1000
MOST_FAULTS = 20
WORDS = {
    "received": (
        "Received at {at}, entry {id}, {bytes} bytes, SHA-256 {sha256}. It is being scored.",
        "{at}에 접수했어요. 제출 {id}, {bytes}바이트, SHA-256 {sha256}. 지금 채점하고 있어요.",
    ),
    "left": (
        "{left} of {limit} entries are left today.",
        "오늘 {limit}번 가운데 {left}번 남았어요.",
    ),
    "no-token": (
        "There is no token. Make one on the page of your entries and put it into DURI_TOKEN.",
        "토큰이 없어요. 내 제출 페이지에서 토큰을 만들어 DURI_TOKEN에 넣으세요.",
    ),
    "bad-server": (
        "{server} is no address of a server. Give one such as https://duri.example.",
        "{server}은(는) 서버 주소가 아니에요. https://duri.example 같은 주소를 넣으세요.",
    ),
    "in-the-open": (
        "Warning: {server} is not https, so others on the network can read your token.",
        "주의: {server}이(가) https가 아니어서 같은 네트워크의 다른 사람이 토큰을 읽을 수 있어요.",
    ),
    "unreachable": (
        "The server at {server} cannot be reached ({why}). Check the address, or try again in a minute.",
        "{server} 서버에 닿을 수 없어요({why}). 주소를 확인하거나 1분 뒤에 다시 시도하세요.",
    ),
    "slow": (
        "The server at {server} did not answer in time. Look at your entries before you send the file again.",
        "{server} 서버가 제때 답하지 않았어요. 파일을 다시 보내기 전에 내 제출을 확인하세요.",
    ),
    "elsewhere": (
        "The server sends this on to {where}. Give that address with --server.",
        "서버가 {where}(으)로 가라고 해요. --server에 그 주소를 넣으세요.",
    ),
    "not-ours": (
        "What answers at {server} is not Duri, or too old (status {number}). Check the address.",
        "{server}에서 답하는 것이 두리가 아니거나 너무 오래됐어요(상태 {number}). 주소를 확인하세요.",
    ),
    "unknown-token": (
        "The server does not know you. Make a token on the page of your entries and put it into DURI_TOKEN.",
        "서버가 누구인지 알지 못해요. 내 제출 페이지에서 토큰을 만들어 DURI_TOKEN에 넣으세요.",
    ),
    "refused": ("The server refused this.", "서버가 거절했어요."),
    "not-there": (
        "There is no challenge {slug} for you, or you are in no team. Check its name, and join it first.",
        "챌린지 {slug}이(가) 없거나 아직 팀에 들어가지 않았어요. 이름을 확인하고 먼저 참가하세요.",
    ),
    "conflict": ("This is not possible now.", "지금은 할 수 없어요."),
    "too-large": (
        "The file is too large, so it was not taken. Nothing was counted.",
        "파일이 너무 커서 받지 않았어요. 횟수는 줄지 않았어요.",
    ),
    "faults": (
        "The file has faults, so it was not taken. Nothing was counted.",
        "파일에 잘못된 곳이 있어 받지 않았어요. 횟수는 줄지 않았어요.",
    ),
    "line": ("line {line}: {detail}", "{line}행: {detail}"),
    "more": ("… and {more} more.", "… 그 밖에 {more}개가 더 있어요."),
    "too-soon": ("It is too soon for this.", "아직 보낼 수 없어요."),
    "next": ("Next possible: {at}.", "다음에 가능한 때: {at}."),
    "trouble": (
        "The server has trouble (status {number}). Look at your entries, then try again in a minute.",
        "서버에 문제가 있어요(상태 {number}). 내 제출을 확인하고 1분 뒤에 다시 시도하세요.",
    ),
    "public": ("Public scores", "공개 점수"),
    "frozen": ("Public scores, frozen", "공개 점수(동결)"),
    "private": ("Final scores", "최종 점수"),
    "teams": ("{share}; {ranked} teams", "{share}, {ranked}팀"),
    "baseline": ("{name} (baseline)", "{name}(기준선)"),
    "you": ("You: place {rank} of {ranked}.", "나: {ranked}팀 중 {rank}위."),
    "nobody": ("Nobody is on the board yet.", "아직 리더보드에 아무도 없어요."),
    "people": ("{found} people, page {page} of {pages}", "{found}명, {pages}쪽 중 {page}쪽"),
    "no-people": ("Nobody shows points that fit.", "맞는 사람 가운데 포인트를 공개한 사람이 없어요."),
    "medals": ("{gold} gold, {silver} silver, {bronze} bronze", "금 {gold}, 은 {silver}, 동 {bronze}"),
}


class Status(IntEnum):
    """With what a command ends; 0 is well done, 2 a wrong way of calling it."""

    UNREACHABLE = 1
    NOT_ALLOWED = 3
    NOT_FOUND = 4
    NOT_TAKEN = 5
    TOO_SOON = 6
    NOT_NOW = 7


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
@click.option("--json", "as_json", is_flag=True, help="Print the server's receipt as it came.")
@LANGUAGE
@click.pass_context
def submit(
    context: click.Context, file: Path, *, slug: str, server: str, as_json: bool, language: str
) -> None:
    """Send FILE to a challenge and print the receipt; DURI_TOKEN holds your token.

    Status 1: the server cannot be reached or has trouble; 3: the token is not good, or you may not; 4: no
    such challenge or team; 5: the file was not taken; 6: too soon; 7: not at this time.
    """
    with _Asking(context, server, slug, language) as asking:
        if not asking.token:
            asking.end(Status.NOT_ALLOWED, "no-token")
        with file.open("rb") as content:
            told = asking.post("entries", content, filename=file.name)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    known = {name: _flat(told.get(name)) for name in ("id", "bytes", "sha256")}
    asking.say("received", at=_moment(told.get("received_at")), **known)
    quota = told.get("quota")
    if isinstance(quota, dict):
        asking.say("left", left=_flat(quota.get("left")), limit=_flat(quota.get("limit")))


@click.command("standings", short_help="Show the board of a challenge on a server.")
@click.argument("slug", metavar="SLUG")
@SERVER
@click.option(
    "--top", default=50, show_default=True, type=click.IntRange(1, MOST_SHOWN), help="Places shown."
)
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it came.")
@LANGUAGE
@click.pass_context
def standings(
    context: click.Context, slug: str, *, server: str, top: int, as_json: bool, language: str
) -> None:
    """Show the board of the challenge SLUG, and your own place where DURI_TOKEN holds your token.

    Status as with `submit`.
    """
    with _Asking(context, server, slug, language) as asking:
        told = asking.get("board", limit=top)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    for line in _board(told, language):
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
    for line in _people(told, language):
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
            click.echo(_word("in-the-open", self.language).format(server=self.server), err=True)

    def say(self, code: str, **params: object) -> None:
        """Say one sentence in the reader's language."""
        click.echo(_word(code, self.language).format(**params))

    def end(self, status: int, code: str, *more: str, **params: object) -> NoReturn:
        """Say what went wrong, and end."""
        click.echo(_word(code, self.language).format(**params), err=True)
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
            where = _flat(response.headers.get("Location"))
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
            return [_flat(told["detail"])] if told.get("detail") else []
        known = [fault for fault in faults if isinstance(fault, dict)]
        lines = [self._fault(fault) for fault in known[:MOST_FAULTS]]
        if len(known) > MOST_FAULTS:
            lines.append(_word("more", self.language).format(more=len(known) - MOST_FAULTS))
        return lines

    def _fault(self, fault: Mapping[str, Any]) -> str:
        detail = _flat(fault.get("detail"))
        if fault.get("line") is None:
            return detail
        return _word("line", self.language).format(line=_flat(fault["line"]), detail=detail)

    def _next(self, response: httpx.Response) -> list[str]:
        after = response.headers.get("Retry-After", "")
        if not (after.isascii() and after.isdigit() and len(after) < 9):  # noqa: PLR2004 - fits a time
            return []
        at = datetime.now(UTC) + timedelta(seconds=int(after))
        return [_word("next", self.language).format(at=_local(at))]


def _document(response: httpx.Response) -> dict[str, Any] | None:
    """Return what a server of ours answered; None: it was not one."""
    try:
        told = response.json()
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _board(told: Mapping[str, Any], language: str) -> list[str]:
    """Return a board as lines; names stand last, for nobody knows how wide they are."""
    rows = _rows(told)
    if not rows:
        return [_word("nobody", language)]
    share, ranked = str(told.get("share")), _flat(told.get("ranked"))
    lines = [
        _word("teams", language).format(
            share=_word(share, language) if share in WORDS else "", ranked=ranked
        ),
        *(_row(row, language) for row in rows),
    ]
    mine = told.get("mine")
    if isinstance(mine, dict) and mine.get("rank") is not None:
        lines.append(_word("you", language).format(rank=_flat(mine["rank"]), ranked=ranked))
    return lines


def _people(told: Mapping[str, Any], language: str) -> list[str]:
    """Return people as lines; names stand last."""
    rows = _rows(told)
    if not rows:
        return [_word("no-people", language)]
    numbers = {name: _flat(told.get(name)) for name in ("found", "page", "pages")}
    return [_word("people", language).format(**numbers), *(_person(row, language) for row in rows)]


def _rows(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = told.get("rows")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _person(row: Mapping[str, Any], language: str) -> str:
    won, points = row.get("medals"), row.get("points")
    counts = won if isinstance(won, dict) else {}
    medals = _word("medals", language).format(
        **{name: _flat(counts.get(name, 0)) for name in ("gold", "silver", "bronze")}
    )
    shown = f"{points:,.0f}" if isinstance(points, int | float) else "-"
    return f"{_flat(row.get('rank')):>6} {shown:>9}  {medals}  {_flat(row.get('name'))}"


def _row(row: Mapping[str, Any], language: str) -> str:
    name = row.get("team")
    if isinstance(name, dict):  # of a baseline, by language
        name = name.get(language) or next(iter(name.values()), "")
    shown = _flat(name)
    if row.get("baseline"):
        shown = _word("baseline", language).format(name=shown)
    interval = row.get("rank_interval")
    if isinstance(interval, list) and len(interval) == 2 and interval[0] != interval[1]:  # noqa: PLR2004 - from, to
        shown += f" ({_flat(interval[0])}-{_flat(interval[1])})"
    rank = "-" if row.get("rank") is None else _flat(row["rank"])
    return f"{rank:>6} {_flat(row.get('score')):>14}  {shown}"


def _moment(text: object) -> str:
    try:
        return _local(datetime.fromisoformat(str(text)))
    except ValueError:
        return _flat(text)


def _local(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _flat(value: object) -> str:
    """Return something that a server said, so that it cannot steer the terminal."""
    return printable("" if value is None else str(value))


def _word(code: str, language: str) -> str:
    english, korean = WORDS[code]
    return korean if language == "ko" else english
