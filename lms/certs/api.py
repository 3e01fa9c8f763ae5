"""For programs: the certificate file, the status list, and a verdict as JSON."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import Blueprint, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.certs import policy, queries
from lms.certs.core.joint import Finding
from lms.certs.core.pdf import MAX_PDF_BYTES
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import canonical
from lms.certs.core.verify import Verdict
from lms.db import now
from lms.errors import N_, TooLarge
from lms.web.guard import public
from lms.web.session import own_session, session, settings

blueprint = Blueprint("certs_api", __name__)


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
    """Check the certificate in the body: JSON, or a PDF that carries it."""
    if (request.content_length or 0) > MAX_PDF_BYTES:
        raise TooLarge(
            N_("This is more than %(limit)d bytes. Send the certificate file itself."), limit=MAX_PDF_BYTES
        )
    with own_session() as own:
        count_try(own, policy.VERIFY_PER_ADDRESS, request.remote_addr or "")
        own.commit()
    content = _taken()
    with own_session() as reading:
        trust = queries.pinned_trust(settings().trust)
        verdict = queries.verdict_on(reading, content, trust, settings().public_url, now())
    return current_app.response_class(_told(verdict), mimetype="application/json")


def _taken() -> bytes:
    """Return the certificate: the body, or the form's field `file`."""
    sent = request.files.get("file")
    if sent is None:
        return request.get_data()
    with sent.stream as stream:
        return stream.read()


def _told(verdict: Verdict) -> str:
    answer = {
        "status": verdict.status,
        "findings": [_sentence(finding) for finding in verdict.findings],
        "notices": [_sentence(finding) for finding in verdict.notices],
        "facts": None if verdict.facts is None else asdict(verdict.facts),
    }
    return json.dumps(answer, ensure_ascii=False, default=datetime.isoformat)


def _sentence(finding: Finding) -> dict[str, Any]:
    languages = {code: sentence(finding.code, finding.params, code) for code in ("en", "ko")}
    return {"code": finding.code, "params": finding.params, **languages}
