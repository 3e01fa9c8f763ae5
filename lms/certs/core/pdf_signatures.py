"""Are both signatures of a certificate PDF good, by the two organisations, and is nothing added since?

That a signature covers its bytes is not enough: a page can be appended to a file without touching them. So
everything that was added after each signature is compared with what may be added (difference analysis).
The library for it is no part of the base install and is loaded on first use.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from lms.certs.core.joint import CLOCK_SKEW, Finding
from lms.certs.core.pdf import ATTACHMENT, SIGNATURE_FIELDS, binding, credential_from_pdf
from lms.certs.core.pdf_reading import (
    EXTRA,
    apart,
    attached_files,
    can_read_signatures,
    open_pdf,
    pdf_problems,
)
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.strict_json import MAX_BYTES, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
Roots = Mapping[Role, Sequence[str]]
"""The pinned roots of each organisation's PDF signatures, as PEM."""


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """Say who signed the PDF in one part, when by its own word, and when by a time-stamping authority."""

    role: Role
    name: str
    signed_at: datetime | None
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class PdfAnswer:
    """Hold what speaks against the signatures of a PDF, what stays unknown, and who signed."""

    findings: tuple[Finding, ...] = ()
    unknown: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()
    signatures: tuple[PdfSignature, ...] = ()


def examine_pdf(content: bytes, roots: Roots, at: datetime, issued_at: datetime | None = None) -> PdfAnswer:
    """Check the signatures of a PDF for a verifying person who pins the roots of both organisations.

    Args:
        content: the file.
        roots: whose signatures count.
        at: the moment for which the answer holds.
        issued_at: before it nobody can have signed.
    """
    if not can_read_signatures():
        return PdfAnswer(unknown=(Finding("pdf.extra_missing", {"extra": EXTRA}),))
    try:
        return apart(lambda: _examine(content, roots, at, issued_at))
    except CertificateProblem as problem:
        return PdfAnswer((Finding(problem.code, problem.params),))
    except pdf_problems():
        return PdfAnswer((Finding("pdf.signatures_broken", {}),))


def _examine(content: bytes, roots: Roots, at: datetime, issued_at: datetime | None) -> PdfAnswer:
    reader = open_pdf(content)
    embedded = reader.embedded_signatures
    fields = [SIGNATURE_FIELDS[role].name for role in Role]
    if [signature.field_name for signature in embedded] != fields or _is_timestamp(embedded):
        return PdfAnswer((_miscounted(embedded),))
    if reader.encrypted or reader.total_revisions != len(fields) + 1:
        return PdfAnswer((Finding("pdf.appended", {}),))
    pairs = list(zip(Role, embedded, strict=True))
    statuses = {role: _status(signature, roots[role]) for role, signature in pairs}
    findings = [
        *_against_content(content, reader, embedded),
        *(finding for role, each in pairs for finding in _against(role, each, statuses[role])),
        *_against_parties(embedded, statuses, roots),
        *(finding for role in Role for finding in _against_time(role, statuses[role], at, issued_at)),
    ]
    signatures = tuple(_signature(role, statuses[role]) for role in Role)
    notices = [
        Finding("notice.pdf_time_unknown_authority", {"role": str(role)})
        for role in Role
        if statuses[role].timestamp_validity is not None and not statuses[role].timestamp_validity.trusted
    ]
    return PdfAnswer(tuple(_once(findings)), (), tuple(notices), signatures)


def _is_timestamp(embedded: Sequence[Any]) -> bool:
    return any(signature.sig_object_type != "/Sig" for signature in embedded)


def _miscounted(embedded: Sequence[Any]) -> Finding:
    if len(embedded) == 1:
        return Finding("pdf.one_signature", {})
    code = "pdf.other_fields" if len(embedded) == len(Role) else "pdf.signature_count"
    return Finding(code, {"count": len(embedded)})


