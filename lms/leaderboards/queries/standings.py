"""What boards show: pages, places and names; a handful of statements, however many entries there are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row as Record
from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from lms.accounts.models import User
from lms.grading.core.contracts import Assurance, weakest
from lms.leaderboards.core.keys import LARGEST_SEQUENCE, key
from lms.leaderboards.models import (
    Board,
    Entry,
    EntryState,
    PrivateScore,
    Share,
    Standing,
    Team,
    TeamMember,
    TieGroup,
)
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.entry_counts import scored_entries
from lms.leaderboards.queries.other_metrics import metrics_of

PAGE = 50
NEIGHBOURS = 5
MOST_ASKED = 1000  # teams whose people are asked for in one statement
SHARE = Standing.__table__.c.share.type


@dataclass(frozen=True)
class Row:
    """One row of a board as a page shows it."""

    rank: int | None  # None: a baseline
    name: str  # of the student or team, or its alias; empty for a baseline
    title: Mapping[str, str]  # of a baseline, by language
    source: str
    score: float
    entries: int  # of the team that have a score, whether they count or not
    received_at: datetime
    mine: bool
    assurance: str
    team_id: int | None = None
    members: tuple[str, ...] = ()
    """Names of the people that may be shown."""
    last_received_at: datetime | None = None
    """Of the team's newest entry."""
    rank_before: int | None = None
    tie_group: int | None = None
    best_rank: int | None = None
    worst_rank: int | None = None
    least_score: float | None = None
    most_score: float | None = None
    writeup_id: int | None = None
    verification: str = ""
    """What `aftermath` tells beside a row of a final board."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Others of the same entry, where the board shows any; None: the entry has no such number."""

    @property
    def movement(self) -> int | None:
        """Return how many places it went up since the last nightly look; negative: down."""
        return None if self.rank is None or self.rank_before is None else self.rank_before - self.rank


@dataclass(frozen=True)
class Standings:
    """A part of a board at one moment."""

    board: Board
    share: Share  # which scores it shows
    rows: Sequence[Row]
    ranked: int  # how many teams stand on the board
    mine: Row | None  # the viewer's own row, on this page or not
    assurance: str  # the weakest of the ranked rows; isolated while there are none
    offset: int = 0
    limit: int = PAGE


@dataclass(frozen=True)
class Page:
    """A part of a board as everyone sees it; it may be kept for a moment and shown to many."""

    share: Share
    rows: Sequence[Row]
    ranked: int
    assurance: str
    offset: int
    limit: int


class _Entry(NamedTuple):
    """A row with the key that it is sorted by."""

    key: bytes
    row: Row


def standings(
    session: Session,
    board: Board,
    viewer: User | None,
    at: datetime,
    *,
    offset: int = 0,
    limit: int = PAGE,
    public: bool = False,
) -> Standings:
    """Return a page of the board at a moment, as the viewer sees it; see `page` and `own_row`.

    Args:
        public: see `share_seen`.
    """
    share = share_seen(board, at, public=public)
    mine = own_row(session, board, share, viewer) if viewer is not None else None
    return seen_by(board, page(session, board, share, offset=offset, limit=limit), mine)


def share_seen(board: Board, at: datetime, *, public: bool = False) -> Share:
    """Return which scores somebody sees; `public`: the public ones also after the end."""
    share = share_at(board, at)
    return Share.PUBLIC if public and share is Share.PRIVATE else share


def seen_by(board: Board, shown: Page, mine: Row | None) -> Standings:
    """Return a page with the viewer's own row marked."""
    rows = shown.rows
    if mine is not None:
        rows = [mine if row.team_id == mine.team_id else row for row in rows]
    return Standings(
        board=board,
        share=shown.share,
        rows=rows,
        ranked=shown.ranked,
        mine=mine,
        assurance=shown.assurance,
        offset=shown.offset,
        limit=shown.limit,
    )


def page(
    session: Session, board: Board, share: Share, *, offset: int = 0, limit: int = PAGE, beside: bool = True
) -> Page:
    """Return a part of a share of the board, the same for everyone.

    Private scores are read only where the share is the private one: the caller asks `policy.share_at`.

    Args:
        beside: with the other metrics of those who rank.

    Complexity: O(log n + offset + limit) in the number of teams, beside counting them.
    """
    bound = {"board": board.id, "share": share, "offset": offset, "limit": limit + 1}
    found = session.execute(PAGE_OF_ROWS, bound).all()
    ranked = session.scalar(COUNT, bound) or 0
    ranks = range(offset + 1, offset + limit + 1)
    rows = named(session, board, share, found[:limit], ranks, beside=beside)
    shown = [_Entry(record.key, row) for record, row in zip(found, rows, strict=False)]
    until = found[limit].key if len(found) > limit else None
    between = _between(_baselines(session, board, share), shown, until, first=offset == 0)
    rows = [each.row for each in sorted([*shown, *between], key=lambda each: each.key)]
    return Page(share, rows, ranked, _assurance(session, board, share, rows), offset, limit)


