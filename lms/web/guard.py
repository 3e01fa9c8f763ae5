"""Who may come in: every page wants a signed-in person unless its view says that it is public."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, request
from flask_login import current_user

View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Mark a view as open to unknown visitors."""
    view.__dict__["public"] = True
    return view


def attach(app: Flask) -> None:
    """Refuse unknown visitors of `app` everywhere else."""
    app.before_request(_refuse_unknown)


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
