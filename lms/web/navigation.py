"""The places of the site that stand at the top of every page; registered in `lms.app` only."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, current_app, request
from flask_babel import gettext
from flask_login import current_user


@dataclass(frozen=True, kw_only=True)
class Place:
    """One entry of the navigation: a marked msgid, the endpoint it leads to, and who sees it."""

    label: str
    endpoint: str
    within: str
    """Name of the blueprint, or beginning of the endpoints, in which this entry is the current one."""
    seen_by: Callable[..., bool] | None = None
    """Asked with the signed-in user; without it everyone sees the entry."""
    signed_in: bool = False
    """Only for people who have signed in."""


@dataclass(frozen=True)
class Shown:
    """An entry as it stands on one page."""

    label: str
    endpoint: str
    current: bool


def attach(app: Flask, places: tuple[Place, ...]) -> None:
    """Show `places` on every page of `app`, in this order."""
    app.extensions["places"] = places
    app.jinja_env.globals["places"] = shown_places


def shown_places() -> list[Shown]:
    """Return the entries that this visitor sees; the longest fitting beginning is the current one."""
    seen = [place for place in current_app.extensions["places"] if _is_seen(place)]
    here = request.endpoint or ""
    fitting = [place.within for place in seen if here.startswith(place.within)]
    current = max(fitting, key=len, default=None)
    return [Shown(gettext(place.label), place.endpoint, place.within == current) for place in seen]


def _is_seen(place: Place) -> bool:
    if place.endpoint not in current_app.view_functions:
        return False
    if (place.signed_in or place.seen_by) and not current_user.is_authenticated:
        return False
    return place.seen_by is None or place.seen_by(current_user)
