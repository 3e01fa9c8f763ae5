"""Grades by rank: the declared rules, the confirmed awards, what was objected to and changed."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.db import Base, Document, Sha256, UtcDateTime
from lms.leaderboards.models import Board, Team

LONGEST = 2000  # characters of what people write to each other
UNANSWERED = sa.text("answered_at IS NULL")


class GradeRule(Base):
    """One version of what a board gives; never changed, only followed by the next one."""

    __tablename__ = "grade_rules"
    __table_args__ = (
        UniqueConstraint("board_id", "version"),
        sa.CheckConstraint("objection_days BETWEEN 1 AND 60", name="objection_days"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    version: Mapped[int]
    rule: Mapped[dict[str, Any]] = mapped_column(Document)
    """What `lms.leaderboards.core.grade_rule_files` reads it from."""
    text: Mapped[str] = mapped_column(sa.Text)
    """As it was written."""
    objection_days: Mapped[int]
    reason: Mapped[str] = mapped_column(String(LONGEST), default="")
    """Why it follows the one before."""
    declared_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    declared_at: Mapped[datetime] = mapped_column(UtcDateTime)

    board: Mapped[Board] = relationship()
    declared_by: Mapped[User] = relationship()


class GradeConfirmation(Base):
    """A person's word that the awards of a board count; one for each board."""

    __tablename__ = "grade_confirmations"

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), unique=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("grade_rules.id"))
    digest: Mapped[str] = mapped_column(Sha256)
    """Of the awards as the person saw them."""
    truth_version: Mapped[int]  # of the ground truth that the scores were against
    confirmed_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    objections_until: Mapped[datetime] = mapped_column(UtcDateTime)

    board: Mapped[Board] = relationship()
    rule: Mapped[GradeRule] = relationship()
    confirmed_by: Mapped[User] = relationship()


class RankAward(Base):
    """What a board gave one student, and why."""

    __tablename__ = "rank_awards"
    __table_args__ = (
        UniqueConstraint("confirmation_id", "user_id"),
        sa.CheckConstraint(
            "points >= 0 AND points <= maximum AND computed >= 0 AND computed <= maximum",
            name="within_maximum",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    confirmation_id: Mapped[int] = mapped_column(ForeignKey("grade_confirmations.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    rank: Mapped[int | None]  # empty: without one; then score and tie group are too
    score: Mapped[float | None]
    tie_group: Mapped[int | None]
    computed: Mapped[float]  # by the rule
    points: Mapped[float]  # that count: as computed, or as a person corrected them
    maximum: Mapped[float]
    why: Mapped[list[dict[str, Any]]] = mapped_column(Document)
    """The sentences of the explanation, as code and params."""

    confirmation: Mapped[GradeConfirmation] = relationship()
    user: Mapped[User] = relationship()
    team: Mapped[Team | None] = relationship()
    objections: Mapped[list["Objection"]] = relationship(order_by="Objection.id")
    changes: Mapped[list["AwardChange"]] = relationship(order_by="AwardChange.id")


class Objection(Base):
    """What a student says against an award, and what staff answered; one waits at a time."""

    __tablename__ = "award_objections"
    __table_args__ = (
        sa.Index(
            "ix_award_objections_unanswered",
            "award_id",
            unique=True,
            sqlite_where=UNANSWERED,
            postgresql_where=UNANSWERED,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    award_id: Mapped[int] = mapped_column(ForeignKey("rank_awards.id"), index=True)
    text: Mapped[str] = mapped_column(String(LONGEST))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answer: Mapped[str] = mapped_column(String(LONGEST), default="")
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    answered_by: Mapped[User | None] = relationship()


class AwardChange(Base):
    """That a person set the points of an award, and why; nothing of it is ever taken away."""

    __tablename__ = "award_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    award_id: Mapped[int] = mapped_column(ForeignKey("rank_awards.id"), index=True)
    objection_id: Mapped[int | None] = mapped_column(ForeignKey("award_objections.id"))
    """The objection that led to it, if one did."""
    points_before: Mapped[float]
    points_after: Mapped[float]
    reason: Mapped[str] = mapped_column(String(LONGEST))
    changed_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    changed_by: Mapped[User] = relationship()
