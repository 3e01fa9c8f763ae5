"""What both ceremonies share: whom to ask, and what counts as an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lms.certs.core.joint import examine_signature
from lms.certs.core.proofs import attach
from lms.certs.core.protocols import Kind, SignerClient, SignerRefused, SignerUnavailable
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust

_ENGLISH, _KOREAN = 180, 119


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What signing needs to know of this installation."""

    signers: Mapping[Role, SignerClient]
    """A missing signer is one that is down: certificates wait for it."""
    trust: Trust
    public_url: str
    demo_custody: bool

    def did(self, role: Role) -> str:
        """Return the identifier of the organisation in this part.

        Raises:
            Unanswered: the trust file pins no such organisation yet.
        """
        did = next((party.did for party in self.trust.parties if party.role is role), None)
        if did is None:
            raise Unanswered(role)
        return did

    def status_url(self, list_id: int) -> str:
        """Return the public address of a status list."""
        return f"{self.public_url.rstrip('/')}/status/{list_id}"


class Unanswered(Exception):
    """Say that one organisation did not sign: not now, or, with a refusal, not at all."""

    def __init__(self, role: Role, refusal: str = "") -> None:
        super().__init__(f"{role}: {refusal or 'no answer'}")
        self.role = role
        self.refusal = refusal


def both_languages(code: str, params: Mapping[str, Any]) -> str:
    """Write what a code means as it is kept: a line of English, a line of Korean, 300 characters at most."""
    return two_lines(sentence(code, params, "en"), sentence(code, params, "ko"))


def two_lines(english: str, korean: str) -> str:
    """Write a refusal as it is kept; see `both_languages`."""
    first, second = (" ".join(text.split()) for text in (english, korean))
    return f"{first[:_ENGLISH]}\n{second[:_KOREAN]}"


def ask(signing: Signing, role: Role, document: Document, kind: Kind, at: datetime) -> Document:
    """Get one organisation's proof over a document, and believe it only if it holds.

    Raises:
        Unanswered: no signer, no answer, a refusal, or a proof that its pinned key did not make.
    """
    signer = signing.signers.get(role)
    if signer is None:
        raise Unanswered(role)
    try:
        proof = signer.sign(document, kind)
    except SignerUnavailable:
        raise Unanswered(role) from None
    except SignerRefused as refused:
        raise Unanswered(role, two_lines(refused.sentence or refused.code, refused.korean)) from None
    signed = {**document, "proof": [proof]}
    signature = examine_signature(signed, signing.did(role), role, signing.trust, at)
    if not signature.good:
        finding = signature.findings[0]
        raise Unanswered(role, both_languages(finding.code, finding.params))
    return proof


def sign_jointly(signing: Signing, document: Document, kind: Kind, at: datetime) -> Document:
    """Get both proofs over a document, the university's first, and return it signed.

    Raises:
        Unanswered: one of the two did not sign.
    """
    university, company = (ask(signing, role, document, kind, at) for role in Role)
    return attach(document, university, company)
