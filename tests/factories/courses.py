"""Courses for tests: a small sound folder, and rows made through the services."""

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, OrganisationKind, Role, User
from lms.blobs import BlobStore
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment
from lms.courses.services.cohorts import CohortPlan, open_cohort
from lms.courses.services.enrolling import enrol
from lms.courses.services.publishing import approve, publish
from lms.db import now
from tests.factories.accounts import make_member, make_organisation, make_user

NUMBERS = count(1)
ENVIRONMENTS = ("ml-basics",)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>\n'


def course_file(**changes: Any) -> dict[str, Any]:
    """Return a sound course.yml as plain values."""
    whole = {
        "title": {"ko": "행렬 첫걸음", "en": "First steps with matrices"},
        "summary": {"ko": "행렬을 손으로 익혀요.", "en": "Learn matrices by hand."},
        "description": {"ko": "**행렬**을 다뤄요.", "en": "All about **matrices**."},
        "languages": ["ko", "en"],
        "organisations": {"university": "hangang-university", "company": "nuri-ai"},
        "level": "beginner",
        "hours": 3,
        "skills": [{"name": {"ko": "행렬 곱", "en": "Matrix product"}}],
        "modules": [
            {
                "slug": "start",
                "title": {"ko": "시작", "en": "Start"},
                "items": [{"lesson": "01-vectors"}, {"lab": "products"}, {"lesson": "02-more"}],
            }
        ],
        "certificate": {
            "title": {"ko": "행렬 첫걸음", "en": "First steps with matrices"},
            "criteria": {"ko": "실습을 마쳐요.", "en": "Finish the lab."},
            "minimum_points": 2,
            "required_labs": ["products"],
            "required_share": 0.5,
        },
    }
    return {**whole, **changes}


def lab_file(**changes: Any) -> dict[str, Any]:
    """Return a sound lab.yml as plain values."""
    whole = {
        "title": {"ko": "행렬 곱", "en": "Products"},
        "summary": {"ko": "곱해요.", "en": "Multiply."},
        "environment": "ml-basics",
        "due": {"after_days": 21, "at": "23:59"},
    }
    return {**whole, **changes}


def graded_cell(grade_id: str, source: str, **settings: Any) -> dict[str, Any]:
    """Return a notebook cell with nbgrader metadata; an autograded test unless `settings` say otherwise."""
    nbgrader = {"grade": True, "solution": False, "locked": True, "schema_version": 3, "task": False}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": grade_id,
        "metadata": {"nbgrader": {**nbgrader, "grade_id": grade_id, "points": 3, **settings}},
        "outputs": [],
        "source": source,
    }


def source_notebook(*cells: dict[str, Any]) -> str:
    """Return an nbgrader source notebook as text; without cells a sound one."""
    answer = graded_cell(
        "answer",
        "### BEGIN SOLUTION\nx = 1\n### END SOLUTION",
        grade=False,
        solution=True,
        locked=False,
    )
    del answer["metadata"]["nbgrader"]["points"]
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": list(cells) or [answer, graded_cell("test", "assert x == 1")],
    }
    return json.dumps(document, indent=1)


def write_course(folder: Path, files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write a sound course into `folder`; `files` replaces some of its files, None leaves one out."""
    whole: dict[str, str | bytes | None] = {
        "course.yml": yaml.safe_dump(course_file(), allow_unicode=True, sort_keys=False),
        "lessons/01-vectors.md": "---\ntitle: 벡터\nminutes: 5\nobjectives: [벡터를 더해요]\n---\n"
        "## 더하기\n\n$a + b$ 를 봐요. ![벡터 그림](../assets/v.svg)\n"
        "[다음](02-more.md) [실습](../labs/products/)\n",
        "lessons/01-vectors.en.md": "# Vectors\n\n## Adding\n\nSee $a + b$.\n",
        "lessons/02-more.md": "# 더 알아보기\n\n| 가 | 나 |\n|--|--|\n| 1 | 2 |\n",
        "lessons/02-more.en.md": "# More\n\nText.\n",
        "labs/products/lab.yml": yaml.safe_dump(lab_file(), allow_unicode=True, sort_keys=False),
        "labs/products/products.ipynb": source_notebook(),
        "assets/v.svg": SVG,
    }
    for name, content in {**whole, **(files or {})}.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def make_version(
    session: Session,
    blobs: BlobStore,
    folder: Path,
    *,
    university: Organisation | None = None,
    company: Organisation | None = None,
    files: Mapping[str, str | bytes | None] | None = None,
) -> CourseVersion:
    """Publish a small course of two organisations; it is not open yet."""
    university = university or make_organisation(session, kind=OrganisationKind.UNIVERSITY)
    company = company or make_organisation(session, kind=OrganisationKind.COMPANY)
    parties = {"university": university.slug, "company": company.slug}
    whole = yaml.safe_dump(course_file(organisations=parties), allow_unicode=True, sort_keys=False)
    path = write_course(folder / f"matrices-{next(NUMBERS)}", {"course.yml": whole, **(files or {})})
    return publish(session, None, path, blobs, ENVIRONMENTS)


def make_instructor(session: Session, organisation: Organisation, role: Role = Role.INSTRUCTOR) -> User:
    """Make somebody who teaches for an organisation."""
    return make_member(session, organisation=organisation, role=role).user


def make_open_course(session: Session, blobs: BlobStore, folder: Path) -> Course:
    """Publish a small course and have both organisations approve it."""
    version = make_version(session, blobs, folder)
    for organisation in (version.course.university, version.course.company):
        approve(session, make_instructor(session, organisation), version)
    return version.course


def make_cohort(session: Session, course: Course, *, starts_in_days: float = -1, days: float = 60) -> Cohort:
    """Open a cohort that began yesterday, or when you say."""
    starts_at = now() + timedelta(days=starts_in_days)
    plan = CohortPlan(
        slug=f"cohort-{next(NUMBERS)}",
        title={"ko": "겨울반", "en": "Winter group"},
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=days),
    )
    return open_cohort(session, None, course, plan)


def make_enrolment(
    session: Session, cohort: Cohort, user: User | None = None, name: str = "김하늘"
) -> Enrolment:
    """Let a person take a cohort."""
    return enrol(session, user or make_user(session), cohort, name)
