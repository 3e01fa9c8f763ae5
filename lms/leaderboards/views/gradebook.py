"""What boards gave, as columns of the gradebook of a course and for each student on their own page."""

from collections.abc import Sequence

from flask import url_for
from flask.blueprints import BlueprintSetupState
from flask_login import current_user

from lms.accounts.models import User
from lms.courses.models import Cohort
from lms.grading.queries.gradebook import COLUMNS, Column, Given
from lms.leaderboards import policy
from lms.leaderboards.queries.gradebook import board_awards
from lms.leaderboards.tables.grades import RankAward
from lms.web.session import session
from lms.web.slots import offer


def offer_columns(state: BlueprintSetupState) -> None:
    """Offer the columns to the gradebook, which knows no boards, once the blueprint is in an application."""
    offer(state.app, COLUMNS, board_columns)


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
