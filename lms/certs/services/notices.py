"""Notices: each organisation's own word that a certificate is withdrawn, as soon as it can be asked."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from lms.certs import policy
from lms.certs.core.notices import Notice as Word
from lms.certs.core.notices import attach_signature, notice_holds, show_notice
from lms.certs.core.protocols import Kind
from lms.certs.core.trust import Role
from lms.certs.models import Credential, Notice
from lms.certs.queries import log_lines
from lms.certs.services.signing import Signing, Unanswered, ask_signer, both_languages
from lms.db import reading

MOST_AT_ONCE = 50
PAUSE = timedelta(seconds=30)
LONG_PAUSE = timedelta(minutes=10)
"""After a refusal: it will hardly be taken back within a minute."""
NO_REASON = "–"


def keep_notices_signed(sessions: sessionmaker[Session], signing: Signing, at: datetime) -> list[Unanswered]:
    """Ask each organisation for its notice about every withdrawn certificate; return who did not sign.

    One notice is enough for a verifier; the list that both sign follows by itself.
    """
    with reading(sessions) as session:
        if not log_lines.without_notice(session, 1) and not log_lines.notices_to_sign(session, at, 1):
            return []
    with sessions.begin() as session:
        for credential in log_lines.without_notice(session, MOST_AT_ONCE):
            session.add_all(Notice(credential_id=credential.id, role=role) for role in Role)
        session.flush()
        waiting = [notice.id for notice in log_lines.notices_to_sign(session, at, MOST_AT_ONCE)]
    unanswered = []
    for notice_id in waiting:
        try:
            _sign(sessions, notice_id, signing, at)
        except Unanswered as missing:
            unanswered.append(missing)
            with sessions.begin() as session:
                pause = LONG_PAUSE if missing.final else PAUSE
                session.get_one(Notice, notice_id).next_try_at = at + pause
    return unanswered


def _sign(sessions: sessionmaker[Session], notice_id: int, signing: Signing, at: datetime) -> None:
    with reading(sessions) as session:
        found = session.get_one(Notice, notice_id)
        role, credential = found.role, found.credential
        did = signing.did(role)
        word = Word(credential.sha256, did, _public_reason(credential), at.replace(microsecond=0))
    signature = ask_signer(signing, role, show_notice(word), Kind.NOTICE)
    if not notice_holds(word, signature, signing.trust):
        raise Unanswered(role, both_languages("proof.does_not_match", {"role": str(role), "name": did}))
    with sessions.begin() as session:
        session.get_one(Notice, notice_id).document = attach_signature(show_notice(word), signature)


def _public_reason(credential: Credential) -> str:
    """Return the reason as everyone reads it; of certificates of the first form none.

    Whoever withdrew one of those before there were notices wrote to its holder alone.
    """
    reason = credential.revocation_reason
    if credential.suspension_list_id is None and reason != policy.SUPERSEDED:
        return NO_REASON
    return " ".join(reason.split()) or NO_REASON
