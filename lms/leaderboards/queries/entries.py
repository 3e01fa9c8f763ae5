"""A team's own entries, what it has left of its quota, and how the first on a board got there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.leaderboards import policy
from lms.leaderboards.models import (
    Board,
    Challenge,
    Direction,
    Disqualification,
    Entry,
    EntryKind,
    EntryState,
    PrivateScore,
    QuotaDay,
    Share,
    Standing,
    Team,
)
from lms.leaderboards.queries.counting import final_entries
from lms.leaderboards.queries.standings import share_seen

PAGE = 50
TOP = 10


@dataclass(frozen=True)
class OwnEntry:
    """An entry as its team sees it: of the public part only what is released."""

    id: int
    received_at: datetime
    submitted_by: str
    kind: EntryKind
    filename: str
    state: EntryState
    failure: str
    score: float | None
    """What was released; None while it is scored, or while the Ladder waits for an entry before it."""
    metrics: Mapping[str, float]
    private_score: float | None  # from the end on
    selected: bool
    counts: bool
    """Whether it stands on the board now."""
    automatic: bool
    """Whether it counts in the end because the team has selected none; see `_automatic`."""
    reason: str  # why it was taken off the board


@dataclass(frozen=True)
class Quota:
    """What a team has used of a day and of the whole, and when it can enter next."""

    day: date
    used: int
    limit: int
    failed: int
    failure_limit: int
    taken: int
    total_limit: int | None
    next_at: datetime | None
    """None: now, or never again."""

    @property
    def left(self) -> int:
        """Return how many entries can still come on this day."""
        left = self.limit - self.used
        return max(0, left if self.total_limit is None else min(left, self.total_limit - self.taken))


@dataclass(frozen=True)
class Step:
    """A moment at which a team's score on the board got better."""

    at: datetime
    score: float


@dataclass(frozen=True)
class Climb:
    """How one team got where it stands; its row on the board says what it is called there."""

    team_id: int
    steps: Sequence[Step]


def entries_of(
    session: Session,
    board: Board,
    team: Team,
    at: datetime,
    *,
    offset: int = 0,
    limit: int = PAGE,
    only: int | None = None,
) -> list[OwnEntry]:
    """Return a team's entries, the newest first; private scores are not even read before the end.

    Args:
        only: the one entry that is wanted.
    """
    share = policy.share_at(board, at)
    standing = select(Standing.entry_id).where(Standing.team_id == team.id, Standing.share == share)
    columns: list[Any] = [
        Entry.id,
        Entry.received_at,
        User.name,
        Entry.kind,
        Entry.filename,
        Entry.state,
        Entry.failure,
        Entry.released_score,
        Entry.metrics,
        Entry.selected,
        Disqualification.reason,
    ]
    if share is Share.PRIVATE:
        columns.append(PrivateScore.score)
    statement = (
        select(*columns)
        .outerjoin(User, User.id == Entry.submitted_by_id)
        .outerjoin(
            Disqualification,
            (Disqualification.entry_id == Entry.id) & Disqualification.lifted_at.is_(None),
        )
        .where(Entry.team_id == team.id)
        .order_by(Entry.sequence.desc())
        .offset(offset)
        .limit(limit)
    )
    if share is Share.PRIVATE:
        statement = statement.outerjoin(PrivateScore, PrivateScore.entry_id == Entry.id)
    if only is not None:
        statement = statement.where(Entry.id == only)
    counting, automatic = session.scalar(standing), _automatic(session, board, team, share)
    return [_own_entry(row, board, counting, automatic) for row in session.execute(statement)]


def _automatic(session: Session, board: Board, team: Team, share: Share) -> set[int]:
    """Return which entries count, or before the end would, of a team that has selected none.

    They are its best by public scores as they are. Before the end a team knows this order from what it is
    shown, but not behind a Ladder, which tells of no score whether a hidden one is better: there nothing is
    said until then. No private score is read before the end.
    """
    is_over = share is Share.PRIVATE
    if team.disqualified or (board.ladder and not is_over):
        return set()
    return final_entries(session, board, team.id, private=is_over)


def _own_entry(row: Any, board: Board, counting: int | None, automatic: Collection[int]) -> OwnEntry:
    return OwnEntry(
        id=row[0],
        received_at=row[1],
        submitted_by=row[2] or "",
        kind=row[3],
        filename=row[4],
        state=row[5],
        failure=row[6],
        score=row[7],
        metrics={} if board.ladder else row[8],
        selected=row[9],
        reason=row[10] or "",
        private_score=row[11] if len(row) > 11 else None,  # noqa: PLR2004 - the last column
        counts=row[0] == counting,
        automatic=row[0] in automatic and not row[9],
    )


def number_of_entries(session: Session, team: Team) -> int:
    """Return how many entries a team has, of whatever state."""
    return session.scalar(select(func.count()).where(Entry.team_id == team.id)) or 0


def quota_of(session: Session, challenge: Challenge, team: Team, at: datetime) -> Quota:
    """Return what a team has left at a moment."""
    day = policy.quota_day(challenge, at)
    used = session.get(QuotaDay, (team.id, day), populate_existing=True)
    known = Quota(
        day=day,
        used=used.used if used else 0,
        limit=challenge.daily_limit,
        failed=used.failed if used else 0,
        failure_limit=challenge.failures_per_day,
        taken=team.taken,
        total_limit=challenge.total_limit,
        next_at=policy.next_day_at(challenge, day),
    )
    is_over = challenge.total_limit is not None and team.taken >= challenge.total_limit
    if known.left or is_over or policy.next_day_at(challenge, day) > challenge.ends_at:
        return Quota(**{**vars(known), "next_at": None})
    return known


def history(
    session: Session,
    board: Board,
    at: datetime,
    *,
    teams: int = TOP,
    team_id: int | None = None,
    public: bool = False,
) -> list[Climb]:
    """Return how the first teams of a board, and one more, got there: the moments of a better score.

    Scores are what the public board showed; from the freeze to the end what came before the freeze.

    Args:
        public: of the first by public scores also after the end.

    Complexity: O(n) in the entries of these teams.
    """
    share = share_seen(board, at, public=public)
    first = session.scalars(
        select(Standing.team_id)
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
        .limit(teams)
    ).all()
    wanted = [*first, *([team_id] if team_id is not None and team_id not in first else [])]
    entries = (
        select(Entry.team_id, Entry.received_at, Entry.released_score)
        .where(
            Entry.team_id.in_(wanted),
            Entry.state == EntryState.SCORED,
            Entry.released_score.is_not(None),
        )
        .order_by(Entry.sequence)
    )
    if share is Share.FROZEN:
        entries = entries.where(Entry.received_at <= board.freezes_at)
    steps: dict[int, list[Step]] = {number: [] for number in wanted}
    records: Iterable[Any] = session.execute(entries)
    for number, received_at, score in records:
        if not steps[number] or _is_better(board, score, steps[number][-1].score):
            steps[number].append(Step(received_at, score))
    return [Climb(number, steps[number]) for number in wanted]


def _is_better(board: Board, score: float, known: float) -> bool:
    return score > known if board.direction is Direction.MAX else score < known
