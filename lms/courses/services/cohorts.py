"""Cohorts: groups that take a course between two dates."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.courses import policy
from lms.courses.core.outline import SLUG
from lms.courses.models import Cohort, Course
from lms.errors import N_, Invalid

LONGEST_SLUG = 64


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """What a cohort is to be."""

    slug: str
    title: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    timezone: str = "Asia/Seoul"


def open_cohort(session: Session, actor: User | None, course: Course, plan: CohortPlan) -> Cohort:
    """Open a cohort of a course.

    Raises:
        NotAllowed: the actor does not teach the course.
        Invalid: the plan is wrong; `field` says where.
    """
    _check_plan(session, actor, course, plan, None)
    cohort = Cohort(course=course, **_values(plan))
    session.add(cohort)
    session.flush()
    record(session, actor, "courses.open_cohort", f"cohort:{cohort.id}", course=course.id)
    return cohort


def change_cohort(session: Session, actor: User | None, cohort: Cohort, plan: CohortPlan) -> Cohort:
    """Change a cohort's name, dates or zone; due dates that depend on them move along.

    Raises:
        NotAllowed: the actor does not teach the course.
        Invalid: the plan is wrong; `field` says where.
    """
    _check_plan(session, actor, cohort.course, plan, cohort)
    changed = [name for name, value in _values(plan).items() if getattr(cohort, name) != value]
    for name in changed:
        setattr(cohort, name, _values(plan)[name])
    session.flush()
    record(session, actor, "courses.change_cohort", f"cohort:{cohort.id}", changed=changed)
    return cohort


def _values(plan: CohortPlan) -> dict[str, object]:
    return {
        "slug": plan.slug,
        "title": {language: text.strip() for language, text in plan.title.items()},
        "starts_at": plan.starts_at,
        "ends_at": plan.ends_at,
        "timezone": plan.timezone,
    }


def _check_plan(
    session: Session, actor: User | None, course: Course, plan: CohortPlan, cohort: Cohort | None
) -> None:
    if actor is not None:
        policy.check_can_manage_cohorts(actor, course)
    if not re.match(SLUG, plan.slug) or len(plan.slug) > LONGEST_SLUG:
        raise Invalid(N_("Use lower-case letters, digits and single hyphens."), field="slug")
    twin = select(Cohort).where(Cohort.course_id == course.id, Cohort.slug == plan.slug)
    if (cohort is None or plan.slug != cohort.slug) and session.scalar(twin) is not None:
        raise Invalid(N_("There is a cohort with this address already. Choose another."), field="slug")
    if not all(plan.title.get(language, "").strip() for language in ("ko", "en")):
        raise Invalid(N_("Write the title in both languages."), field="title_ko")
    if plan.ends_at <= plan.starts_at:
        raise Invalid(N_("The end has to come after the start."), field="ends_at")
    try:
        ZoneInfo(plan.timezone)
    except (KeyError, ValueError, OSError):
        raise Invalid(N_("There is no such time zone. Choose one from the list."), field="timezone") from None
