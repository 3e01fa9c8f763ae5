"""The page on which a person of the organisation reads what waits, and approves or declines it.

It is served by the signer itself, so the platform can neither change what is shown nor press the button.
"""

import asyncio
import hmac
import json
import secrets
import time
import tomllib
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from tornado.template import Loader
from tornado.web import RequestHandler

from lms.certs.core.document import Claim
from lms.certs.core.endorsement import endorsed_text, read_endorsement
from lms.certs.core.mandate import Mandate, Refusal
from lms.certs.core.problems import DocumentProblem
from lms.certs.core.reading import read_claim
from lms.certs.core.sentences import sentence
from lms.certs.signer.approvals import LONGEST_REASON, Asked, kept_of, knows
from lms.certs.signer.enrolment import is_open
from lms.certs.signer.keeping import Signer
from lms.certs.signer.roster import Roster

_T = TypeVar("_T")

MOST_SHOWN = 50
SESSION_SECONDS = 30 * 60
MOST_TRIES, TRIES_SECONDS = 5, 600
_MOST_REMEMBERED = 1_000
_COOKIE = "__Host-approver"
_CHOSEN = {"chosen": "chosen", "all": "shown", "decline": "chosen"}
"""For each decision: the field that names what it is about."""
_FOLDER = Path(__file__).with_name("templates")
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_SCRIPTS = "script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"
_FILES = {
    "page.css": "text/css",
    "jcs.js": "text/javascript",
    "keys.js": "text/javascript",
    "signing.js": "text/javascript",
}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Hold what a person is shown of one document; each line is a name of `texts.toml` and a value."""

    digest: str
    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass
class _Session:
    name: str
    kept: str
    """What was kept of the passphrase at the time of signing in."""
    token: str
    ends: float
    note: tuple[str, str] | None = None


@dataclass
class Doorkeeper:
    """Remember who is signed in, and how often an address tried in vain."""

    sessions: dict[str, _Session] = field(default_factory=dict)
    tries: dict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(partial(deque[float], maxlen=MOST_TRIES + 1))
    )
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "sign-in"))
    loader: Loader = field(default_factory=lambda: Loader(str(_FOLDER), autoescape="xhtml_escape"))

    def __post_init__(self) -> None:
        for name in ("page.html", "sign_in.html", "waiting.html", "signing.html"):  # later they may be closed
            self.loader.load(name)
        self.files = {name: (_FOLDER / name).read_bytes() for name in _FILES}
        texts()

    def admit(self, name: str, kept: str) -> str:
        """Open a session and return what its cookie holds."""
        now = time.monotonic()
        self.sessions = {key: known for key, known in self.sessions.items() if known.ends > now}
        cookie = secrets.token_urlsafe(32)
        self.sessions[cookie] = _Session(name, kept, secrets.token_urlsafe(32), now + SESSION_SECONDS)
        return cookie

    def session(self, cookie: str | None) -> _Session | None:
        """Return the session of a cookie."""
        found = self.sessions.get(cookie or "")
        return found if found is not None and found.ends > time.monotonic() else None

    def may_try(self, address: str) -> bool:
        """Count a try, and say whether it is one too many."""
        now = time.monotonic()
        if len(self.tries) > _MOST_REMEMBERED:
            self.tries.clear()
        tried = self.tries[address]
        while tried and tried[0] < now - TRIES_SECONDS:
            tried.popleft()
        tried.append(now)
        return len(tried) <= MOST_TRIES


class Page(RequestHandler):
    """Answer one request of a person's browser."""

    def initialize(self, signer: Signer, door: Doorkeeper) -> None:
        """Take what all pages share, and see who is signed in."""
        self.signer = signer
        self.door = door
        known = self.door.session(self.get_cookie(_COOKIE))
        still = known is not None and kept_of(signer.folder, known.name) == known.kept
        self.known = known if still else None

    def set_default_headers(self) -> None:
        """Say nothing of the program; let nothing be kept, framed or loaded from elsewhere."""
        self.clear_header("Server")
        for name, value in {
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.set_header(name, value)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Say no more than that it failed."""
        self.finish(f"{status_code}")

    def get(self) -> Awaitable[None] | None:
        """Lead who reloads the answer to a form back to the list."""
        self.redirect("/approve", status=303)
        return None

    async def aside(self, work: Callable[[], _T]) -> _T:
        """Do something that takes its time outside the event loop: signatures are asked for meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self.door.pool, work)

    @property
    def language(self) -> str:
        """Return the language of the page: as asked, as before, or as the browser wishes."""
        asked = self.get_query_argument("language", "") or self.get_cookie("language") or ""
        if asked in {"en", "ko"}:
            return asked
        return "ko" if self.request.headers.get("Accept-Language", "").startswith("ko") else "en"

    def say(self, name: str, **values: Any) -> str:
        """Return a text in the language of the page."""
        return texts()[name][self.language] % values

    def show(self, template: str, title: str, **values: Any) -> None:
        """Write a page."""
        if self.get_query_argument("language", ""):
            self.set_cookie("language", self.language, secure=True, httponly=True, samesite="Strict")
        mandate = self.signer.mandate
        shared = {
            "say": self.say, "title": title, "language": self.language, "organisation": mandate.name,
            "role": str(mandate.role), "approver": self.known.name if self.known else "",
            "token": self.known.token if self.known else "", "note": None,
        }  # fmt: skip
        self.finish(self.door.loader.load(template).generate(**{**shared, **values}))

    def show_signing(self, note: tuple[str, str] | None = None) -> None:
        """Show the page that signs in the browser; its script does the rest."""
        self.set_header("Content-Security-Policy", f"{_POLICY}; {_SCRIPTS}")
        words = {name: text[self.language] for name, text in texts().items()}
        self.show("signing.html", "signing_title", note=note, words=json.dumps(words, ensure_ascii=False))

    def check_token(self, given: str | None = None) -> _Session:
        """Return the session that a form was shown in.

        Raises:
            Refusal: none, or another one.
        """
        given = self.get_body_argument("token", "") if given is None else given
        if self.known is None or not hmac.compare_digest(given.encode(), self.known.token.encode()):
            raise Refusal("signer.not_found")
        return self.known


