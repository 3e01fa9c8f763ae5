"""The list of boards, and a board."""

from flask import Blueprint, render_template, request
from flask_login import current_user

from lms.db import now
from lms.leaderboards import policy
from lms.leaderboards.models import Board
from lms.leaderboards.queries import boards as queries
from lms.leaderboards.queries.standings import standings
from lms.web.session import session

ROWS = 1000  # of one page

blueprint = Blueprint("leaderboards", __name__, template_folder="../templates")


@blueprint.get("/boards")
def boards() -> str:
    """List the boards of the cohorts that the reader is in."""
    moment = now()
    mine = [standings(session(), board, current_user, moment, limit=1) for board in _boards()]
    return render_template("leaderboards/boards.html", boards=mine)


def _boards() -> list[Board]:
    return list(queries.boards_for(session(), current_user))


@blueprint.get("/boards/<int:board_id>")
def show(board_id: int) -> str:
    """Show a board: public scores until its end, private ones after."""
    board = queries.board(session(), board_id)
    policy.check_can_see(current_user, board, queries.enrolment_in(session(), board, current_user))
    table = standings(session(), board, current_user, now(), limit=ROWS)
    fragment = "HX-Request" in request.headers
    return render_template(
        "leaderboards/table.html" if fragment else "leaderboards/show.html", board=board, standings=table
    )
