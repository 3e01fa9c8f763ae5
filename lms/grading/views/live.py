"""The live part of a result page: how often it looks again, and what it says of a wait."""

import threading
from time import monotonic, sleep

from flask_babel import gettext

from lms.db import now
from lms.grading.core.waiting import look_again_seconds
from lms.grading.models import RunState
from lms.grading.queries.outcomes import Outcome
from lms.grading.queries.submissions import glimpse
from lms.grading.views.labs import blueprint
from lms.web.formats import seconds
from lms.web.session import read_afresh, session

MINUTE_SECONDS = 60

SOON_SECONDS = 0.25  # a page that asks so often is better served by an answer that waits for news
LONGEST_SECONDS = 2.0  # for one answer; the page asks again
GLIMPSE_SECONDS = 0.03
REDRAW_SECONDS = 0.5  # between two drawings of cells that go on; an end is told at once
WAITING = threading.BoundedSemaphore(4)
"""Answers of this process that may wait at a time: half of its threads stay free for other pages.

Who finds no place is answered at once, and the page asks again after a while, as without any waiting.
"""


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


@blueprint.app_template_filter("soon")
def soon(shown: Outcome) -> bool:
    """Say whether points are so near that an answer may wait for them."""
    return shown.moving and look_again(shown) <= SOON_SECONDS


def wait_for_news(submission_id: int, *, drawn: bool) -> None:
    """Return once a submission's newest run is over, or no longer what is `drawn`; after a while, anyway.

    What the session had read is forgotten, for the page is to be made of what is true then.
    """
    if not WAITING.acquire(blocking=False):
        return
    try:
        begun = monotonic()
        before = glimpse(session(), submission_id)
        while (waited := monotonic() - begun) < LONGEST_SECONDS:
            read_afresh()  # and hold no transaction while asleep
            sleep(GLIMPSE_SECONDS)
            seen = glimpse(session(), submission_id)
            ended = seen is None or seen.state not in {RunState.QUEUED, RunState.RUNNING}
            if ended or (waited >= REDRAW_SECONDS and not (drawn and seen == before)):
                return
    finally:
        WAITING.release()
        read_afresh()


@blueprint.app_template_filter("elapsed")
def elapsed(shown: Outcome) -> int:
    """Return for how many whole seconds the newest run has gone on."""
    started = shown.run.started_at if shown.run is not None else None
    return max(int((now() - started).total_seconds()), 0) if started else 0
