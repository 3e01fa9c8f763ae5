"""Which dates of a challenge were moved, by whom and why; everybody who sees the challenge sees it."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Organisation
from lms.db import Base, Document, UtcDateTime, enum_column
from lms.leaderboards.models import Challenge

LONGEST_REASON = 300


class DateChangeOrigin(StrEnum):
    """How dates came to be moved."""

    PAGE = "page"  # somebody who runs the challenge moved them, and said why
    PUBLICATION = "publication"  # the challenge was published anew with other dates


class ChallengeDateChange(Base):
    """One change of a challenge's dates. Never changed, never deleted."""

    __tablename__ = "challenge_date_changes"
    __table_args__ = (sa.CheckConstraint("(origin = 'page') = (reason <> '')", name="reason"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenges.id"), index=True)
    origin: Mapped[DateChangeOrigin] = mapped_column(enum_column(DateChangeOrigin))
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    """In the words of whoever moved them; empty where the origin says it all."""
    before: Mapped[dict[str, str | None]] = mapped_column(Document)
    """`lms.leaderboards.core.schedule.Schedule.to_dict`: all dates, in UTC."""
    after: Mapped[dict[str, str | None]] = mapped_column(Document)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    """In whose name; others are told this and no person."""
    changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    challenge: Mapped[Challenge] = relationship()
    organisation: Mapped[Organisation] = relationship()
