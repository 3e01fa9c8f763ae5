"""Forgetting whom a withdrawn certificate was for: hashes and signatures stay, words and files go."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lms.accounts.services.audit import record
from lms.certs.models import Credential, EvidenceFile, Notice, Paper, SelectiveForm, ShareLink
from lms.certs.queries import credentials as queries
from lms.certs.services.evidence import GRADEBOOK_ROW
from lms.errors import N_, Conflict


@dataclass(frozen=True)
class Erased:
    """What is left of a certificate, and the files that nothing names any more, for the caller to delete."""

    sha256: str
    files: frozenset[str]


def erase(session: Session, uuid: str, *, at: datetime) -> Erased:
    """Drop everything of a withdrawn certificate that names its holder; its place in the list stays set.

    The log's line and the hash stay, which tell nobody anything without the file. The caller deletes the
    files once the transaction is kept.

    Raises:
        Conflict: it was not withdrawn, so copies of it would be left without an answer.
    """
    credential = queries.credential(session, uuid)
    if credential.revoked_at is None:
        raise Conflict(N_("Withdraw this certificate first, so that copies of it are refused from now on."))
    request = credential.request
    files = _own_files(session, credential)
    session.execute(delete(EvidenceFile).where(EvidenceFile.request_id == request.id))
    session.execute(delete(SelectiveForm).where(SelectiveForm.credential_id == credential.id))
    session.execute(delete(ShareLink).where(ShareLink.credential_id == credential.id))
    session.execute(delete(Paper).where(Paper.credential_id == credential.id))
    session.execute(delete(Notice).where(Notice.credential_id == credential.id))  # the next gives no reason
    credential.document = {"proof": credential.document["proof"]}
    credential.revocation_reason = credential.suspension_reason = ""
    request.document, request.proofs, request.refusal, request.updated_at = None, {}, "", at
    request.claim, request.later_claim = {}, None
    record(session, None, "certificate.erased", f"credential:{credential.id}")
    return Erased(credential.sha256, files)


def _own_files(session: Session, credential: Credential) -> frozenset[str]:
    """Return the files made for this certificate alone: its papers, and gradebook rows no other one carries.

    Hand-ins, feedback and records belong to grading, labs and environments to everyone.
    """
    papers = session.scalars(
        select(Paper.blob).where(Paper.credential_id == credential.id, Paper.blob.is_not(None))
    )
    rows = select(EvidenceFile.blob).where(
        EvidenceFile.request_id == credential.request_id, EvidenceFile.path.endswith(GRADEBOOK_ROW)
    )
    others = select(EvidenceFile.blob).where(EvidenceFile.request_id != credential.request_id)
    own = session.scalars(rows.where(EvidenceFile.blob.not_in(others)))
    return frozenset(blob for blob in (*papers, *own) if blob is not None)
