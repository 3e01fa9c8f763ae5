"""Where people stand on boards, without the boards' rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, aliased

from lms.accounts.models import User
from lms.courses.models import Enrolment
from lms.leaderboards.core.keys import LARGEST_SEQUENCE, key
from lms.leaderboards.models import Board, Share, Standing, TeamMember
from lms.leaderboards.policy import share_at
from lms.leaderboards.queries.boards import team_of
from lms.leaderboards.queries.standings import COUNT, SHARE, own_place

_OTHER = aliased(Standing)
_BESIDE: Any = (
    select(func.count())
    .where(_OTHER.board_id == Standing.board_id, _OTHER.share == Standing.share)
    .correlate(Standing)
)
OWN_PLACES: Any = (
    select(
        Standing.board_id,
        _BESIDE.where(_OTHER.key < Standing.key).scalar_subquery().label("ahead"),
        _BESIDE.scalar_subquery().label("ranked"),
    )
    .join(TeamMember, TeamMember.team_id == Standing.team_id)
    .where(
        Standing.board_id.in_(bindparam("boards", expanding=True)),
        Standing.share == bindparam("share", type_=SHARE),
        TeamMember.board_id == Standing.board_id,
        TeamMember.user_id == bindparam("user"),
    )
)


class PlaceOnBoard(NamedTuple):
    """Where a student stands: `tied` have that very score, the student among them, of `field` ranked."""

    rank: int
    tied: int
    field: int


class OwnPlace(NamedTuple):
    """Where somebody stands, of how many."""

    rank: int
    ranked: int


def own_places(session: Session, boards: Iterable[Board], user: User, at: datetime) -> dict[int, OwnPlace]:
    """Return where a person stands on boards, by the board's number; only those that they stand on."""
    by_share: dict[Share, list[int]] = {}
    for board in boards:
        by_share.setdefault(share_at(board, at), []).append(board.id)
    return {
        row.board_id: OwnPlace(row.ahead + 1, row.ranked)
        for share, numbers in by_share.items()
        for row in session.execute(OWN_PLACES, {"boards": numbers, "share": share, "user": user.id})
    }


def place_of(session: Session, enrolment: Enrolment, board: Board, at: datetime) -> PlaceOnBoard | None:
    """Return a student's place on a board, or None without an entry."""
    share = share_at(board, at)
    team = team_of(session, board, enrolment.user)
    rank = own_place(session, board, share, team)
    if team is None or rank is None:
        return None
    bound = {"board": board.id, "share": share}
    score = session.scalars(
        select(Standing.score).where(
            Standing.board_id == board.id, Standing.share == share, Standing.team_id == team.id
        )
    ).one()
    first, last = (key(score, end, board.direction.value) for end in (0, LARGEST_SEQUENCE))
    tied = session.scalar(COUNT.where(Standing.key.between(first, last)), bound)
    return PlaceOnBoard(rank, tied or 1, session.scalar(COUNT, bound) or 1)
