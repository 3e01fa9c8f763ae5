"""What a failed notebook said on files that everyone has: for its team, and for who runs the challenge."""

from flask import render_template
from flask_login import current_user

from lms.errors import NotFound
from lms.leaderboards import policy
from lms.leaderboards.core.run_logs import sentences
from lms.leaderboards.models import Board, Challenge, Entry
from lms.leaderboards.queries.organising import entry_on
from lms.leaderboards.queries.run_logs import log_of
from lms.leaderboards.services.organising import check_organiser
from lms.leaderboards.tables.run_logs import EntryLog
from lms.leaderboards.views.boards import blueprint
from lms.leaderboards.views.challenges import may_organise, opened, team_here
from lms.web.errors import said
from lms.web.session import session


@blueprint.app_template_filter("outcome")
def outcome(log: EntryLog) -> str:
    """Say in the reader's language how a run on public files ended."""
    return " ".join(said(message, params) for message, params in sentences(log.outcome, log.params))


@blueprint.get("/challenges/<challenge_slug>/entries/<int:entry_id>/log")
def challenge_entry_log(challenge_slug: str, entry_id: int) -> str:
    """Show what a failed notebook said on files that everyone has, or that its run is still to come."""
    challenge, board = opened(challenge_slug)
    entry = entry_on(session(), board, entry_id)
    is_own = _is_own(challenge, board, entry)
    log = log_of(session(), entry)
    if log is None:
        raise NotFound
    return render_template(
        "leaderboards/challenge_entry_log.html",
        challenge=challenge,
        board=board,
        entry=entry,
        log=log,
        is_own=is_own,
        team=team_here(board),
        organises=may_organise(challenge),
    )


def _is_own(challenge: Challenge, board: Board, entry: Entry) -> bool:
    """Say whether an entry is of the reader's own team; if not, the reader runs the challenge.

    Raises:
        NotFound: neither is so.
        NotAllowed: the reader runs it, and takes part in it.
    """
    team = team_here(board)
    if team is not None and entry.team_id == team.id:
        return True
    if not policy.can_organise(current_user, challenge):
        raise NotFound
    check_organiser(session(), current_user, board)
    return False
