"""Pages of signing in and out, and who is signed in."""

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask_login import LoginManager
from werkzeug.wrappers import Response

from lms.accounts import queries
from lms.accounts.models import User
from lms.web.guard import public
from lms.web.language import local_path
from lms.web.session import session

blueprint = Blueprint("accounts", __name__, template_folder="../templates")


def attach(app: Flask) -> None:
    """Let `app` know who is signed in."""
    logins = LoginManager(app)
    logins.user_loader(_user)
    logins.unauthorized_handler(_ask_to_sign_in)


def _user(token: str) -> User | None:
    return queries.user_by_session_token(session(), token)


def _ask_to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("accounts.sign_in", next=local_path(wanted) if wanted else None))


@blueprint.get("/sign-in")
@public
def sign_in() -> str:
    """Ask for address and password."""
    return render_template("accounts/sign_in.html")
