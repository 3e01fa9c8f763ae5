"""Finding teams on a board: by a part of a name, or by where people stand who show themselves."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, User
from lms.leaderboards.models import Board, Standing, Team, TeamMember
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.queries.honours import BELONGS, Choices
from lms.leaderboards.queries.standings import COUNT, RANKED_ROWS, Row, is_anonymous, named, share_seen
from lms.leaderboards.tables.honours import Honours

MOST_FOUND = 20  # on a page: each is ranked by counting who stands ahead


@dataclass(frozen=True)
class Sought:
    """What teams have to fit; what is empty fits all."""

    text: str = ""  # that the name holds
    organisation: str = ""  # slug of one that a member stands for
    country: str = ""  # of a member

    @property
    def address(self) -> dict[str, str]:
        """Return what stands for it in an address."""
        told = {"q": self.text, "organisation": self.organisation, "country": self.country}
        return {name: value for name, value in told.items() if value}

    def __bool__(self) -> bool:
        """Say whether anything is sought."""
        return bool(self.address)


@dataclass(frozen=True)
class Found:
    """A page of the teams that fit, with their places on the whole board; best first."""

    rows: list[Row]
    page: int
    pages: int


def found(
    session: Session,
    board: Board,
    viewer: User | None,
    at: datetime,
    sought: Sought,
    *,
    page: int = 1,
    public: bool = False,
) -> Found:
    """Return the rows that fit; organisation and country are those of people who show theirs, and themselves.

    Nothing on an anonymous board before its end.

    Args:
        public: with the public places and scores also after the end.

    Complexity: O(log n + rank) for each row of the page, beside looking through the names or people.
    """
    share = share_seen(board, at, public=public)
    if not sought or is_anonymous(board, share):
        return Found([], 1, 1)
    fitting, bound = _fitting(board, sought), {"board": board.id, "share": share}
    number = session.scalar(COUNT.where(Team.id == Standing.team_id, *fitting), bound) or 0
    pages = max(1, -(-number // MOST_FOUND))
    page = min(max(page, 1), pages)
    statement = RANKED_ROWS.where(*fitting).order_by(Standing.key)
    records = session.execute(statement.limit(MOST_FOUND).offset((page - 1) * MOST_FOUND), bound).all()
    mine = team_of(session, board, viewer) if viewer is not None else None
    rows = named(session, board, share, records, [record.ahead + 1 for record in records])
    rows = [replace(row, mine=mine is not None and row.team_id == mine.id) for row in rows]
    return Found(rows, page, pages)


def _fitting(board: Board, sought: Sought) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if sought.text:
        like = "%" + sought.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        people = _shown_members(board, User.name.ilike(like, escape="\\"))
        called = Team.name.ilike(like, escape="\\") if board.challenge_id is not None else Team.id.in_([])
        conditions.append(or_(called, Team.id.in_(people)))
    if sought.country:
        conditions.append(Team.id.in_(_showing_members(board, User.country == sought.country)))
    if sought.organisation:
        slug = Organisation.slug == sought.organisation
        conditions.append(Team.id.in_(_showing_members(board, BELONGS, slug)))
    return conditions


def _shown_members(board: Board, *conditions: ColumnElement[bool]) -> Any:
    return (
        select(TeamMember.team_id)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.board_id == board.id, TeamMember.shown, *conditions)
    )


def _showing_members(board: Board, *conditions: ColumnElement[bool]) -> Any:
    """Return members who show themselves at their honours too, where organisation and country stand."""
    return (
        _shown_members(board, *conditions)
        .join(Honours, Honours.user_id == User.id)
        .outerjoin(Organisation, Organisation.id == Honours.organisation_id)
        .where(Honours.shown, User.disabled_at.is_(None))
    )


def choices_on(session: Session, board: Board, at: datetime, *, public: bool = False) -> Choices:
    """Return by what the teams that stand on a board can be filtered; who only joined it is not told.

    Args:
        public: of those that stand on the public part also after the end.
    """
    members = _showing_members(board).join(
        Standing,
        and_(
            Standing.team_id == TeamMember.team_id,
            Standing.board_id == board.id,
            Standing.share == share_seen(board, at, public=public),
        ),
    )
    ids = members.where(BELONGS).with_only_columns(Honours.organisation_id)
    countries = members.where(User.country.is_not(None)).with_only_columns(User.country)
    organisations = select(Organisation).where(Organisation.id.in_(ids)).order_by(Organisation.slug)
    return Choices(session.scalars(organisations).all(), set(session.scalars(countries.distinct())))
