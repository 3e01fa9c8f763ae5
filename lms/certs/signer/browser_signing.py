"""What a signatory's page asks of its signer: what there is to sign, how, and to keep what was signed."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from lms.certs.core.keys import KeyUse
from lms.certs.core.mandate import Refusal
from lms.certs.core.problems import CertificateProblem
from lms.certs.core.protocols import Kind
from lms.certs.core.strict_json import Document, sha256_of
from lms.certs.signer.approvals import Asked
from lms.certs.signer.browser_proofs import Given, proof_options
from lms.certs.signer.enrolment import Enrolment, register
from lms.certs.signer.keeping import Signer
from lms.certs.signer.keyring import KeyEntry

Answer = Document | CertificateProblem


def enrol(signer: Signer, asked: Enrolment, by: str, now: datetime) -> KeyEntry:
    """Let a browser's key take over, between two signatures.

    Raises:
        CertificateProblem: it does not.
    """
    with signer.turn:
        return register(signer.folder, signer.mandate, asked, by, now)


def options(signer: Signer, digests: Iterable[str], now: datetime) -> dict[str, Answer]:
    """Judge what waits as it will be judged once it is signed; return each proof's settings, or why not."""
    return {digest: _option(signer, digest, now) for digest in digests}


def take(signer: Signer, given: Mapping[str, Given], now: datetime) -> dict[str, Answer]:
    """Take signatures in, in the journal first; what is signed already stays as it is."""
    answers: dict[str, Answer] = {}
    waiting: list[Asked] = []
    for digest in given:
        try:
            waiting.append(_asked(signer, digest))
        except CertificateProblem as problem:
            known = signer.known_proof(digest)
            answers[digest] = problem if known is None else known
    signed = signer.sign_many([asked.document for asked in waiting], Kind.CREDENTIAL, now, given)
    return answers | {asked.digest: answer for asked, answer in zip(waiting, signed, strict=True)}


def _option(signer: Signer, digest: str, now: datetime) -> Answer:
    try:
        asked = _asked(signer, digest)
        signer.review(asked.document, now)
        current = signer.keyring.current(KeyUse.ISSUING)
        return proof_options(asked.document, f"{signer.mandate.did}#{current.multibase}", now)
    except CertificateProblem as problem:
        return problem if signer.known_proof(digest) is None else Refusal("signer.signed_before")


def _asked(signer: Signer, digest: str) -> Asked:
    """Return what waits under this hash, as long as it is what was asked for."""
    asked = signer.desk.asked(digest)
    if asked is None:
        raise Refusal("signer.waits_no_more")
    if sha256_of(asked.document) != digest:
        raise Refusal("signer.document_changed")
    return asked
