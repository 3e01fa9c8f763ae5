"""Pages for staff: versions, rosters, cohorts."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response
from wtforms import DateTimeLocalField

from lms.courses import policy
from lms.courses.forms import CohortForm, ConfirmForm
from lms.courses.models import Cohort, Course
from lms.courses.queries import catalogue as courses
from lms.courses.queries import people
from lms.courses.services import cohorts
from lms.courses.services.enrolling import confirm_name
from lms.courses.services.publishing import approve as approve_version
from lms.courses.views.visiting import member
from lms.db import now
from lms.errors import N_, Invalid
from lms.web.errors import put_beside
from lms.web.session import session

Answer = Response | str | tuple[str, int]


def versions(slug: str) -> str:
    """Show all versions of a course: what changed, who approved, what is missing."""
    course = courses.course_by_slug(session(), slug)
    policy.check_is_course_staff(member(), course)
    rows = [
        (version, courses.changes_since_before(session(), version), policy.approvable(member(), version))
        for version in courses.versions(session(), course)
    ]
    return render_template("courses/versions.html", **_course(course), rows=rows)


def approve(slug: str, number: int) -> Response:
    """Say yes to a version in the name of one's organisation."""
    course = courses.course_by_slug(session(), slug)
    policy.check_is_course_staff(member(), course)
    version = courses.version_by_number(session(), course, number)
    approve_version(session(), member(), version)
    if course.current_version_id == version.id:
        flash(_("Both organisations have approved it: version %(number)d is open.", number=number), "success")
    else:
        flash(_("Approved. The other organisation's yes is still missing."), "success")
    return redirect(url_for("courses.versions", slug=slug), 303)


def cohort_list(slug: str) -> str:
    """Show all cohorts of a course."""
    course = courses.course_by_slug(session(), slug)
    policy.check_is_course_staff(member(), course)
    found = courses.cohorts(session(), course, now())
    return render_template(
        "courses/cohorts.html",
        **_course(course),
        found=found,
        can_manage=policy.can_manage_cohorts(member(), course),
    )


def roster(slug: str, cohort: str) -> str:
    """Show who takes a cohort, with the names that wait to be confirmed."""
    course = courses.course_by_slug(session(), slug)
    policy.check_is_course_staff(member(), course)
    group = courses.cohort_by_slug(session(), course, cohort)
    query = request.args.get("q", "").strip()
    found = people.roster(session(), group, query, request.args.get("page", 1, type=int))
    return render_template(
        "courses/roster.html",
        **_course(course),
        cohort=group,
        found=found,
        query=query,
        can_confirm=policy.can_confirm_names(member(), course),
    )


def confirm(slug: str, cohort: str, enrolment: int) -> Response:
    """Confirm the name that one student asked for."""
    course = courses.course_by_slug(session(), slug)
    policy.check_is_course_staff(member(), course)
    group = courses.cohort_by_slug(session(), course, cohort)
    person = people.enrolment_by_id(session(), group, enrolment)
    form = ConfirmForm()
    confirm_name(session(), member(), person, form.name.data or "")
    flash(_("The name is confirmed."), "success")
    return redirect(url_for("courses.roster", slug=slug, cohort=cohort), 303)


def _course(course: Course) -> dict[str, object]:
    return {"course": course, "title": courses.course_title(session(), course)}


def new_cohort(slug: str) -> Answer:
    """Open a cohort."""
    course = courses.course_by_slug(session(), slug)
    policy.check_can_manage_cohorts(member(), course)
    return _cohort_form(course, None, CohortForm())


def edit_cohort(slug: str, cohort: str) -> Answer:
    """Change a cohort."""
    course = courses.course_by_slug(session(), slug)
    policy.check_can_manage_cohorts(member(), course)
    group = courses.cohort_by_slug(session(), course, cohort)
    return _cohort_form(course, group, CohortForm(**_shown(group)))


def _cohort_form(course: Course, cohort: Cohort | None, form: CohortForm) -> Answer:
    if form.validate_on_submit():
        try:
            if cohort is None:
                cohorts.open_cohort(session(), member(), course, _plan(form))
            else:
                cohorts.change_cohort(session(), member(), cohort, _plan(form))
        except Invalid as error:
            put_beside(form, error)
        else:
            flash(_("The cohort is kept."), "success")
            return redirect(url_for("courses.cohorts", slug=course.slug), 303)
    page = render_template("courses/cohort_form.html", **_course(course), cohort=cohort, form=form)
    return (page, 422) if form.is_submitted() else page


def _plan(form: CohortForm) -> cohorts.CohortPlan:
    zone = ZoneInfo(form.timezone.data)
    return cohorts.CohortPlan(
        slug=form.slug.data or "",
        title={"ko": form.title_ko.data or "", "en": form.title_en.data or ""},
        starts_at=_aware(form.starts_at, zone),
        ends_at=_aware(form.ends_at, zone),
        timezone=form.timezone.data,
    )


def _aware(field: DateTimeLocalField, zone: ZoneInfo) -> datetime:
    if field.data is None:
        raise Invalid(N_("Write date and time."), field=field.name)
    return field.data.replace(tzinfo=zone)


def _shown(cohort: Cohort) -> dict[str, Any]:
    zone = ZoneInfo(cohort.timezone)

    def wall(at: datetime) -> datetime:
        return at.astimezone(zone).replace(tzinfo=None)

    return {
        "title_ko": cohort.title.get("ko"),
        "title_en": cohort.title.get("en"),
        "slug": cohort.slug,
        "starts_at": wall(cohort.starts_at),
        "ends_at": wall(cohort.ends_at),
        "timezone": cohort.timezone,
    }
