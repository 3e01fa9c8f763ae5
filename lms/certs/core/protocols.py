"""What the core asks of the outer world: someone who signs for an organisation."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from lms.certs.core.strict_json import Document


class Kind(StrEnum):
    """Say what a signer is asked to sign."""

    CREDENTIAL = "credential"
    STATUS_LIST = "status-list"
    ENDORSEMENT = "endorsement"
    """Of an achievement, by the company alone; the proof is `eddsa-rdfc-2022`."""
    TREE_HEAD = "tree-head"
    """Of the transparency log, asked for as `core.witness` writes it; answered as `core.heads` does."""
    NOTICE = "notice"
    """That a certificate is withdrawn, as `core.notices` writes it; by one organisation alone."""
    SD_JWT = "sd-jwt"
    """A certificate's other form, as `core.sd_jwt` asks for it; answered with a JWS signature."""


class SignerUnavailable(Exception):
    """Say that an organisation's signer cannot be reached now; asking again later is right."""


class SignerRefused(Exception):
    """Carry an organisation's refusal: a stable code and a sentence for the staff, in English and Korean."""

    def __init__(self, code: str, sentence: str, korean: str = "") -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.korean = korean or sentence


class SignerWaits(Exception):
    """Say that an organisation has not decided yet: why, in English and Korean; ask again later."""

    def __init__(self, code: str, sentence: str, korean: str = "") -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.korean = korean or sentence


Answer = Document | SignerRefused | SignerWaits
"""What a signer says about one document of a batch: its proof, or why there is none."""


class SignerClient(Protocol):
    """Ask one organisation's signer, wherever it runs."""

    def sign(self, document: Document, kind: Kind) -> Document:
        """Return the organisation's proof over the document.

        Raises:
            SignerUnavailable: no answer now.
            SignerWaits: not yet.
            SignerRefused: the organisation does not sign this.
        """

    def sign_pdf(self, content: bytes) -> bytes:
        """Return what is appended to a PDF so that the organisation has signed it.

        Raises:
            SignerUnavailable: no answer now.
            SignerRefused: the organisation does not sign this.
        """

    def sign_many(self, documents: Sequence[Document], kind: Kind) -> list[Answer]:
        """Return one answer per document, in their order; each was judged alone.

        Raises:
            SignerUnavailable: no answer now, for none of them.
        """
