"""What publishing a prepared truth would change on its board: worked out apart, kept, and dated."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lms.db import Base, Sha256, UtcDateTime, enum_column
from lms.leaderboards.models import Share


class TruthComparison(Base):
    """When the changes of a prepared truth were last known to hold, and of which state of the board."""

    __tablename__ = "truth_comparisons"

    truth_id: Mapped[int] = mapped_column(ForeignKey("truths.id"), primary_key=True, autoincrement=False)
    compared_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(Sha256)
    """Digest of all that the changes follow from (`lms.leaderboards.queries.changes.state_of`)."""


class TruthChange(Base):
    """A row of a board that would change; empty where the team does not stand. For organisers only."""

    __tablename__ = "truth_changes"

    truth_id: Mapped[int] = mapped_column(ForeignKey("truths.id"), primary_key=True)
    share: Mapped[Share] = mapped_column(enum_column(Share), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    rank_before: Mapped[int | None]
    rank_after: Mapped[int | None]
    score_before: Mapped[float | None]
    score_after: Mapped[float | None]
