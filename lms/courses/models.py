"""Tables of courses: versions, approvals, cohorts, enrolments, reading."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Organisation, User
from lms.db import Base, Document, Sha256, UtcDateTime


class Course(Base):
    """A course; its content stands in its versions."""

    __tablename__ = "courses"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    """The name of its folder."""
    university_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    company_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    current_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("course_versions.id", use_alter=True, name="fk_courses_current_version")
    )
    """The newest version that both organisations approved; empty: not open yet."""

    university: Mapped[Organisation] = relationship(foreign_keys=[university_id])
    company: Mapped[Organisation] = relationship(foreign_keys=[company_id])
    current_version: Mapped["CourseVersion | None"] = relationship(foreign_keys=[current_version_id])


class CourseVersion(Base):
    """One immutable published state of a course's files."""

    __tablename__ = "course_versions"
    __table_args__ = (UniqueConstraint("course_id", "digest"), UniqueConstraint("course_id", "number"))

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    number: Mapped[int]
    """1, 2, 3 within the course."""
    digest: Mapped[str] = mapped_column(Sha256)
    """SHA-256 over the sorted list of (path, SHA-256 of content)."""
    outline: Mapped[dict[str, Any]] = mapped_column(Document)
    """The parsed course.yml with its labs' lab.yml (see `lms.courses.core.outline`)."""
    files: Mapped[dict[str, str]] = mapped_column(Document)
    """Path within the course folder -> SHA-256 of the blob."""
    published_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)

    course: Mapped[Course] = relationship(foreign_keys=[course_id])
    approvals: Mapped[list["CourseApproval"]] = relationship(back_populates="version")


class CourseApproval(Base):
    """An instructor's yes to one version in the name of one organisation."""

    __tablename__ = "course_approvals"
    __table_args__ = (UniqueConstraint("version_id", "organisation_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("course_versions.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    approved_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime] = mapped_column(UtcDateTime)

    version: Mapped[CourseVersion] = relationship(back_populates="approvals")


class Cohort(Base):
    """A group that takes a course between two dates."""

    __tablename__ = "cohorts"
    __table_args__ = (
        UniqueConstraint("course_id", "slug"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    slug: Mapped[str] = mapped_column(String(64))
    title: Mapped[dict[str, str]] = mapped_column(Document)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    timezone: Mapped[str] = mapped_column(String(64), default="Asia/Seoul")
    """IANA name; relative due dates are counted in its wall-clock days."""

    course: Mapped[Course] = relationship()


class Enrolment(Base):
    """A person in a cohort."""

    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("user_id", "cohort_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohorts.id"), index=True)
    enrolled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Leaving keeps the work; enrolling again clears it."""
    requested_name: Mapped[str] = mapped_column(String(120))
    """What the student asks to have on the certificate (NFC)."""
    confirmed_name: Mapped[str | None] = mapped_column(String(120))
    """What staff confirmed; frozen from then on. A certificate needs it."""
    name_confirmed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    name_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the course's rule was met first."""

    user: Mapped[User] = relationship(foreign_keys=[user_id])
    cohort: Mapped[Cohort] = relationship()


class LessonReading(Base):
    """That a person has read a lesson."""

    __tablename__ = "lesson_readings"
    __table_args__ = (UniqueConstraint("enrolment_id", "lesson"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"))
    lesson: Mapped[str] = mapped_column(String(80))
    read_at: Mapped[datetime] = mapped_column(UtcDateTime)
