"""The transparency log: it takes in what happens to certificates, and has its heads co-signed by both."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from lms.certs.core import heads
from lms.certs.core.heads import EntryKind, HeadSigner, hash_entry, hash_whole, is_usable, operational_keys
from lms.certs.core.log import Frontier, inclusion_path, root_of
from lms.certs.core.log_proofs import LogProof, write_log_proof
from lms.certs.core.protocols import Kind
from lms.certs.core.strict_json import Document
from lms.certs.core.trust import Role
from lms.certs.core.witness import MOST_ENTRIES, write_head_request
from lms.certs.models import Credential, LogEntry, LogTree, TreeHead
from lms.certs.queries import log_lines
from lms.certs.services.signing import Signing, Unanswered, ask_signer, both_languages
from lms.db import reading

LONGEST_WAIT = timedelta(minutes=4)
"""A head that waits longer is dated anew: signers vouch for the present only."""
PAUSE = timedelta(seconds=30)
HEAD_LIFE = timedelta(hours=24)
"""So old the newest head gets at most, also where nothing happens."""
MOST_LINES = 500
_TREE = 1

Line = tuple[Credential, EntryKind, datetime]


def log_issued(session: Session, credentials: Iterable[Credential]) -> None:
    """Take new certificates into the log, within the transaction that keeps them."""
    _append(session, [(each, EntryKind.ISSUED, each.issued_at) for each in credentials])


def log_what_happened(session: Session, at: datetime) -> int:
    """Log what is not logged yet: withdrawals, suspensions and their end, certificates from before the log.

    At most `MOST_LINES` at once; return how many.
    """
    if not _unlogged(session, at):
        return 0
    _take_tree(session)  # another process may have logged it meanwhile: look again with the tree in hand
    lines = _unlogged(session, at)
    _append(session, lines)
    return len(lines)


def keep_heads_signed(sessions: sessionmaker[Session], signing: Signing, at: datetime) -> list[Unanswered]:
    """Log what happened, and have the newest state of the log co-signed; return who did not."""
    if signing.log is None:
        return []
    with sessions.begin() as session:
        log_what_happened(session, at)
        head_id = _head_to_sign(session, signing.log, at)
    if head_id is None:
        return []
    unanswered = []
    for role in Role:
        try:
            _cosign(sessions, head_id, role, signing, at)
        except Unanswered as missing:
            unanswered.append(missing)
            _wait(sessions, head_id, missing, at)
    return unanswered


def _unlogged(session: Session, at: datetime) -> list[Line]:
    """Return what is to be logged, the issue of a certificate before all else that happened to it."""
    issued = [
        (found, EntryKind.ISSUED, found.issued_at) for found in log_lines.not_logged(session, MOST_LINES)
    ]
    if issued:
        return issued
    revoked = [
        (found, EntryKind.REVOKED, found.revoked_at or at)
        for found in log_lines.withdrawal_not_logged(session, MOST_LINES)
    ]
    turned = [
        (found, EntryKind.LIFTED if found.suspended_at is None else EntryKind.SUSPENDED, at)
        for found in log_lines.suspension_not_logged(session, MOST_LINES)
    ]
    return [*revoked, *turned][:MOST_LINES]


def _append(session: Session, lines: Sequence[Line]) -> None:
    tree = _take_tree(session)
    frontier = Frontier(tree.size, tuple(bytes.fromhex(one) for one in tree.hashes))
    for credential, kind, moment in lines:
        entry = heads.LogEntry(
            kind,
            credential.sha256,
            hash_whole(credential.sha256, credential.document["proof"]),
            moment.replace(microsecond=0),
        )
        frontier, filled = frontier.append(hash_entry(entry))
        session.add(_row(frontier.size - 1, credential, entry, filled))
    tree.size, tree.hashes = frontier.size, [one.hex() for one in frontier.hashes]
    session.flush()


def _row(index: int, credential: Credential, entry: heads.LogEntry, filled: tuple[bytes, ...]) -> LogEntry:
    return LogEntry(
        index=index,
        credential_id=credential.id,
        kind=entry.kind,
        document=entry.document,
        signed=entry.signed,
        logged_at=entry.time,
        hash=filled[0].hex(),
        nodes=[one.hex() for one in filled],
    )


def _take_tree(session: Session) -> LogTree:
    """Return the tree, kept from other writers until the transaction ends: the first statement writes."""
    taken = update(LogTree).where(LogTree.id == _TREE).values(size=LogTree.size).returning(LogTree.id)
    if session.scalar(taken) is None:
        try:
            with session.begin_nested():
                session.add(LogTree(id=_TREE, size=0, hashes=[]))
        except IntegrityError:  # begun by another process at the same moment
            session.scalar(taken)
    return session.get_one(LogTree, _TREE, populate_existing=True)


def _head_to_sign(session: Session, log: HeadSigner, at: datetime) -> int | None:
    """Return the head that is to be co-signed now; a new one once the last is complete or too old.

    The size stays until both have signed it, so that the two never know states far apart.
    """
    tree = session.get(LogTree, _TREE)
    last = session.scalars(select(TreeHead).order_by(TreeHead.id.desc()).limit(1)).first()
    if tree is None or tree.size == 0:
        return None
    if last is None:
        return _make_head(session, log, min(tree.size, MOST_ENTRIES), at)
    if last.signed_at is not None:
        grown = tree.size > last.size or at - last.made_at >= HEAD_LIFE
        return _make_head(session, log, min(tree.size, last.size + MOST_ENTRIES), at) if grown else None
    if last.next_try_at is not None and at < last.next_try_at:
        return None
    if at - last.made_at < LONGEST_WAIT:
        return last.id
    fresh = _make_head(session, log, last.size, at)
    session.get_one(TreeHead, fresh).refusal = last.refusal
    return fresh


def _make_head(session: Session, log: HeadSigner, size: int, at: datetime) -> int:
    root = root_of(size, log_lines.log_nodes(session)).hex()
    head = heads.TreeHead(log.id, size, root, at.replace(microsecond=0))
    made = TreeHead(size=size, root=root, made_at=head.time, signature=log.sign(head), refusal="")
    session.add(made)
    session.flush()
    return made.id


def _cosign(
    sessions: sessionmaker[Session], head_id: int, role: Role, signing: Signing, at: datetime
) -> None:
    """Get one organisation's signature over a head, and believe it only if it holds."""
    with reading(sessions) as session:
        found = session.get_one(TreeHead, head_id)
        if log_lines.cosignature(found, role) is not None:
            return
        head = log_lines.shown_head(found, log_lines.log_id(signing.public_url))
        first = _known_to(session, role)
        request = write_head_request(head, first, log_lines.log_entries(session, first, head.size))
    answer = ask_signer(signing, role, request, Kind.TREE_HEAD)
    did = signing.did(role)
    keys = [key for key in operational_keys(signing.trust, did) if is_usable(key, at)]
    if not any(
        answer.get("verificationMethod") == key.id and heads.head_is_signed(head, answer, key.multibase)
        for key in keys
    ):
        raise Unanswered(role, both_languages("log.not_cosigned", {"did": did}))
    with sessions.begin() as session:
        _keep(session, head.log, (head_id, role), answer, at)


