"""Write-ups of a challenge: read by all who may see it, from its end on; written by the teams' leaders."""

from flask import Response as Flat
from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.db import now
from lms.errors import Conflict, Invalid, NotAllowed, NotFound, TooSoon
from lms.leaderboards import policy
from lms.leaderboards.forms import WriteupForm
from lms.leaderboards.models import Board, Challenge, Entry
from lms.leaderboards.policies import writeups as rules
from lms.leaderboards.queries import writeups as queries
from lms.leaderboards.queries.organising import members_of
from lms.leaderboards.services import writing_up
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.tables.writeups import Writeup
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import TYPES, kept_file, may_organise, opened, person, team_here
from lms.leaderboards.views.entering import Own, own
from lms.leaderboards.views.paging import paging
from lms.leaderboards.views.tries import count, put_in
from lms.web.forms import choices, text
from lms.web.guard import public
from lms.web.session import session


@blueprint.app_template_test("offered_to_readers")
def offered_to_readers(entry: Entry) -> bool:
    """Say whether readers of a write-up may have an entry."""
    return rules.can_offer(entry)


@blueprint.get("/challenges/<challenge_slug>/write-ups")
@public
def challenge_writeups(challenge_slug: str) -> str:
    """List how teams did it, the best ones first; nothing before the end."""
    challenge, board = opened(challenge_slug)
    organises, ended = may_organise(challenge), _has_ended(challenge)
    number = queries.number_of_writeups(session(), board, organises=organises) if ended else 0
    page = paging(number, queries.PAGE)
    found = queries.writeups(session(), board, organises=organises, offset=page.offset) if number else []
    return render_template(
        "leaderboards/writeups.html",
        challenge=challenge,
        board=board,
        found=found,
        ended=ended,
        page=page,
        team=team_here(board),
        organises=organises,
    )


@blueprint.get("/challenges/<challenge_slug>/write-ups/<int:writeup_id>")
@public
def challenge_writeup(challenge_slug: str, writeup_id: int) -> str:
    """Show one write-up."""
    challenge, board = opened(challenge_slug)
    found = _readable(challenge, board, writeup_id)
    return render_template(
        "leaderboards/writeup.html",
        challenge=challenge,
        board=board,
        found=found,
        members=[each for each in members_of(session(), found.team) if each.shown],
        team=team_here(board),
        organises=may_organise(challenge),
    )


@blueprint.get("/challenges/<challenge_slug>/write-ups/<int:writeup_id>/notebook")
@public
def challenge_writeup_notebook(challenge_slug: str, writeup_id: int) -> Flat:
    """Hand out the notebook that a team offers with its write-up."""
    challenge, board = opened(challenge_slug)
    entry = _readable(challenge, board, writeup_id).entry
    if entry is None or entry.blob is None or not rules.can_offer(entry):
        raise NotFound
    return kept_file(entry.blob, f"{challenge.slug}-{writeup_id}.ipynb", TYPES["ipynb"])


@blueprint.get("/challenges/<challenge_slug>/write-up")
def challenge_own_writeup(challenge_slug: str) -> str:
    """Show the leader of a team its write-up to be written or changed."""
    mine = own(challenge_slug)
    writing_up.check_can_publish(session(), current_user, mine.team, now())
    known = queries.own_writeup(session(), mine.team)
    if known is None or known.withdrawn_at is not None:
        return _page(mine, known, _offered(mine, WriteupForm()))
    form = WriteupForm(title=known.title, text=known.text, entry=known.entry_id or 0)
    return _page(mine, known, _offered(mine, form))


