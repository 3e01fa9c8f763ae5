"""Verifying winners: what organisers ask and decide, what a team hands in; closed to everybody else."""

from flask import Response as Flat
from flask import flash, g, redirect, render_template, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.db import now
from lms.errors import N_, Conflict, DomainError, Invalid, NotAllowed, NotFound, TooLarge, TooSoon
from lms.leaderboards.core.challenge_file import FILE_BYTES
from lms.leaderboards.forms import ClaimForm, EvidenceForm, WinnersForm
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.policies import winners as rules
from lms.leaderboards.queries import winners as queries
from lms.leaderboards.queries.organising import members_of
from lms.leaderboards.services import verifying
from lms.leaderboards.services.verifying import Evidence
from lms.leaderboards.tables.winners import ClaimState, WinnerClaim
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import kept_file, team_here
from lms.leaderboards.views.entering import Own, own
from lms.leaderboards.views.organising import organised
from lms.leaderboards.views.tries import count, put_in
from lms.web.errors import translated
from lms.web.forms import text
from lms.web.session import blobs, reads_first, session, write


@blueprint.app_template_test("asked_to_prove")
def asked_to_prove(team: Team | int) -> bool:
    """Say whether a team, or the team of this number, was ever asked to prove its place."""
    return queries.is_asked(session(), team if isinstance(team, int) else team.id)


@blueprint.get("/challenges/<challenge_slug>/organise/winners")
def challenge_winners(challenge_slug: str) -> str:
    """Show what the first teams are asked for, and what became of it."""
    challenge, board = organised(challenge_slug)
    asked = queries.round_of(session(), board)
    form = WinnersForm(
        winners=asked.winners if asked else _prizes(challenge),
        wanted=asked.wanted if asked else "",
        days=asked.days if asked else 14,
    )
    return _page(challenge, board, form)


