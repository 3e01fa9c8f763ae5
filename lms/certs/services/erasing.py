"""Forgetting whom a withdrawn certificate was for: hashes and signatures stay, words and files go."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from lms.accounts.services.audit import record
from lms.certs.models import Credential, EvidenceFile, Notice, Paper, SelectiveForm, ShareLink
from lms.certs.queries import credentials as queries
from lms.errors import N_, Conflict


def erase(session: Session, uuid: str, *, at: datetime) -> Credential:
    """Drop everything of a withdrawn certificate that names its holder; its place in the list stays set.

    The log's line and the hash stay, which tell nobody anything without the file.

    Raises:
        Conflict: it was not withdrawn, so copies of it would be left without an answer.
    """
    credential = queries.credential(session, uuid)
    if credential.revoked_at is None:
        raise Conflict(N_("Withdraw this certificate first, so that copies of it are refused from now on."))
    request = credential.request
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
    return credential
