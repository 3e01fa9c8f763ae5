"""Telling workers that there is work, after it is committed and never before."""

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from lms.grading.core.waking import Waker
from lms.grading.models import Resource

MARK = "duri.waking"  # in `Session.info`: kinds of machine that work was queued for in this transaction


def announce(session: Session, resource: Resource) -> None:
    """Note that work for such a machine was queued; workers hear of it when the transaction is committed."""
    session.info.setdefault(MARK, []).append(resource)


def wake_after_commit(sessions: sessionmaker[Session], waker: Waker) -> None:
    """Have every committed transaction of these sessions wake workers for the work that it queued."""

    def wake(session: Session) -> None:
        if session.in_nested_transaction():
            return  # only a savepoint: nobody else sees it yet
        for resource in session.info.pop(MARK, ()):
            waker.wake(resource.value)

    def forget(session: Session) -> None:
        session.info.pop(MARK, None)

    event.listen(sessions, "after_commit", wake)
    event.listen(sessions, "after_rollback", forget)
