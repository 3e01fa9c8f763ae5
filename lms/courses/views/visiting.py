"""Who is visiting, and which version of a course they look at."""

from dataclasses import dataclass

from flask import request
from flask_login import current_user

from lms.accounts.models import User
from lms.courses import policy
from lms.courses.core.outline import Outline
from lms.courses.models import Course, CourseVersion, Enrolment
from lms.courses.queries.catalogue import course_by_slug, outline_of, version_by_number, versions
from lms.courses.queries.lessons import Links
from lms.courses.queries.people import enrolment_in
from lms.courses.views.addresses import links_of
from lms.web.session import session
from lms.web.shapes import row_number


@dataclass(frozen=True)
class Visit:
    """A person on the pages of one course."""

    user: User | None
    course: Course
    version: CourseVersion
    outline: Outline
    enrolment: Enrolment | None
    preview: bool
    """Staff look at a version that they named."""

    @property
    def links(self) -> Links:
        """Return how links in the texts become addresses."""
        return links_of(self.version, preview=self.preview)


def visitor() -> User | None:
    """Return the person who has signed in, if anyone has."""
    return current_user._get_current_object() if current_user.is_authenticated else None  # noqa: SLF001 - the way flask_login gives the object


def member() -> User:
    """Return the person who has signed in; the guard has seen to it that somebody has."""
    user: User = current_user._get_current_object()  # noqa: SLF001 - the way flask_login gives the object
    return user


def visit(slug: str) -> Visit:
    """Return the visit to a course, in the version that the address names or the open one.

    Raises:
        NotFound: there is nothing that this person may see.
    """
    course = course_by_slug(session(), slug)
    number = request.args.get("version", type=row_number)
    user = visitor()
    if number is None and course.current_version is None and policy.is_course_staff(user, course):
        number = versions(session(), course)[0].number
    version = version_by_number(session(), course, number)
    policy.check_can_see_version(user, version)
    return Visit(
        user=user,
        course=course,
        version=version,
        outline=outline_of(version),
        enrolment=enrolment_in(session(), user, course),
        preview=number is not None,
    )
