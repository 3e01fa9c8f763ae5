"""What boards show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, defer, joinedload

from lms.accounts.models import User
from lms.courses.models import Cohort, Course, Enrolment
from lms.errors import NotFound
from lms.grading.core.contracts import Assurance, weakest
from lms.grading.models import Lab
from lms.leaderboards.core.rank import Direction, Scored, places
from lms.leaderboards.models import Board, Entry

Share = Literal["public", "private"]


@dataclass(frozen=True)
class Standing:
    """One row of a board as a page shows it."""

    rank: int | None
    name: str  # of the student; empty for a baseline
    title: Mapping[str, str]  # of a baseline, by language
    source: str
    score: float
    entries: int
    received_at: datetime
    mine: bool
    assurance: str


@dataclass(frozen=True)
class Standings:
    """A board at one moment."""

    board: Board
    share: Share  # which scores it shows
    rows: Sequence[Standing]

    @property
    def ranked(self) -> int:
        """Return how many students stand on the board."""
        return sum(row.rank is not None for row in self.rows)

    @property
    def assurance(self) -> str:
        """Return the weakest assurance of the students' rows; isolated while there are none."""
        return weakest([row.assurance for row in self.rows if row.rank is not None] or [Assurance.ISOLATED])

    @property
    def mine(self) -> Standing | None:
        """Return the viewer's own row."""
        return next((row for row in self.rows if row.mine), None)


def board(session: Session, board_id: int) -> Board:
    """Return a board.

    Raises:
        NotFound: there is none with this number.
    """
    found = session.get(Board, board_id)
    if found is None:
        raise NotFound
    return found


def board_of(session: Session, lab_id: int, cohort_id: int) -> Board | None:
    """Return the board of a lab in a cohort, if it has one."""
    return session.scalar(select(Board).where(Board.lab_id == lab_id, Board.cohort_id == cohort_id))


def boards_for(session: Session, user: User) -> Sequence[Board]:
    """Return the boards of the cohorts that a person is in, newest cohort first."""
    course = joinedload(Board.lab).joinedload(Lab.course).joinedload(Course.current_version)
    return session.scalars(
        select(Board)
        .join(Board.cohort)
        .options(contains_eager(Board.cohort), course)
        .join(Enrolment, Enrolment.cohort_id == Cohort.id)
        .where(Enrolment.user_id == user.id, Enrolment.left_at.is_(None))
        .order_by(Cohort.starts_at.desc(), Board.id)
    ).all()


def enrolment_in(session: Session, board: Board, user: User) -> Enrolment | None:
    """Return a person's enrolment in the board's cohort, if there is one."""
    return session.scalar(
        select(Enrolment).where(Enrolment.cohort_id == board.cohort_id, Enrolment.user_id == user.id)
    )


def share_at(board: Board, at: datetime) -> Share:
    """Say which scores a board shows: the public ones until its end, the private ones after."""
    return "private" if board.ends_at is not None and at > board.ends_at else "public"


def standings(session: Session, board: Board, viewer: User | None, at: datetime) -> Standings:
    """Return the board as it stands at a moment; private scores are not even read before its end."""
    share = share_at(board, at)
    score = Entry.private_score if share == "private" else Entry.public_score
    rows = session.execute(
        select(Entry.id, Entry.enrolment_id, score, Entry.received_at).where(Entry.board_id == board.id)
    ).all()
    scored = [
        Scored(competitor=enrolment_id, entry=entry_id, score=value, received_at=received_at)
        for entry_id, enrolment_id, value, received_at in rows
    ]
    direction: Direction = "max" if board.direction == "max" else "min"
    ranked = places(scored, direction)
    entries = _entries(session, [place.entry for place in ranked])
    return Standings(
        board=board,
        share=share,
        rows=[
            Standing(
                rank=place.rank,
                name=entry.enrolment.user.name if entry.enrolment else "",
                title=entry.title or {},
                source=entry.source,
                score=place.score,
                entries=place.entries,
                received_at=entry.received_at,
                mine=bool(viewer and entry.enrolment and entry.enrolment.user_id == viewer.id),
                assurance=entry.assurance,
            )
            for place in ranked
            for entry in (entries[place.entry],)
        ],
    )


def _entries(session: Session, ids: Sequence[int]) -> dict[int, Entry]:
    statement = (
        select(Entry)
        .where(Entry.id.in_(ids))
        .options(
            joinedload(Entry.enrolment).joinedload(Enrolment.user),
            defer(Entry.public_score),
            defer(Entry.private_score),
        )
    )
    return {entry.id: entry for entry in session.scalars(statement)}


class PlaceOnBoard(NamedTuple):
    """Where a student stands: `tied` have that very score, the student among them, of `field` ranked."""

    rank: int
    tied: int
    field: int


def place_of(session: Session, enrolment: Enrolment, board: Board, at: datetime) -> PlaceOnBoard | None:
    """Return a student's place on a board, or None without an entry."""
    table = standings(session, board, enrolment.user, at)
    mine = table.mine
    if mine is None or mine.rank is None:
        return None
    tied = sum(row.rank is not None and row.score == mine.score for row in table.rows)
    return PlaceOnBoard(mine.rank, tied, table.ranked)
