"""Keeping what finished challenges give: once when a board has ended, and anew when it is corrected."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.accounts.services.audit import record
from lms.errors import N_, Invalid
from lms.leaderboards.core.honours import Category, Won, honour, medal, points, tier
from lms.leaderboards.core.moves import rank_changes, shake_up, shake_up_of_top
from lms.leaderboards.models import (
    Board,
    Challenge,
    Entry,
    EntryState,
    Share,
    Standing,
    TeamMember,
    Visibility,
)
from lms.leaderboards.queries.honours import own_organisations
from lms.leaderboards.tables.honours import BoardResult, Honours, TeamResult

BATCH = 1000
WAITING_AT_MOST = timedelta(days=1)
"""A board whose last entries are not scored by then is counted as it stands, and again each night."""
ADDRESS_BYTES = 6
WITHOUT_SYNC = {"synchronize_session": False}


def is_final(session: Session, board: Board, at: datetime) -> bool:
    """Say whether a challenge's board has ended and everything that came in time is scored."""
    if board.challenge_id is None or board.ends_at is None or at <= board.ends_at:
        return False
    waits = select(Entry.id).where(
        Entry.board_id == board.id, Entry.state.in_([EntryState.RECEIVED, EntryState.SCORING])
    )
    return at > board.ends_at + WAITING_AT_MOST or session.scalar(waits.limit(1)) is None


def count_results(
    session: Session, board: Board, at: datetime, *, people_too: bool = False
) -> BoardResult | None:
    """Keep what a challenge's board gives, in place of what was kept before; None while it is not final.

    Repeatable: nothing is written where everything is as it was.

    Args:
        people_too: add up what its people won also where no place has changed.

    Complexity: O(n log n) in the teams of the board and their members; entries are not looked at.
    """
    session.flush()
    session.execute(  # one counts at a time, and whoever publishes a new truth waits
        update(Board).where(Board.id == board.id).values(truth_version=Board.truth_version),
        execution_options=WITHOUT_SYNC,
    )
    if not is_final(session, board, at) or board.ends_at is None:
        _forget(session, board)
        return None
    fresh = _team_results(session, board)
    kept = session.get(BoardResult, board.id)
    if kept is None:
        kept = BoardResult(board_id=board.id, counted_at=at)
        session.add(kept)
    elif kept.ended_at == board.ends_at and _as_kept(session, board) == fresh:
        if people_too:
            count_people(session, _members(board))
        return kept
    kept.ended_at, kept.counted_at, kept.teams = board.ends_at, at, len(fresh)
    public = {team: row["public_rank"] for team, row in fresh.items() if row["public_rank"]}
    private = {team: row["rank"] for team, row in fresh.items()}
    kept.shake_up = shake_up(rank_changes(public, private).values())
    kept.shake_up_of_top = shake_up_of_top(public, private)
    session.flush()
    _replace(session, board, fresh.values())
    count_people(session, _members(board))
    return kept


def recount(session: Session, board: Board, at: datetime) -> None:
    """Bring what a board gave in line with a correction; nothing where it gave nothing yet."""
    if session.get(BoardResult, board.id) is not None:
        count_results(session, board, at, people_too=True)  # who may know of it may have changed


def _forget(session: Session, board: Board) -> None:
    """Take back what a board gave, as its end was put off."""
    kept = session.get(BoardResult, board.id)
    if kept is None:
        return
    _replace(session, board, ())
    session.delete(kept)
    session.flush()
    count_people(session, _members(board))


def _members(board: Board) -> Select[Any]:
    return select(TeamMember.user_id).where(TeamMember.board_id == board.id)


def _team_results(session: Session, board: Board) -> dict[int, dict[str, Any]]:
    public, private = (_ranks(session, board, share) for share in (Share.PUBLIC, Share.PRIVATE))
    sizes: Mapping[int, int] = dict(
        session.execute(
            select(TeamMember.team_id, func.count())
            .where(TeamMember.board_id == board.id)
            .group_by(TeamMember.team_id)
        ).all()
    )
    return {
        team: {
            "board_id": board.id,
            "team_id": team,
            "rank": rank,
            "public_rank": public.get(team),
            "people": sizes.get(team, 0),
            "points": points(rank, team_size=max(1, sizes.get(team, 0)), teams=len(private)),
            "medal": medal(rank, len(private)),
        }
        for team, rank in private.items()
    }


def _ranks(session: Session, board: Board, share: Share) -> dict[int, int]:
    teams = session.scalars(
        select(Standing.team_id)
        .where(Standing.board_id == board.id, Standing.share == share)
        .order_by(Standing.key)
    )
    return {team: rank for rank, team in enumerate(teams, 1)}


def _as_kept(session: Session, board: Board) -> dict[int, dict[str, Any]]:
    columns = TeamResult.__table__.columns
    rows = session.execute(select(*columns).where(columns.board_id == board.id)).mappings()
    return {row["team_id"]: dict(row) for row in rows}


def _replace(session: Session, board: Board, rows: Iterable[Mapping[str, Any]]) -> None:
    gone = delete(TeamResult).where(TeamResult.board_id == board.id)
    session.execute(gone, execution_options=WITHOUT_SYNC)
    for batch in _batches(rows):
        session.execute(insert(TeamResult), batch)


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch


def count_people(session: Session, people: Select[Any]) -> None:
    """Add up anew what people won, over all places that are for others to see.

    A place does not count where the challenge is a course's, or where the person hides their name in the
    team: otherwise the sums would tell who took part.

    Args:
        people: a statement that returns ids of users.
    """
    session.flush()
    won = _won(session, people)
    known = {
        each.user_id: each for each in session.scalars(select(Honours).where(Honours.user_id.in_(people)))
    }
    for user_id in won.keys() - known.keys():
        known[user_id] = _new(session, user_id)
    for user_id, each in known.items():
        _write(each, won.get(user_id, []))
    session.flush()


def _won(session: Session, people: Select[Any]) -> dict[int, list[Won]]:
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


def _new(session: Session, user_id: int) -> Honours:
    made = Honours(user_id=user_id, address=secrets.token_hex(ADDRESS_BYTES), shown=False)
    session.add(made)
    return made


def _write(kept: Honours, won: list[Won]) -> None:
    sums = honour(won)
    kept.weight, kept.challenges = sums.weight, sums.challenges
    kept.gold, kept.silver = sums.medals.gold, sums.medals.silver
    kept.bronze, kept.solo_gold = sums.medals.bronze, sums.medals.solo_gold
    kept.tier = tier(Category.COMPETITIONS, sums.medals, profile_is_complete=True)
    kept.best_rank, kept.best_of = sums.best or (None, None)


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
    kept = session.get(Honours, user.id) or _new(session, user.id)
    kept.shown, kept.organisation_id = shown, organisation_id
    session.flush()
    record(session, user, "honours.show", f"user:{user.id}", shown=shown)
    return kept
