"""Asking one organisation's signer for what it signs alone: a tree head, a notice."""

from lms.certs.core.protocols import Kind, SignerRefused, SignerUnavailable, SignerWaits
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role
from lms.certs.services.signing import Signing, Unanswered, two_lines


def ask_signer(signing: Signing, role: Role, request: Document, kind: Kind) -> Document:
    """Return the answer of an organisation's signer; whether it holds is for the caller to see.

    Raises:
        Unanswered: no signer, no answer, or a refusal.
    """
    signer = signing.signers.get(role)
    if signer is None:
        raise Unanswered(role)
    try:
        return signer.sign(request, kind)
    except SignerUnavailable:
        raise Unanswered(role) from None
    except (SignerRefused, SignerWaits) as said:
        spoken = two_lines(said.sentence or said.code, said.korean)
        raise Unanswered(role, spoken, waits=isinstance(said, SignerWaits)) from None
