"""The one path that appends to the audit log."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from lms.accounts.core.chain import START, Entry, check_words, entry_hash
from lms.accounts.models import AuditEvent, User
from lms.db import now

LOCK = 7_265_001  # any number that no other advisory lock of ours has


def record(
    session: Session, actor: User | int | None, action: str, subject: str, **details: object
) -> AuditEvent:
    """Append who did what to what: `record(session, user, "courses.enrol", "enrolment:7", cohort=3)`.

    Appending waits for whoever is appending; the row becomes final with the caller's transaction.

    Raises:
        ValueError: something could be a name or an address; ids, counts and codes only.
    """
    (event,) = record_all(session, actor, [(action, subject, details)])
    return event


def record_all(
    session: Session, actor: User | int | None, events: Iterable[tuple[str, str, Mapping[str, object]]]
) -> list[AuditEvent]:
    """Append many at once, each as `record` does: action, subject, details.

    Raises:
        ValueError: something in them could be a name or an address.
    """
    wanted = list(events)
    for words in wanted:
        check_words(*words)
    _wait_for_turn(session)
    last = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).first()
    first, before = (last.id + 1, last.hash) if last else (1, START)
    made = []
    for number, (action, subject, details) in enumerate(wanted, start=first):
        entry = Entry(
            number=number,
            at=now(),
            actor_id=actor.id if isinstance(actor, User) else actor,
            action=action,
            subject=subject,
            details=details,
            previous_hash=before,
        )
        before = entry_hash(entry)
        made.append(_row(entry, before))
    session.add_all(made)
    session.flush()
    return made


def _row(entry: Entry, sha256: str) -> AuditEvent:
    return AuditEvent(
        id=entry.number,
        at=entry.at,
        actor_id=entry.actor_id,
        action=entry.action,
        subject=entry.subject,
        details=dict(entry.details),
        previous_hash=entry.previous_hash,
        hash=sha256,
    )


def _wait_for_turn(session: Session) -> None:
    """Hold the right to append until the transaction ends."""
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    else:  # touches no row, but makes this transaction the one writer
        session.execute(text("UPDATE audit_events SET id = id WHERE id < 0"))
