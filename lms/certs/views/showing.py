"""What a verdict and a certificate look like to the reader of this page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import base58
from flask_babel import gettext

from lms.certs.core.document import Claim
from lms.certs.core.joint import Finding, Signature
from lms.certs.core.sentences import sentence
from lms.certs.core.times import read_time
from lms.certs.core.verify import Facts, Status, Verdict
from lms.certs.models import Credential
from lms.web.language import language

KINDS = {
    Status.VALID: "good",
    Status.REFUSED: "refused",
    Status.UNREADABLE: "refused",
    Status.UNDECIDED: "undecided",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A verdict, ready for its page."""

    status: Status
    findings: tuple[str, ...]
    notices: tuple[str, ...]
    claim: Claim | None
    seals: tuple[dict[str, Any], ...]
    sha256: str

    @property
    def kind(self) -> str:
        """Return the colour family of the answer; a sign and a word stand beside it."""
        return KINDS[self.status]


def show_verdict(verdict: Verdict) -> Answer:
    """Put a verdict into the reader's language."""
    facts = verdict.facts
    return Answer(
        status=verdict.status,
        findings=_sentences(verdict.findings),
        notices=_sentences(verdict.notices),
        claim=facts.claim if facts else None,
        seals=_seals(facts) if facts else (),
        sha256=facts.sha256 if facts else "",
    )


def show_marks(credential: Credential) -> dict[str, bytes]:
    """Return the signatures that the two seals are drawn from."""
    roles = ("university", "company")
    values = (base58.b58decode(proof["proofValue"][1:]) for proof in credential.document["proof"])
    return dict(zip(roles, values, strict=True))


def _seals(facts: Facts) -> tuple[dict[str, Any], ...]:
    signatures = (facts.university, facts.company)
    names = (facts.claim.university.name, facts.claim.company.name)
    both = all(signature.good for signature in signatures)
    return tuple(_seal(*pair, both=both) for pair in zip(signatures, names, strict=True))


def _seal(signature: Signature, claimed: str, *, both: bool) -> dict[str, Any]:
    """One good seal beside a bad one counts for nothing, and says so."""
    if both:
        text = gettext("signed, key matches")
    elif signature.good:
        text = gettext("signed, but one signature alone does not count")
    else:
        text = gettext("no valid signature")
    return {
        "kind": str(signature.role),
        "name": signature.name or claimed,
        "at": read_time(signature.created) if signature.good else None,
        "text": text,
        "ok": both,
    }


def _sentences(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(sentence(finding.code, finding.params, language()) for finding in findings)
