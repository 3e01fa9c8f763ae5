"""What is kept of entries to compare them, and the flags that come of it, for those who run a board."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.db import Base, Document, Sha256, UtcDateTime, enum_column
from lms.leaderboards.models import Board

NOT_LOOKED_AT = sa.text("looked_at IS NULL")


class FlagKind(StrEnum):
    """What was noticed."""

    DUPLICATE = "duplicate"  # the same file, or the same predictions, from several teams
    NEAR_DUPLICATE = "near-duplicate"
    PERFECT = "perfect"  # several teams with nothing wrong
    BURST = "burst"  # many entries of one team at once, or two teams in step
    ADDRESS = "address"  # teams that enter from the same network address
    QUOTA = "quota"  # teams with another flag in common that use more than one team's quota

    @property
    def links(self) -> bool:
        """Say whether it is about teams that may be one."""
        return self not in {FlagKind.PERFECT, FlagKind.QUOTA}


class FlagState(StrEnum):
    """What a person made of a flag."""

    OPEN = "open"
    DISMISSED = "dismissed"
    UPHELD = "upheld"


class EntryPrint(Base):
    """What an entry is compared by; written in the transaction that scores it."""

    __tablename__ = "entry_prints"
    __table_args__ = (
        sa.Index("ix_entry_prints_digest", "board_id", "digest"),
        sa.Index("ix_entry_prints_blob", "board_id", "blob"),
        sa.Index(
            "ix_entry_prints_waiting", "board_id", sqlite_where=NOT_LOOKED_AT, postgresql_where=NOT_LOOKED_AT
        ),
    )

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True, autoincrement=False)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    blob: Mapped[str | None] = mapped_column(Sha256)
    digest: Mapped[str | None] = mapped_column(Sha256)
    """Of the predictions as they were read, whatever the file looked like; none where they tell nothing."""
    mistakes: Mapped[bytes | None]
    """What each row is wrong by, packed, where the metric itself keeps no losses."""
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EntryAddress(Base):
    """A keyed hash of the network address that an entry came from; deleted after a time."""

    __tablename__ = "entry_addresses"
    __table_args__ = (sa.Index("ix_entry_addresses_address", "board_id", "address"),)

    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True, autoincrement=False)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    address: Mapped[str] = mapped_column(String(32))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Flag(Base):
    """Something that a person should look at; it changes nothing on the board by itself."""

    __tablename__ = "flags"
    __table_args__ = (
        UniqueConstraint("board_id", "kind", "key", "occasion"),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_or_open"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"))
    kind: Mapped[FlagKind] = mapped_column(enum_column(FlagKind))
    key: Mapped[str] = mapped_column(String(100))
    """What it is about: the same finding never makes a second row."""
    occasion: Mapped[int] = mapped_column(default=1)  # one more when it grew after a decision
    teams: Mapped[list[int]] = mapped_column(Document)
    entries: Mapped[list[int]] = mapped_column(Document)
    evidence: Mapped[dict[str, Any]] = mapped_column(Document)
    state: Mapped[FlagState] = mapped_column(enum_column(FlagState), default=FlagState.OPEN)
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
    grown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(1000), default="")

    board: Mapped[Board] = relationship()
    decided_by: Mapped[User | None] = relationship()
