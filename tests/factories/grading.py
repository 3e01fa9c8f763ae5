"""Labs, releases, submissions and reports for tests."""

import itertools
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from lms.accounts.models import Membership, Organisation, OrganisationKind, Role, User
from lms.blobs import BlobStore
from lms.courses.models import Cohort, Course, CourseVersion, Enrolment
from lms.grading.core.contracts import (
    BuildReport,
    CellKind,
    CheckResult,
    CheckStatus,
    GradingReport,
    Manifest,
    ManifestCell,
    ViewReport,
)
from lms.grading.models import GradingRun, Lab, Submission
from lms.grading.services.releases import claim_release, open_labs, queue_releases, record_build
from lms.grading.services.running import claim_run, record_grade
from lms.grading.services.submitting import submit

START = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
NOW = START + timedelta(days=3)
_count = itertools.count(1)


def make_user(session: Session, *, name: str = "김하늘", email: str | None = None) -> User:
    number = next(_count)
    user = User(
        email=email or f"learner{number}@example.org",
        password_hash="!",
        name=name,
        session_token=f"session-{number}",
        created_at=START,
        confirmed_at=START,
    )
    session.add(user)
    session.flush()
    return user


def make_organisation(session: Session, kind: OrganisationKind) -> Organisation:
    slug = f"{kind.value}-{next(_count)}"
    made = Organisation(
        slug=slug, kind=kind, name={"ko": "한강대학교", "en": "Hangang University"}, created_at=START
    )
    session.add(made)
    session.flush()
    return made


def make_staff(session: Session, organisation: Organisation, role: Role = Role.INSTRUCTOR) -> User:
    user = make_user(session, name="이도윤")
    session.add(Membership(user_id=user.id, organisation_id=organisation.id, role=role, created_at=START))
    session.flush()
    session.refresh(user)
    return user


def lab_settings(**changes: object) -> dict[str, object]:
    settings: dict[str, object] = {
        "environment": "ml-basics",
        "attempts": 3,
        "counts": "best",
        "due": {"after_days": 21, "at": "23:59"},
        "late": "accept",
    }
    return settings | changes


def outline(slug: str, labs: dict[str, dict[str, object]]) -> dict[str, object]:
    return {
        "slug": slug,
        "title": {"ko": "딥러닝 첫걸음", "en": "Deep learning: first steps"},
        "summary": {"ko": "요약", "en": "Summary"},
        "description": {"ko": "설명", "en": "Description"},
        "languages": ["ko", "en"],
        "organisations": {"university": "hangang-university", "company": "nuri-ai"},
        "level": "beginner",
        "hours": 12,
        "modules": [
            {
                "slug": "first",
                "title": {"ko": "첫 주", "en": "First week"},
                "items": [{"lab": lab} for lab in labs] or [{"lesson": "x"}],
            }
        ],
        "certificate": {
            "title": {"ko": "수료증", "en": "Certificate"},
            "criteria": {"ko": "기준", "en": "Criteria"},
            "minimum_points": 1,
        },
        "lessons": {},
        "labs": {
            lab: {
                "slug": lab,
                "title": {"ko": "소프트맥스", "en": "Softmax"},
                "summary": {"ko": "소프트맥스를 만들어요.", "en": "Build softmax."},
                "maximum": 5,
                "settings": settings,
            }
            for lab, settings in labs.items()
        },
    }


MANIFEST = Manifest(
    cells=(
        ManifestCell("answer", CellKind.ANSWER, "code", 0, "# YOUR CODE HERE", "# YOUR CODE HERE", "0" * 32),
        ManifestCell(
            "test",
            CellKind.TEST,
            "code",
            3,
            "assert True",
            "assert True\nassert secret",
            "1" * 32,
            {"ko": "합은 1", "en": "Sums to one"},
        ),
        ManifestCell(
            "essay", CellKind.MANUAL_ANSWER, "markdown", 2, "YOUR ANSWER HERE", "YOUR ANSWER HERE", "2" * 32
        ),
    ),
    kernel="python3",
    language="python",
)
ONLY_TESTS = replace(MANIFEST, cells=MANIFEST.cells[:2])


def notebook(
    *, answer: str = "x = 1", outputs: list[dict[str, object]] | None = None, cells: object = None
) -> bytes:
    """A notebook with the cells of MANIFEST."""

    def cell(kind: str, source: str, **nbgrader: object) -> dict[str, object]:
        metadata = {"schema_version": 3, "locked": False, "task": False, **nbgrader}
        made: dict[str, object] = {
            "cell_type": kind,
            "id": str(nbgrader["grade_id"]),
            "metadata": {"nbgrader": metadata},
            "source": source,
        }
        return made | ({"execution_count": None, "outputs": outputs or []} if kind == "code" else {})

    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": cells
        or [
            cell("code", answer, grade_id="answer", grade=False, solution=True),
            cell(
                "code",
                "assert True",
                grade_id="test",
                grade=True,
                locked=True,
                solution=False,
                points=3,
                checksum="1" * 32,
            ),
            cell(
                "markdown",
                "my words",
                grade_id="essay",
                grade=True,
                solution=True,
                points=2,
                checksum="2" * 32,
            ),
        ],
    }
    return json.dumps(document).encode()


