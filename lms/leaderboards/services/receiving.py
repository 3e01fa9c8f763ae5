"""Receipts: an entry is stamped, gets its place in the order of receipt, and holds a slot of the quota."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from lms.accounts.models import User
from lms.errors import N_, Conflict, NotFound
from lms.leaderboards import policy
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    EntryKind,
    EntryState,
    QuotaDay,
    Team,
    TeamMember,
)
from lms.leaderboards.queries.boards import versions_accepted
from lms.leaderboards.services.standing import lock_team
from lms.leaderboards.tables.slots import ReturnedSlot

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRIES = 20  # parallel entries that met in the same microsecond; each try loses to one that won
WINDOW = 1000  # microseconds that one look covers


@dataclass(frozen=True)
class Work:
    """What was handed in; its bytes are in the store before anything names them."""

    kind: EntryKind
    blob: str
    filename: str = ""
    size_bytes: int = 0
    assurance: str = "isolated"


class _Place(NamedTuple):
    """Who enters where: the team as it was read, the rules accepted last, what was used of the day."""

    team: Team
    board: Board
    accepted: str | None
    used: QuotaDay | None


def check_can_send(session: Session, user: User, challenge: Challenge, *, at: datetime) -> None:
    """Refuse an entry that would not be taken, before its file is read or kept.

    Reads with one statement and locks nothing: `take_entry` asks all of it again.

    Raises:
        NotFound, NotAllowed, Conflict, TooSoon: as `take_entry`.
    """
    day = policy.quota_day(challenge, at)
    place = _place(session, user, challenge, day)
    policy.check_can_enter(challenge, place.team, at)
    used = place.used or QuotaDay(team_id=place.team.id, day=day, used=0, failed=0)
    policy.check_quota(challenge, place.team, used, at)


def _place(session: Session, user: User, challenge: Challenge, day: date) -> _Place:
    """Return where a user enters.

    Raises:
        NotFound: the user is in no team of this challenge.
        NotAllowed: the rules are not accepted as they are now.
    """
    accepted = versions_accepted(challenge, user).limit(1).scalar_subquery()
    row = session.execute(
        select(Team, Board, accepted, QuotaDay)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .join(Board, Board.id == TeamMember.board_id)
        .outerjoin(QuotaDay, and_(QuotaDay.team_id == Team.id, QuotaDay.day == day))
        .where(Board.challenge_id == challenge.id, TeamMember.user_id == user.id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound(N_("You are in no team of this challenge. Join it first."))
    place = _Place._make(row)
    policy.check_rules_accepted(challenge, place.accepted)
    return place


def take_entry(
    session: Session, user: User, challenge: Challenge, work: Work, *, received_at: datetime
) -> Entry:
    """Give the receipt for an entry: its place in the order of receipt, and a slot of the day it came on.

    Short, as entries of one team wait for each other here. What the entry is worth is said later, by
    `scoring.score_entry`; a failure gives the slot back, unless the day had too many (`give_back`).

    Raises:
        NotFound: the user is in no team of this challenge.
        NotAllowed: the rules are not accepted as they are now, or the team was disqualified.
        Conflict: the challenge is not open, or all entries are used.
        TooSoon: all entries of the day are used; says when the next one can come.
    """
    place = _place(session, user, challenge, policy.quota_day(challenge, received_at))
    team = lock_team(session, place.team.id)
    if team.merged_into_id is not None:
        raise Conflict(N_("Your team has just been merged with another one. Send the entry again."))
    policy.check_can_enter(challenge, team, received_at)
    _take_slot(session, challenge, team, received_at)
    return keep_entry(
        session,
        place.board,
        team,
        received_at=received_at,
        submitted_by_id=user.id,
        day=policy.quota_day(challenge, received_at),
        kind=work.kind,
        blob=work.blob,
        filename=work.filename[:200],
        size_bytes=work.size_bytes,
        assurance=work.assurance,
    )


def _take_slot(session: Session, challenge: Challenge, team: Team, received_at: datetime) -> None:
    """Count the entry in the counters of its team, whose row is locked."""
    day = policy.quota_day(challenge, received_at)
    counter = _counter(session, team, day)
    policy.check_quota(challenge, team, counter, received_at)
    counter.used += 1
    team.taken += 1


def _counter(session: Session, team: Team, day: Any) -> QuotaDay:
    """Return the counter of a day as it is now; the team is locked, so nobody else changes it."""
    known = session.get(QuotaDay, (team.id, day), populate_existing=True)
    if known is None:
        known = QuotaDay(team_id=team.id, day=day, used=0, failed=0)
        session.add(known)
    return known


def give_back(session: Session, team: Team, entry: Entry, *, counts: bool) -> None:
    """Give the slot of a failed entry back, or let it keep it where the day's failures gave back enough.

    So a day takes no more files than it has slots and counted failures together, however they come. The team
    is locked. Entries without a day hold no slot.

    Args:
        counts: whether the entry failed by itself; what the organisers caused always gives the slot back.
    """
    challenge = entry.board.challenge
    if entry.day is None or challenge is None:
        return
    if counts and _counter(session, team, entry.day).failed >= challenge.failures_per_day:
        return
    move_slots(session, team, entry.day, used=-1, failed=int(counts))
    session.add(ReturnedSlot(entry_id=entry.id, counted=counts))


def take_again(session: Session, team: Team, entry: Entry) -> None:
    """Let an entry that had failed hold its slot again, as it is scored after all; limits do not ask it.

    One that kept its slot has it still. The team is locked.
    """
    returned = session.get(ReturnedSlot, entry.id, populate_existing=True)
    if returned is None or entry.day is None:
        return
    move_slots(session, team, entry.day, used=1, failed=-int(returned.counted))
    session.delete(returned)


def move_slots(session: Session, team: Team, day: date, *, used: int, failed: int) -> None:
    """Change what a team used of a day, and how many counted failures gave a slot back; it is locked."""
    counter = _counter(session, team, day)
    counter.used += used
    counter.failed += failed
    team.taken += used


def keep_entry(session: Session, board: Board, team: Team, *, received_at: datetime, **fields: Any) -> Entry:
    """Write an entry down at its place in the order of receipt; the team is locked.

    Raises:
        Conflict: too many entries came in the same microsecond.
    """
    place = microseconds(received_at)
    if team.last_received_at is None or team.last_received_at < received_at:
        team.last_received_at = received_at
    for _ in range(TRIES):
        values = {
            "board_id": board.id,
            "team_id": team.id,
            "origin_id": team.id,
            "sequence": place,
            "received_at": received_at,
            "truth_version": board.truth_version,
            "state": EntryState.RECEIVED,
        }
        entry: Entry | None = session.scalar(_entering(session.get_bind().dialect.name), values | fields)
        if entry is not None:
            set_committed_value(entry, "team", team)  # whoever looks at it needs not ask for it again
            return entry
        place = free_sequence(session, board.id, received_at)
    raise Conflict(N_("Several entries arrived at the same moment. Please send this one again."))


@lru_cache(maxsize=2)
def _entering(dialect: str) -> Any:
    """Return the statement that writes an entry down unless its place is taken."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(Entry)
    return insert.on_conflict_do_nothing(index_elements=["board_id", "sequence"]).returning(Entry)


def free_sequence(session: Session, board_id: int, received_at: datetime) -> int:
    """Return the place of a moment in the order of receipt: its microsecond, or the next free one."""
    sequence = microseconds(received_at)
    while True:
        taken = set(
            session.scalars(
                select(Entry.sequence).where(
                    Entry.board_id == board_id, Entry.sequence.between(sequence, sequence + WINDOW - 1)
                )
            )
        )
        for free in range(sequence, sequence + WINDOW):
            if free not in taken:
                return free
        sequence += WINDOW


def microseconds(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
