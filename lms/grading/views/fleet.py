"""The operator's board of grading: workers, queue, how it went."""

from typing import Any

from flask import Response, make_response, render_template, request
from flask_login import current_user

from lms.accounts.policy import check_is_site_admin
from lms.db import now
from lms.grading.queries import fleet as queries
from lms.grading.queries.stopped import failed
from lms.grading.views.labs import blueprint
from lms.web.session import session, settings

BOARD_SECONDS = 5


def _shown() -> dict[str, Any]:
    at = now()
    backlogs = queries.backlogs(session(), at)
    desks = queries.desks(session(), at)
    return {
        "at": at,
        "desks": desks,
        "alive": sum(desk.alive for desk in desks),
        "backlogs": backlogs,
        "waiting": sum(each.waiting for each in backlogs),
        "oldest": max((each.oldest_seconds or 0 for each in backlogs), default=0),
        "periods": queries.periods(session(), at),
        "dead_letters": failed(session()).found,
        "accepted": settings().isolation,
        "seconds": BOARD_SECONDS,
        "still": "still" in request.args,
    }


@blueprint.get("/operator/grading")
def fleet() -> str:
    """Show the operator how grading is going."""
    check_is_site_admin(current_user)
    return render_template("grading/fleet.html", **_shown())


@blueprint.get("/operator/grading/state")
def fleet_state() -> Response:
    """Answer with the part of the board that changes."""
    check_is_site_admin(current_user)
    response = make_response(render_template("grading/fleet_state.html", **_shown()))
    response.headers["Cache-Control"] = "no-store"
    return response
