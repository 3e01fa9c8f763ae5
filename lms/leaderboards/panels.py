"""What leaderboards show on the pages of lower domains."""

from flask import render_template
from flask_login import current_user
from markupsafe import Markup

from lms.courses.models import Cohort, Enrolment
from lms.db import now
from lms.grading.models import Lab
from lms.leaderboards.queries.awards import confirmed_boards
from lms.leaderboards.queries.boards import board_of, challenges_of_lab
from lms.leaderboards.queries.places import own_places
from lms.web.session import session


def lab_board(lab: Lab, enrolment: Enrolment | None = None, **context: object) -> Markup:
    """Lead from a lab to its board, with the reader's place, and to the challenges that belong to it."""
    del context
    board = board_of(session(), lab.id, enrolment.cohort_id) if enrolment is not None else None
    found = challenges_of_lab(session(), lab, current_user, enrolment)
    if board is None and not found:
        return Markup()
    place = own_places(session(), [board], current_user, now()).get(board.id) if board is not None else None
    return Markup(  # noqa: S704 - a template escapes
        render_template("leaderboards/lab_board.html", board=board, place=place, challenges=found)
    )


def confirmed_points(cohort: Cohort, **context: object) -> Markup:
    """Lead from a gradebook to the points that boards gave its cohort; they are no part of its sums."""
    del context
    found = confirmed_boards(session(), cohort.id)
    return Markup(  # noqa: S704 - a template escapes
        render_template("leaderboards/grades_links.html", confirmed=found) if found else ""
    )