def own_row(session: Session, board: Board, share: Share, viewer: User) -> Row | None:
    """Return the row of the viewer's team with its rank, under its own name also on an anonymous board."""
    records = session.execute(OWN_ROW, {"board": board.id, "share": share, "user": viewer.id}).all()
    ranks = [record.ahead + 1 for record in records]
    return next(iter(named(session, board, share, records, ranks, own=True)), None)


def around(
    session: Session,
    board: Board,
    viewer: User,
    at: datetime,
    *,
    neighbours: int = NEIGHBOURS,
    public: bool = False,
) -> Standings:
    """Return the part of a board where the viewer stands; its beginning for who stands nowhere.

    Args:
        public: see `share_seen`.
    """
    share = share_seen(board, at, public=public)
    mine = own_row(session, board, share, viewer)
    place = 1 if mine is None or mine.rank is None else mine.rank
    offset = max(0, place - 1 - neighbours)
    return seen_by(board, page(session, board, share, offset=offset, limit=2 * neighbours + 1), mine)


def own_place(session: Session, board: Board, share: Share, team: Team | None) -> int | None:
    """Return a team's rank: how many stand ahead, and one.

    Complexity: O(rank), by the index alone.
    """
    if team is None:
        return None
    known = session.scalar(OWN_PLACE, {"board": board.id, "share": share, "team": team.id})
    return None if known is None else known + 1


def is_anonymous(board: Board, share: Share) -> bool:
    """Say whether names are hidden: on an anonymous board until its end."""
    return board.anonymous and share is not Share.PRIVATE


def _rows(standing: Any = Standing) -> Any:
    """Return what a row is made of. Scores come from the standings, so of the asked share only."""
    kept = standing if standing is Standing else standing.c
    return (
        select(
            kept.key,
            kept.team_id,
            kept.entry_id,
            kept.score,
            kept.entries,
            kept.rank_before,
            Team.name,
            Team.alias,
            Team.last_received_at,
            Entry.received_at,
            Entry.assurance,
            TieGroup.number,
            TieGroup.best_rank,
            TieGroup.worst_rank,
            TieGroup.least_score,
            TieGroup.most_score,
        )
        .join(Team, Team.id == kept.team_id)
        .join(Entry, Entry.id == kept.entry_id)
        .outerjoin(  # of the entry that counts now: what was worked out of the one before says nothing of it
            TieGroup,
            and_(
                *_on_share(TieGroup),
                TieGroup.team_id == kept.team_id,
                TieGroup.entry_id == kept.entry_id,
            ),
        )
    )


def _on_share(standing: Any) -> tuple[Any, Any]:
    return standing.board_id == bindparam("board"), standing.share == bindparam("share", type_=SHARE)


def _ahead_of(mine: Any) -> Any:
    other = aliased(Standing)
    return select(func.count()).where(*_on_share(other), other.key < mine).scalar_subquery()


COUNT: Any = select(func.count()).where(*_on_share(Standing))
PAGE_OF_STANDINGS = (  # found by the index before anything is joined
    select(Standing)
    .where(*_on_share(Standing))
    .order_by(Standing.key)
    .offset(bindparam("offset"))
    .limit(bindparam("limit"))
    .subquery()
)
PAGE_OF_ROWS = _rows(PAGE_OF_STANDINGS).order_by(PAGE_OF_STANDINGS.c.key)
IS_BASELINE = Entry.baseline > ""  # as an index is asked on both databases; "is not null" scans on SQLite
RANKED_ROWS = _rows().add_columns(_ahead_of(Standing.key).label("ahead")).where(*_on_share(Standing))
OWN_TEAM = (  # a value and no join: the team is found first, whatever the database knows of the tables' sizes
    select(TeamMember.team_id)
    .where(TeamMember.board_id == bindparam("board"), TeamMember.user_id == bindparam("user"))
    .scalar_subquery()
)
OWN_ROW = RANKED_ROWS.where(Standing.team_id == OWN_TEAM)
OWN_PLACE: Any = select(_ahead_of(Standing.key)).where(
    *_on_share(Standing), Standing.team_id == bindparam("team")
)
PEOPLE: Any = (
    select(TeamMember.team_id, User.name)
    .join(User, User.id == TeamMember.user_id)
    .where(TeamMember.team_id.in_(bindparam("teams", expanding=True)), TeamMember.shown)
    .order_by(TeamMember.id)
)


