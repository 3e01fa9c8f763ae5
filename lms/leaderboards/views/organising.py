"""What those who run a challenge do: score anew, take off, put back."""

from typing import NamedTuple

from flask import Response as Flat
from flask import flash, g, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from lms.accounts.models import User
from lms.db import now
from lms.errors import Conflict, DomainError, Invalid, NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.predictions import BadPredictions, Fault
from lms.leaderboards.forms import RescoreForm
from lms.leaderboards.models import Board, Challenge, Share, Team
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries import changes as kept
from lms.leaderboards.queries import organising as found
from lms.leaderboards.queries.entries import number_of_entries
from lms.leaderboards.queries.run_logs import logs_of
from lms.leaderboards.queries.waiting import number_scorer_failed, number_waiting, prepared_truth
from lms.leaderboards.services import correcting, judging, rescoring
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import kept_file, opened, team_here
from lms.web.errors import put_beside, translated
from lms.web.forms import text
from lms.web.session import blobs, reads_first, session, write
from lms.web.shapes import row_number


class Refused(NamedTuple):
    """What somebody wanted with a reason, and why it was not done."""

    field: str  # where the reason was given
    reason: str
    sentence: str


def organised(challenge_slug: str) -> tuple[Challenge, Board]:
    """Return a challenge that the reader runs, and its board.

    Raises:
        NotFound: it is not there for this person.
        NotAllowed: somebody else runs it, or the reader takes part in it.
    """
    challenge, board = opened(challenge_slug)
    check_organiser(session(), current_user, board)
    return challenge, board


@blueprint.get("/challenges/<challenge_slug>/organise")
def challenge_organise(challenge_slug: str) -> str:
    """Show the teams, what was taken off, and the versions of the truth."""
    return _page(*organised(challenge_slug), RescoreForm())


@blueprint.post("/challenges/<challenge_slug>/organise/rescores")
@reads_first
def challenge_rescore(challenge_slug: str) -> Response | tuple[str, int]:
    """Prepare a new version of the scores; the board stays as it is until it is published."""
    challenge, board = organised(challenge_slug)
    form = RescoreForm()
    if not form.validate_on_submit():
        return _page(challenge, board, form), Invalid.status
    truth, script = (_content(field.data) for field in (form.truth, form.script))
    try:
        correction = correcting.read_correction(
            session(), current_user, board, truth=truth, script=script, blobs=blobs()
        )
        writing = write()  # only now: reading a large file takes its time
        actor, same = writing.get_one(User, current_user.id), queries.board(writing, board.id)
        made = correcting.correct(writing, actor, same, text(form.reason), correction, at=g.received_at)
    except Invalid as problem:
        put_beside(form, problem)
        faults = problem.faults if isinstance(problem, BadPredictions) else ()
        return _page(challenge, board, form, tuple(faults)), Invalid.status
    flash(gettext("Version %(version)d is being scored in private.", version=made.version), "success")
    return redirect(
        url_for("leaderboards.challenge_difference", challenge_slug=challenge_slug, version=made.version), 303
    )


def _content(file: FileStorage | None) -> bytes:
    if file is None:
        return b""
    with file.stream as stream:
        return stream.read()


