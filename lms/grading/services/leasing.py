"""The lease that workers hold on a run, a view or a build: taken, renewed, given back, and never held twice.

A claim raises the row's token; whatever comes back with an older token is from a worker that was thought
dead, and is not recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from lms.grading.models import GradingRun, LabRelease, ViewRun
from lms.grading.queries.queue import AT, Leasable, free

Taken = TypeVar("Taken", GradingRun, ViewRun, LabRelease)

MOST_TRIES = 3
FAILURE_CHARACTERS = 500


@dataclass(frozen=True)
class Lease:
    """When and for how long a worker takes a row."""

    at: datetime
    seconds: int
    worker: str = ""

    @property
    def until(self) -> datetime:
        """Return when the row is free again, unless the lease is renewed."""
        return self.at + timedelta(seconds=self.seconds)


def take(session: Session, kind: type[Taken], row_id: int, lease: Lease, **values: object) -> Taken | None:
    """Take one row with a token of its own; None if somebody else has it, or has it locked."""
    given = {"row": row_id, "at": lease.at, "until": lease.until, "by": lease.worker}
    changes = {f"new_{name}": value for name, value in values.items()}
    taken = session.scalar(_taking(kind, tuple(values)), given | changes)
    return None if taken is None else session.get(kind, taken, populate_existing=True)


@lru_cache
def _taking(kind: Leasable, names: tuple[str, ...]) -> ReturningUpdate[int]:
    """Return the statement; made once, as making it takes longer than asking it."""
    unlocked = (
        select(kind.id)
        .where(kind.id == bindparam("row"), free(kind, AT))
        .with_for_update(of=kind, skip_locked=True)
        .scalar_subquery()
    )
    return (
        update(kind)
        .where(kind.id == unlocked, free(kind, AT))
        .values(
            state=kind.WORKING,
            token=kind.token + 1,
            tries=kind.tries + 1,
            lease_until=bindparam("until"),
            worker=bindparam("by"),
            **{name: bindparam(f"new_{name}") for name in names},
        )
        .returning(kind.id)
        .execution_options(synchronize_session=False)
    )


def keep(
    session: Session, kind: Leasable, row_id: int, token: int, *, at: datetime, lease_seconds: int
) -> bool:
    """Extend the lease of a row; False: it was cancelled or given to another worker, so stop."""
    return while_held(session, kind, row_id, token, lease_until=at + timedelta(seconds=lease_seconds))


def hand_back(session: Session, kind: Leasable, row_id: int, token: int) -> bool:
    """Let go of a row that was not worked on to its end through no fault of its own; costs it no try."""
    changes = {"state": kind.WAITING, "lease_until": None, "tries": kind.tries - 1}
    return session.scalar(_held(kind, changes), {"row": row_id, "mine": token}) is not None


def while_held(session: Session, kind: Leasable, row_id: int, token: int, **values: object) -> bool:
    """Change a row that the caller still holds; False, and nothing is changed, if it does not."""
    changes = {f"new_{name}": value for name, value in values.items()}
    changed = session.scalar(_changing(kind, tuple(values)), {"row": row_id, "mine": token} | changes)
    return changed is not None


@lru_cache
def _changing(kind: Leasable, names: tuple[str, ...]) -> ReturningUpdate[int]:
    """Return the statement; made once, as making it takes longer than asking it."""
    return _held(kind, {name: bindparam(f"new_{name}") for name in names})


def _held(kind: Leasable, changes: Mapping[str, object]) -> ReturningUpdate[int]:
    return (
        update(kind)
        .where(kind.id == bindparam("row"), kind.token == bindparam("mine"), kind.state == kind.WORKING)
        .values(**changes)
        .returning(kind.id)
        .execution_options(synchronize_session=False)
    )
