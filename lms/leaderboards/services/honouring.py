"""Keeping what finished challenges give: once when a board has ended, and anew when it is corrected."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Invalid
from lms.leaderboards.core.honours import Category, Won, honour, tier
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    EntryState,
    TeamMember,
    Visibility,
)
from lms.leaderboards.queries.honours import own_organisations
from lms.leaderboards.queries.results import given_results, kept_results
from lms.leaderboards.services.ties import lock_truth
from lms.leaderboards.tables.honours import BoardResult, Honours, TeamResult

BATCH = 1000
WAITING_AT_MOST = timedelta(days=1)
"""A board whose last entries are not scored by then is counted as it stands, and again each night."""
ADDRESS_BYTES = 6
WITHOUT_SYNC = {"synchronize_session": False}
Sums = dict[str, Any]
"""The columns of `Honours` that are added up."""
Each = TypeVar("Each")


def is_final(session: Session, board: Board, at: datetime) -> bool:
    """Say whether a challenge's board has ended and everything that came in time is scored."""
    if not _has_ended(board, at) or board.ends_at is None:
        return False
    waits = select(Entry.id).where(
        Entry.board_id == board.id, Entry.state.in_([EntryState.RECEIVED, EntryState.SCORING])
    )
    return at > board.ends_at + WAITING_AT_MOST or session.scalar(waits.limit(1)) is None


def _has_ended(board: Board, at: datetime) -> bool:
    return board.challenge_id is not None and board.ends_at is not None and at > board.ends_at


def count_results(
    session: Session, board: Board, at: datetime, *, people_too: bool = False
) -> BoardResult | None:
    """Keep what a challenge's board gives, in place of what was kept before; None while nothing is kept.

    It is counted first when it is final. What it gave then stays while an entry is scored again, and goes
    only where its end is put off. Repeatable: nothing is written where everything is as it was.

    Args:
        people_too: add up what its people won also where no place has changed, as who may know of it has.

    Complexity: O(n log n) in the teams of the board; where a place has changed also O(m) in all places of all
    its members. Entries are not looked at.
    """
    session.flush()
    board = lock_truth(session, board.id)  # one counts at a time, and whoever publishes a new truth waits
    if not _has_ended(board, at) or board.ends_at is None:
        _forget(session, board)
        return None
    kept = session.get(BoardResult, board.id, populate_existing=True, with_for_update=True)
    if kept is None and not is_final(session, board, at):
        return None
    given = given_results(session, board)
    if kept is None:
        kept = BoardResult(board_id=board.id, counted_at=at)
        session.add(kept)
    elif kept_results(session, board) == given:
        if kept.counted_at <= kept.ended_at:
            kept.counted_at = at
        if people_too:
            count_people(session, _members(session, board))
        return kept
    kept.counted_at = at
    for name, value in given.figures.items():
        setattr(kept, name, value)
    session.flush()
    _replace(session, board, given.teams.values())
    count_people(session, _members(session, board))
    return kept


def recount(session: Session, board: Board, at: datetime, *, people_too: bool = False) -> None:
    """Bring what a board gave in line with a correction; nothing where it gave nothing yet.

    Args:
        people_too: as in `count_results`.
    """
    session.flush()
    board = lock_truth(session, board.id)  # a first count that is under way is waited for
    if session.get(BoardResult, board.id, populate_existing=True) is not None:
        count_results(session, board, at, people_too=people_too)


def count_again_soon(session: Session, board: Board, at: datetime) -> None:
    """Note that something was scored after a board's end, so that `upkeep` counts it again.

    The board itself is not locked: whoever scores holds a team, which comes after it.
    """
    if _has_ended(board, at):
        session.execute(
            update(BoardResult)
            .where(BoardResult.board_id == board.id)
            .values(counted_at=BoardResult.ended_at),
            execution_options={"synchronize_session": "fetch"},
        )


def _forget(session: Session, board: Board) -> None:
    """Take back what a board gave, as its end was put off."""
    kept = session.get(BoardResult, board.id)
    if kept is None:
        return
    _replace(session, board, ())
    session.delete(kept)
    session.flush()
    count_people(session, _members(session, board))


def _members(session: Session, board: Board) -> Sequence[int]:
    return session.scalars(select(TeamMember.user_id).where(TeamMember.board_id == board.id)).all()


def _replace(session: Session, board: Board, rows: Iterable[Mapping[str, Any]]) -> None:
    gone = delete(TeamResult).where(TeamResult.board_id == board.id)
    session.execute(gone, execution_options=WITHOUT_SYNC)
    for batch in _batches(rows):
        session.execute(insert(TeamResult), batch)


