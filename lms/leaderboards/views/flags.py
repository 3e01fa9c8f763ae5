"""The review queue of those who run a board: what was noticed, the evidence, and what they make of it."""

from typing import NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.db import now
from lms.errors import Invalid
from lms.leaderboards.forms import FlagForm
from lms.leaderboards.models import Board
from lms.leaderboards.queries import boards
from lms.leaderboards.queries import flags as queries
from lms.leaderboards.services.deciding import decide_flag
from lms.leaderboards.services.organising import check_organiser, is_organiser
from lms.leaderboards.tables.flags import Flag, FlagState
from lms.web.errors import put_beside
from lms.web.session import session
from lms.web.shapes import row_number

blueprint = Blueprint("leaderboards_flags", __name__, template_folder="../templates")


class Page(NamedTuple):
    """Which page of how many."""

    number: int
    pages: int


@blueprint.app_template_test("run_by_reader")
def run_by_reader(board: Board) -> bool:
    """Say whether the reader runs a board."""
    if not current_user.is_authenticated:
        return False
    return is_organiser(session(), current_user, board)


@blueprint.get("/boards/<int:board_id>/flags")
def flags(board_id: int) -> str:
    """List the flags of a board in one state, the open ones at first."""
    board = _organised(board_id)
    state = _state()
    numbers = queries.number_of_flags(session(), board)
    page = _page(numbers[state])
    found = queries.flags_of(session(), board, state, offset=(page.number - 1) * queries.PAGE)
    return render_template(
        "leaderboards/flags.html",
        board=board,
        flags=found,
        teams=queries.teams_of_flags(session(), found),
        numbers=numbers,
        state=state,
        page=page,
        page_address=lambda number: url_for(
            "leaderboards_flags.flags", board_id=board.id, state=state.value, page=number
        ),
    )


@blueprint.get("/boards/<int:board_id>/flags/<int:flag_id>")
def flag(board_id: int, flag_id: int) -> str:
    """Show one flag with its evidence."""
    board = _organised(board_id)
    return _shown(board, queries.flag_on(session(), board, flag_id), FlagForm())


@blueprint.post("/boards/<int:board_id>/flags/<int:flag_id>")
def decide(board_id: int, flag_id: int) -> Answer | tuple[str, int]:
    """Dismiss or uphold a flag, for a reason."""
    board = _organised(board_id)
    found, form = queries.flag_on(session(), board, flag_id), FlagForm()
    if not form.validate_on_submit():
        return _shown(board, found, form), Invalid.status
    try:
        state, reason = FlagState(form.state.data), form.reason.data or ""
        decide_flag(session(), current_user, found, state, reason, at=now())
    except Invalid as problem:
        put_beside(form, problem)
        return _shown(board, found, form), problem.status
    flash(gettext("Your decision is kept. Nothing has changed on the board."), "success")
    return redirect(url_for("leaderboards_flags.flags", board_id=board.id), 303)


def _organised(board_id: int) -> Board:
    """Return a board that the reader runs.

    Raises:
        NotFound, NotAllowed: there is none, or somebody else runs it.
    """
    board = boards.board(session(), board_id)
    check_organiser(session(), current_user, board)
    return board


def _state() -> FlagState:
    wanted = request.args.get("state", "")
    return FlagState(wanted) if wanted in set(FlagState) else FlagState.OPEN


def _page(number: int) -> Page:
    pages = max(1, -(-number // queries.PAGE))
    return Page(min(max(request.args.get("page", 1, type=row_number), 1), pages), pages)


def _shown(board: Board, found: Flag, form: FlagForm) -> str:
    return render_template(
        "leaderboards/flags_one.html",
        board=board,
        flag=found,
        teams=queries.teams_of_flags(session(), [found]),
        members=queries.members_of_flag(session(), found),
        entries=queries.entries_of_flag(session(), found),
        own=queries.is_about(session(), found, current_user),
        form=form,
    )
