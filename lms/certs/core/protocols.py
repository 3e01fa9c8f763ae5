"""What the core asks of the outer world: someone who signs for an organisation."""

from enum import StrEnum
from typing import Protocol

from lms.certs.core.strict_json import Document


class Kind(StrEnum):
    """Say what a signer is asked to sign."""

    CREDENTIAL = "credential"
    STATUS_LIST = "status-list"


class SignerUnavailable(Exception):
    """Say that an organisation's signer cannot be reached now; asking again later is right."""


class SignerRefused(Exception):
    """Carry an organisation's refusal: a stable code and a sentence for the staff, in English and Korean."""

    def __init__(self, code: str, sentence: str, korean: str = "") -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.korean = korean or sentence


class SignerClient(Protocol):
    """Ask one organisation's signer, wherever it runs."""

    def sign(self, document: Document, kind: Kind) -> Document:
        """Return the organisation's proof over the document.

        Raises:
            SignerUnavailable: no answer now.
            SignerRefused: the organisation does not sign this.
        """
