"""Points and medals over all finished challenges: of people who show them, by organisation and country."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from lms.accounts.models import Membership, Organisation, OrganisationKind, User
from lms.errors import NotFound
from lms.leaderboards.core.honours import Medal, Tier, faded
from lms.leaderboards.models import Board, Challenge, Team, TeamMember, Visibility
from lms.leaderboards.tables.honours import BoardResult, Honours, TeamResult

PAGE = 50
LONGEST = 100
DIGITS = 9


@dataclass(frozen=True)
class Wanted:
    """Which people somebody asks for."""

    text: str = ""  # that the name holds
    organisation: str = ""  # its slug
    country: str = ""
    tier: str = ""
    page: int = 1

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Self:
        """Return what an address asks for; what nobody can be asked for by is left out."""
        page, tier = asked.get("page", ""), asked.get("tier", "")
        return cls(
            text="".join(filter(str.isprintable, asked.get("q", ""))).strip()[:LONGEST],
            organisation=asked.get("organisation", "")[:LONGEST],
            country=asked.get("country", "")[:2].upper(),
            tier=tier if tier in set(Tier) else "",
            page=int(page) if page.isascii() and page.isdigit() and len(page) <= DIGITS else 1,
        )

    @property
    def is_narrow(self) -> bool:
        """Say whether not everybody is asked for."""
        return bool(self.text or self.organisation or self.country or self.tier)


@dataclass(frozen=True)
class Person:
    """One row of the table, or the head of a person's page."""

    rank: int  # among all who show themselves; equal points share it
    user_id: int
    name: str
    address: str
    points: float
    tier: Tier
    medals: Mapping[Medal, int]
    challenges: int
    best_rank: int | None
    best_of: int | None
    organisation: Organisation | None
    country: str | None


@dataclass(frozen=True)
class People:
    """A page of those who show themselves."""

    rows: Sequence[Person]
    found: int  # as many as were asked for
    page: int
    pages: int


@dataclass(frozen=True)
class Group:
    """What the people of one organisation or country have together."""

    rank: int
    key: str  # slug, or code of the country
    organisation: Organisation | None
    people: int
    points: float
    medals: Mapping[Medal, int]
    best: int
    """The best rank that one of them has among all people."""


@dataclass(frozen=True)
class Choices:
    """By what the people who show themselves can be told apart."""

    organisations: Sequence[Organisation]
    countries: Collection[str]


@dataclass(frozen=True)
class Place:
    """One place of a person on a finished board."""

    challenge: Challenge
    team: str
    rank: int
    teams: int
    public_rank: int | None
    people: int
    medal: Medal | None
    points: float  # as of now
    ended_at: datetime
    counts: bool
    """Whether others may know of it, so that it is in the sums."""


IS_SHOWN = (Honours.shown, Honours.challenges > 0, User.disabled_at.is_(None))
"""Who shows themselves and has a place, of `Honours` joined with `User`."""
BELONGS = (
    select(Membership.id)
    .where(
        Membership.user_id == Honours.user_id,
        Membership.organisation_id == Honours.organisation_id,
        Membership.ended_at.is_(None),
    )
    .exists()
)
"""Whether a person still belongs where they stand for."""
REACHED = case((User.confirmed_at.is_(None), Tier.NOVICE.value), else_=Honours.tier)
RANKED = (  # nothing else is read of everybody
    select(Honours.user_id, func.rank().over(order_by=Honours.weight.desc()).label("rank"))
    .join(User, User.id == Honours.user_id)
    .where(*IS_SHOWN)
    .subquery()
)
DETAILS = (
    select(Honours, User, Organisation, REACHED.label("reached"))
    .join(User, User.id == Honours.user_id)
    .outerjoin(Organisation, and_(Organisation.id == Honours.organisation_id, BELONGS))
    .where(*IS_SHOWN)
)


