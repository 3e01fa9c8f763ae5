"""Is this certificate good? One answer from the file, the trust file and what is at hand, offline."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lms.certs.core.document import CONTEXT, SHARED_KERNEL, Claim, StatusEntry
from lms.certs.core.joint import (
    CLOCK_SKEW,
    Finding,
    Signature,
    check_policy,
    check_proof_set,
    examine_signature,
    required_signers,
    same_key,
)
from lms.certs.core.jsonld import CREDENTIALS_V2
from lms.certs.core.pdf import credential_from_pdf, is_pdf
from lms.certs.core.problems import CertificateProblem, DocumentProblem, StatusProblem, Unreadable
from lms.certs.core.reading import read_claim
from lms.certs.core.status import StatusList, is_set, read_status_list
from lms.certs.core.strict_json import Document, read_object, sha256_of
from lms.certs.core.times import write_time
from lms.certs.core.trust import Role, Trust

STATUS_LIST_MAX_BYTES = 4_000_000


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


def verify(content: bytes, trust: Trust, resources: Mapping[str, bytes], at: datetime) -> Verdict:
    """Examine a certificate: JSON, or a PDF that carries it.

    Args:
        content: the file.
        trust: the pinned organisations.
        resources: status lists by address, and DID documents by DID.
        at: the moment for which the answer holds.
    """
    from_pdf = is_pdf(content)
    try:
        document = _read_document(credential_from_pdf(content) if from_pdf else content)
        sha256 = sha256_of(document)
    except Unreadable as problem:
        return Verdict(Status.UNREADABLE, (Finding(problem.code, problem.params),))
    try:
        claim = _read(document)
    except DocumentProblem as problem:
        return Verdict(Status.REFUSED, (Finding(problem.code, problem.params),))
    signatures = _signatures(document, claim.university.did, claim.company.did, trust, at)
    against = [
        *_against_joint(document, signatures, trust),
        *_against_dates(claim, at),
        *_against_did_documents(signatures, trust, resources),
    ]
    revoked, open_questions = _examine_status(claim, trust, resources, at)
    facts = Facts(claim, *signatures, sha256)
    notices = tuple(_notices(facts, from_pdf=from_pdf))
    if against or revoked:
        return Verdict(Status.REFUSED, (*against, *revoked), facts, notices)
    if open_questions:
        return Verdict(Status.UNDECIDED, open_questions, facts, notices)
    return Verdict(Status.VALID, (), facts, notices)


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
    signatures = _signatures(document, edition.university_did, edition.company_did, trust, at)
    for finding in _against_joint(document, signatures, trust):
        raise StatusProblem("status.not_joint", reason=finding.code)
    if edition.valid_from > at + CLOCK_SKEW:
        raise StatusProblem("status.not_yet_valid", since=write_time(edition.valid_from))
    if edition.valid_until <= at:
        raise StatusProblem("status.expired", until=write_time(edition.valid_until))
    return edition


def _read_document(content: bytes) -> Document:
    document = read_object(content)
    if document.keys().isdisjoint({"proof", "credentialSubject"}):
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
    university: str,
    company: str,
    trust: Trust,
    at: datetime,
) -> tuple[Signature, Signature]:
    return (
        examine_signature(document, university, Role.UNIVERSITY, trust, at),
        examine_signature(document, company, Role.COMPANY, trust, at),
    )


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


def _examine_status(
    claim: Claim,
    trust: Trust,
    resources: Mapping[str, bytes],
    at: datetime,
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return what speaks against the certificate, and what stays unknown."""
    content = resources.get(claim.status.url)
    if content is None:
        return (), (Finding("status.unreachable", {"url": claim.status.url}),)
    try:
        edition = verify_status_list(content, trust, at)
        _check_same_pair(edition, claim)
        revoked = is_set(edition.encoded, claim.status.index)
    except CertificateProblem as problem:
        finding = Finding(problem.code, {"url": claim.status.url, **problem.params})
        stale = problem.code in {"status.expired", "status.not_yet_valid"}
        return ((), (finding,)) if stale else ((finding,), ())
    return ((Finding("credential.revoked", {}),), ()) if revoked else ((), ())


def _check_same_pair(edition: StatusList, claim: Claim) -> None:
    entry: StatusEntry = claim.status
    if edition.url != entry.url:
        raise StatusProblem("status.other_list", found=edition.url[:200])
    if (edition.university_did, edition.company_did) != (claim.university.did, claim.company.did):
        raise StatusProblem("status.other_signers")
    if edition.demo_custody and not claim.demo_custody:
        raise StatusProblem("status.demo_custody")


def _notices(facts: Facts, *, from_pdf: bool) -> Iterator[Finding]:
    if facts.claim.demo_custody:
        yield Finding("notice.demo_custody", {})
    if facts.claim.assurance == SHARED_KERNEL:
        yield Finding("notice.shared_kernel", {})
    if from_pdf:
        yield Finding("notice.pdf_page", {})
    yield from facts.university.notices
    yield from facts.company.notices
