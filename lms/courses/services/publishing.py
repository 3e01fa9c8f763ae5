"""Versions of a course: published from a folder, approved by both organisations."""

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, OrganisationKind, User
from lms.accounts.services.audit import record
from lms.blobs import BlobStore
from lms.courses import policy
from lms.courses.core.check import read_course
from lms.courses.core.folder import digest
from lms.courses.core.outline import Outline
from lms.courses.core.problems import Problem
from lms.courses.models import Course, CourseApproval, CourseVersion
from lms.db import now
from lms.errors import N_, Conflict, Invalid


class Unpublishable(Invalid):
    """The folder has errors; `problems` holds all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(N_("The course folder has errors. Run “lms course check” and put them right."))
        self.problems = problems


def publish(
    session: Session, actor: User | None, folder: Path, blobs: BlobStore, environments: Collection[str]
) -> CourseVersion:
    """Make an immutable version of the course in `folder`; unchanged files make no new one.

    Without an actor it is the operator who publishes, from the command line. The version opens
    when an instructor of each of its two organisations has approved it.

    Raises:
        Unpublishable: the folder has errors.
        Invalid: an organisation is not known here.
        NotAllowed: the actor teaches in neither organisation.
        Conflict: the course belongs to other organisations.
    """
    checked = read_course(folder, environments)
    if checked.outline is None:
        raise Unpublishable(checked.problems)
    course = _course(session, actor, checked.outline)
    hashes = checked.folder.hashes()
    known = select(CourseVersion).where(
        CourseVersion.course_id == course.id, CourseVersion.digest == digest(hashes)
    )
    version = session.scalar(known)
    if version is not None:
        return version
    for content in checked.folder.files.values():
        blobs.put(content)
    version = CourseVersion(
        course=course,
        number=_last_number(session, course) + 1,
        digest=digest(hashes),
        outline=checked.outline.to_dict(),
        files=hashes,
        published_by_id=actor.id if actor else None,
        published_at=now(),
    )
    session.add(version)
    session.flush()
    record(
        session,
        actor,
        "courses.publish",
        f"course_version:{version.id}",
        course=course.id,
        number=version.number,
    )
    return version


def _last_number(session: Session, course: Course) -> int:
    return (
        session.scalar(select(func.max(CourseVersion.number)).where(CourseVersion.course_id == course.id))
        or 0
    )


def _course(session: Session, actor: User | None, outline: Outline) -> Course:
    university = _organisation(session, outline.organisations.university, OrganisationKind.UNIVERSITY)
    company = _organisation(session, outline.organisations.company, OrganisationKind.COMPANY)
    if actor is not None:
        policy.check_can_publish(actor, university, company)
    course = session.scalar(select(Course).where(Course.slug == outline.slug).with_for_update(of=Course))
    if course is None:
        course = Course(slug=outline.slug, university=university, company=company, created_at=now())
        session.add(course)
        session.flush()
    elif (course.university_id, course.company_id) != (university.id, company.id):
        raise Conflict(
            N_("The course “%(slug)s” belongs to other organisations. Publish it under another name."),
            slug=outline.slug,
        )
    return course


def _organisation(session: Session, slug: str, kind: OrganisationKind) -> Organisation:
    found = select(Organisation).where(Organisation.slug == slug, Organisation.kind == kind)
    organisation = session.scalar(found)
    if organisation is None:
        sentences = {
            OrganisationKind.UNIVERSITY: N_(
                "There is no university “%(slug)s” here. Correct course.yml, or have it set up first."
            ),
            OrganisationKind.COMPANY: N_(
                "There is no company “%(slug)s” here. Correct course.yml, or have it set up first."
            ),
        }
        raise Invalid(sentences[kind], slug=slug)
    return organisation


def approve(session: Session, actor: User, version: CourseVersion) -> CourseApproval:
    """Say yes to a version in the name of the actor's organisation; the second yes opens it.

    Raises:
        NotAllowed, Conflict: see `policy.check_can_approve`.
    """
    # two who approve at the same moment wait for each other, so that one of them opens the version
    course = session.scalars(
        select(Course).where(Course.id == version.course_id).with_for_update(of=Course)
    ).one()
    session.refresh(version, ["approvals"])
    organisation = policy.check_can_approve(actor, version)
    approval = CourseApproval(
        version=version, organisation_id=organisation.id, approved_by_id=actor.id, approved_at=now()
    )
    session.add(approval)
    session.flush()
    subject = f"course_version:{version.id}"
    record(session, actor, "courses.approve", subject, organisation=organisation.id, course=course.id)
    newest = course.current_version is None or course.current_version.number < version.number
    if not policy.missing_approvals(version) and newest:
        course.current_version = version
        session.flush()
        record(session, actor, "courses.open", subject, course=course.id, number=version.number)
    return approval
