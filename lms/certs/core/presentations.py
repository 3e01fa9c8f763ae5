"""Credentials and presentations of any kind, checked as the W3C data model says.

What could not be checked is said as a notice: a presentation with a notice may be right, but is not verified.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lms.certs.core.chains import ASSERTION, AUTHENTICATION, Expected, check_proofs
from lms.certs.core.data_model import (
    STATUS_ENTRY,
    check_credential,
    check_party,
    check_period,
    check_presentation,
    objects,
)
from lms.certs.core.envelopes import is_envelope, open_envelope
from lms.certs.core.joint import Finding
from lms.certs.core.jsonld import Contexts
from lms.certs.core.problems import DocumentProblem, ProofProblem, StatusProblem
from lms.certs.core.related import check_related
from lms.certs.core.strict_json import Document

_MOST_CREDENTIALS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is at hand besides the document itself; nothing is ever fetched."""

    contexts: Contexts
    resources: Mapping[str, bytes] = field(default_factory=dict)
    status_of: Callable[[Document], bool | None] = field(default=lambda _entry: None)
    """Tell whether the place of a status entry is set; None where its list is not at hand."""


def examine_credential(document: Document, expected: Expected, around: Surroundings) -> list[Finding]:
    """Check a credential with all its proofs and return what could not be checked.

    Raises:
        CertificateProblem: with what is wrong.
    """
    if is_envelope(document):
        return _examine_envelope(document, expected, around)
    notices = _examine_claims(document, expected, around)
    controllers = check_proofs(document, expected, around.contexts)
    issuer = _identifier(document["issuer"])
    if issuer not in controllers:
        notices.append(Finding("vc.issuer_unproved", {"id": issuer[:100]}))
    return notices


def examine_presentation(document: Document, expected: Expected, around: Surroundings) -> list[Finding]:
    """Check a presentation with all that it holds and return what could not be checked.

    Without a proof it shows nothing of its holder; it is looked at if what it holds is secured by itself.

    Raises:
        CertificateProblem: with what is wrong.
    """
    check_presentation(document)
    controllers: list[str] = []
    notices: list[Finding] = []
    if "proof" in document:
        asked = replace(expected, purpose=AUTHENTICATION) if expected.purpose == ASSERTION else expected
        controllers = check_proofs(document, asked, around.contexts)
    elif (
        expected.challenge is not None
        or expected.domain is not None
        or "verifiableCredential" not in document
    ):
        raise ProofProblem("vc.no_proof")
    else:
        notices.append(Finding("vc.nobody_presents", {}))
    if "holder" in document and _identifier(document["holder"]) not in controllers:
        notices.append(Finding("vc.holder_unproved", {"id": _identifier(document["holder"])[:100]}))
    inner = replace(expected, purpose=ASSERTION, domain=None, challenge=None)
    for credential in _held(document):
        if "proof" in credential or is_envelope(credential):
            notices += examine_credential(credential, inner, around)
        else:
            notices += _examine_self_asserted(credential, document, controllers, (inner, around))
    return notices


def _examine_claims(document: Document, expected: Expected, around: Surroundings) -> list[Finding]:
    check_credential(document)
    check_period(document, expected.now)
    unseen = check_related(document, around.resources)
    notices = [Finding("vc.resource_unseen", {"url": url[:200]}) for url in unseen]
    if "credentialStatus" in document:
        for entry in objects(document["credentialStatus"], "credentialStatus", "4.10"):
            notices += _examine_status(entry, around)
    return notices


def _examine_status(entry: Document, around: Surroundings) -> list[Finding]:
    found = around.status_of(entry) if entry["type"] == STATUS_ENTRY else None
    if found is None:
        return [Finding("vc.status_unseen", {})]
    if found and entry["statusPurpose"] in {"revocation", "suspension"}:
        raise StatusProblem("vc.status_set", purpose=entry["statusPurpose"])
    return []


def _examine_envelope(document: Document, expected: Expected, around: Surroundings) -> list[Finding]:
    credential = open_envelope(document)
    if credential is None:
        return [Finding("vc.envelope_unchecked", {})]
    return _examine_claims(credential, expected, around)


def _held(document: Document) -> list[Document]:
    held = document.get("verifiableCredential", [])
    listed = held if isinstance(held, list) else [held]
    if len(listed) > _MOST_CREDENTIALS:
        raise DocumentProblem("vc.malformed", part="verifiableCredential", section="4.13")
    return listed


def _examine_self_asserted(
    credential: Document,
    presentation: Document,
    controllers: list[str],
    under: tuple[Expected, Surroundings],
) -> list[Finding]:
    """Let a holder say something of itself, secured by the presentation's own proof alone."""
    notices = _examine_claims(credential, *under)
    holder = check_party(presentation.get("holder"), "holder", "4.13.4")["id"]
    if _identifier(credential["issuer"]) != holder or holder not in controllers:
        raise ProofProblem("vc.not_self_asserted")
    return notices


def _identifier(party: object) -> str:
    return str(party["id"] if isinstance(party, dict) else party)
