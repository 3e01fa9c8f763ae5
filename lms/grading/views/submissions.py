"""One submission: its receipt, its way through the queue, its result."""

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.db import now
from lms.errors import N_, NotFound
from lms.grading import policy
from lms.grading.forms import ConfirmForm
from lms.grading.models import Grade, Submission, ViewRun
from lms.grading.queries import submissions as queries
from lms.grading.queries.outcomes import Outcome, outcome
from lms.grading.queries.queue import view_of
from lms.grading.services.marking import regrade_submission as regrade
from lms.grading.services.queueing import waits_unasked, want_view
from lms.grading.views.labs import attachment, blueprint
from lms.grading.views.live import live_mark, soon, wait_for_news
from lms.grading.views.rendering import cells_html
from lms.web.language import language
from lms.web.session import blobs, noted, session

FRAME_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


def _seen(submission_id: int) -> Submission:
    found = queries.submission(session(), submission_id)
    policy.check_can_see(current_user, found)
    return found


def _shown(work: Submission) -> dict[str, Any]:
    staff = policy.can_see_all(current_user, work.lab.course)
    grade = queries.grade_of(session(), work)
    if grade is not None and not staff:
        _looked_at(grade)
    return {
        "outcome": outcome(session(), work, staff=staff, at=now()),
        "work": work,
        "staff": staff,
        "marker": policy.can_mark(current_user, work),
        "teacher": policy.can_regrade(current_user, work.lab.course),
        "rules": policy.rules_of(work.release),
    }


def _looked_at(grade: Grade) -> ViewRun | None:
    """Return what the student sees of a grade's run; somebody looks, so now it is worth making."""
    view = view_of(session(), grade.run_id)
    if view is not None and waits_unasked(view):
        noted(lambda writing: want_view(writing, grade.run_id, now()))
    return view


@blueprint.get("/submissions/<int:submission_id>")
def submission(submission_id: int) -> str:
    """Show a submission."""
    work = _seen(submission_id)
    shown = _shown(work)
    runs = queries.runs_of(session(), work) if shown["staff"] else []
    return render_template("grading/submission.html", runs=runs, **shown)


@blueprint.get("/submissions/<int:submission_id>/state")
def submission_state(submission_id: int) -> Response:
    """Answer with the part of the page that changes, or 204 when `seen` is what it still says.

    A page that has `seen` it before may be answered later: when points are near, with them.
    """
    shown = _shown(_seen(submission_id))
    current: Outcome = shown["outcome"]
    seen = request.args.get("seen")
    if seen is not None and soon(current):
        wait_for_news(submission_id, drawn=seen == live_mark(current))
        shown = _shown(_seen(submission_id))
        current = shown["outcome"]
    if seen == live_mark(current):
        return make_response("", 204)
    response = make_response(render_template("grading/submission_state.html", **shown))
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(f"{live_mark(current)}-{language()}")
    response.make_conditional(request)
    return response


@blueprint.get("/submissions/<int:submission_id>/notebook")
def download_submission(submission_id: int) -> Response:
    """Hand back the file exactly as it came."""
    work = _seen(submission_id)
    return attachment(blobs().get(work.blob), work.filename, "application/octet-stream")


@blueprint.get("/submissions/<int:submission_id>/feedback")
def feedback(submission_id: int) -> Response:
    """Show the student's own notebook with its outputs, in a frame where nothing can run."""
    work = _seen(submission_id)
    grade = queries.grade_of(session(), work)
    view = _looked_at(grade) if grade is not None else None
    if view is None or view.feedback_blob is None:
        raise NotFound(N_("There is no graded notebook yet. Come back when grading is done."))
    return _framed(blobs().get(view.feedback_blob))


@blueprint.get("/submissions/<int:submission_id>/runs/<int:ordinal>/executed")
def executed(submission_id: int, ordinal: int) -> Response:
    """Show staff the executed notebook of one run, hidden tests and all, or hand it out as a file."""
    work = queries.submission(session(), submission_id)
    policy.check_can_see_all(current_user, work.lab.course)
    run = next((run for run in queries.runs_of(session(), work) if run.ordinal == ordinal), None)
    if run is None or run.executed_blob is None:
        raise NotFound
    content = blobs().get(run.executed_blob)
    if "download" in request.args:
        return attachment(content, f"submission-{work.id}-run-{ordinal}.ipynb", "application/octet-stream")
    return _framed(content)


def _framed(content: bytes) -> Response:
    response = make_response(render_template("grading/notebook_frame.html", cells=cells_html(content)))
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"  # a sandboxed page may not set it
    return response


@blueprint.route("/submissions/<int:submission_id>/regrade", methods=["GET", "POST"])
def regrade_submission(submission_id: int) -> str | Answer:
    """Ask, then have one submission graded again."""
    work = _seen(submission_id)
    policy.check_can_regrade(current_user, work.lab.course)
    if not ConfirmForm().validate_on_submit():
        return render_template("grading/regrade.html", work=work, lab=work.lab, count=1, form=ConfirmForm())
    regrade(session(), current_user, work, at=now())
    return redirect(url_for("grading.submission", submission_id=work.id), 303)
