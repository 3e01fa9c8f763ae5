"""The page on which an employer checks many certificates at once."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime

from flask import Blueprint, Response, render_template, request, stream_template, stream_with_context
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.datastructures import FileStorage

from lms.accounts.services.limits import count_try
from lms.accounts.services.tokens import DAYS, Purpose, make_token
from lms.certs import policy
from lms.certs.core.carriers import unpack
from lms.certs.core.many import Outcome, counts, tell_many, write_report
from lms.certs.core.sentences import sentence
from lms.certs.forms import ManyForm
from lms.certs.queries import credentials as queries
from lms.db import now
from lms.web.language import language
from lms.web.session import own_session, reads_first, settings

blueprint = Blueprint("certs_bulk", __name__, template_folder="../templates")

STEPS = 40
UNREADABLE = 422
HERE = "<!-- answers -->"
Files = list[tuple[str, bytes]]


@blueprint.get("/verify/many")
def many() -> str:
    """Offer to check many certificates."""
    return _page(ManyForm())


@blueprint.post("/verify/many")
@reads_first
def check() -> Response | tuple[str, int]:
    """Check what was sent, showing how far it is; nothing of it is kept."""
    _count()
    form = ManyForm()
    files = [(file.filename or "…", _content(file)) for file in form.files.data or () if file]
    if not form.validate() or not files:
        if not form.errors:
            form.form_errors.append(gettext("Choose the certificates first: files, a ZIP or a CSV."))
        return _page(form), UNREADABLE
    head, tail = _page(ManyForm(formdata=None), answers=HERE).split(HERE)
    sent = stream_with_context(_send(head, Run(files), tail))
    return Response(sent, mimetype="text/html", headers={"X-Accel-Buffering": "no"})


@blueprint.post("/verify/many/token")
@reads_first
def token() -> str:
    """Make a token for a program, and show it this once."""
    return _page(
        ManyForm(formdata=None), token=make_token(current_user, Purpose.VERIFY_MANY, settings().session_key())
    )


def _page(form: ManyForm, *, answers: str = "", token: str = "") -> str:
    return render_template("certs/many.html", form=form, answers=Markup(answers), token=token, days=DAYS)  # noqa: S704 - our own mark


def _send(head: str, run: "Run", tail: str) -> Iterator[str]:
    """Send the page as it comes to be: all around is made at once, and the answers one by one."""
    yield head
    yield from stream_template("certs/_answers.html", run=run)
    yield tail


class Run:
    """One check of many, carried out while its page is being sent."""

    def __init__(self, files: Files) -> None:
        self.total = sum(1 for _ in unpack(files))
        self.outcomes: list[Outcome] = []
        self._files = files

    def __iter__(self) -> Iterator[int]:
        """Verify one after the other; yield now and then how many are done."""
        often = max(1, self.total // STEPS)
        trust = queries.pinned_trust(settings().trust)
        with own_session() as reading:
            for outcome in queries.verdicts_on(reading, self._files, trust, settings().public_url, now()):
                self.outcomes.append(outcome)
                if len(self.outcomes) % often == 0 or len(self.outcomes) == self.total:
                    yield len(self.outcomes)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many have which answer."""
        return counts(self.outcomes)

    @property
    def rows(self) -> Iterator[tuple[Outcome, list[str]]]:
        """Yield each answer with its reasons in the reader's language."""
        for outcome in self.outcomes:
            found = outcome.verdict.findings
            yield outcome, [sentence(one.code, one.params, language()) for one in found]

    @property
    def csv_address(self) -> str:
        """Return the report as a table, inside the page itself: nothing is kept here."""
        return _address("text/csv", "\N{ZERO WIDTH NO-BREAK SPACE}" + write_report(self.outcomes, language()))

    @property
    def json_address(self) -> str:
        """Return the report for programs, inside the page itself."""
        told = tell_many(self.outcomes, {"en": "en", "ko": "ko"})
        return _address("application/json", json.dumps(told, ensure_ascii=False, default=datetime.isoformat))


def _content(file: FileStorage) -> bytes:
    with file.stream as stream:
        return stream.read()


def _address(mimetype: str, text: str) -> str:
    return f"data:{mimetype};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _count() -> None:
    with own_session() as own:
        count_try(own, policy.MANY_PER_PERSON, str(current_user.id))
        count_try(own, policy.MANY_PER_ADDRESS, request.remote_addr or "")
        own.commit()
