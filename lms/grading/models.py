"""Tables of grading: labs, releases, submissions, grading runs, marks, grades."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.courses.models import Course, CourseVersion, Enrolment
from lms.db import Base, Document, Sha256, UtcDateTime, enum_column


class ReleaseState(StrEnum):
    """Where a lab's release is between being asked for and being open."""

    QUEUED = "queued"
    BUILDING = "building"
    READY = "ready"
    REFUSED = "refused"


class RunState(StrEnum):
    """Where a grading run is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # the grader itself failed for good; staff see why and can grade again
    CANCELLED = "cancelled"  # taken out of the queue by staff, or by a newer run of the same submission


class Priority(IntEnum):
    """Whose turn it is first; the smaller number goes first."""

    EXAM = 10
    DUE_SOON = 20
    PRACTICE = 30
    BUILD = 35  # a release of a lab: staff wait for it
    REGRADE_ALL = 40
    VIEW = 50  # what the student sees beside the points; raised as soon as they look


class Resource(StrEnum):
    """What kind of machine a lab needs; workers take the kinds that they are started for."""

    CPU = "cpu"
    BIG_MEMORY = "big-memory"
    GPU = "gpu"


class RetryReason(StrEnum):
    """Why a run that failed or was cancelled is tried again; a code, as the audit log holds no free text."""

    MACHINE = "machine"  # the machine or the worker was at fault
    ENVIRONMENT = "environment"  # the packages were put right
    LAB = "lab"  # the lab was put right
    ASKED = "asked"  # somebody asked for it
    MISTAKE = "mistake"  # it should not have been cancelled


class Leased:
    """What workers take in turn: with a lease that they renew, and a token that fences off the dead."""

    id: Mapped[int] = mapped_column(primary_key=True)
    resource: Mapped[Resource] = mapped_column(enum_column(Resource), default=Resource.CPU)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    token: Mapped[int] = mapped_column(default=0)
    """Fencing token: every claim raises it, and a result with an old one is not recorded."""
    tries: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str] = mapped_column(String(80), default="")
    """Name of the worker that took it last."""


class Lab(Base):
    """A lab of a course, the same through all versions of the course."""

    __tablename__ = "labs"
    __table_args__ = (UniqueConstraint("course_id", "slug"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    slug: Mapped[str] = mapped_column(String(80))
    current_release_id: Mapped[int | None] = mapped_column(
        ForeignKey("lab_releases.id", use_alter=True, name="fk_labs_current_release")
    )
    """What students download now; empty until a release is ready in an open version."""

    course: Mapped[Course] = relationship()
    current_release: Mapped["LabRelease | None"] = relationship(foreign_keys=[current_release_id])


class LabRelease(Leased, Base):
    """One immutable published version of a lab."""

    __tablename__ = "lab_releases"
    __table_args__ = (
        UniqueConstraint("lab_id", "digest"),
        UniqueConstraint("lab_id", "number"),
        Index("ix_lab_releases_queue", "state"),
    )
    WAITING: ClassVar = ReleaseState.QUEUED
    WORKING: ClassVar = ReleaseState.BUILDING

    lab_id: Mapped[int] = mapped_column(ForeignKey("labs.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("course_versions.id"))
    """The course version that brought it first."""
    number: Mapped[int]
    digest: Mapped[str] = mapped_column(Sha256)
    """SHA-256 over its files and its environment's lock."""
    state: Mapped[ReleaseState] = mapped_column(enum_column(ReleaseState), default=ReleaseState.QUEUED)
    settings: Mapped[dict[str, Any]] = mapped_column(Document)
    """The parsed lab.yml."""
    environment_name: Mapped[str] = mapped_column(String(80))
    environment_sha256: Mapped[str] = mapped_column(Sha256)
    manifest: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """`lms.grading.core.contracts.Manifest` as JSON."""
    report: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """What the publication checks found: errors, warnings, scores of solution and template."""
    maximum: Mapped[float] = mapped_column(default=0)
    student_blob: Mapped[str | None] = mapped_column(Sha256)
    source_blob: Mapped[str | None] = mapped_column(Sha256)
    """Staff only."""
    board_blob: Mapped[str | None] = mapped_column(Sha256)
    """The hidden set of a board lab; never leaves the installation."""
    board_seed: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    lab: Mapped[Lab] = relationship(foreign_keys=[lab_id])
    version: Mapped[CourseVersion] = relationship(foreign_keys=[version_id])


