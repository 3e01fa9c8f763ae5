"""Pages on which somebody changes their own account."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts import queries
from lms.accounts.forms import ROLE_NAMES, ChangePasswordForm, ProfileForm
from lms.accounts.models import LinkPurpose
from lms.accounts.services import limits, organisations, people
from lms.accounts.views.sign_in import Page, count_mail, enter
from lms.errors import Invalid
from lms.web.errors import put_beside, render_form
from lms.web.forms import text
from lms.web.language import remember
from lms.web.session import own_session, session, settings

blueprint = Blueprint("profile", __name__, template_folder="../templates")


@blueprint.route("/profile", methods=["GET", "POST"])
def show() -> Page:
    """Show and change name, language, time zone and country."""
    form = ProfileForm(obj=current_user)
    if form.validate_on_submit():
        people.update_profile(
            session(),
            current_user,
            name=text(form.name),
            language=form.language.data,
            timezone=form.timezone.data,
            country=text(form.country),
        )
        flash(gettext("Saved."), "ok")
        response = redirect(url_for("profile.show"))
        remember(response, "language", form.language.data)
        return response
    return render_form("accounts/profile.html", form, role_names=ROLE_NAMES)


@blueprint.route("/profile/password", methods=["GET", "POST"])
def password() -> Page:
    """Change the password; all other sessions end."""
    form = ChangePasswordForm()
    if form.validate_on_submit():
        _count_guess()
        try:
            people.change_password(
                session(),
                current_user,
                current=text(form.current),
                new=text(form.new),
                links_at=settings().public_url,
            )
        except Invalid as error:
            put_beside(form, error)
        else:
            enter(current_user._get_current_object())  # noqa: SLF001 - the user behind the proxy
            flash(gettext("Your new password counts from now on; every other session has ended."), "ok")
            return redirect(url_for("profile.show"))
    return render_form("accounts/password.html", form)


def _count_guess() -> None:
    """Count a try at the present password: whoever found an open browser must not guess on."""
    whom = f"own {current_user.id}"
    with own_session() as own:
        try:
            limits.count_try(own, limits.SIGN_IN_PER_PLACE, whom)
        finally:
            own.commit()


@blueprint.post("/profile/confirm")
def send_confirmation() -> Response:
    """Send the link that confirms the address once more."""
    if current_user.confirmed_at is None:
        count_mail(current_user.email)
        people.send_confirmation(session(), current_user, links_at=settings().public_url)
        flash(gettext("The link is on its way to %(email)s.", email=current_user.email), "ok")
    return redirect(url_for("profile.show"))


@blueprint.route("/invitations/<secret>", methods=["GET", "POST"])
def accept(secret: str) -> Page:
    """Show an invitation, and take it."""
    link = queries.open_link(session(), secret, LinkPurpose.INVITE)
    organisation, _ = queries.invitation_parties(session(), link)
    if request.method == "POST":
        organisations.accept_invitation(session(), current_user, secret)
        flash(gettext("Welcome! You have a new role."), "ok")
        return redirect(url_for("profile.show"))
    return render_template(
        "accounts/invitation.html", link=link, organisation=organisation, role_names=ROLE_NAMES
    )
