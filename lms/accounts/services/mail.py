"""Mail is a row first: written in the transaction that causes it, sent by the worker."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lms.accounts.core.letters import Letter, Post, PostError, write
from lms.accounts.models import OutgoingMail
from lms.db import now

MOST_FAILURES = 10
LONGEST_SUBJECT = 200
LONGEST_ERROR = 300


def queue_mail(session: Session, to: str, subject: str, body: str) -> OutgoingMail:
    """Queue a mail; the worker sends it once this transaction is final."""
    mail = OutgoingMail(**_row(to, subject, body))
    session.add(mail)
    session.flush()
    return mail


def queue_mails(session: Session, mails: Iterable[tuple[str, str, str]]) -> None:
    """Queue many at once, each as `queue_mail` does: to whom, subject, body."""
    rows = [_row(*mail) for mail in mails]
    if rows:
        session.execute(insert(OutgoingMail), rows)


def _row(to: str, subject: str, body: str) -> dict[str, Any]:
    return {
        "recipient": to,
        "subject": " ".join(subject.split())[:LONGEST_SUBJECT],
        "body": body,
        "created_at": now(),
    }


def queue_letter(session: Session, to: str, kind: str, language: str, **params: str) -> OutgoingMail:
    """Queue one of the letters of `lms.accounts.core.letters`."""
    return queue_mail(session, to, *write(kind, language, **params))


def send_pending(session: Session, post: Post, *, limit: int = 20) -> int:
    """Send what waits, the oldest first; return how many went out.

    A mail that fails is tried again up to ten times. The caller commits: dying in between sends a mail
    twice rather than never.
    """
    waiting = select(OutgoingMail).where(
        OutgoingMail.sent_at.is_(None), OutgoingMail.failures < MOST_FAILURES
    )
    mails = session.scalars(waiting.order_by(OutgoingMail.failures, OutgoingMail.id).limit(limit))
    return sum(_send(mail, post) for mail in mails.all())


def _send(mail: OutgoingMail, post: Post) -> bool:
    try:
        post.send(Letter(mail.recipient, mail.subject, mail.body, mail.id))
    except PostError as error:
        mail.failures += 1
        mail.last_error = str(error)[:LONGEST_ERROR]
        return False
    mail.sent_at = now()
    if not post.shows_letters:
        mail.body = ""  # it may hold the secret of a link that still works
    return True