def named(
    session: Session,
    board: Board,
    share: Share,
    records: Sequence[Record[Any]],
    ranks: Iterable[int],
    *,
    own: bool = False,
    beside: bool = True,
) -> list[Row]:
    """Return rows with the names that may be shown; `own`: to their own team; `beside`: see `page`."""
    hidden = is_anonymous(board, share) and not own
    teams = [record.team_id for record in records]
    people = {} if hidden else _people(session, teams)
    scored = scored_entries(session, board, share, teams)
    told = not (board.ladder and share is not Share.PRIVATE)  # tie groups come from what the Ladder hides
    entries = [record.entry_id for record in records] if beside else []
    metrics = metrics_of(session, board, share, entries)
    made = []
    for record, rank in zip(records, ranks, strict=False):
        members = people.get(record.team_id, ())
        name = record.name if board.challenge_id is not None else ", ".join(members) or record.alias
        best, worst = record.best_rank, record.worst_rank
        ranges = told and best is not None and best <= rank <= worst  # else others moved since it was made
        row = Row(
            rank=rank,
            name=record.alias if hidden else name,
            title={},
            source="",
            score=record.score,
            entries=scored.get(record.team_id, record.entries),
            received_at=record.received_at,
            mine=own,
            assurance=record.assurance,
            team_id=record.team_id,
            members=members,
            last_received_at=record.last_received_at,
            rank_before=record.rank_before if share is not Share.PRIVATE else None,  # see `aftermath`
            tie_group=record.number if told else None,
            best_rank=best if ranges else None,
            worst_rank=worst if ranges else None,
            least_score=record.least_score if told else None,
            most_score=record.most_score if told else None,
            metrics=metrics.get(record.entry_id, {}),
        )
        made.append(row)
    return made


def _people(session: Session, team_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    people: dict[int, tuple[str, ...]] = {}
    for start in range(0, len(team_ids), MOST_ASKED):
        asked = team_ids[start : start + MOST_ASKED]
        for team_id, name in session.execute(PEOPLE, {"teams": asked}):
            people[team_id] = (*people.get(team_id, ()), name)
    return people


def _baselines(session: Session, board: Board, share: Share) -> list[_Entry]:
    """Return the rows that take no rank; each stands below a team of the same score."""
    score: Any = PrivateScore.score if share is Share.PRIVATE else Entry.released_score
    statement = select(
        Entry.id, score.label("score"), Entry.title, Entry.source, Entry.received_at, Entry.assurance
    ).where(Entry.board_id == board.id, IS_BASELINE, Entry.state == EntryState.SCORED)
    if share is Share.PRIVATE:
        statement = statement.join(PrivateScore, PrivateScore.entry_id == Entry.id)
    records = session.execute(statement).all()
    metrics = metrics_of(session, board, share, [record.id for record in records])
    return [
        _Entry(
            key(record.score, LARGEST_SEQUENCE, board.direction.value),
            Row(
                rank=None,
                name="",
                title=record.title or {},
                source=record.source,
                score=record.score,
                entries=0,
                received_at=record.received_at,
                mine=False,
                assurance=record.assurance,
                metrics=metrics.get(record.id, {}),
            ),
        )
        for record in records
    ]


def _between(
    baselines: Sequence[_Entry], shown: Sequence[_Entry], until: bytes | None, *, first: bool
) -> list[_Entry]:
    """Return the baselines of this page: those after its first row and before the next page's."""
    if not shown and not first:
        return []
    begin = b"" if first else shown[0].key
    return [each for each in baselines if begin < each.key and (until is None or each.key < until)]


def _assurance(session: Session, board: Board, share: Share, rows: Sequence[Row]) -> str:
    found = {row.assurance for row in rows if row.rank is not None}
    if board.challenge_id is None and len(found) <= 1:
        found |= set(
            session.scalars(
                select(Entry.assurance)
                .join(Standing, Standing.entry_id == Entry.id)
                .where(Standing.board_id == board.id, Standing.share == share)
                .distinct()
            )
        )
    return weakest(found or [Assurance.ISOLATED])