def build_report(manifest: Manifest = MANIFEST) -> BuildReport:
    return BuildReport(
        errors=(),
        warnings=(),
        manifest=manifest,
        student_notebook=notebook(answer="# YOUR CODE HERE"),
        source_notebook=b"{}",
        solution_score=3,
        template_score=0,
        maximum=manifest.maximum,
        isolation="full",
    )


def grading_report(*, score: float = 3, essay: float | None = None, manual: bool = True) -> GradingReport:
    status = CheckStatus.PASSED if score == 3 else CheckStatus.FAILED
    checks = [
        CheckResult("test", score, 3, status, message="합이 1이 아니에요. | The sum is not 1.", hidden=True)
    ]
    if manual:
        checks.append(CheckResult("essay", essay, 2, CheckStatus.MANUAL))
    return GradingReport(
        checks=tuple(checks),
        notices=(),
        executed=notebook(answer="# staff only: hidden"),
        wall_seconds=1.5,
        peak_memory_bytes=100_000_000,
        assurance="shared-kernel",
        isolation="full",
        view=ViewReport(feedback=notebook(), messages={}),
    )


@dataclass
class World:
    """A course with one open lab, a student and staff of both organisations."""

    session: Session
    blobs: BlobStore
    course: Course
    version: CourseVersion
    cohort: Cohort
    lab: Lab
    student: User
    enrolment: Enrolment
    instructor: User
    assistant: User
    environments: Path
    at: datetime = NOW

    def hand_in(self, **changes: object) -> Submission:
        content = changes.pop("content", None) or notebook(answer=f"x = {next(_count)}")
        enrolment = changes.pop("enrolment", self.enrolment)
        options = {"filename": "softmax.ipynb", "received_at": self.at} | changes
        return submit(self.session, enrolment, self.lab, content=content, blobs=self.blobs, **options)  # type: ignore[arg-type]

    def claim(self, *, at: datetime | None = None) -> GradingRun:
        run = claim_run(self.session, at=at or self.at, lease_seconds=30)
        assert run is not None
        return run

    def graded(self, *, report: GradingReport | None = None, **changes: object) -> Submission:
        work = self.hand_in(**changes)
        run = self.claim()
        grade = record_grade(
            self.session, run.id, run.token, report or grading_report(), blobs=self.blobs, at=self.at
        )
        assert grade is not None
        assert grade.submission_id == work.id
        return work


def enrol(session: Session, user: User, cohort: Cohort) -> Enrolment:
    made = Enrolment(user_id=user.id, cohort_id=cohort.id, enrolled_at=START, requested_name=user.name)
    session.add(made)
    session.flush()
    return made


def publish(
    session: Session, course: Course, blobs: BlobStore, *, lab: bytes, settings: dict[str, object]
) -> CourseVersion:
    """A new version of the course with one lab, as publishing makes it."""
    number = next(_count)
    version = CourseVersion(
        course_id=course.id,
        number=number,
        digest=f"{number:064x}",
        outline=outline(course.slug, {"softmax": settings}),
        files={
            "course.yml": blobs.put(b"x"),
            "labs/softmax/softmax.ipynb": blobs.put(lab),
            "labs/softmax/data/rows.csv": blobs.put(b"a,b\n1,2\n"),
            "labs/softmax/hidden/board.py": blobs.put(b"secret"),
        },
        published_at=START,
    )
    session.add(version)
    session.flush()
    return version


def make_world(
    session: Session,
    blobs: BlobStore,
    folder: Path,
    *,
    settings: dict[str, object] | None = None,
    manifest: Manifest = MANIFEST,
    started_at: datetime = START,
) -> World:
    """A course whose lab `softmax` is built and open in a running cohort, on its third day."""
    university = make_organisation(session, OrganisationKind.UNIVERSITY)
    company = make_organisation(session, OrganisationKind.COMPANY)
    course = Course(
        slug=f"course-{next(_count)}", university_id=university.id, company_id=company.id, created_at=START
    )
    session.add(course)
    session.flush()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ml-basics.txt").write_text("numpy==2.0\n")
    version = publish(session, course, blobs, lab=b"source 1", settings=settings or lab_settings())
    queue_releases(session, version, environments=folder)
    release = claim_release(session, at=START, lease_seconds=30)
    assert release is not None
    record_build(session, release.id, release.token, build_report(manifest), blobs=blobs)
    course.current_version = version
    open_labs(session, version)
    cohort = Cohort(
        course_id=course.id,
        slug="autumn",
        title={"ko": "가을", "en": "Autumn"},
        starts_at=started_at,
        ends_at=started_at + timedelta(days=90),
    )
    session.add(cohort)
    session.flush()
    student = make_user(session)
    return World(
        session=session,
        blobs=blobs,
        course=course,
        version=version,
        cohort=cohort,
        lab=release.lab,
        student=student,
        enrolment=enrol(session, student, cohort),
        instructor=make_staff(session, university),
        assistant=make_staff(session, company, Role.ASSISTANT),
        environments=folder,
        at=started_at + timedelta(days=3),
    )
