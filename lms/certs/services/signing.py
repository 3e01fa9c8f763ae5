"""What both ceremonies share: whom to ask, and what counts as an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lms.blobs import BlobStore
from lms.certs.core.endorsement import against_proof
from lms.certs.core.heads import HeadSigner
from lms.certs.core.joint import examine_signature
from lms.certs.core.proofs import attach
from lms.certs.core.protocols import (
    Kind,
    SignerClient,
    SignerRefused,
    SignerUnavailable,
    SignerWaits,
)
from lms.certs.core.seen import Seen
from lms.certs.core.sentences import sentence
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role, Trust
from lms.db import Clock

_ENGLISH, _KOREAN = 180, 119
_PASSES = frozenset({"proof.unknown_key", "proof.from_the_future"})
"""What time mends: a key rotated a moment ago, which the trust file will name, and a clock that runs fast."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What signing needs to know of this installation."""

    signers: Mapping[Role, SignerClient]
    """A missing signer is one that is down: certificates wait for it."""
    trust: Trust
    public_url: str
    demo_custody: bool
    blobs: BlobStore | None = None
    """Where hand-ins lie, for the hashes of evidence; without it there is no salted evidence."""
    log: HeadSigner | None = None
    """The transparency log's own key; without it no head is made."""

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
    """Say that one organisation did not sign: not now, or, with a refusal, not at all.

    With `waits` the refusal says what it waits for: asking again later is right.
    """

    def __init__(self, role: Role, refusal: str = "", *, waits: bool = False, code: str = "") -> None:
        super().__init__(f"{role}: {refusal or 'no answer'}")
        self.role = role
        self.refusal = refusal
        self.code = code
        """The signer's own, where it is its signer that refuses."""
        self.final = bool(refusal) and not waits


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
    return _believed(signing, role, document, kind, ask_signer(signing, role, document, kind), at=at)


def ask_signer(signing: Signing, role: Role, request: Document, kind: Kind) -> Document:
    """Return the answer of an organisation's signer; whether it holds is for the caller to see.

    Raises:
        Unanswered: no signer, no answer, or a refusal.
    """
    signer = _signer(signing, role)
    try:
        return signer.sign(request, kind)
    except SignerUnavailable:
        raise Unanswered(role) from None
    except (SignerRefused, SignerWaits) as said:
        raise _unanswered(role, said) from None


def ask_many(
    signing: Signing,
    role: Role,
    documents: Sequence[Document],
    kind: Kind,
    clock: Clock,
    *,
    seen: Seen | None = None,
) -> list[Document | Unanswered]:
    """Get one organisation's proofs over many documents at once; each is believed only if it holds.

    Args:
        clock: asked once they are there: a signer may have taken its time.
        seen: where what was found of each proof is kept.

    Raises:
        Unanswered: no signer, or no answer at all.
    """
    signer = _signer(signing, role)
    try:
        answers = signer.sign_many(documents, kind)
    except SignerUnavailable:
        raise Unanswered(role) from None
    found: list[Document | Unanswered] = []
    at = clock()
    for document, answer in zip(documents, answers, strict=True):
        try:
            if isinstance(answer, SignerRefused | SignerWaits):
                raise _unanswered(role, answer)
            found.append(_believed(signing, role, document, kind, answer, at=at, seen=seen))
        except Unanswered as missing:
            found.append(missing)
    return found


def _signer(signing: Signing, role: Role) -> SignerClient:
    signer = signing.signers.get(role)
    if signer is None:
        raise Unanswered(role)
    return signer


def _unanswered(role: Role, said: SignerRefused | SignerWaits) -> Unanswered:
    spoken = two_lines(said.sentence or said.code, said.korean)
    return Unanswered(role, spoken, waits=isinstance(said, SignerWaits), code=said.code)


def _believed(
    signing: Signing,
    role: Role,
    document: Document,
    kind: Kind,
    answer: Document,
    *,
    at: datetime,
    seen: Seen | None = None,
) -> Document:
    signed = {**document, "proof": [answer]}
    if kind is Kind.ENDORSEMENT:
        findings = tuple(against_proof(signed, signing.did(role), signing.trust, at))
    else:
        signature = examine_signature(signed, signing.did(role), role, signing.trust, at)
        findings = signature.findings
        if seen is not None:
            seen.keep_signature(document, answer, signature)
    for finding in findings:
        raise Unanswered(role, both_languages(finding.code, finding.params), waits=finding.code in _PASSES)
    return answer


def sign_jointly(signing: Signing, document: Document, kind: Kind, at: datetime) -> Document:
    """Get both proofs over a document, the university's first, and return it signed.

    Raises:
        Unanswered: one of the two did not sign.
    """
    university, company = (ask(signing, role, document, kind, at) for role in Role)
    return attach(document, university, company)
