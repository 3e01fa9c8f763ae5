"""What was tried and cannot be done: counted, and said in the form so that nothing that was typed is lost."""

from flask_login import current_user
from flask_wtf import FlaskForm

from lms.accounts.services.limits import Limit, count_try
from lms.errors import DomainError, Invalid
from lms.web.errors import put_beside, translated
from lms.web.session import own_session


def count(*limits: Limit) -> None:
    """Count one try of the reader for each limit; whoever calls this reads again what it goes on with.

    Raises:
        TooSoon: there were too many.
    """
    whom = str(current_user.id)
    with own_session() as counting:
        for limit in limits:
            count_try(counting, limit, whom)
        counting.commit()


def put_in(form: FlaskForm, problem: DomainError) -> None:
    """Say in a form what stands in the way."""
    if isinstance(problem, Invalid):
        put_beside(form, problem)
    else:
        form.form_errors.append(translated(problem))
