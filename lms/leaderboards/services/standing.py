"""Keeping standings: in the transaction that scores, for one team; or the whole board anew."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lms.leaderboards.core.keys import key
from lms.leaderboards.models import Board, Entry, Share, Standing, Team
from lms.leaderboards.queries.counting import Counting, Difference, counting_of_team, differences, shares_of

BATCH = 1000  # rows of one INSERT
FRESH = {"populate_existing": True, "synchronize_session": False}
LOCK = update(Team).where(Team.id == bindparam("locked")).values(taken=Team.taken).returning(Team)
TABLE: Any = Standing.__table__
SAME = ("board_id", "share", "team_id")
CHANGING = ("key", "entry_id", "score")


def lock_team(session: Session, team_id: int) -> Team:
    """Return a team whose row nobody else changes before this transaction ends.

    An UPDATE that changes nothing: it waits for its turn on PostgreSQL, and makes the transaction the one
    writer on SQLite.
    """
    session.flush()
    return session.scalars(LOCK, {"locked": team_id}, execution_options=FRESH).one()


def lock_teams(session: Session, board: Board) -> None:
    """Let no team's standings change before this transaction ends, and wait for those that do at this moment.

    With the board's row held already: who joins waits for that one, so that no team comes that is not locked
    (`boards.make_team_of_one`). Teams in the order in which two that merge are locked. Whoever waits for a
    team has read the board before; it reads anew what it counts by. SQLite has one writer anyway.
    """
    session.flush()
    teams = select(Team.id).where(Team.board_id == board.id).order_by(Team.id)
    session.execute(teams.with_for_update(key_share=True)).all()


def count_in(session: Session, board: Board, entry: Entry, private_score: float) -> None:
    """Count a new score of an entry in its team's standings; one statement for each share.

    Of entries that were not counted before only, with the team locked.

    Complexity: O(1) in the number of entries; where teams select entries, O(n) in those of the team.
    """
    released = entry.released_score
    shares: list[tuple[Share, float | None]] = [(Share.PUBLIC, released)]
    if board.freezes_at is not None and entry.received_at <= board.freezes_at:
        shares.append((Share.FROZEN, released))
    if not board.selections:
        shares.append((Share.PRIVATE, private_score))
    statement = _counting_in(session.get_bind().dialect.name)
    for share, score in shares:
        if score is not None:
            packed = key(score, entry.sequence, board.direction.value)
            row = Counting(share, entry.team_id or 0, entry.id, score, packed, 1)
            session.execute(statement, _row(board, row))
    if board.selections:
        _keep(session, board, counting_of_team(session, board, entry.team_id or 0, (Share.PRIVATE,)))


@lru_cache(maxsize=2)
def _counting_in(dialect: str) -> Any:
    """Return the statement that counts one more entry, and keeps the better one."""
    added = _insert(dialect)
    better = added.excluded.key < TABLE.c.key
    changed = {name: case((better, added.excluded[name]), else_=TABLE.c[name]) for name in CHANGING}
    return added.on_conflict_do_update(
        index_elements=SAME, set_=changed | {"entries": TABLE.c.entries + added.excluded.entries}
    )


@lru_cache(maxsize=2)
def _keeping(dialect: str) -> Any:
    """Return the statement that writes a standing as it is said."""
    added = _insert(dialect)
    changed = {name: added.excluded[name] for name in (*CHANGING, "entries")}
    return added.on_conflict_do_update(index_elements=SAME, set_=changed)


def _insert(dialect: str) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(TABLE)


def _row(board: Board, counting: Counting) -> dict[str, Any]:
    return {"board_id": board.id, **vars(counting)}


def refresh_team(session: Session, board: Board, team_id: int, *, is_fresh: bool = False) -> None:
    """Bring a team's standings in line with its entries; the team is locked.

    Args:
        is_fresh: the board was read with the team, or the board, locked. Otherwise its freeze is read anew:
            it may have come, moved or gone while the team was waited for.

    Complexity: O(n) in the entries of the team.
    """
    session.flush()
    if not is_fresh:
        session.refresh(board, ["freezes_at"])
    counting = counting_of_team(session, board, team_id)
    gone = delete(Standing).where(
        Standing.board_id == board.id,
        Standing.team_id == team_id,
        Standing.share.not_in([each.share for each in counting]),
    )
    session.execute(gone.execution_options(synchronize_session=False))
    _keep(session, board, counting)


def _keep(session: Session, board: Board, counting: Iterable[Counting]) -> None:
    statement = _keeping(session.get_bind().dialect.name)
    rows = (_row(board, each) for each in counting)
    while batch := list(islice(rows, BATCH)):
        session.execute(statement, batch)


def rebuild(session: Session, board: Board) -> int:
    """Make all standings of a board anew from its entries; return how many there are.

    For a board on which nobody enters meanwhile: after an import, or when a new truth is published.

    Complexity: O(n log n) in the entries of the board.
    """
    session.flush()
    dropped = delete(Standing).where(Standing.board_id == board.id, Standing.share.not_in(shares_of(board)))
    session.execute(dropped.execution_options(synchronize_session=False))  # of a freeze lifted: all at once
    found = differences(session, board)
    for each in found:
        if each.counts is None:
            session.execute(
                delete(Standing).where(
                    Standing.board_id == board.id,
                    Standing.share == each.share,
                    Standing.team_id == each.team_id,
                )
            )
    _keep(session, board, (each.counts for each in found if each.counts is not None))
    session.expire_all()
    return session.scalar(select(func.count()).where(Standing.board_id == board.id)) or 0


def follow_freeze(session: Session, board: Board) -> None:
    """Bring standings in line with a freeze that has come, moved or gone; all teams are locked.

    Where nothing came after it the frozen board is the public one: it is copied within the database, which
    keeps others from writing for a fraction of the time that a `rebuild` does.

    Complexity: O(n) in the teams of the board; O(n log n) in its entries where some came after the freeze.
    """
    session.flush()
    if board.freezes_at is not None and _came_after(session, board, board.freezes_at):
        rebuild(session, board)
        return
    frozen = delete(Standing).where(Standing.board_id == board.id, Standing.share == Share.FROZEN)
    session.execute(frozen.execution_options(synchronize_session=False))
    if board.freezes_at is not None:
        columns = [literal(Share.FROZEN, each.type) if each.name == "share" else each for each in TABLE.c]
        public = select(*columns).where(TABLE.c.board_id == board.id, TABLE.c.share == Share.PUBLIC)
        session.execute(insert(TABLE).from_select(TABLE.c.keys(), public))
    session.expire_all()


def _came_after(session: Session, board: Board, moment: datetime) -> bool:
    found = select(Entry.id).where(Entry.board_id == board.id, Entry.received_at > moment).limit(1)
    return session.scalar(found) is not None


def recompute(session: Session, board: Board) -> list[Difference]:
    """Work a board out from its entries, and mend what differs; return what differed: nothing, normally.

    Each team is looked at once more with its row locked, so that who enters meanwhile is no difference.
    """
    mended: list[Difference] = []
    for team_id in sorted({each.team_id for each in differences(session, board)}):
        lock_team(session, team_id)
        still = differences(session, board, team_id)
        if still:
            refresh_team(session, board, team_id)
            mended += still
    return mended


def note_ranks(session: Session, board: Board) -> None:
    """Remember the ranks of this moment, for the arrows of the board.

    Those on the private part are remembered nowhere: how they move during a challenge is told to nobody.
    """
    order = func.row_number().over(partition_by=(Standing.board_id, Standing.share), order_by=Standing.key)
    ranks = (
        select(Standing.share, Standing.team_id, order.label("rank"))
        .where(Standing.board_id == board.id, Standing.share != Share.PRIVATE)
        .subquery()
    )
    session.execute(
        update(Standing)
        .where(
            Standing.board_id == board.id,
            Standing.share == ranks.c.share,
            Standing.team_id == ranks.c.team_id,
        )
        .values(rank_before=ranks.c.rank)
        .execution_options(synchronize_session=False)
    )
