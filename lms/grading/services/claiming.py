"""Taking work: one claim over grading runs, views and builds, in the order of `lms.grading.queries.queue`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, text, update
from sqlalchemy.orm import Session

from lms.grading.core.contracts import Notice
from lms.grading.core.wire import to_plain
from lms.grading.models import GradingRun, LabRelease, ReleaseState, Resource, RunState, ViewRun
from lms.grading.queries.queue import ALL, AT, KINDS, WorkKind, silent, turns
from lms.grading.services.leasing import MOST_TRIES, Lease, take

LOCK = 7_265_002  # any number that no other advisory lock of ours has
CANDIDATES = 8  # more than one, as another transaction may have the first of them locked
STOPPED = f"the worker stopped {MOST_TRIES} times while at this"

Work = GradingRun | ViewRun | LabRelease
OVERDUE = select(
    or_(
        *(
            select(kind.id).where(silent(kind, AT), kind.tries >= MOST_TRIES).exists()
            for kind in KINDS.values()
        )
    )
)


def claim(
    session: Session,
    *,
    at: datetime,
    lease_seconds: int,
    resources: Sequence[Resource] = ALL,
    kinds: Sequence[WorkKind] = tuple(WorkKind),
    worker: str = "",
) -> Work | None:
    """Take what is next for a machine of these kinds, or what a silent worker left; None if nothing waits.

    Claims take turns (SQLite has one writer; PostgreSQL has a lock that ends with the transaction), so the
    order holds also among workers that come at the same moment. Rows that others have locked are left out.
    """
    _wait_for_turn(session)
    _retire_silent(session, at)
    for turn in turns(session, at, resources=resources, kinds=kinds, limit=CANDIDATES):
        taken = _take(session, turn.kind, turn.id, Lease(at, lease_seconds, worker))
        if taken is not None:
            return taken
    return None


def _take(session: Session, kind: WorkKind, row_id: int, lease: Lease) -> Work | None:
    if kind is WorkKind.RUN:
        return take(session, GradingRun, row_id, lease, started_at=lease.at, progress=[])
    if kind is WorkKind.VIEW:
        return take(session, ViewRun, row_id, lease, started_at=lease.at)
    return take(session, LabRelease, row_id, lease)


def _wait_for_turn(session: Session) -> None:
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        # a worker that freezes here must not hold up all others: the server ends its transaction
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10s'"))
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _retire_silent(session: Session, at: datetime) -> None:
    """End what has taken its worker down too often to be given to one more."""
    if not session.scalar(OVERDUE, {"at": at}):
        return
    over = {"lease_until": None, "failure": STOPPED, "state": RunState.FAILED, "finished_at": at}
    for kind in (GradingRun, ViewRun):
        session.execute(
            update(kind)
            .where(silent(kind, at), kind.tries >= MOST_TRIES)
            .values(**over)
            .execution_options(synchronize_session=False)
        )
    notice = Notice("build-failed", {"step": "worker", "reason": STOPPED})
    session.execute(
        update(LabRelease)
        .where(silent(LabRelease, at), LabRelease.tries >= MOST_TRIES)
        .values(
            lease_until=None,
            state=ReleaseState.REFUSED,
            report={"errors": [to_plain(notice)], "warnings": []},
        )
        .execution_options(synchronize_session=False)
    )
