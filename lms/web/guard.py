"""Who may come in: every page wants a signed-in person unless its view says that it is public."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, request
from flask_login import current_user
from werkzeug.sansio.utils import host_is_trusted

from lms.errors import N_, NotAllowed
from lms.web.session import settings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Mark a view as open to unknown visitors."""
    view.__dict__["public"] = True
    return view


def attach(app: Flask) -> None:
    """Refuse unknown visitors of `app` everywhere else, and foreign names of a demonstration's address."""
    app.before_request(_refuse_foreign_names)
    app.before_request(_refuse_unknown)


def _refuse_foreign_names() -> None:
    """Keep another site from leading its name here: a demonstration's passwords and mail are open to readers.

    Raises:
        NotAllowed: the address in the browser is not this machine's.
    """
    found = settings()
    if found.demo and not host_is_trusted(
        request.host, [urlsplit(found.public_url).hostname or "", *LOOPBACK]
    ):
        raise NotAllowed(
            N_("This demonstration answers only at %(url)s. Open that address."), url=found.public_url
        )


def is_public(endpoint: str | None) -> bool:
    """Say whether an endpoint is open to unknown visitors."""
    if endpoint is None or endpoint == "static" or endpoint.endswith(".static"):
        return True
    return bool(getattr(current_app.view_functions[endpoint], "public", False))


def _refuse_unknown() -> Any:
    if is_public(request.endpoint) or current_user.is_authenticated:
        return None
    if request.path.startswith("/api/"):
        abort(401)
    return current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
