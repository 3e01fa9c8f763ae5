"""What people say to each other about a challenge: topics, and answers to them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.db import Base, UtcDateTime
from lms.leaderboards.models import Challenge

LONGEST_TITLE = 120
LONGEST_TEXT = 10_000
LONGEST_REASON = 1000


class Post(Base):
    """A topic of a challenge with its text, or an answer to one; who deletes it leaves an empty place."""

    __tablename__ = "discussion_posts"
    __table_args__ = (
        sa.Index("ix_discussion_posts_topics", "challenge_id", "pinned", "last_said_at"),
        sa.CheckConstraint("(topic_id IS NULL) = (last_said_at IS NOT NULL)", name="topic_or_answer"),
        sa.CheckConstraint("deleted_at IS NULL OR (text = '' AND title = '')", name="deleted_is_gone"),
        sa.CheckConstraint("hidden_at IS NULL OR hidden_reason <> ''", name="hidden_for_a_reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    challenge_id: Mapped[int] = mapped_column(ForeignKey("challenges.id"))
    topic_id: Mapped[int | None] = mapped_column(ForeignKey("discussion_posts.id"), index=True)
    """What it answers; empty: it is a topic itself."""
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    by_organiser: Mapped[bool]
    """Whether the author ran the challenge then, and so speaks under their own name."""
    title: Mapped[str] = mapped_column(String(LONGEST_TITLE), default="")  # of a topic
    text: Mapped[str] = mapped_column(sa.Text)  # Markdown
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hidden_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    hidden_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    hidden_reason: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    """Stays when it is shown again."""
    pinned: Mapped[bool] = mapped_column(default=False)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answers: Mapped[int] = mapped_column(default=0)  # also those that were deleted or hidden
    last_said_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Of a topic: when it, or its newest answer, was written."""

    challenge: Mapped[Challenge] = relationship()
    author: Mapped[User] = relationship(foreign_keys=[author_id])
    topic: Mapped["Post | None"] = relationship(remote_side="Post.id")
