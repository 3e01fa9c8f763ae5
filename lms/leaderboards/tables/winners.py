"""What the first teams of a challenge are asked for before they have won, and what became of it."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.db import Base, Sha256, UtcDateTime, enum_column
from lms.leaderboards.models import Board, Team

MOST_WINNERS = 100
MOST_DAYS = 60
LONGEST_WANTED = 2000
LONGEST_STATEMENT = 10_000
LONGEST_REASON = 1000


class ClaimState(StrEnum):
    """Where a team's claim to have won is."""

    ASKED = "asked"
    HANDED_IN = "handed_in"
    ACCEPTED = "accepted"
    REFUSED = "refused"  # the next team moves up; the board itself stays as it is


class WinnerRound(Base):
    """What the organisers of a challenge ask of its first teams; one for each board."""

    __tablename__ = "winner_rounds"
    __table_args__ = (
        sa.CheckConstraint("winners BETWEEN 1 AND 100 AND days BETWEEN 1 AND 60", name="limits"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), unique=True)
    winners: Mapped[int]  # how many there can be
    wanted: Mapped[str] = mapped_column(String(LONGEST_WANTED))
    """What proves it, in the organiser's words."""
    days: Mapped[int]  # that a team has from when it is asked
    opened_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)

    board: Mapped[Board] = relationship()


class WinnerClaim(Base):
    """One team that was asked, its evidence, and what an organiser decided; for those two only."""

    __tablename__ = "winner_claims"
    __table_args__ = (
        sa.CheckConstraint("(state IN ('accepted', 'refused')) = (decided_at IS NOT NULL)", name="decided"),
        sa.CheckConstraint("state IN ('asked', 'refused') OR handed_in_at IS NOT NULL", name="has_evidence"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("winner_rounds.id"), index=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), unique=True)
    state: Mapped[ClaimState] = mapped_column(enum_column(ClaimState), default=ClaimState.ASKED)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The last moment to hand in."""
    statement: Mapped[str] = mapped_column(sa.Text, default="")
    blob: Mapped[str | None] = mapped_column(Sha256)
    """A notebook or a zip."""
    filename: Mapped[str] = mapped_column(String(200), default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    handed_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handed_in_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    """Of the last decision, or of asking again; the team reads it."""
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    round: Mapped[WinnerRound] = relationship()
    team: Mapped[Team] = relationship()
    handed_in_by: Mapped[User | None] = relationship(foreign_keys=[handed_in_by_id])
    decided_by: Mapped[User | None] = relationship(foreign_keys=[decided_by_id])
