"""What certificates show on the pages of lower domains."""

from flask import render_template
from flask_login import current_user
from markupsafe import Markup

from lms.certs import policy
from lms.certs.queries import certificates as queries
from lms.courses.models import Course, Enrolment
from lms.web.language import language
from lms.web.session import session


def my_certificates(**context: object) -> Markup:
    """List one's own certificates on the home page, once there are any."""
    del context
    certificates = queries.wallet(session(), current_user.id)
    return _render("certs/home_panel.html", certificates=certificates) if certificates else Markup()


def course_certificate(course: Course, enrolment: Enrolment | None = None, **context: object) -> Markup:
    """Say on the course page where one's certificate is; lead staff to all of them."""
    del context
    certificate = queries.certificate_of_enrolment(session(), enrolment.id) if enrolment else None
    watches = current_user.is_authenticated and policy.can_watch(current_user, course)
    if certificate is None and not watches:
        return Markup()
    return _render(
        "certs/course_panel.html",
        course=course,
        certificate=certificate,
        reason=certificate.refusal(language()) if certificate else "",
        can_watch=watches,
    )


def _render(template: str, **values: object) -> Markup:
    return Markup(render_template(template, **values))  # noqa: S704 - a template escapes
