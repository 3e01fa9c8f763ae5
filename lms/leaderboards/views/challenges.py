"""Challenges: which there are, what each asks, its files, joining."""

from datetime import datetime

from flask import Response, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response as Answer

from lms.accounts.models import User
from lms.courses.core.markdown import is_elsewhere, render
from lms.db import now
from lms.errors import Conflict, DomainError, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.forms import JoinForm, RulesForm
from lms.leaderboards.models import Board, Challenge, Team
from lms.leaderboards.policies.impartiality import check_can_take_part
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries.dates import date_changes
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services import challenges as services
from lms.leaderboards.services import teams
from lms.leaderboards.services.organising import is_organiser
from lms.leaderboards.views.boards import blueprint, reader
from lms.web.errors import put_beside, translated
from lms.web.formats import localised
from lms.web.forms import text
from lms.web.guard import public
from lms.web.session import blobs, session

TYPES = {"csv": "text/csv", "json": "application/json", "ipynb": "application/x-ipynb+json"}


@blueprint.app_template_filter("challenge_text")
def challenge_text(challenge: Challenge, section: str) -> Markup:
    """Render one text of a challenge in the reader's language; links lead only out of the site."""
    found = render(
        localised(challenge.texts.get(section)),
        lambda link: link if is_elsewhere(link) else None,
        "challenge",
        f"{section}-",
    )
    return Markup(found.html)  # noqa: S704 - `render` makes it safe


@blueprint.app_template_filter("phase_at")
def phase_at(challenge: Challenge, at: datetime) -> str:
    """Say in which phase a challenge is."""
    return policy.phase_of(challenge, at).value


@blueprint.get("/challenges")
@public
def challenges() -> str:
    """List the challenges that the visitor may see."""
    moment = now()
    found = queries.challenges(session(), reader(), moment)
    return render_template("leaderboards/challenges.html", challenges=found, at=moment)


@blueprint.get("/challenges/<challenge_slug>")
@public
def challenge(challenge_slug: str) -> str:
    """Show what a challenge asks, gives and allows."""
    return _page(*opened(challenge_slug), JoinForm())


@blueprint.get("/challenges/<challenge_slug>/files/<path:filename>")
@public
def challenge_file(challenge_slug: str, filename: str) -> Response:
    """Hand out one of the challenge's files, once it has opened."""
    found, _ = opened(challenge_slug)
    file = found.files.get(filename)
    if file is None or not _may_download(found):
        raise NotFound
    name = filename.rsplit("/", 1)[-1]
    kind = TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    return kept_file(str(file["sha256"]), name, kind)


@blueprint.post("/challenges/<challenge_slug>/join")
def challenge_join(challenge_slug: str) -> Answer | tuple[str, int]:
    """Accept the rules and take part as a team of one."""
    found, board = opened(challenge_slug)
    form = JoinForm()
    if not form.validate_on_submit():
        return _page(found, board, form), Invalid.status
    user, at = person(), g.received_at
    try:
        with session().begin_nested():  # the page that says why not must not show the rules as accepted
            services.accept_rules(session(), user, found, text(form.version), at=at)
            teams.join(session(), user, found, text(form.name), at=at)
    except (Invalid, Conflict) as problem:
        put_beside(form, problem)
        return _page(found, board, form), problem.status
    flash(gettext("You take part. Download the data, and send your first file."), "success")
    return redirect(url_for("leaderboards.challenge_entries", challenge_slug=challenge_slug), 303)


@blueprint.post("/challenges/<challenge_slug>/rules")
def challenge_rules(challenge_slug: str) -> Answer:
    """Accept the rules as they are now."""
    found, _ = opened(challenge_slug)
    form = RulesForm()
    if not form.validate_on_submit():
        flash(gettext("Accept the rules to take part."), "warning")
        return redirect(
            url_for("leaderboards.challenge", challenge_slug=challenge_slug, _anchor="rules"), 303
        )
    services.accept_rules(session(), current_user, found, text(form.version), at=g.received_at)
    flash(gettext("You accepted version %(version)s of the rules.", version=found.rules_version), "success")
    return redirect(url_for("leaderboards.challenge", challenge_slug=challenge_slug), 303)


def kept_file(sha256: str, name: str, kind: str = "application/octet-stream") -> Response:
    """Answer with a kept file to be saved, piece by piece; for who has it already nothing is read."""
    response = Response(content_type=kind)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.set_etag(sha256)
    if response.make_conditional(request).status_code == 304:  # noqa: PLR2004 - not modified
        return response
    response.response = blobs().pieces(sha256)
    response.content_length = blobs().size_bytes(sha256)
    return response


def person() -> User:
    """Return who changes something."""
    return session().get_one(User, current_user.id)


def opened(challenge_slug: str) -> tuple[Challenge, Board]:
    """Return a challenge that the reader may see, and its board.

    Raises:
        NotFound: it is not there for this person.
    """
    found = queries.challenge(session(), challenge_slug)
    board = queries.seen_board(session(), queries.board_of_challenge(session(), found), reader())
    return found, board


def team_here(board: Board) -> Team | None:
    """Return the reader's team on a board."""
    asker = reader()
    return queries.team_of(session(), board, asker) if asker is not None else None


def may_organise(found: Challenge) -> bool:
    """Say whether the reader runs a challenge."""
    asker = reader()
    return asker is not None and is_organiser(session(), asker, queries.board_of_challenge(session(), found))


def accepted(found: Challenge) -> bool:
    """Say whether the reader accepted the rules as they are now."""
    asker = reader()
    return asker is not None and queries.accepted_version(session(), found, asker) == found.rules_version


def _may_download(found: Challenge) -> bool:
    return now() >= found.opens_at or may_organise(found)


def _page(found: Challenge, board: Board, form: JoinForm) -> str:
    moment, asker = now(), reader()
    form.version.data = found.rules_version
    return render_template(
        "leaderboards/challenge.html",
        challenge=found,
        board=board,
        form=form,
        at=moment,
        phase=policy.phase_of(found, moment).value,
        team=team_here(board),
        accepted=accepted(found),
        closed=_closed(found, moment),
        files=sorted(found.files.items()) if _may_download(found) else (),
        invitations=queries.open_invitations(session(), board, asker) if asker is not None else (),
        standings=standings(session(), board, asker, moment, limit=5),
        changes=date_changes(session(), found),
        organises=may_organise(found),
    )


def _closed(found: Challenge, at: datetime) -> str:
    """Say why nobody can join now; empty: one can."""
    asker = reader()
    try:
        if asker is not None:
            check_can_take_part(asker, found)
        policy.check_can_join(found, at)
    except DomainError as reason:
        return translated(reason)
    return ""
