"""Pages of signing up, in and out, of links that came by mail, and who is signed in."""

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask import session as cookie
from flask_babel import gettext
from flask_login import LoginManager, login_user, logout_user
from werkzeug.wrappers import Response

from lms.accounts import queries
from lms.accounts.core.secrets import fold_email
from lms.accounts.forms import AddressForm, NewPasswordForm, SignInForm, SignUpForm
from lms.accounts.models import LinkPurpose, User
from lms.accounts.services import limits, people
from lms.errors import Invalid
from lms.web.errors import put_beside, render_form
from lms.web.forms import text
from lms.web.guard import public
from lms.web.language import language, local_path, remember
from lms.web.session import own_session, session, settings

blueprint = Blueprint("accounts", __name__, template_folder="../templates")

Page = Response | str | tuple[str, int]


def attach(app: Flask) -> None:
    """Let `app` know who is signed in."""
    logins = LoginManager(app)
    logins.user_loader(_user)
    logins.unauthorized_handler(_ask_to_sign_in)


def _user(token: str) -> User | None:
    return queries.user_by_session_token(session(), token)


def _ask_to_sign_in() -> Response:
    wanted = local_path(request.full_path.rstrip("?")) if request.method == "GET" else None
    return redirect(url_for("accounts.sign_in", next=wanted))


def enter(user: User) -> None:
    """Sign a user in, with a fresh cookie."""
    cookie.clear()
    cookie.permanent = True
    login_user(user)


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> Page:
    """Ask for address and password."""
    form = SignInForm(next=local_path(request.args.get("next")))
    if form.validate_on_submit():
        user = _authenticate(text(form.email), text(form.password))
        if user is not None:
            enter(user)
            response = redirect(local_path(form.next.data))
            remember(response, "language", user.language)
            return response
        form.form_errors.append(gettext("Address and password do not fit together. Type both once more."))
    return render_form("accounts/sign_in.html", form)


def _authenticate(email: str, password: str) -> User | None:
    """Count the try, then check; both in a session of its own, so that hashing holds no lock."""
    here = request.remote_addr or ""
    whom = fold_email(email)
    with own_session() as own:
        try:
            limits.count_try(own, limits.SIGN_IN_PER_ADDRESS, here)
            limits.count_try(own, limits.SIGN_IN_PER_ACCOUNT, whom)
            limits.count_try(own, limits.SIGN_IN_PER_PLACE, f"{whom} {here}")
        finally:
            own.commit()
        user = people.authenticate(own, email=email, password=password)
        own.commit()  # what was read is old by now: the writes begin a transaction of their own
        if user is not None:
            limits.forget_tries(own, limits.SIGN_IN_PER_PLACE, f"{whom} {here}")
            people.renew_hash(user, password)
            own.commit()
        return user


def count_mail(email: str, first: limits.Limit = limits.MAIL_PER_ADDRESS) -> None:
    """Count a letter that a visitor makes us send."""
    with own_session() as own:
        try:
            limits.count_try(own, first, request.remote_addr or "")
            limits.count_try(own, limits.MAIL_PER_ACCOUNT, fold_email(email))
        finally:
            own.commit()


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End this session."""
    logout_user()
    cookie.clear()
    flash(gettext("You are signed out."), "ok")
    return redirect(url_for("web.home"))


@blueprint.route("/sign-up", methods=["GET", "POST"])
@public
def sign_up() -> Page:
    """Ask for what a new account needs."""
    form = SignUpForm(next=local_path(request.args.get("next")))
    if form.validate_on_submit():
        count_mail(text(form.email), limits.SIGN_UP_PER_ADDRESS)
        try:
            people.sign_up(
                session(),
                email=text(form.email),
                name=text(form.name),
                password=text(form.password),
                language=language(),
                links_at=settings().public_url,
            )
        except Invalid as error:
            put_beside(form, error)
        else:
            return redirect(url_for("accounts.check_mail", reason="sign-up"))
    return render_form("accounts/sign_up.html", form)


@blueprint.get("/check-mail/<any('sign-up', 'reset'):reason>")
@public
def check_mail(reason: str) -> str:
    """Say that a letter is on its way: the same to everyone, account or not."""
    return render_template("accounts/check_mail.html", reason=reason, demo=settings().demo)


@blueprint.route("/confirm/<secret>", methods=["GET", "POST"])
@public
def confirm(secret: str) -> Page:
    """Confirm an address; a button does it, because mail scanners open links."""
    if request.method == "POST":
        people.confirm(session(), secret)
        flash(gettext("Your address is confirmed."), "ok")
        return redirect(url_for("web.home"))
    link = queries.open_link(session(), secret, LinkPurpose.CONFIRM)
    return render_template("accounts/confirm.html", email=link.email)


@blueprint.route("/reset", methods=["GET", "POST"])
@public
def request_reset() -> Page:
    """Ask where to send the link for a new password."""
    form = AddressForm()
    if form.validate_on_submit():
        count_mail(text(form.email))
        people.request_reset(session(), email=text(form.email), links_at=settings().public_url)
        return redirect(url_for("accounts.check_mail", reason="reset"))
    return render_form("accounts/request_reset.html", form)


@blueprint.route("/reset/<secret>", methods=["GET", "POST"])
@public
def reset(secret: str) -> Page:
    """Set a new password."""
    form = NewPasswordForm()
    queries.open_link(session(), secret, LinkPurpose.RESET)
    if form.validate_on_submit():
        try:
            user = people.reset_password(
                session(), secret, text(form.password), links_at=settings().public_url
            )
        except Invalid as error:
            put_beside(form, error)
        else:
            enter(user)
            flash(gettext("Your new password counts from now on."), "ok")
            return redirect(url_for("web.home"))
    return render_form("accounts/reset.html", form)
