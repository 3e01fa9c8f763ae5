"""How long a run that waits still waits."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from lms.db import now
from lms.grading.core.waiting import USUAL_SECONDS, Wait, waits
from lms.grading.models import GradingRun, ViewRun
from lms.grading.queries.queue import free
from lms.grading.queries.scenes import KINDS, key, scene

LONG_QUEUE = 50  # from here on one play a second answers everybody
KEPT_SECONDS = 1.0


@dataclass(frozen=True)
class _Played:
    at: datetime
    waits: Mapping[Hashable, Wait]


_PLAYED: WeakKeyDictionary[Any, _Played] = WeakKeyDictionary()


def wait(session: Session, run: GradingRun | ViewRun, at: datetime | None = None) -> Wait:
    """Return the place of a queued run, how long until its result, and in which range.

    Complexity: grows with the queue; while it is long, one play a second serves everybody who asks.
    """
    at = at or now()
    name = key(type(run), run.id)
    played = _PLAYED.get(session.get_bind())
    if played is None or not 0 <= (at - played.at).total_seconds() < KEPT_SECONDS or name not in played.waits:
        played = _play(session, at)
    return played.waits.get(name) or _far_back(session, run, played, at)


def _play(session: Session, at: datetime) -> _Played:
    played = _Played(at, waits(scene(session, at)))
    if len(played.waits) >= LONG_QUEUE:
        _PLAYED[session.get_bind()] = played
    return played


def _far_back(session: Session, run: GradingRun | ViewRun, played: _Played, at: datetime) -> Wait:
    """Judge by the last one that was played through whoever stands behind it."""
    last = max(played.waits.values(), key=lambda each: each.seconds or 0, default=Wait(0, None))
    ahead = sum(
        session.scalar(
            select(func.count(kind.id)).where(
                free(kind, at),
                kind.resource == run.resource,
                or_(
                    kind.priority < run.priority,
                    and_(kind.priority == run.priority, kind.queued_at < run.queued_at),
                ),
            )
        )
        or 0
        for kind in KINDS
    )
    if last.seconds is None:
        return replace(last, place=ahead + 1)
    seconds = last.seconds * (ahead + 1) / last.place if last.place else USUAL_SECONDS
    return Wait(ahead + 1, seconds, seconds / 2, seconds * 2, last.workers)
