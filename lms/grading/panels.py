"""What grading shows on the pages of lower domains."""

from flask import g, render_template
from flask_login import current_user
from markupsafe import Markup

from lms.courses.core.outline import Lab as OutlineLab
from lms.courses.models import Course, Enrolment
from lms.db import now
from lms.grading import policy
from lms.grading.queries.marking import staff_courses, unmarked_answers
from lms.grading.queries.overview import LabState, labs_for, running_enrolments
from lms.web.session import session


def course_lab(
    course: Course, lab: OutlineLab, enrolment: Enrolment | None = None, **context: object
) -> Markup:
    """Show the person's state and points beside one lab of a course page."""
    del course, context
    if enrolment is None:
        return Markup()
    html = render_template("grading/panel_lab.html", state=_states(enrolment).get(lab.slug))
    return Markup(html)  # noqa: S704 - a template escapes


def _states(enrolment: Enrolment) -> dict[str, LabState]:
    """Return the open labs of an enrolment by name, read once for all labs of a page."""
    known: dict[int, dict[str, LabState]] = g.setdefault("lab_states", {})
    if enrolment.id not in known:
        known[enrolment.id] = {state.lab.slug: state for state in labs_for(session(), enrolment)}
    return known[enrolment.id]


def course_staff(course: Course, **context: object) -> Markup:
    """Lead staff from a course page to its gradebook, its releases and the answers that wait."""
    del context
    if not current_user.is_authenticated or not policy.can_see_all(current_user, course):
        return Markup()
    html = render_template(
        "grading/panel_staff.html", course=course, teacher=policy.can_regrade(current_user, course)
    )
    return Markup(html)  # noqa: S704 - a template escapes


def home(**context: object) -> Markup:
    """Show what is due, the newest results, and for staff the answers that wait."""
    del context
    enrolments = running_enrolments(session(), current_user.id, now())
    states = [state for enrolment in enrolments for state in labs_for(session(), enrolment)]
    waiting = unmarked_answers(session(), staff_courses(session(), current_user))
    if not states and not waiting:
        return Markup()
    html = render_template(
        "grading/panel_home.html",
        due=sorted(
            (state for state in states if state.due_at and state.due_at > now() and state.to_do),
            key=lambda state: str(state.due_at),
        )[:5],
        recent=sorted(
            ((work, state) for state in states for work in state.works[:1]),
            key=lambda pair: -pair[0].id,
        )[:5],
        waiting=len(waiting),
    )
    return Markup(html)  # noqa: S704 - a template escapes
