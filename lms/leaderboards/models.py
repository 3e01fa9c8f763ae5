"""Tables of leaderboards: boards and their entries."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.courses.models import Cohort, Enrolment
from lms.db import Base, Document, UtcDateTime, enum_column
from lms.grading.models import Lab, LabRelease, Submission


class Direction(StrEnum):
    """Which way is better."""

    MAX = "max"
    MIN = "min"


class Board(Base):
    """The leaderboard of one lab in one cohort."""

    __tablename__ = "boards"
    __table_args__ = (UniqueConstraint("lab_id", "cohort_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    lab_id: Mapped[int] = mapped_column(ForeignKey("labs.id"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohorts.id"))
    release_id: Mapped[int] = mapped_column(ForeignKey("lab_releases.id"))
    """The release whose hidden set scores it; entries of other releases do not mix in."""
    title: Mapped[dict[str, str]] = mapped_column(Document)
    metric: Mapped[str] = mapped_column(String(60))
    direction: Mapped[Direction] = mapped_column(enum_column(Direction))
    decimals: Mapped[int] = mapped_column(default=4)
    """Shown decimals; ranking uses the unrounded value."""
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The public score until then, the private one after."""

    lab: Mapped[Lab] = relationship()
    cohort: Mapped[Cohort] = relationship()
    release: Mapped[LabRelease] = relationship()


class Entry(Base):
    """One scored submission on a board, or a baseline, which takes no rank."""

    __tablename__ = "entries"
    __table_args__ = (
        UniqueConstraint("board_id", "submission_id"),
        UniqueConstraint("board_id", "baseline"),
        Index("ix_entries_board_enrolment", "board_id", "enrolment_id"),
        CheckConstraint("(submission_id IS NULL) <> (baseline IS NULL)", name="work_or_baseline"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    enrolment_id: Mapped[int | None] = mapped_column(ForeignKey("enrolments.id"))
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"))
    baseline: Mapped[str | None] = mapped_column(String(60))
    title: Mapped[dict[str, str]] = mapped_column(Document, default=dict)
    """Shown name of a baseline, by language."""
    source: Mapped[str] = mapped_column(String(300), default="")
    """Citation of a baseline that was not computed here."""
    public_score: Mapped[float]
    private_score: Mapped[float]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    assurance: Mapped[str] = mapped_column(String(40), default="shared-kernel")

    board: Mapped[Board] = relationship()
    enrolment: Mapped[Enrolment | None] = relationship()
    submission: Mapped[Submission | None] = relationship()
