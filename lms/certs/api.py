"""For programs: the certificate file, the status list, and a verdict as JSON."""

import json
from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from flask_login import current_user
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.accounts.services.tokens import Purpose, person_of
from lms.certs import policy
from lms.certs.core.carriers import most_bytes
from lms.certs.core.many import tell, tell_many, write_report
from lms.certs.core.strict_json import canonical
from lms.certs.queries import credentials as queries
from lms.db import now
from lms.errors import N_, Invalid, TooLarge
from lms.web.guard import public
from lms.web.session import own_session, reads_first, session, settings

blueprint = Blueprint("certs_api", __name__)

LANGUAGES = {"en": "en", "ko": "ko"}


@blueprint.record_once
def _without_form(state: BlueprintSetupState) -> None:
    """Nothing here acts in anybody's name, so a program needs no form token."""
    state.app.extensions["csrf"].exempt(blueprint)


@blueprint.get("/c/<uuid:uuid>.json")
@public
def credential(uuid: object) -> Response:
    """Hand out the signed file."""
    found = queries.credential(session(), str(uuid))
    response = current_app.response_class(queries.content_of(found), mimetype="application/json")
    response.headers.set("Content-Disposition", "attachment", filename="credential.json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@blueprint.get("/status/<int:list_id>")
@public
def status_list(list_id: int) -> Response:
    """Serve a status list: who checks a certificate anywhere asks here whether it was withdrawn."""
    document = queries.status_list(session(), list_id)
    response = current_app.response_class(canonical(document), mimetype="application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "public, max-age=60"
    return response


@blueprint.post("/api/verify")
@public
def verify() -> Response:
    """Check the certificate in the body: JSON, or a PDF, PNG, SVG or holder's bundle that carries it."""
    with own_session() as own:
        count_try(own, policy.VERIFY_PER_ADDRESS, request.remote_addr or "")
        own.commit()
    content = _taken()
    if len(content) > (limit := most_bytes(content)):
        raise TooLarge(
            N_("This is more than %(limit)d bytes. Send the certificate file itself."), limit=limit
        )
    with own_session() as reading:
        trust = queries.pinned_trust(settings().trust)
        verdict = queries.verdict_on(reading, content, trust, settings().public_url, now())
    return _json(tell(verdict, LANGUAGES))


@blueprint.post("/api/verify/many")
@public
@reads_first
def verify_many() -> Response:
    """Check many certificates, the form's files `files`, for somebody signed in or a program with a token."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    user_id = current_user.id if current_user.is_authenticated else 0
    with own_session() as own:
        count_try(own, policy.MANY_PER_ADDRESS, request.remote_addr or "")
        own.commit()
        user_id = user_id or person_of(own, token, Purpose.VERIFY_MANY, settings().session_key()).id
        count_try(own, policy.MANY_PER_PERSON, str(user_id))
        own.commit()
    files = [(file.filename or "…", _content(file)) for file in request.files.getlist("files")]
    if not files:
        raise Invalid(N_("Send the certificates as files of the field “files”: several, a ZIP or a CSV."))
    with own_session() as reading:
        trust = queries.pinned_trust(settings().trust)
        outcomes = list(queries.verdicts_on(reading, files, trust, settings().public_url, now()))
    if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
        chosen = request.args.get("language", "en")
        return current_app.response_class(write_report(outcomes, chosen), mimetype="text/csv")
    return _json(tell_many(outcomes, LANGUAGES))


def _taken() -> bytes:
    """Return the certificate: the body, or the form's field `file`."""
    sent = request.files.get("file")
    return request.get_data() if sent is None else _content(sent)


def _content(file: FileStorage) -> bytes:
    with file.stream as stream:
        return stream.read()


def _json(answer: dict[str, Any]) -> Response:
    told = json.dumps(answer, ensure_ascii=False, default=datetime.isoformat)
    return current_app.response_class(told, mimetype="application/json")
