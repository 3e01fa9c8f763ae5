"""Moving the dates of a challenge, for those who run it."""

from collections.abc import Mapping
from datetime import datetime

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.db import now
from lms.errors import Conflict, DomainError, Invalid
from lms.leaderboards.core.schedule import MOVABLE, as_shown
from lms.leaderboards.forms import DatesForm
from lms.leaderboards.models import Board, Challenge
from lms.leaderboards.policies import dates as rules
from lms.leaderboards.queries.dates import date_changes, schedule_of
from lms.leaderboards.services.rescheduling import reschedule
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import team_here
from lms.leaderboards.views.organising import organised
from lms.leaderboards.views.tries import put_in
from lms.web.errors import translated
from lms.web.forms import text
from lms.web.session import session

Typed = Mapping[str, datetime | None]
"""Name of each movable date -> what was typed, on the calendar of the challenge's zone."""


@blueprint.get("/challenges/<challenge_slug>/organise/dates")
def challenge_dates(challenge_slug: str) -> str:
    """Show the dates of a challenge to be moved, and how they were moved so far."""
    challenge, board = organised(challenge_slug)
    return _page(challenge, board, _filled(challenge))


@blueprint.post("/challenges/<challenge_slug>/organise/dates")
def challenge_move_dates(challenge_slug: str) -> Response | tuple[str, int]:
    """Move them, for a reason that everybody reads."""
    (challenge, board), form = organised(challenge_slug), DatesForm()
    if not form.validate_on_submit():
        return _page(challenge, board, form), Invalid.status
    actor = session().get_one(User, current_user.id)
    typed = {name: form[name].data for name in MOVABLE}
    asked, why, seen = form.no_freeze.data, text(form.reason), text(form.seen)
    try:
        # As of when it is decided: while it was on its way, or waits for others, a date may pass.
        reschedule(session(), actor, challenge, typed, why, seen=seen, clock=now, no_freeze=asked)
    except Invalid as problem:
        put_in(form, problem)
        return _page(challenge, board, form), problem.status
    except Conflict as problem:
        lost = _lost(challenge, typed | ({"freezes_at": None} if asked else {}))
        form = _filled(challenge, why)
        put_in(form, problem)
        return _page(challenge, board, form, lost), problem.status
    flash(gettext("The dates are moved. Everybody sees it on the challenge's page."), "success")
    return redirect(url_for("leaderboards.challenge_dates", challenge_slug=challenge_slug), 303)


def _filled(challenge: Challenge, reason: str = "") -> DatesForm:
    """Return a form with the dates as they stand now, whatever was sent."""
    dates = schedule_of(challenge)
    shown = {
        name: as_shown(at, challenge.timezone) for name in MOVABLE if (at := dates.date(name)) is not None
    }
    return DatesForm(formdata=None, seen=dates.mark, reason=reason, **shown)


def _lost(challenge: Challenge, typed: Typed) -> Typed:
    """Return what was typed and is not kept: where it differs from the dates that stand now."""
    dates = schedule_of(challenge)
    stands = {name: at and as_shown(at, challenge.timezone) for name in MOVABLE for at in [dates.date(name)]}
    return {name: wall for name, wall in typed.items() if wall != stands[name]}


def _page(challenge: Challenge, board: Board, form: DatesForm, lost: Typed | None = None) -> str:
    moment, dates = now(), schedule_of(challenge)
    return render_template(
        "leaderboards/challenge_dates.html",
        challenge=challenge,
        board=board,
        form=form,
        lost=lost or {},
        closed=_closed(challenge, moment),
        passed={name for name in MOVABLE if rules.has_passed(dates.date(name), moment)},
        changes=date_changes(session(), challenge),
        mine=team_here(board),
    )


def _closed(challenge: Challenge, at: datetime) -> str:
    """Say why no date can be moved any more; empty: some can."""
    try:
        rules.check_can_reschedule(schedule_of(challenge), at)
    except DomainError as reason:
        return translated(reason)
    return ""
