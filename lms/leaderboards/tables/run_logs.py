"""What failed notebooks said when they were run once more, on files that everybody may download."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lms.db import Base, Document, UtcDateTime

NOT_WRITTEN = sa.text("written_at IS NULL")


class EntryLog(Base):
    """The log of one failed entry, from the moment that it is to be written; for its team and organisers."""

    __tablename__ = "entry_logs"
    __table_args__ = (
        sa.Index("ix_entry_logs_waiting", "asked_at", sqlite_where=NOT_WRITTEN, postgresql_where=NOT_WRITTEN),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True, autoincrement=False)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tries: Mapped[int] = mapped_column(default=0)
    """How often the run was begun: one that ends its scorer is not begun for ever."""
    written_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seconds: Mapped[int] = mapped_column(default=0)  # that the run had
    outcome: Mapped[str] = mapped_column(String(20), default="")
    """How it ended (`lms.leaderboards.core.run_logs.OUTCOMES`)."""
    params: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    cells: Mapped[list[dict[str, Any]]] = mapped_column(Document, default=list)
    """Of each cell that said something: number, text, traceback, cut."""
