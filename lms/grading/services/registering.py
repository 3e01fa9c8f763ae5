"""Grading processes that say that they live and what they do, for the operator's board and for estimates."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from lms.grading.models import Resource, Worker


def register_worker(
    session: Session, name: str, *, resources: Sequence[Resource], isolation: str, at: datetime
) -> Worker:
    """Note that a grading process has started; one of the same name is of the past."""
    session.execute(delete(Worker).where(Worker.name == name))
    worker = Worker(
        name=name,
        started_at=at,
        seen_at=at,
        resources=[resource.value for resource in resources],
        isolation=isolation[:200],
    )
    session.add(worker)
    session.flush()
    return worker


def note_worker(
    session: Session,
    name: str,
    *,
    at: datetime,
    doing: str | None = None,
    environments: Sequence[Mapping[str, Any]] | None = None,
) -> bool:
    """Note that a grading process lives; False if it was taken for dead and its row is gone."""
    values: dict[str, object] = {"seen_at": at}
    if doing is not None:
        values["doing"] = doing
    if environments is not None:
        values["environments"] = list(environments)
    noted = update(Worker).where(Worker.name == name).values(**values).returning(Worker.name)
    return session.scalar(noted) is not None


def forget_worker(session: Session, name: str) -> None:
    """Take a grading process that ends off the list."""
    session.execute(delete(Worker).where(Worker.name == name))


def forget_silent_workers(session: Session, before: datetime) -> None:
    """Take off the list whatever has shown no sign of life since then."""
    session.execute(delete(Worker).where(Worker.seen_at < before))
