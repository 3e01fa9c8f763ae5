"""Writing the dates of a challenge, and writing down that they were moved."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.leaderboards.core.schedule import NAMES, Schedule
from lms.leaderboards.models import Board, Challenge
from lms.leaderboards.policies.dates import organisation_behind
from lms.leaderboards.queries.dates import schedule_of
from lms.leaderboards.services.ties import lock_truth
from lms.leaderboards.tables.dates import ChallengeDateChange, DateChangeOrigin


def lock_dates(session: Session, challenge: Challenge) -> Schedule:
    """Return the dates of a challenge, which nobody moves before this transaction ends."""
    board_id = session.scalar(select(Board.id).where(Board.challenge_id == challenge.id))
    if board_id is not None:
        lock_truth(session, board_id)
    session.refresh(challenge)  # somebody may have moved them while this one waited
    return schedule_of(challenge)


def write_dates(challenge: Challenge, dates: Schedule) -> None:
    """Let a challenge have these dates; its board follows by `challenges.open_challenge`."""
    for name in NAMES:
        setattr(challenge, name, dates.date(name))


def note_change(
    session: Session,
    actor: User | None,
    challenge: Challenge,
    before: Schedule,
    *,
    reason: str = "",
    at: datetime,
) -> ChallengeDateChange:
    """Write down how the dates of a challenge were moved.

    Args:
        before: the dates that stood.
        reason: why; empty: the challenge was published anew.
    """
    made = ChallengeDateChange(
        challenge_id=challenge.id,
        origin=DateChangeOrigin.PAGE if reason else DateChangeOrigin.PUBLICATION,
        reason=reason,
        before=before.to_dict(),
        after=schedule_of(challenge).to_dict(),
        organisation_id=organisation_behind(actor, challenge),
        changed_by_id=actor.id if actor is not None else None,
        changed_at=at,
    )
    session.add(made)
    session.flush()
    record(session, actor, "challenge.reschedule", f"challenge:{challenge.id}", change=made.id)
    return made