@blueprint.get("/challenges/<challenge_slug>/organise/rescores/<int:version>")
def challenge_difference(challenge_slug: str, version: int) -> str:
    """Show what publishing a version would change on the board."""
    challenge, board = organised(challenge_slug)
    truth = found.truth_on(session(), board, version)
    newest = prepared_truth(session(), board)
    is_prepared = newest is not None and newest.id == truth.id
    count = kept.number_of_changes(session(), truth)
    pages = max(1, -(-count // kept.PAGE))
    number = _number(pages)
    return render_template(
        "leaderboards/challenge_difference.html",
        challenge=challenge,
        board=board,
        truth=truth,
        older=truth.version < board.truth_version,
        newer=newest if newest is not None and newest.version > truth.version else None,
        missing=len(rescoring.not_rescored(session(), truth)) if is_prepared else 0,
        unfiled=rescoring.number_unfiled(session(), truth) if is_prepared else 0,
        comparison=kept.comparison_of(session(), truth),
        changes=kept.changes_of(session(), truth, offset=(number - 1) * kept.PAGE),
        count=count,
        number=number,
        pages=pages,
        page_address=lambda wanted: _difference_address(challenge, version, wanted),
    )


@blueprint.post("/challenges/<challenge_slug>/organise/rescores/<int:version>")
def challenge_publish_rescore(challenge_slug: str, version: int) -> Response:
    """Let a prepared version count."""
    _, board = organised(challenge_slug)
    truth = found.truth_on(session(), board, version)
    rescoring.publish_rescore(session(), current_user, truth, at=g.received_at)
    flash(gettext("Version %(version)d counts now, on the whole board.", version=version), "success")
    return _back(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/organise/rescores/<int:version>/discard")
def challenge_discard_rescore(challenge_slug: str, version: int) -> Response:
    """Give a prepared version up."""
    _, board = organised(challenge_slug)
    truth = found.truth_on(session(), board, version)
    rescoring.discard_rescore(session(), current_user, truth, at=g.received_at)
    flash(gettext("Version %(version)d is discarded. The board stays as it is.", version=version), "success")
    return _back(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/organise/rescores/<int:version>/unfiled")
def challenge_decide_unfiled(challenge_slug: str, version: int) -> Response:
    """Keep the scores that came without a file, or take them off the board with this version."""
    challenge, board = organised(challenge_slug)
    truth = found.truth_on(session(), board, version)
    rescoring.decide_unfiled(session(), current_user, truth, keep=request.form.get("keep") == "yes")
    return redirect(_difference_address(challenge, version, 1), code=303)


@blueprint.get("/challenges/<challenge_slug>/organise/teams/<int:team_id>")
def challenge_organise_team(challenge_slug: str, team_id: int) -> str:
    """Show a team with its entries."""
    challenge, board = organised(challenge_slug)
    return _team_page(challenge, board, found.team_on(session(), board, team_id))


@blueprint.post("/challenges/<challenge_slug>/organise/teams/<int:team_id>")
def challenge_disqualify_team(challenge_slug: str, team_id: int) -> Response | tuple[str, int]:
    """Take a whole team off the board."""
    challenge, board = organised(challenge_slug)
    team = found.team_on(session(), board, team_id)
    try:
        judging.disqualify_team(session(), current_user, team, _reason(), at=g.received_at)
    except (Invalid, Conflict) as problem:
        return _team_page(challenge, board, team, _refused("team-reason", problem)), problem.status
    flash(gettext("“%(name)s” is off the board. Its evidence stays.", name=team.name), "success")
    return _back(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/organise/entries/<int:entry_id>")
def challenge_disqualify_entry(challenge_slug: str, entry_id: int) -> Response | tuple[str, int]:
    """Take one entry off the board."""
    challenge, board = organised(challenge_slug)
    entry = found.entry_on(session(), board, entry_id)
    team = found.team_on(session(), board, entry.team_id or 0)
    try:
        judging.disqualify_entry(session(), current_user, entry, _reason(), at=g.received_at)
    except (Invalid, Conflict) as problem:
        return _team_page(challenge, board, team, _refused(f"entry-{entry.id}", problem)), problem.status
    flash(gettext("The entry is off the board. Its evidence stays."), "success")
    number = request.args.get("page", type=row_number)
    return redirect(_team_address(challenge, team, number), 303)


@blueprint.post("/challenges/<challenge_slug>/organise/entries/<int:entry_id>/again")
def challenge_score_again(challenge_slug: str, entry_id: int) -> Response:
    """Let a failed entry be scored once more."""
    challenge, board = organised(challenge_slug)
    entry = found.entry_on(session(), board, entry_id)
    team = found.team_on(session(), board, entry.team_id or 0)
    judging.score_again(session(), current_user, entry)
    flash(gettext("The entry is being scored again."), "success")
    return redirect(_team_address(challenge, team, request.args.get("page", type=row_number)), 303)


@blueprint.post("/challenges/<challenge_slug>/organise/again")
def challenge_score_all_again(challenge_slug: str) -> Response:
    """Let everything be scored once more that the challenge's own scorer failed on."""
    _, board = organised(challenge_slug)
    count = judging.score_all_again(session(), current_user, board)
    flash(
        ngettext("%(num)d entry is being scored again.", "%(num)d entries are being scored again.", count),
        "success",
    )
    return _back(challenge_slug)


@blueprint.post("/challenges/<challenge_slug>/organise/disqualifications/<int:disqualification_id>")
def challenge_lift(challenge_slug: str, disqualification_id: int) -> Response | tuple[str, int]:
    """Put back what was taken off."""
    challenge, board = organised(challenge_slug)
    made = found.disqualification_on(session(), board, disqualification_id)
    try:
        judging.lift(session(), current_user, made, _reason(), at=g.received_at)
    except (Invalid, Conflict) as problem:
        form, refused = RescoreForm(formdata=None), _refused(f"lift-{made.id}", problem)
        return _page(challenge, board, form, refused=refused), problem.status
    flash(gettext("It stands on the board again."), "success")
    return _back(challenge_slug)


@blueprint.get("/challenges/<challenge_slug>/organise/entries/<int:entry_id>/file")
def challenge_entry_file(challenge_slug: str, entry_id: int) -> Flat:
    """Hand the file of an entry to those who run the challenge: it is the evidence."""
    _, board = organised(challenge_slug)
    entry = found.entry_on(session(), board, entry_id)
    if entry.blob is None:
        raise NotFound
    return kept_file(entry.blob, entry.filename or f"entry-{entry.id}")


def _reason() -> str:
    return request.form.get("reason", "")


def _refused(field: str, problem: DomainError) -> Refused:
    return Refused(field, _reason(), translated(problem))


def _number(pages: int) -> int:
    """Return which page of so many the reader asks for."""
    return min(max(request.args.get("page", 1, type=row_number), 1), pages)


def _back(challenge_slug: str) -> Response:
    return redirect(url_for("leaderboards.challenge_organise", challenge_slug=challenge_slug), 303)


def _difference_address(challenge: Challenge, version: int, page: int) -> str:
    return url_for(
        "leaderboards.challenge_difference", challenge_slug=challenge.slug, version=version, page=page
    )


def _team_page(challenge: Challenge, board: Board, team: Team, refused: Refused | None = None) -> str:
    pages = max(1, -(-number_of_entries(session(), team) // found.PAGE))
    number = _number(pages)
    entries = found.organised_entries(session(), team, offset=(number - 1) * found.PAGE)
    return render_template(
        "leaderboards/challenge_organise_team.html",
        challenge=challenge,
        board=board,
        team=team,
        refused=refused,
        members=found.members_of(session(), team),
        entries=entries,
        logs=logs_of(session(), [one.id for one in entries]),
        number=number,
        pages=pages,
        page_address=lambda wanted: _team_address(challenge, team, wanted),
        mine=team_here(board),
        ended=policy.share_at(board, now()) is Share.PRIVATE,
    )


def _team_address(challenge: Challenge, team: Team, page: int | None) -> str:
    return url_for(
        "leaderboards.challenge_organise_team", challenge_slug=challenge.slug, team_id=team.id, page=page
    )


def _page(
    challenge: Challenge,
    board: Board,
    form: RescoreForm,
    faults: tuple[Fault, ...] = (),
    refused: Refused | None = None,
) -> str:
    words = request.args.get("q", "").strip()[:120]
    count = found.number_of_teams(session(), board, words)
    pages = max(1, -(-count // found.PAGE))
    number = _number(pages)
    return render_template(
        "leaderboards/challenge_organise.html",
        challenge=challenge,
        board=board,
        form=form,
        faults=faults,
        refused=refused,
        words=words,
        teams=found.organised_teams(session(), board, words, offset=(number - 1) * found.PAGE),
        count=count,
        number=number,
        pages=pages,
        page_address=_page_address,
        taken_off=found.disqualifications(session(), board),
        truths=found.truths(session(), board),
        waiting=number_waiting(session(), board),
        scorer_failed=number_scorer_failed(session(), board),
        own_scorer=board.metric == "own",
        mine=team_here(board),
        at=now(),
    )


def _page_address(number: int) -> str:
    slug = (request.view_args or {})["challenge_slug"]
    words = request.args.get("q") or None
    return url_for("leaderboards.challenge_organise", challenge_slug=slug, q=words, page=number)
