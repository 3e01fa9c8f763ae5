"""Tables of accounts: users, organisations, memberships, links, mail, rate windows, audit."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.db import Base, Document, Sha256, UtcDateTime, enum_column


class OrganisationKind(StrEnum):
    """What an organisation is in a joint course."""

    UNIVERSITY = "university"
    COMPANY = "company"
    OPERATOR = "operator"


class Role(StrEnum):
    """What a member may do in the name of an organisation."""

    STUDENT = "student"
    ASSISTANT = "assistant"
    INSTRUCTOR = "instructor"
    SIGNATORY = "signatory"
    ADMIN = "admin"
    EMPLOYER = "employer"
    SITE_ADMIN = "site_admin"


class LinkPurpose(StrEnum):
    """What a single-use link is for."""

    CONFIRM = "confirm"
    RESET = "reset"
    INVITE = "invite"


class User(Base):
    """A person with an account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Case-folded; the address that mail goes to."""
    password_hash: Mapped[str] = mapped_column(String(200))
    """Argon2id, encoded with its parameters."""
    name: Mapped[str] = mapped_column(String(120))
    """How the person wants to be called; never printed on a certificate unconfirmed."""
    language: Mapped[str] = mapped_column(String(8), default="ko")
    timezone: Mapped[str] = mapped_column(String(64), default="Asia/Seoul")
    country: Mapped[str | None] = mapped_column(String(2))
    """ISO 3166-1 alpha-2; only what the person says, never guessed."""
    session_token: Mapped[str] = mapped_column(String(64), unique=True)
    """What the session cookie names; replaced at every password change, which ends all sessions."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the address was confirmed by its link; enrolling needs it."""
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    memberships: Mapped[list["Membership"]] = relationship(
        back_populates="user", foreign_keys="Membership.user_id"
    )

    # What the sign-in asks of a user; an unknown visitor answers the first question with no.
    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        """Say whether the account may be used."""
        return self.disabled_at is None

    def get_id(self) -> str:
        """Return what the session cookie names: not the id, so that a new password ends old sessions."""
        return self.session_token


class Organisation(Base):
    """A university, a company or the operator of this installation."""

    __tablename__ = "organisations"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[OrganisationKind] = mapped_column(enum_column(OrganisationKind))
    name: Mapped[dict[str, str]] = mapped_column(Document)
    """Language -> name."""
    website: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Membership(Base):
    """Who belongs where, as what, from when to when."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("user_id", "organisation_id", "role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    role: Mapped[Role] = mapped_column(enum_column(Role))
    granted_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who invited; empty only for what the operator's command line made."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(back_populates="memberships", foreign_keys=[user_id])
    organisation: Mapped[Organisation] = relationship(lazy="joined")


class SingleUseLink(Base):
    """A link that works once: address confirmation, password reset, invitation."""

    __tablename__ = "single_use_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(Sha256, unique=True)
    """SHA-256 of the secret in the link; the secret itself is only in the mail."""
    purpose: Mapped[LinkPurpose] = mapped_column(enum_column(LinkPurpose))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    email: Mapped[str] = mapped_column(String(254))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisations.id"))
    role: Mapped[Role | None] = mapped_column(enum_column(Role))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OutgoingMail(Base):
    """A mail that the worker sends; written in the transaction that causes it."""

    __tablename__ = "outgoing_mails"
    __table_args__ = (Index("ix_outgoing_mails_unsent", "sent_at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(String(300), default="")


class RateWindow(Base):
    """Tries counted in one window of one limit; holds across processes."""

    __tablename__ = "rate_windows"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[float] = mapped_column(index=True)
    """Seconds since the epoch."""


class AuditEvent(Base):
    """Who did what when; each row carries the hash of the one before it."""

    __tablename__ = "audit_events"
    __table_args__ = (CheckConstraint("id > 0", name="counted_from_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1, 2, 3 without a gap; the one appending path draws it."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_id: Mapped[int | None]
    """An account id, never a name; empty for the installation. No foreign key: the log outlives accounts."""
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(80))
    """`kind:id` of what was acted on."""
    details: Mapped[dict[str, Any]] = mapped_column(Document)
    """Ids, counts and codes only; never names or addresses."""
    previous_hash: Mapped[str] = mapped_column(Sha256)
    hash: Mapped[str] = mapped_column(Sha256, unique=True)
