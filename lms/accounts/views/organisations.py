"""Pages of organisations: who belongs to them, and new ones."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts import queries
from lms.accounts.forms import KIND_NAMES, ROLE_NAMES, InviteForm, OrganisationForm
from lms.accounts.models import Organisation
from lms.accounts.policy import INVITED_ROLES, check_can_administer, check_is_site_admin, is_site_admin
from lms.accounts.services import organisations
from lms.accounts.views.sign_in import Page
from lms.errors import N_, Conflict, NotAllowed
from lms.web.errors import render_form, translated
from lms.web.forms import choices, text
from lms.web.language import language
from lms.web.session import session, settings

blueprint = Blueprint("organisations", __name__, template_folder="../templates")


@blueprint.get("/organisations")
def index() -> str:
    """List the organisations that this person administers."""
    found = queries.administered_organisations(session(), current_user)
    if not found:
        raise NotAllowed(N_("Only admins of an organisation see this page. Ask one of yours."))
    return render_template(
        "accounts/organisations.html",
        organisations=found,
        kind_names=KIND_NAMES,
        may_found=is_site_admin(current_user),
    )


@blueprint.route("/organisations/new", methods=["GET", "POST"])
def new() -> Page:
    """Found an organisation."""
    check_is_site_admin(current_user)
    form = OrganisationForm()
    if form.validate_on_submit():
        try:
            made = organisations.create_organisation(
                session(),
                current_user,
                slug=text(form.slug),
                kind=form.kind.data,
                name={"ko": text(form.name_ko), "en": text(form.name_en)},
                website=text(form.website),
            )
        except Conflict as error:
            form.slug.errors = [translated(error)]
        else:
            return redirect(url_for("organisations.show", slug=made.slug))
    return render_form("accounts/new_organisation.html", form)


def _administered(slug: str) -> Organisation:
    organisation = queries.organisation_by_slug(session(), slug)
    check_can_administer(current_user, organisation)
    return organisation


@blueprint.route("/organisations/<slug>", methods=["GET", "POST"])
def show(slug: str) -> Page:
    """Show who belongs to an organisation, and invite."""
    organisation = _administered(slug)
    form = InviteForm()
    form.role.choices = choices((role, ROLE_NAMES[role]) for role in INVITED_ROLES[organisation.kind])
    if form.validate_on_submit():
        _invite(form, organisation)
        flash(gettext("The invitation to %(email)s is on its way.", email=text(form.email)), "ok")
        return redirect(url_for("organisations.show", slug=slug))
    words = request.args.get("q", "").strip()
    return render_form(
        "accounts/organisation.html",
        form,
        organisation=organisation,
        members=queries.members(session(), organisation, words=words),
        invitations=queries.open_invitations(session(), organisation),
        words=words,
        role_names=ROLE_NAMES,
        kind_names=KIND_NAMES,
    )


def _invite(form: InviteForm, organisation: Organisation) -> None:
    organisations.invite(
        session(),
        current_user,
        organisation=organisation,
        role=form.role.data,
        email=text(form.email),
        language=language(),
        links_at=settings().public_url,
    )


@blueprint.post("/organisations/<slug>/members/<int:membership_id>/end")
def end(slug: str, membership_id: int) -> Response:
    """End somebody's role."""
    membership = queries.membership_of(session(), _administered(slug), membership_id)
    organisations.end_membership(session(), current_user, membership)
    flash(gettext("The role has ended. Invite the person again to undo this."), "ok")
    return redirect(url_for("organisations.show", slug=slug))
