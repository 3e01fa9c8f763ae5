"""The pages that belong to no domain: home, and the files that every page needs."""

from importlib import resources

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.web.guard import public

blueprint = Blueprint(
    "web", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
)


def _from_wheel(name: str, package: str, *folders: str) -> Blueprint:
    """Serve what lies in a wheel: nothing is vendored, nothing comes from elsewhere."""
    folder = resources.files(package).joinpath("static", *folders)
    return Blueprint(name, __name__, static_folder=str(folder), static_url_path=f"/static/{name}")


bootstrap = _from_wheel("bootstrap", "flask_bootstrap", "bootstrap5")
htmx = _from_wheel("htmx", "js_lib_htmx", "htmx")


@blueprint.get("/")
@public
def home() -> str:
    """Show what Duri is, or what waits for the person who has signed in."""
    return render_template("web/home.html" if current_user.is_authenticated else "web/welcome.html")


@blueprint.get("/favicon.ico")
@public
def favicon() -> Response:
    """Lead browsers that ask by habit to the mark."""
    return redirect(url_for("web.static", filename="mark.svg"), 301)


@blueprint.get("/healthz")
@public
def healthz() -> tuple[str, int, dict[str, str]]:
    """Say that the server answers."""
    return "ok\n", 200, {"Content-Type": "text/plain; charset=utf-8"}
