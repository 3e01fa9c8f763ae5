"""Connected applications: the holder is asked, sees who may read what for how long, and ends it."""

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.certs import policy
from lms.certs.core.open_badges import CREDENTIALS, OFFLINE, PROFILE
from lms.certs.core.registration import origin_of, split_scope
from lms.certs.queries import connections
from lms.certs.services import connecting
from lms.certs.views.granting import server
from lms.db import now
from lms.errors import N_, DomainError
from lms.web.guard import public
from lms.web.headers import POLICY
from lms.web.session import own_session, session

blueprint = Blueprint("certs_connecting", __name__)


@blueprint.get("/oauth/authorize")
def authorize() -> Response:
    """Ask the holder whether an application may read, saying who wants what for how long."""
    try:
        asked = server.ask(current_user)
    except OAuth2Error as error:
        return _refused(error)
    wanted = asked.request
    origin = origin_of(asked.redirect_uri)
    page = render_template(
        "certs/consent.html",
        application=wanted.client.registered,
        origin=origin,
        told=_told(wanted.scope),
        lasting=OFFLINE in split_scope(wanted.scope),
        ends_at=connecting.ends_at(wanted.scope, now()),
        address=request.full_path,
    )
    response = current_app.make_response(page)
    # A browser counts where the answer leads to as a place that the form is sent to.
    allowed = POLICY.replace("form-action 'self'", f"form-action 'self' {origin}")
    response.headers["Content-Security-Policy"] = allowed
    return response


@blueprint.post("/oauth/authorize")
def decide() -> Response:
    """Take the holder's answer back to the application."""
    whom = str(current_user.id)  # read before: the request's own transaction would hold the write lock
    with own_session() as own:
        count_try(own, policy.CONNECT_PER_PERSON, whom)
        own.commit()
    agreed = request.form.get("decision") == "allow"
    try:
        asked = server.ask(current_user)
    except OAuth2Error as error:
        return _refused(error)
    holder = current_user._get_current_object() if agreed else None  # noqa: SLF001 - how the proxy is unwrapped
    response: Response = server.create_authorization_response(asked.request, grant_user=holder, grant=asked)
    return response


@blueprint.get("/certificates/applications")
def applications() -> str:
    """Show the holder which applications are connected, and since when until when."""
    found = connections.connections_of(session(), current_user, request.args.get("page", 1, type=int))
    return render_template(
        "certs/applications.html",
        found=found,
        connections=[
            (one, origin_of(one.redirect_uri), _told(one.scope), policy.can_use_connection(one, now()))
            for one in found.rows
        ],
    )


@blueprint.post("/certificates/applications/<int:connection_id>/end")
def end(connection_id: int) -> Response:
    """End what an application may do."""
    connecting.end(session(), current_user, connection_id, at=now())
    flash(gettext("The connection is ended. The application can read nothing more from now on."), "success")
    return redirect(url_for("certs_connecting.applications"), 303)


@blueprint.get("/certificates/applications/terms")
@public
def terms() -> str:
    """Say what connected applications get, and on which terms."""
    return render_template("certs/applications_terms.html", days=connecting.LASTING.days)


def _refused(error: OAuth2Error) -> Response:
    """Say what is wrong, with a link back to the application where its address is known.

    Nobody is led on without a click: anybody may register an address, and could send people there from here.

    Raises:
        DomainError: there is no such address; an unknown one is never answered.
    """
    reason = error.description or error.error
    if not error.redirect_uri:
        raise DomainError(
            N_(
                "The application asked in a way that is not allowed here, so nothing was shared. Go back to "
                "it and try again; if it happens again, tell its makers: %(reason)s"
            ),
            reason=reason,
        )
    page = render_template(
        "certs/consent_refused.html",
        reason=reason,
        origin=origin_of(error.redirect_uri),
        address=server.refuse(error).location,
    )
    return current_app.make_response((page, error.status_code))


def _told(scope: str) -> list[str]:
    """Say what a scope lets an application do."""
    known = {
        CREDENTIALS: gettext("All your certificates, also those you get later: name, points, places, skills"),
        PROFILE: gettext("Your name in this place"),
    }
    return [known[one] for one in split_scope(scope) if one in known]
