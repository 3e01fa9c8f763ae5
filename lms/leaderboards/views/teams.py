"""Teams of a challenge: who is in one, asking people in, coming in, leaving."""

from collections.abc import Callable

from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.services.limits import count_try
from lms.db import now
from lms.errors import Conflict, DomainError, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.forms import ComeForm, InviteForm, NameForm
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.policies.naming import check_can_rename
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries.entries import number_of_entries
from lms.leaderboards.queries.organising import members_of
from lms.leaderboards.services import asking, teams
from lms.leaderboards.services import challenges as services
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import accepted, opened, person, team_here
from lms.leaderboards.views.entering import Own, own
from lms.web.errors import put_beside, translated
from lms.web.forms import text
from lms.web.session import own_session, session, settings


@blueprint.get("/challenges/<challenge_slug>/team")
def challenge_team(challenge_slug: str) -> str:
    """Show the reader's team."""
    mine = own(challenge_slug)
    return _page(mine, NameForm(name=mine.team.name), InviteForm())


@blueprint.post("/challenges/<challenge_slug>/team/name")
def challenge_rename(challenge_slug: str) -> Response | tuple[str, int]:
    """Give the team another name."""
    mine, form = own(challenge_slug), NameForm()
    if not form.validate_on_submit():
        return _page(mine, form, InviteForm(formdata=None)), Invalid.status
    try:
        teams.rename(session(), current_user, mine.team, text(form.name), at=g.received_at)
    except (Invalid, Conflict) as problem:
        put_beside(form, problem)
        return _page(mine, form, InviteForm(formdata=None)), problem.status
    flash(gettext("The team has its new name."), "success")
    return _to_team(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/team/invite")
def challenge_invite(challenge_slug: str) -> Response | tuple[str, int]:
    """Send the team's link to an address."""
    mine, form = own(challenge_slug), InviteForm()
    if not form.validate_on_submit():
        return _page(mine, NameForm(formdata=None, name=mine.team.name), form), Invalid.status
    asking.check_can_write(session(), current_user, mine.challenge, mine.team, at=g.received_at)
    _count(text(form.email))
    mine = own(challenge_slug)
    asking.write_to(
        session(),
        current_user,
        mine.challenge,
        mine.team,
        email=text(form.email),
        link=_link(mine),
        at=g.received_at,
    )
    flash(gettext("The invitation is on its way to %(address)s.", address=text(form.email)), "success")
    return _to_team(challenge_slug)


def _count(email: str) -> None:
    """Count a leader's letter, also when it is refused: a team must not become a way to bother people."""
    leader = str(current_user.id)  # first: later, reading it again would lock out whoever counts
    with own_session() as counting:
        count_try(counting, asking.LETTERS_PER_LEADER, leader)
        count_try(counting, asking.LETTERS_PER_ADDRESS, email.lower())
        counting.commit()


@blueprint.post("/challenges/<challenge_slug>/team/shown")
def challenge_show_member(challenge_slug: str) -> Response:
    """Show the reader's own name beside the team's, or not."""
    teams.show_member(
        session(), current_user, own(challenge_slug).team, shown=request.form.get("shown") == "yes"
    )
    return _to_team(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/team/leave")
def challenge_leave(challenge_slug: str) -> Response:
    """Go out of the team."""
    teams.leave(session(), current_user, own(challenge_slug).team, at=g.received_at)
    flash(gettext("You have left the team."), "success")
    return redirect(url_for("leaderboards.challenge", challenge_slug=challenge_slug), 303)


@blueprint.post("/challenges/<challenge_slug>/invitations/<int:invitation_id>")
def challenge_answer(challenge_slug: str, invitation_id: int) -> Response:
    """Say yes or no to a team."""
    found, board = opened(challenge_slug)
    asked = queries.open_invitations(session(), board, current_user)
    invitation = next((one for one in asked if one.id == invitation_id), None)
    if invitation is None:
        raise NotFound
    if request.form.get("answer") != "yes":
        teams.decline(session(), current_user, invitation, at=g.received_at)
        return redirect(url_for("leaderboards.challenge", challenge_slug=challenge_slug), 303)
    if team_here(board) is None and not accepted(found):
        return redirect(_address(challenge_slug, asking.make_ticket(invitation.team, _key())), 303)
    team = teams.accept(session(), current_user, invitation, at=g.received_at)
    return _welcome(challenge_slug, team)


@blueprint.get("/challenges/<challenge_slug>/come/<ticket>")
def challenge_come(challenge_slug: str, ticket: str) -> str:
    """Ask whether the reader comes into the team to which a link leads."""
    found, board = opened(challenge_slug)
    return _door(found, board, asking.team_of_ticket(session(), board, ticket, _key()), ComeForm())


@blueprint.post("/challenges/<challenge_slug>/come/<ticket>")
def challenge_come_in(challenge_slug: str, ticket: str) -> Response | tuple[str, int]:
    """Come into the team to which a link leads."""
    found, board = opened(challenge_slug)
    team = asking.team_of_ticket(session(), board, ticket, _key())
    form, user = ComeForm(), person()
    try:
        with session().begin_nested():  # the page that says why not must not show the rules as accepted
            if form.validate_on_submit() and form.accept.data and not accepted(found):
                services.accept_rules(session(), user, found, text(form.version), at=g.received_at)
            into = asking.come(session(), user, found, team, at=g.received_at)
    except DomainError as problem:
        put_beside(form, problem)
        return _door(found, board, team, form), problem.status
    return _welcome(challenge_slug, into)


def _welcome(challenge_slug: str, team: Team) -> Response:
    flash(gettext("You are in the team “%(name)s” now.", name=team.name), "success")
    return _to_team(challenge_slug)


def _to_team(challenge_slug: str) -> Response:
    return redirect(url_for("leaderboards.challenge_team", challenge_slug=challenge_slug), 303)


def _door(found: Challenge, board: Board, team: Team, form: ComeForm) -> str:
    form.version.data = found.rules_version
    mine = team_here(board)
    return render_template(
        "leaderboards/challenge_come.html",
        challenge=found,
        board=board,
        team=team,
        mine=mine,
        brought=number_of_entries(session(), mine) if mine is not None else 0,
        members=members_of(session(), team),
        accepted=accepted(found),
        form=form,
    )


def _key() -> str:
    return settings().session_key()


def _address(challenge_slug: str, ticket: str) -> str:
    return url_for("leaderboards.challenge_come", challenge_slug=challenge_slug, ticket=ticket)


def _link(mine: Own) -> str:
    return settings().public_url.rstrip("/") + _address(
        mine.challenge.slug, asking.make_ticket(mine.team, _key())
    )


def _page(mine: Own, name: NameForm, letter: InviteForm) -> str:
    leads = mine.team.leader_id == current_user.id
    entries = number_of_entries(session(), mine.team)
    moment = now()
    changes = _why_not(lambda: policy.check_can_change_team(mine.challenge, moment))
    return render_template(
        "leaderboards/challenge_team.html",
        challenge=mine.challenge,
        board=mine.board,
        team=mine.team,
        members=members_of(session(), mine.team),
        leads=leads,
        entries=entries,
        closed=changes,
        link=_link(mine) if leads and not changes else "",
        days=asking.DAYS,
        name=name,
        named=_why_not(lambda: check_can_rename(mine.board, moment)),
        letter=letter,
        invitations=queries.open_invitations(session(), mine.board, current_user),
    )


def _why_not(check: Callable[[], None]) -> str:
    """Say why something cannot be changed any more; empty: it can."""
    try:
        check()
    except DomainError as reason:
        return translated(reason)
    return ""
