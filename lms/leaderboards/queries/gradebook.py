"""What confirmed boards gave the people of a cohort, for its gradebook."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from lms.courses.models import Enrolment
from lms.leaderboards.models import Board
from lms.leaderboards.queries.awards import confirmed_boards
from lms.leaderboards.tables.grades import RankAward


@dataclass(frozen=True)
class BoardAwards:
    """A board that a person confirmed, and what it gave people of one cohort."""

    board: Board
    awards: Sequence[RankAward]

    @property
    def key(self) -> str:
        """Return a name that no lab and no other board has: its number tells equal names apart."""
        held = self.board.challenge if self.board.challenge is not None else self.board.lab
        return f"board:{self.board.id}:{held.slug}" if held is not None else f"board:{self.board.id}"


def board_awards(session: Session, cohort_id: int, *, user_id: int | None = None) -> list[BoardAwards]:
    """Return what each confirmed board gave the people who are in a cohort now, the first confirmed first.

    Args:
        user_id: only this person's, and only boards that gave them something.

    Complexity: a fixed number of statements, however many boards and people there are.
    """
    confirmations = confirmed_boards(session, cohort_id)[::-1]
    people = select(Enrolment.user_id).where(Enrolment.cohort_id == cohort_id, Enrolment.left_at.is_(None))
    wanted = (
        select(RankAward)
        .where(
            RankAward.confirmation_id.in_([each.id for each in confirmations]), RankAward.user_id.in_(people)
        )
        .options(load_only(RankAward.confirmation_id, RankAward.user_id, RankAward.points, RankAward.maximum))
    )
    if user_id is not None:
        wanted = wanted.where(RankAward.user_id == user_id)
    of_boards: dict[int, list[RankAward]] = {}
    for award in session.scalars(wanted) if confirmations else ():
        of_boards.setdefault(award.confirmation_id, []).append(award)
    return [BoardAwards(each.board, of_boards[each.id]) for each in confirmations if each.id in of_boards]