def _status(signature: Any, roots: Sequence[str]) -> Any:
    """Return what the library finds; the chain is judged for the time at which the signer says it signed."""
    validate = import_module("pyhanko.sign.validation").validate_pdf_signature
    moment = signature.self_reported_timestamp or datetime.now(UTC)
    return validate(signature, _context(roots, moment), _context(roots, moment))


def _context(roots: Sequence[str], moment: datetime) -> Any:
    certvalidator = import_module("pyhanko_certvalidator")
    pem, x509 = import_module("asn1crypto.pem"), import_module("asn1crypto.x509")
    anchors = [
        x509.Certificate.load(pem.unarmor(block.encode("ascii"))[2])
        for root in roots
        for block in _PEM.findall(root)
    ]
    return certvalidator.ValidationContext(
        trust_roots=anchors,
        moment=moment.astimezone(UTC),
        allow_fetching=False,
        revocation_mode="soft-fail",
        time_tolerance=timedelta(seconds=1),
    )


def _against(role: Role, signature: Any, status: Any) -> Iterator[Finding]:
    """Judge one signature: its bytes, its chain, what it permits and what came after it."""
    if not (status.intact and status.valid):
        yield Finding("pdf.changed", {"role": str(role)})
    elif not status.trusted:
        yield Finding("pdf.other_root", {"role": str(role), "name": _subject(status)[:120]})
    permitted = signature.docmdp_level.name if signature.docmdp_level is not None else None
    if permitted != ("FILL_FORMS" if role is Role.UNIVERSITY else None):
        yield Finding("pdf.not_certified", {})
    if not status.docmdp_ok or status.coverage.name != _coverage(role):
        yield Finding("pdf.appended", {})
    if status.timestamp_validity is not None and not (
        status.timestamp_validity.intact and status.timestamp_validity.valid
    ):
        yield Finding("pdf.timestamp_broken", {"role": str(role)})


def _coverage(role: Role) -> str:
    return "ENTIRE_REVISION" if role is Role.UNIVERSITY else "ENTIRE_FILE"


def _against_content(content: bytes, reader: Any, embedded: Sequence[Any]) -> Iterator[Finding]:
    """Look whether both signatures are about the one credential that everybody reads out of this file."""
    outside = credential_from_pdf(content)
    for revision in range(reader.total_revisions):
        if attached_files(reader.get_historical_root(revision), ATTACHMENT, MAX_BYTES) != [outside]:
            yield Finding("pdf.other_credential", {})
            return
    reason = binding(sha256_of(read_object(outside)))
    if any(str(signature.sig_object.get("/Reason")) != reason for signature in embedded):
        yield Finding("pdf.other_credential", {})


def _against_parties(
    embedded: Sequence[Any], statuses: Mapping[Role, Any], roots: Roots
) -> Iterator[Finding]:
    keys = {signature.signer_cert.public_key.dump() for signature in embedded}
    others = {Role.UNIVERSITY: Role.COMPANY, Role.COMPANY: Role.UNIVERSITY}
    strangers = [
        role
        for role, signature in zip(Role, embedded, strict=True)
        if not statuses[role].trusted and _status(signature, roots[others[role]]).trusted
    ]
    if len(keys) != len(embedded) or strangers:
        yield Finding("pdf.same_party", {})


def _against_time(role: Role, status: Any, at: datetime, issued_at: datetime | None) -> Iterator[Finding]:
    signed_at = status.signer_reported_dt
    early = issued_at is not None and signed_at is not None and signed_at < issued_at - CLOCK_SKEW
    if signed_at is None or signed_at > at + CLOCK_SKEW or early:
        said = write_time(signed_at) if signed_at is not None else "-"
        yield Finding("pdf.other_time", {"role": str(role), "time": said})


def _signature(role: Role, status: Any) -> PdfSignature:
    stamp = status.timestamp_validity
    return PdfSignature(role, _subject(status), status.signer_reported_dt, stamp.timestamp if stamp else None)


def _subject(status: Any) -> str:
    names = status.signing_cert.subject.native
    return str(names.get("common_name") or status.signing_cert.subject.human_friendly)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for at, finding in enumerate(findings) if finding not in findings[:at]]
