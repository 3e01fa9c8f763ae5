"""What leaderboards show on the pages of lower domains."""

from collections.abc import Sequence

from flask import render_template, url_for
from flask_login import current_user
from markupsafe import Markup

from lms.accounts.models import User
from lms.courses.models import Cohort, Enrolment
from lms.db import now
from lms.grading.models import Lab
from lms.grading.queries.gradebook import Column, Given
from lms.leaderboards import policy
from lms.leaderboards.queries.awards import confirmed_boards
from lms.leaderboards.queries.boards import board_of, challenges_of_lab
from lms.leaderboards.queries.gradebook import board_awards
from lms.leaderboards.queries.places import own_places
from lms.leaderboards.tables.grades import RankAward
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


def board_columns(cohort: Cohort, person: User | None = None, **context: object) -> Sequence[Column]:
    """Return a column for each board whose points for people of a cohort a person confirmed.

    Whoever decides about the points is led to each student's page, anybody else to the board's page of
    points, which tells each reader what they may know.

    Args:
        person: who sees their own points only; without, everybody's: for pages of the course's staff.
    """
    del context
    found = board_awards(session(), cohort.id, user_id=person.id if person is not None else None)
    columns = []
    for each in found:
        decides = person is None and policy.can_grade(current_user, each.board)
        given = {award.user_id: _given(award, each.board.id, decides=decides) for award in each.awards}
        columns.append(Column(each.key, each.board.title, given))
    return columns


def _given(award: RankAward, board_id: int, *, decides: bool) -> Given:
    if decides:
        address = url_for("leaderboards_grades.award", board_id=board_id, award_id=award.id)
    else:
        address = url_for("leaderboards_grades.show", board_id=board_id)
    return Given(award.points, award.maximum, address)
