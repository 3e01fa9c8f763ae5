"""Is this certificate good? One answer from the file, the trust file and what is at hand, offline."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from lms.certs.core.carriers import Carried, Kind, open_carrier
from lms.certs.core.document import CONTEXT, SHARED_KERNEL, Claim, StatusEntry
from lms.certs.core.endorsement import examine_endorsement
from lms.certs.core.joint import (
    CLOCK_SKEW,
    OPEN,
    Finding,
    Signature,
    check_policy,
    check_proof_set,
    examine_signature,
    required_signers,
    same_key,
)
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.log_proofs import LogAnswer, examine_log_proof, proof_at_hand
from lms.certs.core.notices import examine_notices, notice_address
from lms.certs.core.problems import CertificateProblem, DocumentProblem, StatusProblem, Unreadable
from lms.certs.core.reading import read_claim
from lms.certs.core.seen import Seen
from lms.certs.core.status import REVOCATION, SUSPENSION, StatusList, is_set, read_status_list
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role, Trust

if TYPE_CHECKING:
    from lms.certs.core.pdf_signatures import PdfAnswer

STATUS_LIST_MAX_BYTES = 4_000_000
_NOTED = {REVOCATION: Finding("credential.revoked", {}), SUSPENSION: Finding("credential.suspended", {})}


class Status(StrEnum):
    """Name the answer."""

    VALID = "valid"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold what a certificate says and how its proofs fared; believe it only where the verdict is valid."""

    claim: Claim
    university: Signature
    company: Signature
    sha256: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold the answer, what speaks against it, and what a reader should know besides."""

    status: Status
    findings: tuple[Finding, ...] = ()
    facts: Facts | None = None
    notices: tuple[Finding, ...] = ()


def verify(
    content: bytes,
    trust: Trust,
    resources: Mapping[str, bytes],
    at: datetime,
    *,
    log_proof: bytes | None = None,
    seen: Seen | None = None,
) -> Verdict:
    """Examine a certificate: JSON, or a PDF, PNG, SVG or holder's bundle that carries it.

    Args:
        content: the file.
        trust: the pinned organisations and logs.
        resources: status lists by address, and DID documents by DID; they count before those of a bundle.
        at: the moment for which the answer holds.
        log_proof: that the log holds the certificate, where the file itself does not carry it.
        seen: what was found of others with the same `trust` and `at`, and of this one's proofs.
    """
    try:
        opened = _open(content)
    except Unreadable as problem:
        return Verdict(Status.UNREADABLE, (Finding(problem.code, problem.params),))
    beside = opened.carried.resources
    if beside:  # both are only read, though a chain of maps asks for more
        resources = ChainMap(cast("Any", resources), cast("Any", beside))
    if "signatures" in opened.document:
        return _verify_presentation(opened.document, trust, resources, at)
    try:
        claim = _read(opened.document)
    except DocumentProblem as problem:
        return Verdict(Status.REFUSED, (Finding(problem.code, problem.params),))
    proof = log_proof or opened.carried.log_proof or proof_at_hand(resources, opened.document, trust)
    log = examine_log_proof(proof, opened.document, trust, at)
    return _verify_certificate(opened, claim, trust, (resources, at, seen or Seen()), log)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file, what it carries, and the hash by which that is known."""

    content: bytes
    carried: Carried
    document: Document
    sha256: str


def _open(content: bytes) -> _Opened:
    carried = open_carrier(content)
    document = _read_document(carried.credential)
    return _Opened(content, carried, document, sha256_of(document))


def _verify_certificate(
    opened: _Opened,
    claim: Claim,
    trust: Trust,
    at_hand: tuple[Mapping[str, bytes], datetime, Seen],
    log: LogAnswer,
) -> Verdict:
    """Examine a certificate whose form is right, given what the log says of it."""
    resources, at, seen = at_hand
    document, sha256, kind = opened.document, opened.sha256, opened.carried.kind
    dids = claim.university.did, claim.company.did
    known = {
        role: seen.signature(sha256, did, role, document.get("proof"))
        for did, role in zip(dids, Role, strict=True)
        if log.proven is None
    }
    signatures = _signatures(document, dids, trust, at, proven=log.proven, known=known)
    paper = _examine_paper(opened.content, kind, claim, trust, at)
    noted, unlisted = _examine_statuses(claim, trust, resources, at, seen)
    findings = (
        *_against_joint(document, signatures, trust),
        *_against_dates(claim, at),
        *_against_did_documents(signatures, trust, resources),
        *examine_endorsement(claim, trust, at, log.proven, seen),
        *examine_notices(resources, notice_address(claim.status.url, sha256), sha256, dids, trust),
        *log.findings,
        *(paper.findings if paper else ()),
        *noted,
    )
    facts = Facts(claim, *signatures, sha256)
    notices = (*_notices(facts, kind, paper), *log.notices)
    return _conclude(findings, (*unlisted, *log.missing, *(paper.unknown if paper else ())), facts, notices)


