"""What the VC-API answers, without a network: address and body in, status and document out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from lms.certs.core.chains import ASSERTION, Expected
from lms.certs.core.joint import Finding
from lms.certs.core.presentations import examine_credential, examine_presentation
from lms.certs.core.problems import CertificateProblem, DocumentProblem, StatusProblem, Unreadable
from lms.certs.core.proofs import Suite
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document, read_object
from lms.certs.vcapi.desk import Desk

_MODEL = "https://www.w3.org/TR/vc-data-model#"
_SECURITY = "https://w3id.org/security#"
_STATUS = "https://www.w3.org/ns/credentials/status-list#"
_TYPES = {
    "vc.malformed_entry": f"{_STATUS}MALFORMED_VALUE_ERROR",
    "status.index_outside": f"{_STATUS}RANGE_ERROR",
    "status.bad_length": f"{_STATUS}STATUS_LIST_LENGTH_ERROR",
    "vc.status_set": f"{_STATUS}STATUS_VERIFICATION_ERROR",
    "vc.other_domain": f"{_SECURITY}INVALID_DOMAIN_ERROR",
    "vc.other_challenge": f"{_SECURITY}INVALID_CHALLENGE_ERROR",
    "vc.unknown_method": f"{_SECURITY}INVALID_VERIFICATION_METHOD",
    "vc.other_digest": f"{_MODEL}CRYPTOGRAPHIC_SECURITY_ERROR",
}
_ISSUING = {
    "/credentials/issue": Suite.RDFC,
    "/jcs/credentials/issue": Suite.JCS,
    "/bsl/credentials/issue": Suite.RDFC,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold the status and the document of one answer."""

    status: HTTPStatus
    body: Document


def answer_post(desk: Desk, path: str, content: bytes, now: datetime) -> Answer:
    """Answer what is sent to an address; whatever is wrong is said as ProblemDetails.

    Source: W3C CCG VC-API 0.7; RFC 9457; Verifiable Credentials Data Model 2.0, section 7.2.
    """
    work = _WORK.get(path)
    if work is None:
        return _refuse(DocumentProblem("vc.not_found"), HTTPStatus.NOT_FOUND, generating=False)
    try:
        return work(desk, path, read_object(content), now)
    except CertificateProblem as problem:
        return _refuse(problem, HTTPStatus.BAD_REQUEST, generating=path in _ISSUING)


def answer_get(desk: Desk, path: str, now: datetime) -> Answer:
    """Answer with the status list, or with who issues here."""
    if f"{desk.address}{path}" == desk.list_address:
        return Answer(HTTPStatus.OK, desk.status_list(now))
    if path == "/":
        return Answer(HTTPStatus.OK, {"issuer": desk.did, "mode": "test", "addresses": sorted(_WORK)})
    return _refuse(DocumentProblem("vc.not_found"), HTTPStatus.NOT_FOUND, generating=False)


def _issue(desk: Desk, path: str, request: Document, now: datetime) -> Answer:
    credential = _object(request, "credential")
    if path.startswith("/bsl/"):
        credential = desk.with_status(credential)
    issued = desk.issue(credential, _options(request), _ISSUING[path], now)
    return Answer(HTTPStatus.CREATED, issued)


def _verify_credential(desk: Desk, _path: str, request: Document, now: datetime) -> Answer:
    document = _object(request, "verifiableCredential")
    notices = examine_credential(document, _expected(_options(request), now), desk.around)
    return _verified(notices)


def _verify_presentation(desk: Desk, _path: str, request: Document, now: datetime) -> Answer:
    document = _object(request, "verifiablePresentation")
    notices = examine_presentation(document, _expected(_options(request), now), desk.around)
    return _verified(notices)


def _set_status(desk: Desk, _path: str, request: Document, _now: datetime) -> Answer:
    value = request.get("status")
    if not isinstance(value, bool):
        raise DocumentProblem("vc.bad_request", part="status")
    desk.set_status(request.get("credentialStatus"), value=value)
    return Answer(HTTPStatus.OK, {})


_WORK: dict[str, Callable[[Desk, str, Document, datetime], Answer]] = {
    **dict.fromkeys(_ISSUING, _issue),
    "/credentials/verify": _verify_credential,
    "/presentations/verify": _verify_presentation,
    "/credentials/status": _set_status,
}


def _object(request: Document, name: str) -> Document:
    found = request.get(name)
    if not isinstance(found, dict):
        raise DocumentProblem("vc.bad_request", part=name)
    return found


def _options(request: Document) -> Document:
    options = request.get("options", {})
    if not isinstance(options, dict):
        raise DocumentProblem("vc.bad_request", part="options")
    return options


def _expected(options: Document, now: datetime) -> Expected:
    names = {"expectedProofPurpose": "purpose", "domain": "domain", "challenge": "challenge"}
    asked = {ours: options[theirs] for theirs, ours in names.items() if options.get(theirs) is not None}
    for name, value in asked.items():
        if not isinstance(value, str):
            raise DocumentProblem("vc.bad_request", part=f"options.{name}")
    return Expected(
        now=now,
        purpose=asked.get("purpose", ASSERTION),
        domain=asked.get("domain"),
        challenge=asked.get("challenge"),
    )


def _verified(notices: Iterable[Finding]) -> Answer:
    """Say what was found: `verified` only where nothing that matters was left unchecked."""
    warnings = [_details(notice.code, notice.params, f"{_MODEL}UNCHECKED") for notice in notices]
    body = {"verified": not warnings, "checks": ["proof"], "warnings": warnings, "errors": []}
    return Answer(HTTPStatus.OK, body)


def _refuse(problem: CertificateProblem, status: HTTPStatus, *, generating: bool) -> Answer:
    if isinstance(problem, Unreadable):
        kind = f"{_MODEL}PARSING_ERROR"
    elif isinstance(problem, DocumentProblem | StatusProblem):
        kind = f"{_MODEL}MALFORMED_VALUE_ERROR"
    else:
        kind = f"{_SECURITY}{'PROOF_GENERATION_ERROR' if generating else 'PROOF_VERIFICATION_ERROR'}"
    details = _details(problem.code, problem.params, _TYPES.get(problem.code, kind))
    body = {**details, "status": int(status), "verified": False, "warnings": [], "errors": [details]}
    return Answer(status, body)


def _details(code: str, params: Document, kind: str) -> Document:
    return {"type": kind, "title": code, "detail": sentence(code, params, "en")}
