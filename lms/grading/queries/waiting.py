"""How long a run that waits still waits."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, and_, func, or_, select
from sqlalchemy.orm import Session

from lms.db import now
from lms.grading.core.waiting import USUAL_SECONDS, Scene, Wait, waits
from lms.grading.models import GradingRun, ViewRun
from lms.grading.queries.queue import free
from lms.grading.queries.scenes import KINDS, Newcomer, key, scene

LONG_QUEUE = 50  # from here on one play a second answers everybody
KEPT_SECONDS = 1.0

Waiting = GradingRun | ViewRun | Newcomer


@dataclass(frozen=True)
class _Played:
    at: datetime
    scene: Scene
    waits: Mapping[Hashable, Wait]

    def last(self, run: Waiting) -> Wait | None:
        """Return the wait of the last of those that go before a run, if any do."""
        before = [
            self.waits[job.key]
            for job in self.scene.queue
            if job.resource == run.resource.value and job.priority <= run.priority
        ]
        return max(before, key=lambda each: (each.seconds or 0, each.place), default=None)


_PLAYED: WeakKeyDictionary[Any, _Played] = WeakKeyDictionary()


def wait(session: Session, run: GradingRun | ViewRun, at: datetime | None = None) -> Wait:
    """Return the place of a queued run, how long until its result, and in which range.

    Complexity: grows with the queue; while it is long, one play a second serves everybody who asks.
    """
    at = at or now()
    played = _played_lately(session, at) or _play(session, at)
    name = key(type(run), run.id)
    return played.waits.get(name) or _behind(session, run, played, at)


def foreseen(session: Session, newcomer: Newcomer) -> Wait:
    """Return what `wait` will say of a run at the moment at which it is queued, before it is.

    Complexity: as that of `wait`.
    """
    at = newcomer.queued_at
    played = _played_lately(session, at)
    if played is not None:
        return _behind(session, newcomer, played, at)
    return _play(session, at, newcomer).waits[key(GradingRun, newcomer.id)]


def _played_lately(session: Session, at: datetime) -> _Played | None:
    played = _PLAYED.get(_shared(session))
    fresh = played is not None and 0 <= (at - played.at).total_seconds() < KEPT_SECONDS
    return played if fresh else None


def _shared(session: Session) -> object:
    """Return what all sessions of one database have in common."""
    bind = session.get_bind()
    return bind.pool if isinstance(bind, Engine) else bind


def _play(session: Session, at: datetime, newcomer: Newcomer | None = None) -> _Played:
    present = scene(session, at, newcomer)
    played = _Played(at, present, waits(present))
    if len(present.queue) >= LONG_QUEUE:
        _PLAYED[_shared(session)] = played
    return played


def _behind(session: Session, run: Waiting, played: _Played, at: datetime) -> Wait:
    """Judge a run that came since, or stands behind all that was played through, by the last before it."""
    ahead = sum(_ahead(session, kind, run, at) for kind in KINDS)
    last = played.last(run)
    if last is None:
        workers = sum(run.resource.value in slot.resources for slot in played.scene.slots)
        seconds = USUAL_SECONDS if workers else None
        return Wait(ahead + 1, seconds, seconds and seconds / 2, seconds and seconds * 2, workers)
    if last.seconds is None:
        return Wait(ahead + 1, None)
    more = (ahead + 1) / last.place
    low, high = (last.low or 0) * more, (last.high or last.seconds) * more
    return Wait(ahead + 1, last.seconds * more, low, high, last.workers)


def _ahead(session: Session, kind: type[GradingRun | ViewRun], run: Waiting, at: datetime) -> int:
    earlier = or_(
        kind.priority < run.priority,
        and_(kind.priority == run.priority, kind.queued_at < run.queued_at),
    )
    count = select(func.count(kind.id)).where(free(kind, at), kind.resource == run.resource, earlier)
    return session.scalar(count) or 0
