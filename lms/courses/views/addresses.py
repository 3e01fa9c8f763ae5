"""Addresses within a course, for links in lessons and for lines on pages."""

from flask import url_for

from lms.courses.core.links import Aim, Target
from lms.courses.core.outline import Item
from lms.courses.models import Course, CourseVersion
from lms.courses.queries.lessons import Links


def lab_address(course: Course, lab: str) -> str:
    """Return the address of a lab's page, which grading draws."""
    return f"{url_for('courses.course', slug=course.slug)}/labs/{lab}"


def item_address(version: CourseVersion, item: Item, *, preview: bool) -> str:
    """Return the address of a lesson or lab."""
    if item.kind == "lab":
        return lab_address(version.course, item.slug)
    number = version.number if preview else None
    return url_for("courses.lesson", slug=version.course.slug, lesson=item.slug, version=number)


def links_of(version: CourseVersion, *, preview: bool) -> Links:
    """Return how links in the version's texts become addresses; a preview stays within its version."""

    def address(target: Aim) -> str | None:
        if target.kind is Target.ASSET:
            name = target.path.removeprefix("assets/")
            return url_for("courses.asset", slug=version.course.slug, number=version.number, path=name)
        item = Item(lesson=target.slug) if target.kind is Target.LESSON else Item(lab=target.slug)
        fragment = f"#s-{target.fragment}" if target.fragment else ""
        return item_address(version, item, preview=preview) + fragment

    return Links(address, f"{version.course.slug} {version.id} {preview}")
