"""What courses show on the pages of `lms.web`."""

from flask import render_template
from flask_login import current_user
from markupsafe import Markup

from lms.courses.queries.catalogue import catalogue, course_title, courses_of_staff, outline_of
from lms.courses.queries.people import enrolments_of, progress
from lms.web.session import session

MOST_SHOWN = 3


def my_courses() -> Markup:
    """Show what the person teaches and takes, how far they are and what comes next; or where to begin."""
    teaching = courses_of_staff(session(), current_user)
    titles = {course.id: course_title(session(), course) for course in teaching}
    rows = []
    for enrolment in enrolments_of(session(), current_user):
        version = enrolment.cohort.course.current_version
        if version is not None:
            outline = outline_of(version)
            rows.append((enrolment, outline, progress(session(), enrolment, outline)))
    return Markup(render_template("courses/my_courses.html", rows=rows, teaching=teaching, titles=titles))  # noqa: S704 - a template escapes


def first_courses() -> Markup:
    """Show some open courses to a visitor."""
    rows = catalogue(session()).rows[:MOST_SHOWN]
    return Markup(render_template("courses/first_courses.html", rows=rows))  # noqa: S704 - a template escapes
