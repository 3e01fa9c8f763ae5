"""What a board page shows: which part was asked for, and a mark that changes whenever what it shows does."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.leaderboards.core.board_csv import Line
from lms.leaderboards.core.digits import in_digits
from lms.leaderboards.core.honours import Medal, medal
from lms.leaderboards.models import Board, Share
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.entries import TOP, Climb, history
from lms.leaderboards.queries.finding import Sought, found
from lms.leaderboards.queries.kept import KeptPages
from lms.leaderboards.queries.other_metrics import metrics_beside
from lms.leaderboards.queries.standings import (
    PAGE,
    Page,
    Row,
    Standings,
    around,
    is_anonymous,
    own_row,
    page,
    seen_by,
    share_seen,
    standings,
)

MOST_PAGES = 1_000_000
MOST_ROWS = 10_000_000  # of the table


@dataclass(frozen=True)
class Wish:
    """Which part of a board somebody asks for."""

    page: int = 1
    sought: Sought = field(default_factory=Sought)
    filters: bool = False  # to choose an organisation or a country
    near_me: bool = False
    public: bool = False  # the public board also after the end


@dataclass(frozen=True)
class ShakeUp:
    """How far teams moved from the public to the final board."""

    share: float  # of the field, on average
    of_top: float  # the same of its first tenth
    teams: int

    @property
    def places(self) -> float:
        """Return the places that a team moved on average."""
        return self.share * self.teams

    @property
    def by_chance(self) -> float:
        """Return the share that two orders with nothing in common would give on average."""
        return (1 - 1 / self.teams**2) / 3


@dataclass(frozen=True)
class Shown:
    """A part of a board, and what stands around it."""

    table: Standings
    wish: Wish
    page: int
    pages: int
    searchable: bool
    anonymous: bool
    ended: bool
    opens_at: datetime | None
    """When the challenge opens, as long as that lies ahead."""
    groups: Collection[int]
    """Numbers of the tie groups that join several of these rows."""
    shake_up: ShakeUp | None = None
    """Of a final board, as `aftermath` tells; its rows then know their rank before the end."""

    @property
    def board(self) -> Board:
        """Return whose part it is."""
        return self.table.board

    @property
    def is_narrow(self) -> bool:
        """Say whether it is something else than a page of the whole."""
        return bool(self.wish.sought) or self.wish.near_me

    @property
    def has_filters(self) -> bool:
        """Say whether somebody wants to choose an organisation or a country, and can."""
        sought = self.wish.sought
        wants = self.wish.filters or bool(sought.organisation or sought.country)
        return wants and self.searchable and self.board.challenge_id is not None

    @property
    def has_moves(self) -> bool:
        """Say whether it is known how places have changed: since the night, or by the end."""
        known = not self.ended or self.shake_up is not None
        return known and any(row.rank_before is not None for row in self.table.rows)

    @property
    def has_ties(self) -> bool:
        """Say whether it is known which places cannot be told apart."""
        return any(row.tie_group is not None for row in self.table.rows)

    @cached_property
    def metrics(self) -> Sequence[str]:
        """Return the names of the metrics that stand beside the score."""
        return metrics_beside(self.board, self.table.share)

    @property
    def has_intervals(self) -> bool:
        """Say whether it is known how sure scores are."""
        return any(row.least_score is not None for row in self.table.rows)

    @cached_property
    def told(self) -> Sequence[str]:
        """Return all that is shown of each row, as a text; of its numbers only what is shown."""
        return [_told_of(row, self.board.decimals) for row in self.table.rows]

    @cached_property
    def mark(self) -> str:
        """Return a short text that is the same as long as what is shown is."""
        mine = self.table.mine and _told_of(self.table.mine, self.board.decimals)
        table, part = self.table, replace(self.wish, page=self.page, filters=False)
        until = (self.opens_at, self.board.freezes_at, self.board.ends_at)  # as an organiser may move them
        kept = (table.share, table.ranked, table.assurance, self.pages, part, mine, *self.metrics)
        text = "\n".join([repr(kept), repr(until), *self.told])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def group_of(self, before: Row | None, row: Row, after: Row | None) -> int | None:
        """Return which tie group joins a row to others here; a baseline's, where it stands within one."""
        number = row.tie_group
        if row.rank is None and before is not None and after is not None:
            number = before.tie_group if before.tie_group == after.tie_group else None
        return number if number in self.groups else None

    def medal_of(self, row: Row) -> Medal | None:
        """Return the medal of a row, as `medal_in`."""
        return medal_in(self.board, self.table, row)


