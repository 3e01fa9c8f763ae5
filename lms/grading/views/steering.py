"""Steering the queue: runs that wait, failed for good or were cancelled, for operators and instructors."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.accounts.policy import check_is_site_admin
from lms.courses.models import Course
from lms.courses.queries.catalogue import course_by_slug
from lms.db import now
from lms.errors import N_, Conflict, Invalid, NotFound
from lms.grading import policy
from lms.grading.forms import RetryForm
from lms.grading.models import GradingRun, RetryReason
from lms.grading.queries import stopped as queries
from lms.grading.queries.fleet import priority_of
from lms.grading.queries.queue import view_of
from lms.grading.queries.submissions import runs_of, submission
from lms.grading.services import queueing
from lms.grading.views.labs import blueprint
from lms.web.language import local_path
from lms.web.session import session
from lms.web.shapes import row_number


@blueprint.app_template_filter("priority_name")
def priority_name(number: int) -> str:
    """Return the name of a priority."""
    return priority_of(number)


@blueprint.get("/operator/grading/queue")
def fleet_queue() -> str:
    """Show the operator every run that waits or works, and what was cancelled lately."""
    check_is_site_admin(current_user)
    return render_template(
        "grading/queue.html",
        left=queries.in_queue(session(), page=_page()),
        cancelled=queries.cancelled(session(), now()),
    )


@blueprint.get("/operator/grading/dead-letters")
def fleet_dead_letters() -> str:
    """Show the operator what failed for good, and why."""
    check_is_site_admin(current_user)
    return render_template(
        "grading/dead_letters.html",
        failed=queries.failed(session(), page=_page()),
        views=queries.failed_views(session()),
        form=RetryForm(),
    )


@blueprint.post("/operator/grading/dead-letters")
def fleet_retry() -> Response:
    """Try the chosen runs of all courses again."""
    check_is_site_admin(current_user)
    _retry_chosen(None)
    return redirect(url_for("grading.fleet_dead_letters"), 303)


@blueprint.get("/courses/<course>/grading-runs")
def course_runs(course: str) -> str:
    """Show instructors which runs of their course wait, failed for good, or were cancelled."""
    found = _own(course)
    return render_template(
        "grading/course_runs.html",
        course=found,
        left=queries.in_queue(session(), course=found),
        failed=queries.failed(session(), course=found, page=_page()),
        views=queries.failed_views(session(), course=found),
        cancelled=queries.cancelled(session(), now(), course=found),
        form=RetryForm(),
    )


@blueprint.post("/courses/<course>/grading-runs")
def retry_course_runs(course: str) -> Response:
    """Try the chosen runs of one course again."""
    found = _own(course)
    _retry_chosen(found)
    return redirect(url_for("grading.course_runs", course=found.slug), 303)


@blueprint.post("/submissions/<int:submission_id>/runs/<int:ordinal>/cancel")
def cancel_run(submission_id: int, ordinal: int) -> Response:
    """Take one run out of the queue, or away from its worker."""
    run = _run(submission_id, ordinal)
    queueing.cancel_run(session(), current_user, run, at=now())
    flash(gettext("Taken out of the queue. You can put it back below."), "success")
    return _back()


@blueprint.post("/submissions/<int:submission_id>/runs/<int:ordinal>/put-back")
def put_back_run(submission_id: int, ordinal: int) -> Response:
    """Undo a cancellation: a new run takes the place of the cancelled one."""
    run = _run(submission_id, ordinal)
    queueing.retry_run(session(), current_user, run, at=now(), reason=RetryReason.MISTAKE)
    flash(gettext("It is back in the queue."), "success")
    return _back()


@blueprint.post("/submissions/<int:submission_id>/runs/<int:ordinal>/outputs")
def retry_outputs(submission_id: int, ordinal: int) -> Response:
    """Have what the student sees of a run prepared once more."""
    run = _run(submission_id, ordinal)
    view = view_of(session(), run.id)
    if view is None:
        raise Conflict(N_("There is nothing to prepare for this run. Look at its page."))
    queueing.retry_view(session(), current_user, view, at=now())
    flash(gettext("It is back in the queue."), "success")
    return _back()


def _own(slug: str) -> Course:
    found = course_by_slug(session(), slug)
    policy.check_can_regrade(current_user, found)
    return found


def _run(submission_id: int, ordinal: int) -> GradingRun:
    """Return a run that the user may steer; to everybody else there is none."""
    work = submission(session(), submission_id)
    run = next((run for run in runs_of(session(), work) if run.ordinal == ordinal), None)
    if run is None or not policy.can_steer(current_user, run):
        raise NotFound
    return run


def _retry_chosen(course: Course | None) -> None:
    form = RetryForm()
    if not form.validate_on_submit():
        raise Invalid(N_("Choose why the runs are tried again."), field="reason")
    chosen = [number for number in request.form.getlist("run", type=row_number) if number]
    done = 0
    for run in queries.runs_by_number(session(), chosen, course=course):
        if policy.can_retry(current_user, run) and _retried(run, RetryReason(form.reason.data)):
            done += 1
    said = ngettext("%(num)d run is tried again.", "%(num)d runs are tried again.", done)
    flash(
        said if done else gettext("Nothing was chosen. Tick the runs first."),
        "success" if done else "warning",
    )


def _retried(run: GradingRun, reason: RetryReason) -> bool:
    try:
        queueing.retry_run(session(), current_user, run, at=now(), reason=reason)
    except Conflict:  # a newer run took its place since the page was drawn
        return False
    return True


def _page() -> int:
    return max(1, min(request.args.get("page", 1, type=row_number), 1_000_000))


def _back() -> Response:
    return redirect(local_path(request.form.get("back")), 303)
