"""The transparency log for everyone: its newest state, its lines, and proofs."""

import json
from typing import Any

from flask import Blueprint, current_app, request
from werkzeug.wrappers import Response

from lms.certs.core.heads import show_entry, show_head
from lms.certs.core.log import consistency_path
from lms.certs.queries import credentials as queries
from lms.certs.queries import log_lines
from lms.errors import N_, Invalid, NotFound
from lms.web.guard import public
from lms.web.session import session, settings

blueprint = Blueprint("certs_log", __name__)

MOST_LINES = 1_000


@blueprint.get("/log")
@public
def head() -> Response:
    """Serve the newest state of the log that both organisations have co-signed."""
    found = log_lines.newest_head(session())
    if found is None:
        raise NotFound(N_("The log has no state yet that both organisations have signed. Come back later."))
    shown = show_head(log_lines.shown_head(found, _log()))
    return _json({"head": shown, "signatures": list(log_lines.signatures_of(found))})


@blueprint.get("/log/entries")
@public
def entries() -> Response:
    """Serve lines of the log, from `start` to before `end`, a thousand at most; they hold hashes only."""
    start, end = _number("start"), _number("end")
    found = log_lines.log_entries(session(), start, min(end, start + MOST_LINES))
    return _json({"start": start, "entries": [show_entry(entry) for entry in found]})


@blueprint.get("/log/heads")
@public
def heads() -> Response:
    """Serve states of the log that both have co-signed, from the `start`-th on, a thousand at most."""
    found = log_lines.signed_heads(session(), _number("start"), MOST_LINES)
    shown = [
        {
            "head": show_head(log_lines.shown_head(one, _log())),
            "signatures": list(log_lines.signatures_of(one)),
        }
        for one in found
    ]
    return _json({"heads": shown})


@blueprint.get("/log/consistency")
@public
def consistency() -> Response:
    """Prove that the log only grew from `first` to `second` lines."""
    first, second = _number("first"), _number("second")
    if not 0 < first <= second <= log_lines.log_size(session()):
        raise Invalid(N_("Give two sizes of the log, the smaller one first."), field="first")
    path = consistency_path(first, second, log_lines.log_nodes(session()))
    return _json({"first": first, "second": second, "path": [one.hex() for one in path]})


@blueprint.get("/log/proofs/<sha256>")
@public
def proof(sha256: str) -> Response:
    """Prove that a certificate, named by its hash, stands in the log."""
    found = queries.log_proof(session(), sha256)
    if found is None:
        raise NotFound(
            N_("The log holds no such certificate, or both have not yet co-signed it. Try again in a minute.")
        )
    response = _response(found)
    response.headers.set("Content-Disposition", "attachment", filename="log-proof.json")
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@blueprint.get("/status/<int:list_id>/notices/<sha256>")
@public
def notices(list_id: int, sha256: str) -> Response:
    """Serve the notices by which one organisation has withdrawn a certificate at once."""
    found = queries.notices(session(), list_id, sha256)
    if found is None:
        raise NotFound
    return _response(found)


def _log() -> str:
    return log_lines.log_id(settings().public_url)


def _number(name: str) -> int:
    text = request.args.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > len("999999999"):
        raise Invalid(N_("Give “%(name)s” as a number."), field=name, name=name)
    return int(text)


def _json(answer: dict[str, Any]) -> Response:
    return _response(json.dumps(answer, ensure_ascii=False).encode("utf-8"))


def _response(content: bytes) -> Response:
    response = current_app.response_class(content, mimetype="application/json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
