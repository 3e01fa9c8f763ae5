"""What follows from what, across domains. Every step is repeatable; one transaction each."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from lms.certs.services.requests import request_issuance
from lms.courses.core.outline import CertificateRule, Outline, read_outline
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment
from lms.courses.services.enrolling import mark_completed
from lms.errors import Invalid
from lms.grading.core.contracts import weakest
from lms.grading.models import Grade
from lms.grading.queries.submissions import counting_grades
from lms.grading.services.releases import open_labs, queue_releases
from lms.grading.services.running import settled
from lms.leaderboards.queries.boards import board_of
from lms.leaderboards.queries.places import place_of
from lms.leaderboards.services.boards import enter, open_board

log = structlog.get_logger()

WITH_COURSE = (
    joinedload(Enrolment.cohort)
    .joinedload(Cohort.course)
    .joinedload(Course.current_version)
    .load_only(CourseVersion.outline),
)
"""What the rule of the certificate stands in; anything else of it is read where somebody has earned it."""


def settle(session: Session, grade: Grade, at: datetime) -> None:
    """Draw all consequences of a grade: board, completion, certificate; then mark it settled.

    A provisional grade waits. Safe to repeat: a regrade unsettles the grade and takes the same path.
    """
    if grade.provisional or grade.settled_at is not None:
        return
    enrolment = session.get_one(Enrolment, grade.enrolment_id, options=WITH_COURSE)
    enter(session, grade)
    version = enrolment.cohort.course.current_version
    if version is not None:
        _complete(session, enrolment, version, at)
    settled(session, grade, at=at)


def _complete(session: Session, enrolment: Enrolment, version: CourseVersion, at: datetime) -> None:
    outline = read_outline(version.outline)
    final = {
        slug: grade
        for slug, grade in counting_grades(session, enrolment).items()
        if slug in outline.labs and not grade.provisional  # a lab that left the course counts no longer
    }
    if not meets_rule(outline.certificate, final):
        return
    mark_completed(session, enrolment, at=at)
    facts = _facts(session, enrolment, outline, final, at)
    request_issuance(session, enrolment, version, facts=facts, language=enrolment.user.language, at=at)


def meets_rule(rule: CertificateRule, final: Mapping[str, Grade]) -> bool:
    """Say whether final grades (by lab) earn the certificate: enough points, and required labs' shares."""
    enough = sum(grade.score for grade in final.values()) >= rule.minimum_points
    return enough and all(_reaches(final.get(slug), rule) for slug in rule.required_labs)


def _reaches(grade: Grade | None, rule: CertificateRule) -> bool:
    return grade is not None and grade.score >= rule.required_share * grade.maximum


def _facts(
    session: Session, enrolment: Enrolment, outline: Outline, final: Mapping[str, Grade], at: datetime
) -> dict[str, Any]:
    labs = [
        _lab_facts(session, enrolment, grade, at) | {"slug": slug, "title": dict(outline.labs[slug].title)}
        for slug, grade in final.items()
    ]
    return {
        "score": f"{sum(grade.score for grade in final.values()):g}",
        "maximum": f"{outline.maximum:g}",
        "assurance": weakest(grade.run.assurance for grade in final.values()),
        "labs": labs,
    }


def _lab_facts(session: Session, enrolment: Enrolment, grade: Grade, at: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "score": f"{grade.score:g}",
        "maximum": f"{grade.maximum:g}",
        "assurance": grade.run.assurance,
        "run": grade.run_id,
        "submission_sha256": grade.submission.blob,
        "release_digest": grade.submission.release.digest,
        "environment_sha256": grade.run.environment_sha256 or grade.submission.release.environment_sha256,
    }
    board = board_of(session, grade.lab_id, enrolment.cohort_id)
    place = place_of(session, enrolment, board, at) if board is not None else None
    if place is not None:
        facts |= place._asdict() | {"ranked_on": at.date().isoformat()}
    return facts


def open_what_is_ready(session: Session, environments: Path, at: datetime) -> None:
    """Bring labs and boards in line with what is published, built and approved; repeatable and cheap."""
    for version in session.scalars(_newest_versions()).all():
        try:
            queue_releases(session, version, environments=environments)
        except Invalid as problem:  # its lock is gone: the other courses go on
            log.warning("course.cannot_be_built", version=version.id, reason=str(problem))
    for course in session.scalars(select(Course).where(Course.current_version_id.is_not(None))):
        if course.current_version is None:
            continue
        labs = open_labs(session, course.current_version)
        cohorts = session.scalars(
            select(Cohort).where(Cohort.course_id == course.id, Cohort.ends_at > at)
        ).all()
        for lab in labs:
            for cohort in cohorts:
                if lab.current_release is not None:
                    open_board(session, cohort, lab.current_release)


def _newest_versions() -> Select[CourseVersion]:
    newest = select(func.max(CourseVersion.id)).group_by(CourseVersion.course_id)
    return select(CourseVersion).where(CourseVersion.id.in_(newest))
