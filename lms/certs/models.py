"""Tables of certificates: issuance requests, credentials, status lists."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.courses.models import CourseVersion, Enrolment
from lms.db import Base, Document, Sha256, UtcDateTime, enum_column


class RequestState(StrEnum):
    """Where the issuing of a certificate is."""

    REQUESTED = "requested"
    WAITING_FOR_NAME = "waiting_for_name"
    WAITING_FOR_UNIVERSITY = "waiting_for_university"
    WAITING_FOR_COMPANY = "waiting_for_company"
    REFUSED = "refused"
    ISSUED = "issued"


class IssuanceRequest(Base):
    """That a certificate is due; written when the course's rule is met, carried out by the worker."""

    __tablename__ = "issuance_requests"
    __table_args__ = (UniqueConstraint("enrolment_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("course_versions.id"))
    """The course version whose rule was met."""
    language: Mapped[str] = mapped_column(String(8))
    """Of the signed text, chosen by the holder."""
    claim: Mapped[dict[str, Any]] = mapped_column(Document)
    """The facts as they were when the rule was met: points, labs, board places, evidence hashes."""
    state: Mapped[RequestState] = mapped_column(enum_column(RequestState), default=RequestState.REQUESTED)
    document: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """The frozen unsecured document; both signers get exactly this."""
    proofs: Mapped[dict[str, Any]] = mapped_column(Document, default=dict)
    """Role -> proof, as far as collected; never shown before both are there."""
    refusal: Mapped[str] = mapped_column(String(300), default="")
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    enrolment: Mapped[Enrolment] = relationship()
    version: Mapped[CourseVersion] = relationship()


class StatusList(Base):
    """A dual-signed Bitstring Status List, renewed before it runs out."""

    __tablename__ = "status_lists"

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    next_index: Mapped[int] = mapped_column(default=0)
    document: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """The signed list as served; empty until both have signed it first."""
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Credential(Base):
    """An issued certificate: the signed document, never changed."""

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("request_id"), UniqueConstraint("status_list_id", "status_index"))

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    """Random; the public address of the certificate."""
    request_id: Mapped[int] = mapped_column(ForeignKey("issuance_requests.id"))
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"), index=True)
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    sha256: Mapped[str] = mapped_column(Sha256, unique=True)
    """Of the canonical JSON (RFC 8785) without its proofs, what both signed; stands in the QR code."""
    status_list_id: Mapped[int] = mapped_column(ForeignKey("status_lists.id"))
    status_index: Mapped[int]
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revocation_reason: Mapped[str] = mapped_column(String(300), default="")

    request: Mapped[IssuanceRequest] = relationship()
    enrolment: Mapped[Enrolment] = relationship()
    status_list: Mapped[StatusList] = relationship()
