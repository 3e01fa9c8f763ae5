"""Which failed entries hold no slot of their day any more."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lms.db import Base


class ReturnedSlot(Base):
    """A failed entry that gave its slot back; changed under its team's lock only."""

    __tablename__ = "returned_slots"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True, autoincrement=False)
    counted: Mapped[bool]
    """Whether it stands in `QuotaDay.failed`: the failure was the entry's own."""