class Waiting(Page):
    """Show what waits; or the way in."""

    async def get(self) -> None:
        """Show the page."""
        if self.known is None:
            self.show("sign_in.html", "sign_in_title")
            return
        note, self.known.note = self.known.note, None
        if self.signer.keyring.in_browser():
            self.show_signing(note)
            return
        enrolling = is_open(self.signer.folder, datetime.now(UTC))
        try:
            sheets, count = await self.aside(self._sheets)
        except (
            DocumentProblem
        ) as problem:  # the roster is damaged: nothing can be decided before it is mended
            sheets, count = [], 0
            note = ("bad", sentence(problem.code, problem.params, self.language))
        self.show("waiting.html", "title", sheets=sheets, count=count, note=note, enrolling=enrolling)

    def _sheets(self) -> tuple[list[Sheet], int]:
        """Return what is shown of what waits, and how much waits."""
        desk, mandate, roster = self.signer.desk, self.signer.mandate, self.signer.roster.current()
        waiting = desk.waiting()
        found = [asked for asked in map(desk.asked, waiting[:MOST_SHOWN]) if asked is not None]
        return [sheet_of(asked, mandate, roster, self.language) for asked in found], len(waiting)


class Signing(Page):
    """Show the page on which a browser's key is registered, also while another key signs."""

    def get(self) -> None:
        """Show the page."""
        if self.known is None:
            self.show("sign_in.html", "sign_in_title")
            return
        self.show_signing()


class SignIn(Page):
    """Take name and passphrase."""

    async def post(self) -> None:
        """Open a session, or say that they do not belong together."""
        if not self.door.may_try(self.request.remote_ip or ""):
            self.set_status(429)
            self.show("sign_in.html", "sign_in_title", note=("bad", self.say("too_often")))
            return
        name, passphrase = (
            self.get_body_argument(field, "", strip=False) for field in ("name", "passphrase")
        )
        check = partial(knows, self.signer.folder, name.strip(), passphrase)
        if await self.aside(check):
            self.door.tries.pop(self.request.remote_ip or "", None)
            cookie = self.door.admit(name.strip(), kept_of(self.signer.folder, name.strip()))
            self.set_cookie(_COOKIE, cookie, secure=True, httponly=True, samesite="Strict", path="/")
            self.redirect("/approve", status=303)
            return
        self.set_status(403)
        self.show("sign_in.html", "sign_in_title", note=("bad", self.say("wrong")))


class SignOut(Page):
    """End the session."""

    def post(self) -> None:
        """Forget who it was."""
        try:
            self.check_token()
        except Refusal:
            self.redirect("/approve", status=303)
            return
        self.door.sessions.pop(self.get_cookie(_COOKIE) or "", None)
        self.clear_cookie(_COOKIE, secure=True, path="/")
        self.redirect("/approve", status=303)