@blueprint.post("/challenges/<challenge_slug>/write-up")
def challenge_publish_writeup(challenge_slug: str) -> Response | tuple[str, int]:
    """Publish the write-up of the reader's team, or its newer words."""
    mine = own(challenge_slug)
    form = _offered(mine, WriteupForm())
    try:
        writing_up.check_can_publish(session(), current_user, mine.team, now())
        if not form.validate_on_submit():
            return _page(mine, queries.own_writeup(session(), mine.team), form), Invalid.status
        count(writing_up.WRITEUPS_PER_PERSON)
        mine = own(challenge_slug)
        made = writing_up.publish_writeup(
            session(), person(), mine.team, text(form.title), text(form.text),
            entry_id=form.entry.data or None if form.entry else None, at=g.received_at,
        )  # fmt: skip
    except (Invalid, Conflict, NotAllowed, TooSoon) as problem:
        put_in(form, problem)
        mine = own(challenge_slug)
        return _page(mine, queries.own_writeup(session(), mine.team), form), problem.status
    if made.hidden_at is None:
        flash(gettext("Your write-up is published. You can change it at any time."), "success")
    else:
        flash(gettext("It is kept, and stays hidden until an organiser shows it again."), "success")
    return _to(challenge_slug, made.id)


@blueprint.post("/challenges/<challenge_slug>/write-up/withdrawal")
def challenge_withdraw_writeup(challenge_slug: str) -> Response:
    """Take the write-up of the reader's team back."""
    mine = own(challenge_slug)
    writing_up.withdraw_writeup(session(), person(), mine.team, at=g.received_at)
    flash(gettext("The text is deleted."), "success")
    return redirect(url_for("leaderboards.challenge_writeups", challenge_slug=challenge_slug), 303)


@blueprint.post("/challenges/<challenge_slug>/write-ups/<int:writeup_id>/hiding")
def challenge_hide_writeup(challenge_slug: str, writeup_id: int) -> Response:
    """Take a write-up out of sight, for a reason."""
    found = _moderated(challenge_slug, writeup_id)
    writing_up.hide_writeup(session(), person(), found, request.form.get("reason", ""), at=g.received_at)
    flash(gettext("It is hidden. Its team reads why."), "success")
    return _to(challenge_slug, writeup_id)


@blueprint.post("/challenges/<challenge_slug>/write-ups/<int:writeup_id>/showing")
def challenge_show_writeup(challenge_slug: str, writeup_id: int) -> Response:
    """Show a write-up again that was hidden."""
    writing_up.show_writeup(session(), person(), _moderated(challenge_slug, writeup_id))
    flash(gettext("Everybody who sees the challenge can read it again."), "success")
    return _to(challenge_slug, writeup_id)


def _has_ended(challenge: Challenge) -> bool:
    return policy.phase_of(challenge, now()) is policy.Phase.ENDED


def _readable(challenge: Challenge, board: Board, writeup_id: int) -> Writeup:
    """Return a write-up that the reader may see.

    Raises:
        NotFound: it is not there for this person, or the challenge goes on.
    """
    if not _has_ended(challenge):
        raise NotFound
    mine, organises = team_here(board), may_organise(challenge)
    return queries.writeup(session(), board, writeup_id, mine=mine, organises=organises)


def _moderated(challenge_slug: str, writeup_id: int) -> Writeup:
    challenge, board = opened(challenge_slug)
    check_organiser(session(), current_user, board)
    return _readable(challenge, board, writeup_id)


def _offered(mine: Own, form: WriteupForm) -> WriteupForm:
    """Let the team choose among its scored notebooks; ask nothing where it has none."""
    offered = queries.linkable_entries(session(), mine.team)
    named = [
        (str(each.id), f"{each.received_at:%Y-%m-%d %H:%M} (UTC) · {each.filename or each.id}")
        for each in offered
    ]
    form.entry.choices = choices([("0", lazy_gettext("None")), *named])
    if not named:
        del form.entry
    return form


def _page(mine: Own, known: Writeup | None, form: WriteupForm) -> str:
    return render_template(
        "leaderboards/writeup_edit.html",
        challenge=mine.challenge,
        board=mine.board,
        team=mine.team,
        found=known,
        form=form,
        organises=may_organise(mine.challenge),
    )


def _to(challenge_slug: str, writeup_id: int) -> Response:
    return redirect(
        url_for("leaderboards.challenge_writeup", challenge_slug=challenge_slug, writeup_id=writeup_id), 303
    )