@blueprint.post("/challenges/<challenge_slug>/organise/winners")
def challenge_ask_winners(challenge_slug: str) -> Response | tuple[str, int]:
    """Ask the first teams of the final board."""
    (challenge, board), form = organised(challenge_slug), WinnersForm()
    if not form.validate_on_submit():
        return _page(challenge, board, form), Invalid.status
    try:
        made = verifying.ask_winners(
            session(), _user(), board, winners=form.winners.data or 0, wanted=text(form.wanted),
            days=form.days.data or 0, at=g.received_at,
        )  # fmt: skip
    except (Invalid, Conflict) as problem:
        put_in(form, problem)
        return _page(challenge, board, form), problem.status
    _tell(made)
    return _to_winners(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/organise/winners/next")
def challenge_ask_next(challenge_slug: str) -> Response:
    """Ask the teams that moved up."""
    _, board = organised(challenge_slug)
    _tell(verifying.ask_next(session(), _user(), board, at=g.received_at))
    return _to_winners(challenge_slug)


@blueprint.get("/challenges/<challenge_slug>/organise/winners/<int:claim_id>")
def challenge_claim(challenge_slug: str, claim_id: int) -> str:
    """Show what a team has handed in."""
    challenge, board = organised(challenge_slug)
    return _claim_page(challenge, board, queries.claim_on(session(), board, claim_id), ClaimForm())


@blueprint.post("/challenges/<challenge_slug>/organise/winners/<int:claim_id>")
def challenge_decide_claim(challenge_slug: str, claim_id: int) -> Response | tuple[str, int]:
    """Accept or refuse what a team has handed in, or ask once more."""
    (challenge, board), form = organised(challenge_slug), ClaimForm()
    claim = queries.claim_on(session(), board, claim_id)
    if not form.validate_on_submit():
        return _claim_page(challenge, board, claim, form), Invalid.status
    try:
        made = verifying.decide_claim(
            session(), _user(), claim, ClaimState(form.state.data), text(form.reason),
            days=form.days.data or 0, at=g.received_at,
        )  # fmt: skip
    except (Invalid, Conflict) as problem:
        put_in(form, problem)
        return _claim_page(challenge, board, claim, form), problem.status
    flash(gettext("Your decision is kept, and the team reads it."), "success")
    _tell(made)
    return _to_winners(challenge_slug)


@blueprint.get("/challenges/<challenge_slug>/organise/winners/<int:claim_id>/file")
def challenge_claim_file(challenge_slug: str, claim_id: int) -> Flat:
    """Hand a team's evidence to those who run the challenge."""
    _, board = organised(challenge_slug)
    claim = queries.claim_on(session(), board, claim_id)
    if claim.blob is None:
        raise NotFound
    return kept_file(claim.blob, claim.filename or f"evidence-{claim.id}")


@blueprint.get("/challenges/<challenge_slug>/verification")
def challenge_verification(challenge_slug: str) -> str:
    """Show a team what it is asked for, until when, and what was decided."""
    mine, claim = _claimed(challenge_slug)
    return _own_page(mine, claim, EvidenceForm(statement=claim.statement))


@blueprint.post("/challenges/<challenge_slug>/verification")
@reads_first
def challenge_hand_in_evidence(challenge_slug: str) -> Response | tuple[str, int]:
    """Take what a team has to show; the file is looked at first."""
    (mine, claim), form = _claimed(challenge_slug), EvidenceForm()
    try:
        rules.check_can_hand_in(current_user, claim, g.received_at)
        if not form.validate_on_submit():
            return _own_page(mine, claim, form), Invalid.status
        count(verifying.EVIDENCE_PER_PERSON)
        rules.check_can_hand_in(current_user, _claimed(challenge_slug)[1], g.received_at)
        file = _stored(form.file.data)
        writing = write()
        mine, claim = _claimed(challenge_slug)
        user = writing.get_one(User, current_user.id)
        verifying.hand_in_evidence(writing, user, claim, text(form.statement), file, at=g.received_at)
    except (Invalid, Conflict, NotAllowed, TooLarge, TooSoon) as problem:
        put_in(form, problem)
        return _own_page(*_claimed(challenge_slug), form), problem.status
    flash(gettext("It has arrived. Only the organisers and your team see it."), "success")
    return redirect(url_for("leaderboards.challenge_verification", challenge_slug=challenge_slug), 303)


def _stored(file: FileStorage | None) -> Evidence | None:
    """Check and keep a file; None: none was sent.

    Raises:
        TooLarge, Invalid: it cannot be taken.
    """
    if file is None or not file.filename:
        return None
    with file.stream as stream:
        content = stream.read(FILE_BYTES + 1)
    verifying.check_evidence(content)
    return Evidence(blobs().put(content), file.filename, len(content))


def _claimed(challenge_slug: str) -> tuple[Own, WinnerClaim]:
    """Return what the reader's own team is asked for.

    Raises:
        NotFound: it is asked for nothing.
    """
    mine = own(challenge_slug)
    claim = queries.claim_of(session(), mine.team)
    if claim is None:
        raise NotFound(N_("Your team is not asked for anything. The organisers write to those who are."))
    return mine, claim


def _user() -> User:
    return session().get_one(User, current_user.id)


def _prizes(challenge: Challenge) -> int:
    """Return how many places win something, as the challenge's file says."""
    return max((prize["place"] for prize in challenge.settings.get("prizes") or ()), default=1)


def _tell(made: list[WinnerClaim]) -> None:
    number = len(made)
    if number:
        told = ngettext(
            "%(num)d team was asked, by mail too.", "%(num)d teams were asked, by mail too.", number
        )
        flash(told, "success")
    else:
        flash(gettext("No other team had to be asked."), "success")


def _to_winners(challenge_slug: str) -> Response:
    return redirect(url_for("leaderboards.challenge_winners", challenge_slug=challenge_slug), 303)


def _too_early(board: Board) -> str:
    """Say why nobody can be asked now; empty: they can."""
    try:
        verifying.check_can_ask(session(), board, now())
    except DomainError as reason:
        return translated(reason)
    return ""


def _page(challenge: Challenge, board: Board, form: WinnersForm) -> str:
    asked = queries.round_of(session(), board)
    early = _too_early(board)
    return render_template(
        "leaderboards/winners.html",
        challenge=challenge,
        board=board,
        form=form,
        asked=asked,
        claims=queries.claims_of(session(), asked) if asked else (),
        missing=queries.teams_to_ask(session(), asked) if asked and not early else (),
        early=early,
        mine=team_here(board),
    )


def _claim_page(challenge: Challenge, board: Board, claim: WinnerClaim, form: ClaimForm) -> str:
    return render_template(
        "leaderboards/winners_claim.html",
        challenge=challenge,
        board=board,
        claim=claim,
        members=members_of(session(), claim.team),
        form=form,
        mine=team_here(board),
        at=now(),
    )


def _own_page(mine: Own, claim: WinnerClaim, form: EvidenceForm) -> str:
    closed = ""
    try:
        rules.check_can_hand_in(current_user, claim, now())
    except DomainError as reason:
        closed = translated(reason)
    return render_template(
        "leaderboards/verification.html",
        challenge=mine.challenge,
        board=mine.board,
        team=mine.team,
        claim=claim,
        form=form,
        closed=closed,
    )
