"""The gradebook of a course, its releases, and grading a whole lab again."""

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import ngettext
from flask_login import current_user
from werkzeug.wrappers import Response as Answer

from lms.courses.models import Cohort, Course
from lms.courses.queries.catalogue import course_by_slug
from lms.db import now
from lms.errors import NotFound
from lms.grading import policy
from lms.grading.core.contracts import Notice
from lms.grading.core.wire import from_plain
from lms.grading.forms import ConfirmForm
from lms.grading.models import LabRelease
from lms.grading.queries import gradebook as queries
from lms.grading.queries import labs as lab_queries
from lms.grading.queries.submissions import counted_submissions
from lms.grading.services import marking
from lms.grading.views.labs import blueprint
from lms.web.session import session
from lms.web.slots import gather


def _course(slug: str) -> Course:
    course = course_by_slug(session(), slug)
    policy.check_can_see_all(current_user, course)
    return course


def _cohort(cohorts: list[Cohort]) -> Cohort | None:
    wanted = request.args.get("cohort")
    if wanted is None:
        return cohorts[0] if cohorts else None
    return next((cohort for cohort in cohorts if cohort.slug == wanted), None)


def _columns(cohort: Cohort) -> list[queries.Column]:
    """Return what boards gave a cohort, as higher domains tell it."""
    return gather(queries.COLUMNS, cohort=cohort)


def _book(cohort: Cohort, *, words: str, sort: str, page: int) -> queries.Gradebook:
    columns = _columns(cohort)
    return queries.gradebook(session(), cohort, columns=columns, words=words, sort=sort, page=page)


@blueprint.get("/courses/<course>/gradebook")
def gradebook(course: str) -> str:
    """Show everybody of a cohort by every lab."""
    found = _course(course)
    cohorts = queries.cohorts_of(session(), found)
    cohort = _cohort(cohorts)
    words, sort = request.args.get("q", ""), request.args.get("sort", "name")
    page = request.args.get("page", 1, type=int)
    book = _book(cohort, words=words, sort=sort, page=page) if cohort else None

    def address(**changes: object) -> str:
        kept: dict[str, Any] = {"cohort": cohort.slug if cohort else None, "q": words or None, "sort": sort}
        return url_for("grading.gradebook", course=course, **(kept | changes))

    return render_template(
        "grading/gradebook.html",
        course=found,
        cohorts=cohorts,
        cohort=cohort,
        book=book,
        words=words,
        sort=sort,
        address=address,
    )


@blueprint.get("/courses/<course>/gradebook.csv")
def gradebook_csv(course: str) -> Response:
    """Hand out the gradebook of a cohort as CSV."""
    found = _course(course)
    cohort = _cohort(queries.cohorts_of(session(), found))
    if cohort is None:
        raise NotFound
    columns = _columns(cohort)
    lines = queries.roster(session(), cohort, columns)
    content = "".join(queries.gradebook_csv(lines, lab_queries.labs_of(session(), found), columns))
    response = Response(content, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=f"{course}-{cohort.slug}.csv")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/courses/<course>/releases")
def releases(course: str) -> str:
    """Show every release of the course's labs with what its publication checks found."""
    found = _course(course)
    return render_template(
        "grading/releases.html",
        course=found,
        releases=[(each, *_findings(each)) for each in lab_queries.releases_of(session(), found)],
    )


def _findings(release: LabRelease) -> tuple[list[Notice], list[Notice]]:
    report = release.report or {}
    errors = [from_plain(Notice, each) for each in report.get("errors", [])]
    return errors, [from_plain(Notice, each) for each in report.get("warnings", [])]


@blueprint.route("/courses/<course>/labs/<lab>/regrade", methods=["GET", "POST"])
def regrade_lab(course: str, lab: str) -> str | Answer:
    """Ask, saying how many, then have a whole lab graded again."""
    found = lab_queries.lab(session(), course, lab)
    policy.check_can_regrade(current_user, found.course)
    form = ConfirmForm()
    if not form.validate_on_submit():
        count = counted_submissions(session(), found)
        return render_template("grading/regrade.html", lab=found, work=None, count=count, form=form)
    runs = marking.regrade_lab(session(), current_user, found, at=now())
    said = ngettext("%(num)d submission is graded again.", "%(num)d submissions are graded again.", len(runs))
    flash(said, "success")
    return redirect(url_for("grading.gradebook", course=course), 303)