def _known_to(session: Session, role: Role) -> int:
    """Return how much of the log an organisation has co-signed; its signer needs only what follows."""
    column = TreeHead.university_signature if role is Role.UNIVERSITY else TreeHead.company_signature
    return session.scalar(select(func.max(TreeHead.size)).where(column.is_not(None))) or 0


def _keep(session: Session, log: str, of: tuple[int, Role], signature: Document, at: datetime) -> None:
    head_id, role = of
    session.execute(update(TreeHead).where(TreeHead.id == head_id).values(size=TreeHead.size))
    head = session.get_one(TreeHead, head_id, populate_existing=True)  # two workers take turns here
    if role is Role.UNIVERSITY:
        head.university_signature = signature
    else:
        head.company_signature = signature
    if (
        head.signed_at is None
        and head.university_signature is not None
        and head.company_signature is not None
    ):
        head.signed_at, head.next_try_at, head.refusal = at, None, ""
        _write_proofs(session, head, log)


def _write_proofs(session: Session, head: TreeHead, log: str) -> None:
    """Write the proofs of the lines that this head is the first to know."""
    fresh = session.scalars(
        select(LogEntry).where(LogEntry.index < head.size, LogEntry.proof.is_(None)).order_by(LogEntry.index)
    ).all()
    node = log_lines.log_nodes(session, fresh)
    shown, signatures = log_lines.shown_head(head, log), log_lines.signatures_of(head)
    for row in fresh:
        path = tuple(inclusion_path(row.index, head.size, node))
        proof = LogProof(log_lines.line(row), row.index, path, shown, signatures)
        row.proof = write_log_proof(proof).decode("utf-8")


def _wait(sessions: sessionmaker[Session], head_id: int, missing: Unanswered, at: datetime) -> None:
    with sessions.begin() as session:
        head = session.get_one(TreeHead, head_id)
        head.next_try_at = at + PAUSE
        head.refusal = missing.refusal or head.refusal