def _verify_presentation(
    document: Document, trust: Trust, resources: Mapping[str, bytes], at: datetime
) -> Verdict:
    """Examine what a holder shows of a certificate.

    No log can be asked, for no proof is shown; notices of withdrawal only where the hash is.
    """
    from lms.certs.core.sd_jwt import examine_makers, read_presentation  # noqa: PLC0415 - for these only

    try:
        presented = read_presentation(document)
    except DocumentProblem as problem:
        return Verdict(Status.REFUSED, (Finding(problem.code, problem.params),))
    claim, signatures = presented.claim, examine_makers(presented, trust, at)
    noted, unlisted = _examine_statuses(claim, trust, resources, at, Seen())
    dids = claim.university.did, claim.company.did
    address = notice_address(claim.status.url, presented.sha256)
    findings = (
        *(finding for signature in signatures for finding in signature.findings),
        *examine_notices(resources, address, presented.sha256, dids, trust),
        *((Finding("proofs.same_key", {}),) if same_key(signatures, trust) else ()),
        *_against_dates(claim, at),
        *_against_did_documents(signatures, trust, resources),
        *noted,
    )
    facts = Facts(claim, *signatures, presented.sha256)
    notices = (Finding("notice.presentation", {}), *_notices(facts, Kind.JSON, None))
    return _conclude(findings, unlisted, facts, notices)


def _conclude(
    findings: Iterable[Finding],
    unknown: Iterable[Finding],
    facts: Facts,
    notices: tuple[Finding, ...],
) -> Verdict:
    """Weigh what was found: one thing against it refuses, one thing unknown leaves the answer open."""
    found = tuple(findings)
    against = tuple(finding for finding in found if finding.code not in OPEN)
    if against:
        return Verdict(Status.REFUSED, against, facts, notices)
    questions = (*(finding for finding in found if finding.code in OPEN), *unknown)
    return Verdict(Status.UNDECIDED if questions else Status.VALID, questions, facts, notices)


def verify_status_list(content: bytes, trust: Trust, at: datetime) -> StatusList:
    """Check one edition of a status list by itself: form, both proofs, dates.

    Raises:
        StatusProblem: with the first thing that is wrong.
    """
    try:
        document = read_object(content, max_bytes=STATUS_LIST_MAX_BYTES)
    except Unreadable as problem:
        raise StatusProblem("status.unreadable", reason=problem.code) from None
    if document.get("@context") != [CREDENTIALS_V2]:
        raise StatusProblem("status.shape")
    edition = read_status_list(document)
    signatures = _signatures(document, (edition.university_did, edition.company_did), trust, at)
    for finding in _against_joint(document, signatures, trust):
        raise StatusProblem("status.not_joint", reason=finding.code)
    if edition.valid_from > at + CLOCK_SKEW:
        raise StatusProblem("status.not_yet_valid", since=write_time(edition.valid_from))
    if edition.valid_until <= at:
        raise StatusProblem("status.expired", until=write_time(edition.valid_until))
    return edition


def _read_document(content: bytes) -> Document:
    document = read_object(content)
    if document.keys().isdisjoint({"proof", "credentialSubject", "signatures"}):
        raise Unreadable("json.no_object")
    return document


def _read(document: Document) -> Claim:
    if document.get("@context") != CONTEXT:
        raise DocumentProblem("context.not_pinned")
    signers = required_signers(document)
    if signers is None:
        raise DocumentProblem("policy.missing")
    issuer, subject = document.get("issuer"), document.get("credentialSubject")
    if isinstance(issuer, dict) and isinstance(subject, dict) and isinstance(subject.get("source"), dict):
        named = str(issuer.get("id")), str(subject["source"].get("id"))
        for finding in check_policy(document, *named):
            raise DocumentProblem(finding.code, **finding.params)
    return read_claim(document)


def _signatures(
    document: Document,
    dids: tuple[str, str],
    trust: Trust,
    at: datetime,
    *,
    proven: datetime | None = None,
    known: Mapping[Role, Signature | None] = MappingProxyType({}),
) -> tuple[Signature, Signature]:
    university, company = (
        known.get(role) or examine_signature(document, did, role, trust, at, proven=proven)
        for did, role in zip(dids, Role, strict=True)
    )
    return university, company


def _examine_paper(
    content: bytes, kind: Kind, claim: Claim, trust: Trust, at: datetime
) -> "PdfAnswer | None":
    """Check the signatures of a PDF itself, where the trust file pins whose they should be."""
    dids = {Role.UNIVERSITY: claim.university.did, Role.COMPANY: claim.company.did}
    parties = {role: trust.party(did, role) for role, did in dids.items()}
    roots = {
        role: party.pdf_roots for role, party in parties.items() if party is not None and party.pdf_roots
    }
    if kind is not Kind.PDF or not roots:
        return None
    from lms.certs.core.pdf_signatures import examine_pdf  # noqa: PLC0415 - slow to load, for PDFs only

    return examine_pdf(content, {role: roots.get(role, ()) for role in Role}, at, claim.issued_at)


