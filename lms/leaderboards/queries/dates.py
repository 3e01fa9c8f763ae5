"""The dates of a challenge as they stand, and how they were moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from lms.accounts.models import Organisation
from lms.leaderboards.core.schedule import NAMES, Schedule
from lms.leaderboards.models import Challenge
from lms.leaderboards.tables.dates import ChallengeDateChange, DateChangeOrigin


@dataclass(frozen=True)
class Move:
    """One date that was moved; None: there was none, or is none any more."""

    name: str  # in `lms.leaderboards.core.schedule.NAMES`
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True)
class DateChange:
    """What everybody is told of one change."""

    changed_at: datetime
    organisation: Organisation
    origin: DateChangeOrigin
    reason: str
    moves: Sequence[Move]

    def to_dict(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {
            "changed_at": self.changed_at,
            "organisation": self.organisation.slug,
            "origin": self.origin.value,
            "reason": self.reason,
            "before": {move.name: move.before for move in self.moves},
            "after": {move.name: move.after for move in self.moves},
        }


def schedule_of(challenge: Challenge) -> Schedule:
    """Return the dates of a challenge as they stand."""
    return Schedule(
        opens_at=challenge.opens_at,
        entry_deadline=challenge.entry_deadline,
        merge_deadline=challenge.merge_deadline,
        freezes_at=challenge.freezes_at,
        ends_at=challenge.ends_at,
    )


def date_changes(session: Session, challenge: Challenge) -> list[DateChange]:
    """Return how the dates of a challenge were moved, all of it, the newest change first."""
    rows = session.scalars(
        select(ChallengeDateChange)
        .where(ChallengeDateChange.challenge_id == challenge.id)
        .options(joinedload(ChallengeDateChange.organisation))
        .order_by(ChallengeDateChange.id.desc())
    )
    return [DateChange(row.changed_at, row.organisation, row.origin, row.reason, _moves(row)) for row in rows]


def _moves(row: ChallengeDateChange) -> list[Move]:
    pairs = ((name, row.before.get(name), row.after.get(name)) for name in NAMES)
    return [Move(name, _moment(old), _moment(new)) for name, old, new in pairs if old != new]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
