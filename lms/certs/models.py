"""Tables of certificates: issuance requests, credentials, status lists, the log."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lms.accounts.models import User
from lms.certs.core.heads import EntryKind
from lms.certs.core.trust import Role
from lms.courses.models import CourseVersion, Enrolment
from lms.db import Base, Document, Sha256, UtcDateTime, enum_column

LONGEST_CLIENT_ID = 48


class RequestState(StrEnum):
    """Where the issuing of a certificate is."""

    REQUESTED = "requested"
    WAITING_FOR_NAME = "waiting_for_name"
    WAITING_FOR_UNIVERSITY = "waiting_for_university"
    WAITING_FOR_COMPANY = "waiting_for_company"
    REFUSED = "refused"
    ISSUED = "issued"


class Purpose(StrEnum):
    """What a place that is set in a status list means."""

    REVOCATION = "revocation"
    SUSPENSION = "suspension"


class IssuanceRequest(Base):
    """That a certificate is due; written when the course's rule is met, carried out by the worker."""

    __tablename__ = "issuance_requests"
    __table_args__ = (UniqueConstraint("enrolment_id", "edition"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    enrolment_id: Mapped[int] = mapped_column(ForeignKey("enrolments.id"))
    edition: Mapped[int] = mapped_column(default=1)
    """1, 2, 3 for one enrolment: each corrected certificate takes the place of the one before."""
    version_id: Mapped[int] = mapped_column(ForeignKey("course_versions.id"))
    """The course version whose rule was met."""
    language: Mapped[str] = mapped_column(String(8))
    """Of the signed text, chosen by the holder."""
    claim: Mapped[dict[str, Any]] = mapped_column(Document)
    """The facts as they were when the rule was met: points, labs, board places, evidence hashes."""
    later_claim: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """The facts as they became after the certificate was issued; a correction is made of these."""
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
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose), default=Purpose.REVOCATION)
    next_index: Mapped[int] = mapped_column(default=0)
    document: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """The signed list as served; empty until both have signed it first."""
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Credential(Base):
    """An issued certificate: the signed document, never changed."""

    __tablename__ = "credentials"
    __table_args__ = (
        UniqueConstraint("request_id"),
        UniqueConstraint("status_list_id", "status_index"),
        UniqueConstraint("suspension_list_id", "suspension_index"),
    )

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
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    revocation_reason: Mapped[str] = mapped_column(String(300), default="")
    suspension_list_id: Mapped[int | None] = mapped_column(ForeignKey("status_lists.id"))
    """Empty for a certificate from before there were suspensions: it can only be withdrawn."""
    suspension_index: Mapped[int | None]
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    suspension_reason: Mapped[str] = mapped_column(String(300), default="")
    university_lifts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the university agreed to end the suspension; it ends once the company agreed too."""
    company_lifts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    request: Mapped[IssuanceRequest] = relationship()
    enrolment: Mapped[Enrolment] = relationship()
    status_list: Mapped[StatusList] = relationship(foreign_keys=[status_list_id])


class Endorsement(Base):
    """The company's signed word for what a course version certifies, in one language."""

    __tablename__ = "endorsements"
    __table_args__ = (UniqueConstraint("version_id", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("course_versions.id"))
    language: Mapped[str] = mapped_column(String(8))
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    """As signed; every certificate of this version and language carries it."""
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EvidenceFile(Base):
    """One file whose salted hash a certificate carries; only its holder is given the salt."""

    __tablename__ = "evidence_files"
    __table_args__ = (UniqueConstraint("request_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("issuance_requests.id"))
    position: Mapped[int]
    """0, 1, 2 as in the document's `evidence`."""
    path: Mapped[str] = mapped_column(String(200))
    """Of the file within the bundle."""
    salt: Mapped[str] = mapped_column(String(64))
    blob: Mapped[str] = mapped_column(Sha256)


class LogTree(Base):
    """What the transparency log must remember in order to grow: one row, and whoever appends holds it."""

    __tablename__ = "log_trees"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(default=0)
    hashes: Mapped[list[str]] = mapped_column(Document, default=list)
    """Hex, of the perfect subtrees, the largest first."""


class LogEntry(Base):
    """One line of the transparency log: that a certificate was issued, withdrawn, suspended or given back."""

    __tablename__ = "log_entries"
    __table_args__ = (Index("ix_log_entries_of_credential", "kind", "credential_id"),)

    index: Mapped[int] = mapped_column("position", primary_key=True, autoincrement=False)
    """0, 1, 2: its place in the tree."""
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"))
    """For this installation only; the line itself holds hashes."""
    kind: Mapped[EntryKind] = mapped_column(enum_column(EntryKind))
    document: Mapped[str] = mapped_column(Sha256, index=True)
    signed: Mapped[str] = mapped_column(Sha256)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    hash: Mapped[str] = mapped_column(Sha256, unique=True)
    nodes: Mapped[list[str]] = mapped_column(Document)
    """Hex, of the subtrees that this line filled, itself first: what proofs are made of."""
    proof: Mapped[str | None] = mapped_column(Text)
    """The log proof as it is handed out, of the first head that both co-signed; it never changes."""


class TreeHead(Base):
    """The log at a moment, signed by the log itself, and in the end by both organisations."""

    __tablename__ = "tree_heads"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(index=True)
    root: Mapped[str] = mapped_column(Sha256)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signature: Mapped[dict[str, Any]] = mapped_column(Document)
    """The log's own."""
    university_signature: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    company_signature: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    """When the second organisation co-signed; only then the head counts."""
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = mapped_column(String(300), default="")
    """Why an organisation did not co-sign, as it last said."""


class Notice(Base):
    """One organisation's signed word that a certificate is withdrawn; the list of both follows it."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("credential_id", "role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    document: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """As signed; empty until the organisation's signer has."""
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    credential: Mapped[Credential] = relationship()


class Paper(Base):
    """A certificate's PDF in one language, signed by both; anew after a change of its template."""

    __tablename__ = "papers"
    __table_args__ = (UniqueConstraint("credential_id", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"))
    language: Mapped[str] = mapped_column(String(8))
    due: Mapped[bool] = mapped_column(default=True, index=True)
    wanted: Mapped[str] = mapped_column(Sha256)
    """Of the template that it is to be set from."""
    made: Mapped[str] = mapped_column(String(64), default="")
    """Of the template that the kept one was set from; empty until there is one."""
    blob: Mapped[str | None] = mapped_column(Sha256)
    """The signed file; handed out until a newer one is signed."""
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """While a worker is at it; one that dies is waited for no longer."""
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = mapped_column(String(300), default="")

    credential: Mapped[Credential] = relationship()


class ShareLink(Base):
    """An address at which the holder shows a certificate for a while."""

    __tablename__ = "share_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"), index=True)
    secret: Mapped[str] = mapped_column(String(43), unique=True)
    """128 random bits, base64url; kept so that the holder can copy the address again."""
    label: Mapped[str] = mapped_column(String(80), default="")
    """For whom it is, as the holder noted it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    credential: Mapped[Credential] = relationship()


class SelectiveForm(Base):
    """A certificate once more, in the form of which its holder can show a part."""

    __tablename__ = "selective_forms"
    __table_args__ = (UniqueConstraint("credential_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    credential_id: Mapped[int] = mapped_column(ForeignKey("credentials.id"))
    disclosures: Mapped[list[str]] = mapped_column(Document)
    """Salted, as the holder hands them out; what is hidden lies in here and nowhere else."""
    decoys: Mapped[list[str]] = mapped_column(Document)
    university_signature: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    company_signature: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the second organisation's signature was there."""
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusal: Mapped[str] = mapped_column(String(300), default="")

    credential: Mapped[Credential] = relationship()


class Application(Base):
    """A program of somebody else that may ask holders for their certificates; it registered itself."""

    __tablename__ = "applications"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(String(LONGEST_CLIENT_ID), unique=True)
    secret_hash: Mapped[str] = mapped_column(Sha256)
    registered: Mapped[dict[str, Any]] = mapped_column(Document)
    """What it said of itself, as far as it was taken (`lms.certs.core.registration`)."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Connection(Base):
    """That a holder let an application read, until when; each time anew."""

    __tablename__ = "connections"

    id: Mapped[int] = mapped_column(primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("applications.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    subject: Mapped[str] = mapped_column(String(36))
    """Random: how this application, and no other, knows the holder."""
    scope: Mapped[str] = mapped_column(String(300))
    redirect_uri: Mapped[str] = mapped_column(String(400))
    challenge: Mapped[str] = mapped_column(String(128))
    """Of PKCE, by S256."""
    code_hash: Mapped[str] = mapped_column(Sha256, unique=True)
    code_ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    code_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    session_hash: Mapped[str] = mapped_column(Sha256)
    """Of the holder's session token: a new password ends the connection as it ends sessions."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    application: Mapped[Application] = relationship()
    user: Mapped[User] = relationship()


class ConnectionToken(Base):
    """What an application shows in order to read, and to go on afterwards; only hashes are kept."""

    __tablename__ = "connection_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"), index=True)
    access_hash: Mapped[str] = mapped_column(Sha256, unique=True)
    refresh_hash: Mapped[str | None] = mapped_column(Sha256, unique=True)
    scope: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the next one took its place; who shows it again ends the connection."""

    connection: Mapped[Connection] = relationship()