def people(session: Session, wanted: Wanted, at: datetime) -> People:
    """Return the people who are asked for, the most points first; each keeps the rank among all.

    Complexity: O(n log n) in the people who show themselves, of whom only the rank is read, and the page
    alone in full; boards and entries are not looked at.
    """
    fitting = _fitting(wanted)
    everybody = select(func.count()).select_from(Honours).join(User, User.id == Honours.user_id)
    found = session.scalar(everybody.where(*IS_SHOWN, *fitting)) or 0
    pages = max(1, -(-found // PAGE))
    page = min(max(wanted.page, 1), pages)
    ranks = select(RANKED.c.user_id, RANKED.c.rank)
    if fitting:
        ranks = ranks.join(Honours, Honours.user_id == RANKED.c.user_id)
        ranks = ranks.join(User, User.id == RANKED.c.user_id).where(*fitting)
    ranks = ranks.order_by(RANKED.c.rank, RANKED.c.user_id).limit(PAGE).offset((page - 1) * PAGE)
    ordered: Any = dict(iter(session.execute(ranks)))
    rows = {row.Honours.user_id: row for row in session.execute(DETAILS.where(Honours.user_id.in_(ordered)))}
    return People([_person(rows[number], rank, at) for number, rank in ordered.items()], found, page, pages)


def _fitting(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.text:
        conditions.append(User.name.icontains(wanted.text, autoescape=True))
    if wanted.organisation:
        named = select(Organisation.id).where(Organisation.slug == wanted.organisation)
        conditions += [Honours.organisation_id.in_(named), BELONGS]
    if wanted.country:
        conditions.append(User.country == wanted.country)
    if wanted.tier:
        conditions.append(REACHED.in_([wanted.tier]))
    return conditions


def _person(row: Any, rank: int, at: datetime) -> Person:
    kept, user = row.Honours, row.User
    return Person(
        rank=rank,
        user_id=user.id,
        name=user.name,
        address=kept.address,
        points=faded(kept.weight, at),
        tier=Tier(row.reached),
        medals={each: getattr(kept, each.value) for each in Medal},
        challenges=kept.challenges,
        best_rank=kept.best_rank,
        best_of=kept.best_of,
        organisation=row.Organisation,
        country=user.country,
    )


def person_at(session: Session, address: str, at: datetime) -> Person:
    """Return whose page has this address.

    Raises:
        NotFound: nobody's, or of somebody who does not show themselves.
    """
    row = session.execute(DETAILS.where(Honours.address == address)).first()
    if row is None:
        raise NotFound
    return _person(row, _rank(session, row.Honours), at)


def _rank(session: Session, kept: Honours) -> int:
    """Return the rank that a person has, or would have, among those who show themselves."""
    ahead = select(func.count()).select_from(Honours).join(User, User.id == Honours.user_id)
    return (session.scalar(ahead.where(*IS_SHOWN, Honours.weight > kept.weight)) or 0) + 1


def choices(session: Session) -> Choices:
    """Return the organisations and countries of the people who show themselves."""
    everybody = select(Honours.organisation_id).join(User, User.id == Honours.user_id).where(*IS_SHOWN)
    ids = everybody.where(Honours.organisation_id.is_not(None), BELONGS)
    countries = everybody.where(User.country.is_not(None)).with_only_columns(User.country).distinct()
    organisations = select(Organisation).where(Organisation.id.in_(ids)).order_by(Organisation.slug)
    return Choices(session.scalars(organisations).all(), set(session.scalars(countries)))


def by_organisation(session: Session, at: datetime) -> list[Group]:
    """Return the organisations of the people who show themselves, those with the most points first."""
    rows = _groups(session, Honours.organisation_id, BELONGS)
    named = select(Organisation).where(Organisation.id.in_([row.key for row in rows]))
    known = {each.id: each for each in session.scalars(named)}
    return [_group(row, known[row.key].slug, known[row.key], at) for row in rows]


def by_country(session: Session, at: datetime) -> list[Group]:
    """Return the countries that people who show themselves name, those with the most points first."""
    return [_group(row, row.key, None, at) for row in _groups(session, User.country)]


def _groups(session: Session, key: Any, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    weight = func.sum(Honours.weight)
    return session.execute(
        select(
            key.label("key"),
            func.count().label("people"),
            weight.label("weight"),
            *(func.sum(getattr(Honours, each.value)).label(each.value) for each in Medal),
            func.min(RANKED.c.rank).label("best"),
            func.rank().over(order_by=weight.desc()).label("rank"),
        )
        .select_from(RANKED)
        .join(Honours, Honours.user_id == RANKED.c.user_id)
        .join(User, User.id == RANKED.c.user_id)
        .where(key.is_not(None), *conditions)
        .group_by(key)
        .order_by(weight.desc(), key)
    ).all()


def _group(row: Any, key: str, organisation: Organisation | None, at: datetime) -> Group:
    return Group(
        rank=row.rank,
        key=key,
        organisation=organisation,
        people=row.people,
        points=faded(row.weight, at),
        medals={each: int(getattr(row, each.value)) for each in Medal},
        best=row.best,
    )


def honours_of(session: Session, user: User) -> Honours | None:
    """Return what is kept of a person's honours, shown or not."""
    return session.get(Honours, user.id)


def own_sums(session: Session, kept: Honours, user: User, at: datetime) -> Person:
    """Return what a person shows others, or would show them, with the rank among those who do."""
    known = {each.id: each for each in own_organisations(user)}
    return Person(
        rank=_rank(session, kept),
        user_id=user.id,
        name=user.name,
        address=kept.address,
        points=faded(kept.weight, at),
        tier=Tier.NOVICE if user.confirmed_at is None else kept.tier,
        medals={each: getattr(kept, each.value) for each in Medal},
        challenges=kept.challenges,
        best_rank=kept.best_rank,
        best_of=kept.best_of,
        organisation=known.get(kept.organisation_id or 0),
        country=user.country,
    )


def places_of(session: Session, user_id: int, viewer: User | None, at: datetime) -> list[Place]:
    """Return a person's places on finished boards as the viewer may know of them, the newest first.

    The person themselves sees all of them; others none where the person hides their name in the team, none of
    a course's challenge, and only who is signed in those of challenges for people who are.
    """
    statement = (
        select(TeamMember.shown, Team.name, TeamResult, BoardResult, Challenge)
        .join(Team, Team.id == TeamMember.team_id)
        .join(TeamResult, (TeamResult.team_id == Team.id) & (TeamResult.board_id == TeamMember.board_id))
        .join(BoardResult, BoardResult.board_id == TeamResult.board_id)
        .join(Board, Board.id == BoardResult.board_id)
        .join(Challenge, Challenge.id == Board.challenge_id)
        .where(TeamMember.user_id == user_id)
        .order_by(BoardResult.ended_at.desc(), Challenge.id.desc())
    )
    own = viewer is not None and viewer.id == user_id
    seen = {Visibility.EVERYONE} if viewer is None else {Visibility.EVERYONE, Visibility.SIGNED_IN}
    return [
        _place(row, at)
        for row in session.execute(statement)
        if own or (row.shown and row.Challenge.visibility in seen)
    ]


def _place(row: Any, at: datetime) -> Place:
    result, board, challenge = row.TeamResult, row.BoardResult, row.Challenge
    return Place(
        challenge=challenge,
        team=row.name,
        rank=result.rank,
        teams=board.teams,
        public_rank=result.public_rank,
        people=result.people,
        medal=result.medal,
        points=result.points * faded(1, at) / faded(1, board.ended_at),
        ended_at=board.ended_at,
        counts=row.shown and challenge.visibility is not Visibility.COURSE,
    )


def board_result(session: Session, board: Board) -> BoardResult | None:
    """Return the figures of a board's end, once they are kept."""
    return session.get(BoardResult, board.id)


def public_ranks(session: Session, board: Board, teams: Collection[int]) -> dict[int, int | None]:
    """Return where teams of a finished board stood on its public part at the end."""
    rows: Any = session.execute(
        select(TeamResult.team_id, TeamResult.public_rank).where(
            TeamResult.board_id == board.id, TeamResult.team_id.in_(teams)
        )
    )
    return dict(iter(rows))


def own_organisations(user: User) -> list[Organisation]:
    """Return the universities and companies that a person belongs to now, each once."""
    held = {each.organisation_id: each.organisation for each in user.memberships if each.ended_at is None}
    kinds = (OrganisationKind.UNIVERSITY, OrganisationKind.COMPANY)
    return [each for _, each in sorted(held.items()) if each.kind in kinds]
