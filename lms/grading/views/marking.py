"""Written answers that a person grades: the queue, and one answer after another."""

from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from lms.db import now
from lms.errors import N_, Invalid, NotAllowed, NotFound
from lms.grading import policy
from lms.grading.core.contracts import ManifestCell
from lms.grading.forms import MarkForm
from lms.grading.models import Submission
from lms.grading.queries import marking as queries
from lms.grading.queries import submissions as submission_queries
from lms.grading.queries.labs import manifest
from lms.grading.services.marking import BY_HAND, mark_manually
from lms.grading.views.labs import blueprint
from lms.grading.views.rendering import answer_html, scheme_html
from lms.web.errors import put_beside
from lms.web.session import blobs, session


@dataclass(frozen=True)
class Answer:
    """One written answer in front of the person who grades it."""

    work: Submission
    cell: ManifestCell


@blueprint.get("/grading/queue")
def marking_queue() -> str:
    """Show the answers that wait to be graded by hand."""
    courses = queries.staff_courses(session(), current_user)
    if not courses:
        raise NotAllowed(N_("Only a course's instructors and assistants can grade answers."))
    waiting = queries.unmarked_answers(session(), courses)
    labs = {each.submission.lab_id: each.submission.lab for each in waiting}
    chosen = request.args.get("lab", type=int)
    shown = [each for each in waiting if chosen in {None, each.submission.lab_id}]
    return render_template(
        "grading/marking_queue.html", waiting=shown, labs=labs, chosen=chosen, total=len(waiting)
    )


@blueprint.route("/submissions/<int:submission_id>/answers/<grade_id>", methods=["GET", "POST"])
def mark(submission_id: int, grade_id: str) -> str | Response | tuple[str, int]:
    """Show one answer and take points and a comment for it."""
    answer = _answer(submission_id, grade_id)
    form = MarkForm()
    if not form.validate_on_submit():
        return _page(answer, form), 422 if form.is_submitted() else 200
    try:
        mark_manually(
            session(),
            current_user,
            answer.work,
            grade_id=grade_id,
            score=form.score.data or 0,
            comment=form.comment.data or "",
            at=now(),
        )
    except Invalid as error:
        put_beside(form, error)
        return _page(answer, form), 422
    flash(gettext("Your points are kept."), "success")
    return _onwards(answer)


def _answer(submission_id: int, grade_id: str) -> Answer:
    work = submission_queries.submission(session(), submission_id)
    policy.check_can_mark(current_user, work)
    cells = [each for each in manifest(work.release).cells if each.grade_id == grade_id]
    if not cells or cells[0].kind not in BY_HAND:
        raise NotFound
    return Answer(work, cells[0])


def _page(answer: Answer, form: MarkForm) -> str:
    work = answer.work
    grade = submission_queries.grade_of(session(), work)
    blob = grade.run.executed_blob if grade is not None else None  # markers are staff
    marks = [
        mark for mark in submission_queries.marks_of(session(), work) if mark.grade_id == answer.cell.grade_id
    ]
    if marks and not form.is_submitted():
        form.score.data, form.comment.data = marks[0].score, marks[0].comment
    return render_template(
        "grading/mark.html",
        work=work,
        cell=answer.cell,
        html=answer_html(blobs().get(blob), answer.cell.grade_id) if blob else "",
        scheme=_scheme(answer),
        form=form,
        marks=marks,
        near=_near(answer),
    )


def _scheme(answer: Answer) -> str:
    """Return the author's own cell, which students never see."""
    source = answer.work.release.source_blob
    return scheme_html(blobs().get(source), answer.cell.grade_id) if source else ""


def _near(answer: Answer) -> queries.Neighbours:
    waiting = queries.unmarked_answers(session(), [answer.work.lab.course], answer.work.lab)
    return queries.neighbours(waiting, answer.work.id, answer.cell.grade_id)


def _onwards(answer: Answer) -> Response:
    near = _near(answer)
    onwards = near.after or near.before
    if onwards is None:
        return redirect(url_for("grading.marking_queue"), 303)
    return redirect(
        url_for("grading.mark", submission_id=onwards.submission.id, grade_id=onwards.grade_id), 303
    )