class Submission(Base):
    """One hand-in, immutable."""

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "lab_id", "attempt"),
        CheckConstraint("attempt >= 1", name="counted_from_one"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), index=True)
    lab_id: Mapped[int] = mapped_column(ForeignKey("labs.id"), index=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("lab_releases.id"))
    attempt: Mapped[int | None]
    """1, 2, 3; the unique key is the attempt limit. Empty for a file refused as late: kept, not counted."""
    blob: Mapped[str] = mapped_column(Sha256)
    """SHA-256 of the file as it came."""
    filename: Mapped[str] = mapped_column(String(200))
    size_bytes: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the request arrived; counts for the deadline."""
    late: Mapped[bool] = mapped_column(default=False)
    refused: Mapped[bool] = mapped_column(default=False)
    """Came after the deadline of a lab that refuses late work; kept, not graded."""
    notices: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """What the structural check said at once."""

    enrolment: Mapped[Enrolment] = relationship()
    lab: Mapped[Lab] = relationship()
    release: Mapped[LabRelease] = relationship()


class GradingRun(Leased, Base):
    """One execution of the grader on a submission; the queue is these rows."""

    __tablename__ = "grading_runs"
    __table_args__ = (
        Index("ix_grading_runs_queue", "state", "priority", "queued_at"),
        Index("ix_grading_runs_finished_at", "finished_at"),
        Index("ix_grading_runs_totals", "state", "assurance"),
        UniqueConstraint("submission_id", "ordinal"),
    )
    WAITING: ClassVar = RunState.QUEUED
    WORKING: ClassVar = RunState.RUNNING

    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"))
    ordinal: Mapped[int]
    """1, 2, 3 within the submission; grading again makes a new one."""
    state: Mapped[RunState] = mapped_column(enum_column(RunState), default=RunState.QUEUED)
    cause: Mapped[str] = mapped_column(String(40), default="submitted")
    """submitted | regrade | retry | retry:<`RetryReason`>"""
    priority: Mapped[int] = mapped_column(default=int(Priority.PRACTICE))
    """`Priority`, taken when the run is queued."""
    requested_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    first_wait_seconds: Mapped[float | None]
    """What the person was told first: how long from being queued to the result."""
    progress: Mapped[list[str]] = mapped_column(Document, default=list)
    """`CellState` per cell of the student's notebook, as far as known."""
    checks: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """`CheckResult` of every graded cell."""
    notices: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    executed_blob: Mapped[str | None] = mapped_column(Sha256)
    """Staff only: holds hidden tests."""
    wall_seconds: Mapped[float | None]
    cpu_seconds: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None]
    seed: Mapped[int] = mapped_column(BigInteger, default=0)
    """Of the random state of the run's kernels; drawn when the run is queued, below 2**32."""
    phases: Mapped[dict[str, float]] = mapped_column(Document, default=dict)
    """Seconds by phase; staff only."""
    cells: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """`CellTiming` of every cell; staff only where hidden tests ran."""
    record_blob: Mapped[str | None] = mapped_column(Sha256)
    """The signed grade record, canonical JSON."""
    assurance: Mapped[str] = mapped_column(String(40), default="shared-kernel")
    isolation: Mapped[str] = mapped_column(String(200), default="")
    environment_sha256: Mapped[str | None] = mapped_column(Sha256)
    board: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """`BoardResult`, if the lab has a board."""
    failure: Mapped[str] = mapped_column(String(500), default="")
    """Why the grader itself failed; staff only."""

    submission: Mapped[Submission] = relationship()


class ViewRun(Leased, Base):
    """One execution without hidden tests, for what the student sees of a grading run."""

    __tablename__ = "view_runs"
    __table_args__ = (
        Index("ix_view_runs_queue", "state", "priority", "queued_at"),
        Index("ix_view_runs_finished_at", "finished_at"),
        UniqueConstraint("run_id"),
    )
    WAITING: ClassVar = RunState.QUEUED
    WORKING: ClassVar = RunState.RUNNING

    run_id: Mapped[int] = mapped_column(ForeignKey("grading_runs.id"))
    state: Mapped[RunState] = mapped_column(enum_column(RunState), default=RunState.QUEUED)
    priority: Mapped[int] = mapped_column(default=int(Priority.VIEW))
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    feedback_blob: Mapped[str | None] = mapped_column(Sha256)
    messages: Mapped[dict[str, str]] = mapped_column(Document, default=dict)
    """What the visible part of each failed test said, by grade_id."""
    notices: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    cells: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    failure: Mapped[str] = mapped_column(String(500), default="")
    """Why the grader itself failed; staff only."""

    run: Mapped[GradingRun] = relationship()


class Worker(Base):
    """One grading process that is or was alive; for the operator's board and for honest estimates."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Host and process id."""
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resources: Mapped[list[str]] = mapped_column(Document, default=list)
    """Kinds of work that it takes (`Resource`)."""
    isolation: Mapped[str] = mapped_column(String(200), default="")
    doing: Mapped[str] = mapped_column(String(80), default="")
    """What it works on, for example `run 17`; empty when idle."""
    environments: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """Its warm environments: name, memory_bytes, forks, since."""


class ManualMark(Base):
    """A person's points for one cell of one submission; the newest counts, all are kept."""

    __tablename__ = "manual_marks"

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"), index=True)
    grade_id: Mapped[str] = mapped_column(String(120))
    score: Mapped[float]
    comment: Mapped[str] = mapped_column(default="")
    marked_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime)

    marked_by: Mapped[User] = relationship()


class Grade(Base):
    """The accepted score of one submission; a regrade replaces its figures and unsettles it."""

    __tablename__ = "grades"
    __table_args__ = (
        UniqueConstraint("submission_id"),
        Index("ix_grades_unsettled", "settled_at", "id"),
        CheckConstraint("score >= 0 AND score <= maximum", name="within_maximum"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("grading_runs.id"))
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), index=True)
    lab_id: Mapped[int] = mapped_column(ForeignKey("labs.id"), index=True)
    score: Mapped[float]
    maximum: Mapped[float]
    provisional: Mapped[bool] = mapped_column(default=False)
    """True while answers wait to be graded by hand; settling waits."""
    graded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its consequences were drawn (`lms.workflows.settle`)."""

    submission: Mapped[Submission] = relationship()
    run: Mapped[GradingRun] = relationship()
    enrolment: Mapped[Enrolment] = relationship()
    lab: Mapped[Lab] = relationship()
