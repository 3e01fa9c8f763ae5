"""OAuth 2.0 for programs: registering, exchanging, giving back. What a person sees is in `connecting`."""

from flask import Blueprint, jsonify, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.certs import policy
from lms.certs.core.open_badges import OFFERED
from lms.certs.core.registration import AUTHENTICATION, GRANTS
from lms.certs.views.granting import METHOD, REGISTRATION, REVOCATION, server
from lms.certs.views.refusing import check_guesses, refused_as
from lms.web.guard import public
from lms.web.session import own_session, settings

blueprint = Blueprint("certs_oauth", __name__)

BUSY = frozenset({429, 503})


@blueprint.record_once
def _without_form(state: BlueprintSetupState) -> None:
    """An application's own secret speaks for each request, never a cookie, so it needs no form token."""
    state.app.extensions["csrf"].exempt(blueprint)


@blueprint.get("/.well-known/oauth-authorization-server")
@public
def description() -> Response:
    """Describe the authorization server (RFC 8414)."""
    start = settings().public_url.rstrip("/")
    response = jsonify(
        issuer=settings().public_url,
        authorization_endpoint=start + url_for("certs_connecting.authorize"),
        token_endpoint=start + url_for("certs_oauth.token"),
        registration_endpoint=start + url_for("certs_oauth.register"),
        revocation_endpoint=start + url_for("certs_oauth.revoke"),
        scopes_supported=list(OFFERED),
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=list(GRANTS),
        token_endpoint_auth_methods_supported=[AUTHENTICATION],
        revocation_endpoint_auth_methods_supported=[AUTHENTICATION],
        code_challenge_methods_supported=[METHOD],
        authorization_response_iss_parameter_supported=True,
    )
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@blueprint.post("/oauth/register")
@public
def register() -> Response:
    """Let an application register itself (RFC 7591); that opens nothing before a holder agrees."""
    with own_session() as own:
        try:
            count_try(own, policy.REGISTER_PER_ADDRESS, request.remote_addr or "")
        finally:
            own.commit()
    return server.answer(REGISTRATION)


@blueprint.post("/oauth/token")
@public
def token() -> Response:
    """Exchange a code, or the token to go on with, for new tokens."""
    check_guesses()
    return server.exchange()


@blueprint.post("/oauth/revoke")
@public
def revoke() -> Response:
    """Take back what was given to an application (RFC 7009)."""
    check_guesses()
    return server.answer(REVOCATION)


@blueprint.after_request
def _in_the_words_of_oauth(response: Response) -> Response:
    """Give every refusal its shape, also one that this room did not make itself."""
    return refused_as(response, _refused)


def _refused(status: int, sentence: str) -> Response:
    code = "temporarily_unavailable" if status in BUSY else "invalid_request"
    told = jsonify(error=code, error_description=sentence)
    told.status_code = status
    told.headers["Cache-Control"] = "no-store"
    return told