def _batches(rows: Iterable[Each]) -> Iterator[list[Each]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


def count_people(session: Session, people: Iterable[int]) -> None:
    """Add up anew what people won, over all places that are for others to see.

    A place does not count where only a course sees the challenge, or where the person hides their name in the
    team: otherwise the sums would tell who took part.

    Each person's sums are locked before the places are read, always in the same order: of two that count for
    one person at the same moment the second sees what the first wrote. Only sums that differ are written.

    Args:
        people: ids of users.

    Complexity: O(n) in the people and all their places.
    """
    session.flush()
    numbers = sorted(set(people))
    for batch in _batches(numbers):  # before any is locked: else two could wait for each other
        _make_missing(session, batch)
    for batch in _batches(numbers):
        kept = _kept_sums(session, batch, lock=True)
        found = _sums_of(session, batch)
        changed = [{"user_id": each, **sums} for each, sums in found.items() if kept[each] != sums]
        if changed:
            session.execute(update(Honours), changed)
    for known in tuple(session.identity_map.values()):
        if isinstance(known, Honours):
            session.expire(known)


def mend_people(session: Session, board: Board) -> int:
    """Add up anew for members of a board whose sums are not what their places give; return how many.

    Nobody is locked where nothing differs.
    """
    differ = people_to_mend(session, board)
    if differ:
        count_people(session, differ)
    return len(differ)


def people_to_mend(session: Session, board: Board) -> list[int]:
    """Return the members of a board whose sums are not what their kept places give."""
    session.flush()
    differ: list[int] = []
    for batch in _batches(_members(session, board)):
        kept = _kept_sums(session, batch)
        found = _sums_of(session, batch).items()
        differ += [each for each, sums in found if kept.get(each, NOTHING) != sums]
    return differ


def _make_missing(session: Session, people: Sequence[int]) -> None:
    """Make a row for each person who has none; whoever does the same at this moment is waited for."""
    known = set(session.scalars(select(Honours.user_id).where(Honours.user_id.in_(people))))
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    missing = [
        {"user_id": each, "address": secrets.token_hex(ADDRESS_BYTES)} for each in people if each not in known
    ]
    if missing:
        statement = dialect.insert(Honours.__table__).on_conflict_do_nothing(index_elements=["user_id"])
        session.execute(statement, missing)


def _kept_sums(session: Session, people: Sequence[int], *, lock: bool = False) -> dict[int, Sums]:
    columns = Honours.__table__.columns
    statement = (
        select(columns.user_id, *(columns[name] for name in NOTHING))
        .where(columns.user_id.in_(people))
        .order_by(columns.user_id)
    )
    rows = session.execute(statement.with_for_update() if lock else statement).mappings()
    return {row["user_id"]: {name: row[name] for name in NOTHING} for row in rows}


def _sums_of(session: Session, people: Sequence[int]) -> dict[int, Sums]:
    won = _won(session, people)
    return {each: _sums(won.get(each, [])) for each in people}


def _won(session: Session, people: Sequence[int]) -> dict[int, list[Won]]:
    found: dict[int, list[Won]] = defaultdict(list)
    rows: Any = session.execute(
        select(
            TeamMember.user_id,
            TeamResult.rank,
            BoardResult.teams,
            TeamResult.people,
            TeamResult.points,
            TeamResult.medal,
            BoardResult.ended_at,
        )
        .join(TeamResult, TeamResult.team_id == TeamMember.team_id)
        .join(BoardResult, BoardResult.board_id == TeamResult.board_id)
        .join(Board, Board.id == BoardResult.board_id)
        .join(Challenge, Challenge.id == Board.challenge_id)
        .where(
            TeamMember.shown,
            TeamMember.board_id == TeamResult.board_id,
            Challenge.visibility != Visibility.COURSE,
            TeamMember.user_id.in_(people),
        )
    )
    for user_id, *told in rows:
        found[user_id].append(Won(*told))
    return found


def _sums(won: Sequence[Won]) -> Sums:
    sums = honour(won)
    best_rank, best_of = sums.best or (None, None)
    return {
        "weight": sums.weight,
        "challenges": sums.challenges,
        "gold": sums.medals.gold,
        "silver": sums.medals.silver,
        "bronze": sums.medals.bronze,
        "solo_gold": sums.medals.solo_gold,
        "tier": tier(Category.COMPETITIONS, sums.medals, profile_is_complete=True),
        "best_rank": best_rank,
        "best_of": best_of,
    }


NOTHING = _sums(())
"""Of who has no place."""


def show_honours(session: Session, user: User, *, shown: bool, organisation_id: int | None) -> Honours:
    """Let everyone see a person's points, medals and places with their name, or nobody.

    Args:
        organisation_id: for whom the person stands; None: for nobody.

    Raises:
        Invalid: the person does not belong to this organisation.
    """
    own = {each.id for each in own_organisations(user)}
    if organisation_id is not None and organisation_id not in own:
        raise Invalid(
            N_("You do not belong to this organisation. Choose one of yours."), field="organisation"
        )
    _make_missing(session, [user.id])
    kept = session.get_one(Honours, user.id, populate_existing=True)
    kept.shown, kept.organisation_id = shown, organisation_id
    session.flush()
    record(session, user, "honours.show", f"user:{user.id}", shown=shown)
    return kept
