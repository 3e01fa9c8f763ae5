"""The Open Badges API: what an application reads in a holder's name. Nothing can be put in."""

from flask import Blueprint, jsonify, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from lms.certs.core.open_badges import (
    CREDENTIALS,
    PROFILE,
    ROOT,
    describe_service,
    read_page,
    status_info,
    write_links,
    write_profile,
)
from lms.certs.queries import connections
from lms.certs.views.bearing import connection_for
from lms.certs.views.refusing import REFUSED, refused_as
from lms.web.guard import public
from lms.web.session import session, settings

blueprint = Blueprint("certs_open_badges", __name__, url_prefix=ROOT)

WRITING = ("POST", "PUT", "PATCH", "DELETE")


@blueprint.record_once
def _without_form(state: BlueprintSetupState) -> None:
    """A token of its own speaks for each request, never a cookie, so a program needs no form token."""
    state.app.extensions["csrf"].exempt(blueprint)


@blueprint.get("/discovery")
@public
def discovery() -> Response:
    """Describe this service: where to register, to ask, and to read."""
    response = jsonify(describe_service(_address(), _addresses()))
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@blueprint.get("/credentials")
@public
def credentials() -> Response:
    """Hand out the certificates of the holder who agreed, a page at a time."""
    connection = connection_for(CREDENTIALS)
    try:
        page = read_page(request.args)
    except ValueError as wrong:
        return _refused(REFUSED, str(wrong))
    found = connections.credentials_of(session(), connection.user_id, page.since)
    shown = [one.document for one in found[page.offset : page.offset + page.limit]]
    response = jsonify({"credential": shown, "compactJwsString": []})
    response.headers["X-Total-Count"] = str(len(found))
    response.headers["Link"] = write_links(f"{_address()}{ROOT}/credentials", page, len(found))
    return response


@blueprint.get("/profile")
@public
def profile() -> Response:
    """Tell the name of the holder who agreed."""
    connection = connection_for(PROFILE)
    return jsonify(write_profile(connection.subject, connection.user.name))


@blueprint.route("/credentials", methods=WRITING)
@blueprint.route("/profile", methods=WRITING)
@blueprint.route("/discovery", methods=WRITING)
@public
def closed() -> Response:
    """Refuse to take anything in: certificates are issued here, not kept for others."""
    response = _refused(405, "This is a provider: it can be read, and takes nothing in.")
    response.headers["Allow"] = "GET, HEAD, OPTIONS"
    return response


@blueprint.after_request
def _in_the_words_of_the_standard(response: Response) -> Response:
    """Give every refusal its shape, also one that this room did not make itself; let nobody keep answers."""
    if request.endpoint != "certs_open_badges.discovery":
        response.headers["Cache-Control"] = "no-store"
    return refused_as(response, _refused)


def _refused(status: int, sentence: str) -> Response:
    response = jsonify(status_info(status, sentence))
    response.status_code = status
    return response


def _address() -> str:
    return settings().public_url.rstrip("/")


def _addresses() -> dict[str, str]:
    endpoints = {
        "register": "certs_oauth.register",
        "authorize": "certs_connecting.authorize",
        "token": "certs_oauth.token",
        "terms": "certs_connecting.terms",
    }
    return {name: _address() + url_for(endpoint) for name, endpoint in endpoints.items()}