class Decide(Page):
    """Approve or decline what was shown."""

    def post(self) -> None:
        """Note the decision; the platform hears of it when it asks again."""
        try:
            known = self.check_token()
        except Refusal:
            self.set_status(403)
            self.show("sign_in.html", "sign_in_title", note=("bad", self.say("stale")), approver="", token="")
            return
        known.note = self._decided(known.name)
        self.redirect("/approve", status=303)

    def _decided(self, name: str) -> tuple[str, str]:
        decision = self.get_body_argument("decision", "")
        if decision not in _CHOSEN:
            return ("bad", self.say("stale"))
        chosen = self.get_body_arguments(_CHOSEN[decision])[:MOST_SHOWN]
        reason = " ".join(self.get_body_argument("reason", "").split())[:LONGEST_REASON]
        declined = decision == "decline"
        if not chosen:
            return ("bad", self.say("nothing_chosen"))
        if declined is not bool(reason):  # the enter key in the field of the reason presses the first button
            return ("bad", self.say("no_reason" if declined else "reason_given"))
        if not declined and self.signer.keyring.in_browser():
            return ("bad", self.say("needs_script"))
        count = self.signer.desk.decide(chosen, name, reason)
        return ("good", self.say("declined" if declined else "approved", count=count))


class File(Page):
    """Give the page its looks, and its scripts."""

    def get(self) -> None:
        """Hand out a file."""
        name = self.request.path.rpartition("/")[2]
        self.set_header("Content-Type", f"{_FILES[name]}; charset=utf-8")
        self.finish(self.door.files[name])


PAGES: list[tuple[str, type[RequestHandler]]] = [
    (r"/approve", Waiting),
    (r"/approve/signing", Signing),
    (r"/approve/sign-in", SignIn),
    (r"/approve/sign-out", SignOut),
    (r"/approve/decide", Decide),
    (r"/approve/(?:page\.css|jcs\.js|keys\.js|signing\.js)", File),
]


def sheet_of(asked: Asked, mandate: Mandate, roster: Roster, language: str) -> Sheet:
    """Write a document as a person reads it, from the parsed document and nothing else."""
    claim = read_claim(asked.document)
    lines = _lines(claim, mandate, roster, language)
    lines.append(("asked", f"{asked.asked_at:%Y-%m-%d %H:%M} UTC"))
    title = f"{claim.holder_name} · {claim.achievement.name}"
    return Sheet(digest=asked.digest, title=title, lines=tuple(lines))


def _lines(claim: Claim, mandate: Mandate, roster: Roster, language: str) -> list[tuple[str, str]]:
    said = {code: sentence[language] for code, sentence in texts().items()}
    labs = "\n".join(f"{lab.name}: {lab.score} / {lab.maximum}" for lab in claim.labs)
    places = "\n".join(
        said["place"] % {"name": rank.name, "place": rank.place, "field": rank.field, "tied": rank.tied}
        for rank in claim.ranks
    )
    evidence = (said["evidence_count"] % {"count": len(claim.evidence)}, *(e.name for e in claim.evidence))
    parties = (f"{party.name} <{party.url}>" for party in (claim.university, claim.company))
    skills = (f"{skill.name} <{skill.url}> ({skill.framework})" for skill in claim.achievement.skills)
    lines = [
        ("holder", claim.holder_name),
        ("email", said["open_roster"] if mandate.open_roster else listed_as(claim, roster)),
        ("organisations", "\n".join(parties)),
        ("achievement", f"{claim.achievement.name}\n{claim.achievement.id}"),
        ("description", claim.achievement.description),
        ("skills", "\n".join(skills)),
        ("criteria", claim.achievement.criteria),
        ("points", f"{claim.score} / {claim.maximum}"),
        ("labs", labs),
        ("places", places),
        ("evidence", "\n".join(evidence)),
        ("assurance", claim.assurance),
        ("endorsement", _endorsed(claim)),
        ("dated", f"{claim.issued_at:%Y-%m-%d %H:%M} UTC"),
        ("until", "" if claim.valid_until is None else f"{claim.valid_until:%Y-%m-%d %H:%M} UTC"),
    ]
    return [(name, value) for name, value in lines if value]


def _endorsed(claim: Claim) -> str:
    """Return the endorsement that a certificate carries; its text only where it is not the usual one."""
    if claim.endorsement is None:
        return ""
    found = read_endorsement(claim.endorsement)
    same = found.comment == endorsed_text(claim.achievement)
    return "\n".join((found.endorser.name, found.name, *([] if same else [found.comment])))


def listed_as(claim: Claim, roster: Roster) -> str:
    """Return under which address the roster has the learner."""
    try:
        return roster.find(claim).email
    except Refusal:  # withdrawn since it was asked for; it will not be signed
        return "—"


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text of the pages by name and language."""
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))
