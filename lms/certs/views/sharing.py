"""Share links: the holder's page of them, and what a link shows to whoever was given it."""

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.certs import policy
from lms.certs.core.profile_link import linkedin_address
from lms.certs.core.reading import read_claim
from lms.certs.forms import ShareForm
from lms.certs.queries import credentials as queries
from lms.certs.queries import share_links
from lms.certs.services import sharing
from lms.certs.views.showing import show_marks, show_verdict
from lms.db import now
from lms.errors import Invalid
from lms.web.errors import put_beside
from lms.web.guard import public
from lms.web.session import noted, own_session, session, settings

blueprint = Blueprint("certs_sharing", __name__)

WRONG = 422


@blueprint.route("/c/<uuid:uuid>/share", methods=["GET", "POST"])
def share(uuid: object) -> str | Response | tuple[str, int]:
    """Show the holder the links to a certificate, and make one more."""
    credential = queries.credential(session(), str(uuid))
    policy.check_can_share(current_user, credential)
    form = ShareForm()
    if form.validate_on_submit():
        days, label = form.days.data, form.label.data or ""
        try:
            sharing.share(session(), current_user, str(uuid), days=days, label=label, at=now())
        except Invalid as error:
            put_beside(form, error)
        else:
            flash(gettext("The link is made. Copy it and send it to whom you want."), "success")
            return redirect(url_for("certs_sharing.share", uuid=credential.uuid), 303)
    address = settings().public_url.rstrip("/") + url_for("certs.show", uuid=credential.uuid)
    page = render_template(
        "certs/share.html",
        form=form,
        credential=credential,
        links=share_links.links_of(session(), credential),
        at=now(),
        start=settings().public_url.rstrip("/"),
        linkedin=linkedin_address(read_claim(credential.document), address),
    )
    return (page, WRONG) if form.errors else page


@blueprint.post("/shares/<int:link_id>/end")
def end(link_id: int) -> Response:
    """Withdraw a link."""
    link = sharing.end(session(), current_user, link_id, at=now())
    flash(gettext("The link is withdrawn. Whoever opens it finds nothing."), "success")
    return redirect(url_for("certs_sharing.share", uuid=link.credential.uuid), 303)


@blueprint.get("/s/<secret>")
@public
def show(secret: str) -> Response:
    """Show what a link shares, checked at this moment, until the link ends."""
    link = share_links.shared(session(), secret, now())
    credential, link_id = link.credential, link.id
    with own_session() as reading:
        content, trust = queries.content_of(credential), queries.pinned_trust(settings().trust)
        verdict = queries.verdict_on(reading, content, trust, settings().public_url, now())
    page = render_template(
        "certs/shared.html",
        link=link,
        answer=show_verdict(verdict),
        marks=show_marks(credential),
        replaced=queries.credential_after(session(), credential.request) is not None,
    )
    if not (current_user.is_authenticated and credential.enrolment.user_id == current_user.id):
        noted(lambda own: sharing.note_use(own, link_id, at=now()))
    response = current_app.make_response(page)
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
