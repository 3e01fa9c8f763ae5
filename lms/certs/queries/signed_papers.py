"""Reads of signed papers: one for its page, how far all are, and whose signatures they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from lms.certs.core.pdf_signatures import Roots
from lms.certs.core.trust import Role, Trust
from lms.certs.models import Credential, LogEntry, Paper


@dataclass(frozen=True, slots=True)
class Progress:
    """Count papers: signed and up to date, still to be made, and those of them that a signer refused."""

    made: int
    due: int
    stuck: int


def paper(session: Session, credential_id: int, language: str) -> Paper | None:
    """Return a certificate's paper in a language, signed or on its way."""
    return session.scalars(
        select(Paper).where(Paper.credential_id == credential_id, Paper.language == language)
    ).one_or_none()


def papers_waiting(session: Session, at: datetime, *, logged: bool) -> bool:
    """Say whether any paper is to be queued or made now; `logged` as in `without_papers`."""
    due = select(Paper.id).where(
        Paper.due,
        or_(Paper.leased_until.is_(None), Paper.leased_until <= at),
        or_(Paper.next_try_at.is_(None), Paper.next_try_at <= at),
    )
    return session.scalar(due.limit(1)) is not None or bool(without_papers(session, 1, logged=logged))


def papers_ready(session: Session, credential_id: int) -> set[str]:
    """Return the languages in which a certificate's paper is signed."""
    return set(
        session.scalars(
            select(Paper.language).where(Paper.credential_id == credential_id, Paper.blob.is_not(None))
        )
    )


def paper_progress(session: Session) -> Progress:
    """Return how many papers there are and how many are still to be made; withdrawn ones do not count."""
    standing = select(func.count()).select_from(Paper).join(Paper.credential)
    standing = standing.where(Credential.revoked_at.is_(None))
    return Progress(
        made=session.scalar(standing.where(Paper.due.is_(False))) or 0,
        due=session.scalar(standing.where(Paper.due)) or 0,
        stuck=session.scalar(standing.where(Paper.due, Paper.refusal != "")) or 0,
    )


def refusals(session: Session, limit: int = 20) -> Sequence[Paper]:
    """Return papers that an organisation would not sign, oldest first."""
    return session.scalars(
        select(Paper).where(Paper.due, Paper.refusal != "").order_by(Paper.id).limit(limit)
    ).all()


def without_papers(session: Session, limit: int, *, logged: bool) -> Sequence[int]:
    """Return certificates without papers, oldest first; with `logged` only those that have a log proof."""
    wanted = select(Credential.id).where(
        Credential.revoked_at.is_(None), ~exists().where(Paper.credential_id == Credential.id)
    )
    if logged:
        proven = exists().where(LogEntry.credential_id == Credential.id, LogEntry.proof.is_not(None))
        wanted = wanted.where(proven)
    return session.scalars(wanted.order_by(Credential.id).limit(limit)).all()


def paper_roots(trust: Trust) -> Roots | None:
    """Return whose PDF signatures count on this installation; None where not both are pinned.

    Without them papers are not signed, and the page is handed out as it is.
    """
    roots = {
        role: tuple(root for party in trust.parties if party.role is role for root in party.pdf_roots)
        for role in Role
    }
    return roots if all(roots.values()) else None