def _against_joint(
    document: Document,
    signatures: tuple[Signature, Signature],
    trust: Trust,
) -> Iterator[Finding]:
    dids = tuple(signature.did for signature in signatures)
    yield from check_policy(document, *dids)
    yield from check_proof_set(document, *dids)
    for signature in signatures:
        yield from signature.findings
    if same_key(signatures, trust):
        yield Finding("proofs.same_key", {})


def _against_dates(claim: Claim, at: datetime) -> Iterator[Finding]:
    if claim.issued_at > at + CLOCK_SKEW:
        yield Finding("credential.not_yet_valid", {"since": write_time(claim.issued_at)})
    if claim.valid_until is not None and claim.valid_until <= at:
        yield Finding("credential.expired", {"until": write_time(claim.valid_until)})


def _against_did_documents(
    signatures: Iterable[Signature],
    trust: Trust,
    resources: Mapping[str, bytes],
) -> Iterator[Finding]:
    for signature in signatures:
        party = trust.party(signature.did, signature.role)
        key = party.key(signature.key_id or "") if party else None
        if party is None or key is None or signature.did not in resources:
            continue
        if not _shows_key(resources[signature.did], signature.did, key.id, key.multibase):
            yield Finding("did.document_differs", {"role": str(signature.role), "did": signature.did})


def _shows_key(content: bytes, did: str, key_id: str, multibase: str) -> bool:
    try:
        document = read_object(content)
    except Unreadable:
        return False
    methods, assertions = document.get("verificationMethod"), document.get("assertionMethod")
    if document.get("id") != did or not isinstance(methods, list) or not isinstance(assertions, list):
        return False
    expected = {"id": key_id, "controller": did, "publicKeyMultibase": multibase}
    return key_id in assertions and any(
        isinstance(method, dict) and expected.items() <= method.items() for method in methods
    )


def _examine_statuses(
    claim: Claim,
    trust: Trust,
    resources: Mapping[str, bytes],
    at: datetime,
    seen: Seen,
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return what the status lists say against the certificate, and what stays unknown."""
    named = [(claim.status, REVOCATION)]
    if claim.suspension is not None:
        named.append((claim.suspension, SUSPENSION))

    def look(content: bytes) -> StatusList:
        return seen.once(("list", content), lambda: verify_status_list(content, trust, at))

    found = [_examine_status(claim, each, resources, look) for each in named]
    against = tuple(finding for known, _ in found for finding in known)
    return against, tuple(finding for _, unknown in found for finding in unknown)


def _examine_status(
    claim: Claim,
    named: tuple[StatusEntry, str],
    resources: Mapping[str, bytes],
    examine: Callable[[bytes], StatusList],
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    entry, purpose = named
    content = resources.get(entry.url)
    if content is None:
        return (), (Finding("status.unreachable", {"url": entry.url}),)
    try:
        edition = examine(content)
        _check_named_list(edition, claim, entry, purpose)
        is_noted = is_set(edition.encoded, entry.index)
    except CertificateProblem as problem:
        finding = Finding(problem.code, {"url": entry.url, **problem.params})
        stale = problem.code in {"status.expired", "status.not_yet_valid"}
        return ((), (finding,)) if stale else ((finding,), ())
    return ((_NOTED[purpose],), ()) if is_noted else ((), ())


def _check_named_list(edition: StatusList, claim: Claim, entry: StatusEntry, purpose: str) -> None:
    if edition.url != entry.url:
        raise StatusProblem("status.other_list", found=edition.url[:200])
    if edition.purpose != purpose:
        raise StatusProblem("status.other_purpose", purpose=edition.purpose)
    if (edition.university_did, edition.company_did) != (claim.university.did, claim.company.did):
        raise StatusProblem("status.other_signers")
    if edition.demo_custody and not claim.demo_custody:
        raise StatusProblem("status.demo_custody")


def _notices(facts: Facts, kind: Kind, paper: "PdfAnswer | None") -> Iterator[Finding]:
    if facts.claim.demo_custody:
        yield Finding("notice.demo_custody", {})
    if facts.claim.assurance == SHARED_KERNEL:
        yield Finding("notice.shared_kernel", {})
    if paper is not None:
        yield from paper.notices
    if paper is not None and not paper.findings and not paper.unknown:
        yield Finding("notice.pdf_signed", {})
    elif kind is Kind.PDF:
        yield Finding("notice.pdf_page", {})
    if kind in {Kind.PNG, Kind.SVG}:
        yield Finding("notice.picture", {})
    if kind is Kind.ZIP:
        yield Finding("notice.bundle", {})
    yield from facts.university.notices
    yield from facts.company.notices
