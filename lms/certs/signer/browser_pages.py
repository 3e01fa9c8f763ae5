"""What the page's script asks while a signatory signs in the browser; every answer is JSON.

It is told what waits and how to sign it, never a hash to sign: the script hashes what it shows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from tornado.web import RequestHandler

from lms.certs.core.keys import KeyUse
from lms.certs.core.mandate import Refusal
from lms.certs.core.problems import CertificateProblem, Unreadable
from lms.certs.core.reading import read_claim
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, read_object
from lms.certs.core.times import write_time
from lms.certs.signer.browser_proofs import Given
from lms.certs.signer.browser_signing import Answer, enrol, options, take
from lms.certs.signer.enrolment import Enrolment, is_open
from lms.certs.signer.keyring import KeyEntry, read_register
from lms.certs.signer.pages import MOST_SHOWN, Page, listed_as
from lms.certs.signer.roster import Roster

_CODES_TRIED = "code"


class Told(Page):
    """Answer the page's own script."""

    def answer(self, body: Document, status: int = HTTPStatus.OK) -> None:
        """Write an answer."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body, ensure_ascii=False).encode("utf-8"))

    def refuse(self, problem: CertificateProblem, status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        """Write why not."""
        self.answer(self.spoken(problem), status)

    def spoken(self, problem: CertificateProblem) -> Document:
        """Say why not, in the language of the page."""
        return {"code": problem.code, "said": sentence(problem.code, problem.params, self.language)}


class Script(Told):
    """Take what the page's own script sends, in the session that the page was shown in."""

    def told(self, answers: Mapping[str, Answer]) -> Document:
        """Say for each document what there is, or why nothing."""
        return {
            digest: self.spoken(answer) if isinstance(answer, CertificateProblem) else {"answer": answer}
            for digest, answer in answers.items()
        }

    async def post(self) -> None:
        """Take what the script sends, from this page only."""
        if self.request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            self.answer({"said": self.say("stale")}, HTTPStatus.FORBIDDEN)
            return
        try:
            asked = self._asked()
            self.check_token(_text(asked, "token"))
        except Unreadable:
            self.refuse(Refusal("signer.bad_request"), HTTPStatus.BAD_REQUEST)
            return
        except Refusal:
            self.answer({"said": self.say("stale")}, HTTPStatus.FORBIDDEN)
            return
        try:
            work = self.work(asked)
            answer = await self.aside(work)
        except CertificateProblem as problem:
            self.refuse(problem)
            return
        self.answer(answer)

    def work(self, asked: Document) -> Callable[[], Document]:
        """Read what is asked and return what is to be done, outside the event loop."""
        raise NotImplementedError

    @property
    def approver(self) -> str:
        """Return who is signed in."""
        return self.known.name if self.known else ""

    def _asked(self) -> Document:
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise Unreadable("json.broken")
        return read_object(self.request.body)


class State(Told):
    """Tell what waits, and whose key signs it."""

    async def get(self) -> None:
        """Answer who signed in."""
        if self.known is None:
            self.answer({"said": self.say("stale")}, HTTPStatus.FORBIDDEN)
            return
        try:
            self.answer(await self.aside(self._state))
        except CertificateProblem as problem:
            self.refuse(problem)

    def _state(self) -> Document:
        signer, now = self.signer, datetime.now(UTC)
        issuing = [entry for entry in read_register(signer.folder) if entry.use is KeyUse.ISSUING]
        waiting = signer.desk.to_sign() if signer.keyring.in_browser() else []
        return {
            "did": signer.mandate.did,
            "elsewhere": not signer.keyring.in_browser(),
            "key": next((_shown(entry) for entry in issuing if _is_browsers(entry)), None),
            "retired": [entry.multibase for entry in issuing if entry.retired_at is not None],
            "enrolling": is_open(signer.folder, now),
            "count": len(waiting),
            "documents": self._documents(waiting[:MOST_SHOWN]),
        }

    def _documents(self, digests: Sequence[str]) -> list[Document]:
        found = [asked for asked in map(self.signer.desk.asked, digests) if asked is not None]
        listed = bool(found) and not self.signer.mandate.open_roster
        roster = self.signer.roster.current() if listed else None
        return [
            {
                "digest": asked.digest,
                "document": asked.document,
                "asked": f"{asked.asked_at:%Y-%m-%d %H:%M} UTC",
                "email": self.say("open_roster") if roster is None else _email(asked.document, roster),
            }
            for asked in found
        ]


class Options(Script):
    """Give the settings of proofs."""

    def work(self, asked: Document) -> Callable[[], Document]:
        """Judge the documents."""
        digests = asked.get("digests")
        if not isinstance(digests, list) or not all(isinstance(digest, str) for digest in digests):
            raise Refusal("signer.bad_request")
        chosen = digests[:MOST_SHOWN]
        return lambda: {"answers": self.told(options(self.signer, chosen, datetime.now(UTC)))}


class Signatures(Script):
    """Take signatures in."""

    def work(self, asked: Document) -> Callable[[], Document]:
        """Check them and write them down."""
        proofs = asked.get("proofs")
        if not isinstance(proofs, dict) or not all(isinstance(proof, dict) for proof in proofs.values()):
            raise Refusal("signer.bad_request")
        given = {digest: Given(self.approver, proof) for digest, proof in list(proofs.items())[:MOST_SHOWN]}
        return lambda: {"answers": self.told(take(self.signer, given, datetime.now(UTC)))}


class Key(Script):
    """Register a browser's key."""

    def work(self, asked: Document) -> Callable[[], Document]:
        """Take the key if the code is right; trying codes ends soon."""
        names = ("code", "publicKeyMultibase", "token", "signature")
        code, multibase, token, signature = (_text(asked, name) for name in names)
        address = f"{_CODES_TRIED} {self.request.remote_ip}"
        if not self.door.may_try(address):
            raise Refusal("signer.too_often")
        enrolment = Enrolment(code=code, multibase=multibase, token=token, signature=signature)
        by = self.approver
        return lambda: {"key": _shown(enrol(self.signer, enrolment, by, datetime.now(UTC)))}


SIGNING_PAGES: list[tuple[str, type[RequestHandler]]] = [
    (r"/approve/signing\.json", State),
    (r"/approve/options", Options),
    (r"/approve/signatures", Signatures),
    (r"/approve/key", Key),
]


def _email(document: Document, roster: Roster) -> str:
    try:
        return listed_as(read_claim(document), roster)
    except CertificateProblem:  # it is no certificate any more; the script finds that out for itself
        return "—"


def _shown(entry: KeyEntry) -> Document:
    since = write_time(entry.created_at)
    return {"multibase": entry.multibase, "by": str(entry.browser.get("by", "")), "since": since}


def _is_browsers(entry: KeyEntry) -> bool:
    return bool(entry.browser) and entry.retired_at is None


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise Unreadable("json.broken")
    return value
