"""Reads of the transparency log and of notices: what is not there yet, lines, subtrees, heads."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, joinedload

from lms.certs.core import heads
from lms.certs.core.heads import EntryKind
from lms.certs.core.log import Node
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role
from lms.certs.models import Credential, LogEntry, LogTree, Notice, TreeHead


def not_logged(session: Session, limit: int) -> Sequence[Credential]:
    """Return certificates whose issue the log does not hold, oldest first."""
    return session.scalars(
        select(Credential).where(~_logged(EntryKind.ISSUED)).order_by(Credential.id).limit(limit)
    ).all()


def withdrawal_not_logged(session: Session, limit: int) -> Sequence[Credential]:
    """Return certificates whose withdrawal the log does not hold, oldest first."""
    return session.scalars(
        select(Credential)
        .where(Credential.revoked_at.is_not(None), ~_logged(EntryKind.REVOKED))
        .order_by(Credential.id)
        .limit(limit)
    ).all()


def suspension_not_logged(session: Session, limit: int) -> Sequence[Credential]:
    """Return certificates that were suspended, or are no longer, other than the log says last."""
    turns = (EntryKind.SUSPENDED, EntryKind.LIFTED)
    last = (
        select(LogEntry.kind)
        .where(LogEntry.credential_id == Credential.id, LogEntry.kind.in_(turns))
        .order_by(LogEntry.index.desc())
        .limit(1)
        .scalar_subquery()
    )
    ever = select(LogEntry.credential_id).where(LogEntry.kind == EntryKind.SUSPENDED)
    begun = and_(Credential.suspended_at.is_not(None), or_(last.is_(None), last == EntryKind.LIFTED))
    ended = and_(Credential.id.in_(ever), Credential.suspended_at.is_(None), last == EntryKind.SUSPENDED)
    found = [session.scalars(select(Credential).where(one).limit(limit)).all() for one in (begun, ended)]
    return sorted((one for part in found for one in part), key=lambda one: one.id)[:limit]


def _logged(kind: EntryKind) -> ColumnElement[bool]:
    return exists().where(LogEntry.credential_id == Credential.id, LogEntry.kind == kind)


def log_entries(session: Session, start: int, end: int) -> list[heads.LogEntry]:
    """Return the log's lines from `start` to before `end`."""
    rows = session.execute(
        select(LogEntry.kind, LogEntry.document, LogEntry.signed, LogEntry.logged_at)
        .where(LogEntry.index >= start, LogEntry.index < end)
        .order_by(LogEntry.index)
    )
    return [heads.LogEntry(*row) for row in rows]


def log_nodes(session: Session, at_hand: Iterable[LogEntry] = ()) -> Node:
    """Give the hashes of the log's subtrees: each is kept beside the line that filled it."""
    known = {row.index: row.nodes for row in at_hand}

    @cache
    def node(level: int, position: int) -> bytes:
        index = ((position + 1) << level) - 1
        if index not in known:
            known[index] = session.scalars(select(LogEntry.nodes).where(LogEntry.index == index)).one()
        return bytes.fromhex(known[index][level])

    return node


def newest_head(session: Session) -> TreeHead | None:
    """Return the newest state of the log that both organisations have co-signed."""
    return session.scalars(
        select(TreeHead).where(TreeHead.signed_at.is_not(None)).order_by(TreeHead.id.desc()).limit(1)
    ).first()


def shown_head(head: TreeHead, log: str) -> heads.TreeHead:
    """Return a kept head as it was signed."""
    return heads.TreeHead(log, head.size, head.root, head.made_at)


def cosignature(head: TreeHead, role: Role) -> Document | None:
    """Return an organisation's signature over a head, if it is there."""
    return head.university_signature if role is Role.UNIVERSITY else head.company_signature


def signatures_of(head: TreeHead) -> tuple[Document, ...]:
    """Return the signatures over a head, the log's own first."""
    both = (cosignature(head, role) for role in Role)
    return (head.signature, *(one for one in both if one is not None))


def line(row: LogEntry) -> heads.LogEntry:
    """Return a kept line as it stands in the tree."""
    return heads.LogEntry(row.kind, row.document, row.signed, row.logged_at)


def signed_heads(session: Session, start: int, limit: int) -> Sequence[TreeHead]:
    """Return states of the log that both have co-signed, oldest first, from the `start`-th on."""
    return session.scalars(
        select(TreeHead)
        .where(TreeHead.signed_at.is_not(None))
        .order_by(TreeHead.id)
        .offset(start)
        .limit(limit)
    ).all()


def log_size(session: Session) -> int:
    """Return how many lines the log has."""
    return session.scalar(select(func.max(LogTree.size))) or 0


def log_id(public_url: str) -> str:
    """Return the address under which this installation's log is known."""
    return f"{public_url.rstrip('/')}/log"


def without_notice(session: Session, limit: int) -> Sequence[Credential]:
    """Return withdrawn certificates about which no notice has been asked for, oldest first."""
    return session.scalars(
        select(Credential)
        .where(Credential.revoked_at.is_not(None), ~exists().where(Notice.credential_id == Credential.id))
        .order_by(Credential.id)
        .limit(limit)
    ).all()


def notices_to_sign(session: Session, at: datetime, limit: int) -> Sequence[Notice]:
    """Return notices that wait for their organisation's signer, oldest first."""
    return session.scalars(
        select(Notice)
        .where(Notice.document.is_(None), or_(Notice.next_try_at.is_(None), Notice.next_try_at <= at))
        .options(joinedload(Notice.credential))
        .order_by(Notice.id)
        .limit(limit)
    ).all()


def refusal_of_log(session: Session) -> str:
    """Return why the newest state of the log is not co-signed, as an organisation said; else nothing."""
    found = session.scalars(select(TreeHead).order_by(TreeHead.id.desc()).limit(1)).first()
    return "" if found is None or found.signed_at is not None else found.refusal
