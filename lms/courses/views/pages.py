"""Pages that everyone or every learner sees: catalogue, course, lesson."""

from flask import Response, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from lms.courses import policy
from lms.courses.models import CourseVersion
from lms.courses.queries import catalogue as courses
from lms.courses.queries import lessons, people
from lms.courses.services.enrolling import mark_lesson_read
from lms.courses.views.addresses import item_address, lab_address, links_of
from lms.courses.views.visiting import Visit, member, visit, visitor
from lms.db import now
from lms.errors import N_, NotAllowed
from lms.web.guard import public
from lms.web.language import language
from lms.web.session import blobs, session

ASSET_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


@public
def catalogue() -> str:
    """Show the open courses, and to staff their own."""
    query = request.args.get("q", "").strip()
    found = courses.catalogue(session(), query, request.args.get("page", 1, type=int))
    user = visitor()
    own = courses.courses_of_staff(session(), user) if user else []
    titles = {course.id: courses.course_title(session(), course) for course in own}
    return render_template("courses/catalogue.html", found=found, query=query, own=own, titles=titles)


@public
def course(slug: str) -> str:
    """Show one course."""
    here = visit(slug)
    return render_template(
        "courses/course.html",
        here=here,
        **_standing(here),
        cohorts=courses.cohorts(session(), here.course, now()),
        description=lessons.description(here.outline, language(), here.links),
        criteria=lessons.criteria(here.outline, language(), here.links),
        can_read=policy.can_read(here.user, here.course, here.enrolment, now()),
        is_staff=policy.is_course_staff(here.user, here.course),
        can_manage=policy.can_manage_cohorts(here.user, here.course),
        can_approve=policy.can_approve(here.user, here.version),
        lab_address=lab_address,
    )


@public
def version(slug: str, number: int) -> str:
    """Show what one version certifies: the address that certificates name as their achievement."""
    course = courses.course_by_slug(session(), slug)
    found = courses.version_by_number(session(), course, number)
    policy.check_can_see_what_it_certifies(visitor(), found)
    outline = courses.outline_of(found)
    criteria = lessons.criteria(outline, language(), links_of(found, preview=True))
    return render_template("courses/version.html", version=found, outline=outline, criteria=criteria)


def _standing(here: Visit) -> dict[str, object]:
    progress = people.progress(session(), here.enrolment, here.outline) if here.enrolment else None

    def address(item: object) -> str:
        return item_address(here.version, item, preview=here.preview)  # type: ignore[arg-type]

    def due(lab: str) -> object:
        cohort = here.enrolment.cohort if here.enrolment else None
        return courses.lab_due_at(here.outline, lab, cohort) if cohort else None

    return {"progress": progress, "address": address, "due": due}


def lesson(slug: str, lesson: str) -> str | Response:
    """Show one lesson to whoever takes the course, or hand it out if it is a notebook."""
    here = visit(slug)
    policy.check_can_read(here.user, here.course, here.enrolment, now())
    page = lessons.lesson_page(here.version, lesson, language(), blobs(), here.links)
    if "download" in request.args and page.is_notebook:
        return _notebook(here.version, page.file)
    return render_template("courses/lesson.html", here=here, it=page, **_standing(here))


def _notebook(version: CourseVersion, file: str) -> Response:
    response = make_response(blobs().get(version.files[file]))
    response.headers["Content-Type"] = "application/x-ipynb+json"
    response.headers["Content-Security-Policy"] = ASSET_POLICY
    response.headers.set("Content-Disposition", "attachment", filename=file.rsplit("/", 1)[-1])
    return response


def read_lesson(slug: str, lesson: str) -> AnyResponse | str:
    """Remember that a lesson was read; answer with the line that says so, or the lesson again."""
    here = visit(slug)
    if here.enrolment is None:
        raise NotAllowed(N_("Lessons are for people who take the course. Enrol on the course page first."))
    mark_lesson_read(session(), member(), here.enrolment, lesson)
    page = lessons.lesson_page(here.version, lesson, language(), blobs(), here.links)
    standing = _standing(here)
    if request.headers.get("HX-Request"):
        return render_template("courses/lesson_read.html", here=here, it=page, **standing)
    following = page.after or next(item for item in page.outline.items if item.lesson == lesson)
    response = make_response("", 303)
    response.headers["Location"] = item_address(here.version, following, preview=here.preview)
    return response


@public
def asset(slug: str, number: int, path: str) -> Response:
    """Send a file of a version that its pages show; nothing in it can run."""
    version = courses.version_by_number(session(), courses.course_by_slug(session(), slug), number)
    policy.check_can_see_version(visitor(), version)
    found = lessons.asset(version, path, blobs())
    response = make_response(found.content)
    response.headers["Content-Type"] = found.media_type
    response.headers["Content-Security-Policy"] = ASSET_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=86400"
    if found.media_type == lessons.DOWNLOAD:
        response.headers.set("Content-Disposition", "attachment", filename=found.name)
    return response
