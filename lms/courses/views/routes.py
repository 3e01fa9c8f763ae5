"""The addresses of courses."""

from flask import Blueprint

from lms.courses.views import enrolling, pages, staff

blueprint = Blueprint("courses", __name__, template_folder="../templates", url_prefix="/courses")

READ = ["GET"]
WRITE = ["POST"]
FORM = ["GET", "POST"]

for rule, endpoint, view, methods in (
    ("", "catalogue", pages.catalogue, READ),
    ("/<slug>", "course", pages.course, READ),
    ("/<slug>/lessons/<lesson>", "lesson", pages.lesson, READ),
    ("/<slug>/lessons/<lesson>/read", "read_lesson", pages.read_lesson, WRITE),
    ("/<slug>/versions/<int:number>/assets/<path:path>", "asset", pages.asset, READ),
    ("/<slug>/cohorts/<cohort>/enrol", "enrol", enrolling.enrol, FORM),
    ("/<slug>/leave", "leave", enrolling.leave, WRITE),
    ("/<slug>/name", "name", enrolling.name, FORM),
    ("/<slug>/versions/<int:number>", "version", pages.version, READ),
    ("/<slug>/versions", "versions", staff.versions, READ),
    ("/<slug>/versions/<int:number>/approve", "approve", staff.approve, WRITE),
    ("/<slug>/cohorts", "cohorts", staff.cohort_list, READ),
    ("/<slug>/cohorts/new", "new_cohort", staff.new_cohort, FORM),
    ("/<slug>/cohorts/<cohort>/edit", "edit_cohort", staff.edit_cohort, FORM),
    ("/<slug>/cohorts/<cohort>/roster", "roster", staff.roster, READ),
    ("/<slug>/cohorts/<cohort>/roster/<int:enrolment>/confirm", "confirm", staff.confirm, WRITE),
):
    blueprint.add_url_rule(rule, endpoint, view, methods=methods)
