"""What can be wrong with a certificate, as stable codes.

CertificateProblem
├── Unreadable        the bytes are no certificate at all
├── ProofProblem      one proof does not hold
├── StatusProblem     a status list cannot be used
├── TrustProblem      the trust file cannot be used
├── KeyProblem        a key or its envelope cannot be used
├── LogProblem        an entry, a head or a proof of the log cannot be used
└── DocumentProblem   the document has not the form of a joint certificate
"""

from typing import Any


class CertificateProblem(Exception):
    """Carry a code of `sentences.py` and the values its sentence names."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


MISSHAPEN = (CertificateProblem, LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What taking a document apart raises where it has another shape than expected."""


class Unreadable(CertificateProblem):
    """Say that the bytes cannot be read as a certificate."""


class ProofProblem(CertificateProblem):
    """Say that a proof does not hold."""


class StatusProblem(CertificateProblem):
    """Say that a status list cannot be used."""


class TrustProblem(CertificateProblem):
    """Say that a trust file cannot be used."""


class KeyProblem(CertificateProblem):
    """Say that a key or key envelope cannot be used."""


class LogProblem(CertificateProblem):
    """Say that an entry, a head or a proof of the transparency log cannot be used."""


class DocumentProblem(CertificateProblem):
    """Say that a document has not the form of a joint certificate."""
