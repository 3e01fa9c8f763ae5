"""How a team did it, in its own words, for whoever reads the final board."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.db import Base, UtcDateTime
from lms.leaderboards.models import Board, Entry, Team

LONGEST_TITLE = 120
LONGEST_TEXT = 40_000
LONGEST_REASON = 1000


class Writeup(Base):
    """A team's one write-up; edited in place, and empty once it was withdrawn."""

    __tablename__ = "writeups"
    __table_args__ = (
        sa.CheckConstraint("withdrawn_at IS NULL OR (text = '' AND title = '')", name="withdrawn_is_gone"),
        sa.CheckConstraint("hidden_at IS NULL OR hidden_reason <> ''", name="hidden_for_a_reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), index=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), unique=True)
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE))
    text: Mapped[str] = mapped_column(sa.Text)  # Markdown
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entries.id"))
    """A notebook of the team that readers may download with it."""
    written_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hidden_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hidden_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    hidden_reason: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    """Stays when it is shown again."""

    board: Mapped[Board] = relationship()
    team: Mapped[Team] = relationship()
    entry: Mapped[Entry | None] = relationship()
    written_by: Mapped[User] = relationship(foreign_keys=[written_by_id])
