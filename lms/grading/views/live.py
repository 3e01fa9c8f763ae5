"""The live part of a result page: how often it looks again, and what it says of a wait."""

from flask_babel import gettext

from lms.db import now
from lms.grading.core.waiting import look_again_seconds
from lms.grading.queries.outcomes import Outcome
from lms.grading.views.labs import blueprint
from lms.web.formats import seconds

MINUTE_SECONDS = 60


@blueprint.app_template_filter("lasting")
def lasting(value: float) -> str:
    """Write how long a wait lasts: in seconds, then in minutes with their rest, as long as it is told."""
    minutes, rest = divmod(round(value), MINUTE_SECONDS)
    if value < 2 * MINUTE_SECONDS or not rest:
        return seconds(value)
    return str(gettext("%(minutes)d min %(seconds)d s", minutes=minutes, seconds=rest))


@blueprint.app_template_filter("look_again")
def look_again(shown: Outcome) -> float:
    """Return after how many seconds a page that still changes should ask for news."""
    if shown.moving:
        started = shown.run.started_at if shown.run is not None else None
        return look_again_seconds(shown.wait, (now() - started).total_seconds() if started else 0)
    return look_again_seconds(None, (shown.view_place or 1) * 2.5)


@blueprint.app_template_filter("live_mark")
def live_mark(shown: Outcome) -> str:
    """Return what a page says when it asks for news: what it shows, and how often it asks."""
    return f"{shown.version}-{look_again(shown):g}"


@blueprint.app_template_filter("elapsed")
def elapsed(shown: Outcome) -> int:
    """Return for how many whole seconds the newest run has gone on."""
    started = shown.run.started_at if shown.run is not None else None
    return max(int((now() - started).total_seconds()), 0) if started else 0
