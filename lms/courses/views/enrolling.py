"""Pages of taking a course: enrol, leave, the name on the certificate."""

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from lms.courses import policy
from lms.courses.forms import NameForm
from lms.courses.models import Enrolment
from lms.courses.queries.catalogue import cohort_by_slug
from lms.courses.services import enrolling
from lms.courses.views.visiting import Visit, member, visit
from lms.db import now
from lms.errors import N_, Invalid, NotFound
from lms.web.errors import put_beside
from lms.web.session import session

Answer = Response | str | tuple[str, int]


def enrol(slug: str, cohort: str) -> Answer:
    """Ask for the name on the certificate, then enrol."""
    here = visit(slug)
    group = cohort_by_slug(session(), here.course, cohort)
    policy.check_can_enrol(member(), group, now())
    form = NameForm(requested_name=member().name)
    if form.validate_on_submit():
        try:
            enrolling.enrol(session(), member(), group, form.requested_name.data or "")
        except Invalid as error:
            put_beside(form, error)
        else:
            flash(_("You take this course now. Welcome!"), "success")
            return redirect(url_for("courses.course", slug=slug), 303)
    page = render_template("courses/enrol.html", here=here, cohort=group, form=form)
    return (page, 422) if form.is_submitted() else page


def leave(slug: str) -> Response:
    """End the enrolment; the work stays."""
    enrolling.leave(session(), member(), _enrolment(visit(slug)))
    flash(_("You have left the course. Your work is kept; enrol again to go on."), "success")
    return redirect(url_for("courses.course", slug=slug), 303)


def name(slug: str) -> Answer:
    """Change the name that was asked for, as long as none was confirmed."""
    here = visit(slug)
    enrolment = _enrolment(here)
    policy.check_can_request_name(member(), enrolment)
    form = NameForm(requested_name=enrolment.requested_name)
    if form.validate_on_submit():
        try:
            enrolling.request_name(session(), member(), enrolment, form.requested_name.data or "")
        except Invalid as error:
            put_beside(form, error)
        else:
            flash(_("The name is kept. Staff confirm it next."), "success")
            return redirect(url_for("courses.course", slug=slug), 303)
    page = render_template("courses/name.html", here=here, form=form)
    return (page, 422) if form.is_submitted() else page


def _enrolment(here: Visit) -> Enrolment:
    if here.enrolment is None:
        raise NotFound(N_("You do not take this course. Enrol on the course page first."))
    return here.enrolment
