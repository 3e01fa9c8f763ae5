"""What finished challenges gave: places and their change, and the points and medals of people."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import Organisation, User
from lms.db import Base, UtcDateTime, enum_column
from lms.leaderboards.core.honours import Medal, Tier
from lms.leaderboards.models import Board


class BoardResult(Base):
    """The end of a challenge's board in figures; written once it has ended, and anew when it is corrected."""

    __tablename__ = "board_results"

    board_id: Mapped[int] = mapped_column(ForeignKey("boards.id"), primary_key=True, autoincrement=False)
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """From then on its points fade."""
    teams: Mapped[int]  # that stand on the private board
    shake_up: Mapped[float | None]  # share of the field; None: no team stands on both boards
    shake_up_of_top: Mapped[float | None]
    counted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """`ended_at` where something was scored since: then it is counted again."""

    board: Mapped[Board] = relationship()


class TeamResult(Base):
    """What one place gave."""

    __tablename__ = "team_results"

    board_id: Mapped[int] = mapped_column(ForeignKey("board_results.board_id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True, index=True)
    rank: Mapped[int]
    public_rank: Mapped[int | None]
    people: Mapped[int]
    points: Mapped[float]  # of each member, on the day of the end
    medal: Mapped[Medal | None] = mapped_column(enum_column(Medal))


class Honours(Base):
    """A person's sums over all places that are for others to see, and whether the person shows them."""

    __tablename__ = "honours"
    __table_args__ = (sa.Index("ix_honours_order", "shown", "weight"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, autoincrement=False)
    address: Mapped[str] = mapped_column(String(16), unique=True)
    """Of the person's page; says nothing about them."""
    shown: Mapped[bool] = mapped_column(default=False)
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    """For which of their organisations they stand; it counts as long as they belong there."""
    weight: Mapped[float] = mapped_column(default=0.0)
    """Points as `lms.leaderboards.core.honours.weight` has them: their order never changes with time."""
    gold: Mapped[int] = mapped_column(default=0)
    silver: Mapped[int] = mapped_column(default=0)
    bronze: Mapped[int] = mapped_column(default=0)
    solo_gold: Mapped[int] = mapped_column(default=0)
    tier: Mapped[Tier] = mapped_column(enum_column(Tier), default=Tier.CONTRIBUTOR)
    """By medals alone; before the address is confirmed a person is a novice."""
    challenges: Mapped[int] = mapped_column(default=0)
    best_rank: Mapped[int | None]
    best_of: Mapped[int | None]  # teams on that board

    user: Mapped[User] = relationship()
    organisation: Mapped[Organisation | None] = relationship()