def medal_in(board: Board, table: Standings, row: Row) -> Medal | None:
    """Return the medal of a row: on the final board of a challenge, by its private rank."""
    if table.share is not Share.PRIVATE or board.challenge_id is None or row.rank is None:
        return None
    return medal(row.rank, table.ranked)


def _told_of(row: Row, decimals: int) -> str:
    def seen(value: float | None) -> str | None:
        return None if value is None else in_digits(value, decimals)

    told = {
        **vars(row),
        "score": seen(row.score),
        "metrics": {name: seen(value) for name, value in row.metrics.items()},
        "least_score": seen(row.least_score),
        "most_score": seen(row.most_score),
        "last_received_at": None,
    }
    return repr(tuple(told.values()))


def shown(
    session: Session,
    board: Board,
    viewer: User | None,
    at: datetime,
    wish: Wish,
    *,
    kept: KeptPages | None = None,
) -> Shown:
    """Return the part of a board that somebody asks for, as they see it; plain pages may be kept ones."""
    share, challenge = share_at(board, at), board.challenge
    table, number, pages = _table(session, board, viewer, at, wish, kept=kept)
    sizes = Counter(row.tie_group for row in table.rows if row.tie_group is not None)
    return Shown(
        table=table,
        wish=wish,
        page=number,
        pages=pages,
        searchable=not is_anonymous(board, table.share),
        anonymous=is_anonymous(board, table.share),
        ended=share is Share.PRIVATE,
        opens_at=challenge.opens_at if challenge is not None and challenge.opens_at > at else None,
        groups={group for group, size in sizes.items() if size > 1},
    )


def _table(
    session: Session, board: Board, viewer: User | None, at: datetime, wish: Wish, *, kept: KeptPages | None
) -> tuple[Standings, int, int]:
    """Return a part of the board, which page it is, and of how many."""
    if wish.near_me and viewer is not None and not wish.sought:
        return around(session, board, viewer, at, public=wish.public), 1, 1
    share = share_seen(board, at, public=wish.public)
    mine = own_row(session, board, share, viewer) if viewer is not None else None
    if wish.sought:
        fitting = found(session, board, viewer, at, wish.sought, page=wish.page, public=wish.public)
        table = seen_by(board, page(session, board, share, limit=0), mine)
        return replace(table, rows=fitting.rows), fitting.page, fitting.pages
    number = min(max(wish.page, 1), MOST_PAGES)

    def read(number: int) -> Page:
        offset = (number - 1) * PAGE
        if kept is None:
            return page(session, board, share, offset=offset)
        return kept.page(session, board, share, offset=offset, mine=mine)

    part = read(number)
    last = max(1, -(-part.ranked // PAGE))
    if number > last:
        number, part = last, read(last)
    return seen_by(board, part, mine), number, last


def climbs(
    session: Session, board: Board, viewer: User | None, at: datetime, *, public: bool = False
) -> list[tuple[Row, Climb]]:
    """Return how the first teams of a board got there, and last the viewer's own if it stands further down.

    Under the names that the board shows them by: an anonymous one shows the viewer's own as it is.

    Args:
        public: see `share_seen`.
    """
    table = standings(session, board, viewer, at, limit=TOP, public=public)
    rows, mine = [row for row in table.rows if row.rank is not None], table.mine
    if mine is not None and not any(row.mine for row in rows):
        rows.append(mine)
    own = None if mine is None else mine.team_id
    found_climbs = history(session, board, at, teams=TOP, team_id=own, public=public)
    known = {climb.team_id: climb for climb in found_climbs if climb.steps}
    return [(row, known[row.team_id]) for row in rows if row.team_id in known]


def csv_lines(
    session: Session, board: Board, at: datetime, language: str, *, public: bool = False
) -> Iterator[Line]:
    """Yield every row of a board for its table, as it stood at one moment.

    Nothing tells teams of an anonymous board apart but their aliases, and of a frozen one what came later.

    Args:
        public: see `share_seen`.
    """
    share = share_seen(board, at, public=public)
    for row in page(session, board, share, limit=MOST_ROWS, beside=False).rows:
        if row.rank is None:
            yield Line(0, None, _title(row, language), row.received_at, row.score, 0)
        else:
            yield _line(row, anonymous=is_anonymous(board, share), frozen=share is Share.FROZEN)


def _line(row: Row, *, anonymous: bool, frozen: bool) -> Line:
    newest = row.received_at if frozen else row.last_received_at or row.received_at
    number = None if anonymous else row.team_id
    return Line(row.rank or 0, number, row.name, newest, row.score, row.entries, row.members)


def _title(row: Row, language: str) -> str:
    return row.title.get(language) or next(iter(row.title.values()), "")
