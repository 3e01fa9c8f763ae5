"""Points that are counted, hidden and corrected at once, on PostgreSQL, where two can write at a time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Entry, Team, TeamMember, Truth
from lms.leaderboards.services.honouring import count_results, show_honours
from lms.leaderboards.services.judging import disqualify_team
from lms.leaderboards.services.rescoring import not_rescored, prepare_rescore, publish_rescore, rescore_entry
from lms.leaderboards.services.teams import show_member
from lms.leaderboards.services.ties import lock_truth
from lms.leaderboards.services.upkeep import look_over
from lms.leaderboards.tables.honours import Honours, TeamResult
from tests.factories.aftermath import make_ended

pytestmark = pytest.mark.postgres

Step = Callable[[Session], object]


@dataclass
class Ended:
    """A board that has ended and is not counted yet, with two teams of one person each."""

    engine: Engine
    board_id: int
    first_id: int  # the team ahead
    user_id: int  # who is in it

    def at_once(self, first: Step, second: Step, then: Step | None = None) -> None:
        """Let the second begin while the first is done and not final: the database makes it wait."""

        def later() -> None:
            with Session(self.engine) as other:
                second(other)
                other.commit()

        with Session(self.engine) as session, ThreadPoolExecutor(1) as pool:
            first(session)
            session.flush()
            waiting = pool.submit(later)
            self._until_one_waits()
            if then is not None:
                then(session)
            session.commit()
            waiting.result(timeout=30)

    def _until_one_waits(self) -> None:
        with self.engine.connect() as looking:
            for _ in range(300):
                if looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    return
                time.sleep(0.05)
        pytest.fail("the second did not wait for the first")

    def honours(self) -> Honours:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(Honours, self.user_id)

    def count(self, session: Session) -> None:
        count_results(session, session.get_one(Board, self.board_id), now())

    def hide(self, session: Session) -> None:
        user, team = session.get_one(User, self.user_id), session.get_one(Team, self.first_id)
        show_member(session, user, team, shown=False)

    def disqualify(self, session: Session) -> None:
        disqualify_team(session, None, session.get_one(Team, self.first_id), "a shared file", at=now())


@pytest.fixture
def ended(postgres_engine: Engine) -> Ended:
    with Session(postgres_engine) as session:
        contest, (first, _) = make_ended(session, ("하나", "둘"))
        session.commit()
        return Ended(postgres_engine, contest.board.id, first.id, contest.leader(first).id)


@pytest.mark.parametrize("is_hidden_first", [True, False])
def test_no_place_is_told_of_who_hides_the_name_while_it_is_counted(
    ended: Ended, *, is_hidden_first: bool
) -> None:
    steps = (ended.hide, ended.count) if is_hidden_first else (ended.count, ended.hide)
    ended.at_once(*steps)
    kept = ended.honours()
    assert (kept.challenges, kept.weight, kept.best_rank) == (0, 0.0, None)


def test_two_boards_that_are_counted_at_once_both_count(ended: Ended) -> None:
    with Session(ended.engine) as session:
        other, (team,) = make_ended(session, ("셋",))
        member = update(TeamMember).where(TeamMember.team_id == team.id)
        session.execute(member.values(user_id=ended.user_id))
        session.commit()
        number = other.board.id
    ended.at_once(ended.count, lambda session: count_results(session, session.get_one(Board, number), now()))
    assert ended.honours().challenges == 2


def test_who_shows_themselves_twice_or_while_a_board_is_counted_has_one_row(ended: Ended) -> None:
    def show(session: Session) -> None:
        show_honours(session, session.get_one(User, ended.user_id), shown=True, organisation_id=None)

    ended.at_once(show, show)
    assert ended.honours().shown
    with Session(ended.engine) as session:
        session.delete(session.get_one(Honours, ended.user_id))
        session.commit()
    ended.at_once(show, ended.count)
    kept = ended.honours()
    assert (kept.shown, kept.challenges) == (True, 1)


def test_who_is_disqualified_while_a_board_is_first_counted_gets_no_place(ended: Ended) -> None:
    ended.at_once(ended.count, ended.disqualify)
    with Session(ended.engine) as session:
        places = session.execute(select(TeamResult.team_id, TeamResult.rank)).all()
    assert [rank for team, rank in places if team != ended.first_id] == [1]
    assert len(places) == 1
    assert ended.honours().challenges == 0


@pytest.mark.parametrize("is_nightly", [True, False])
def test_a_correction_and_what_works_on_the_whole_board_do_not_wait_for_each_other(
    ended: Ended, *, is_nightly: bool
) -> None:
    with Session(ended.engine) as session:
        ended.count(session)
        truth = prepare_rescore(
            session, None, session.get_one(Board, ended.board_id), "new rows", blob=None, at=now()
        )
        for number in not_rescored(session, truth):
            rescore_entry(session, truth, number, Scores(0.5, session.get_one(Entry, number).id / 1000))
        session.commit()
        version = truth.id

    def work(session: Session) -> None:
        if is_nightly:
            look_over(session, session.get_one(Board, ended.board_id), now())
        else:
            publish_rescore(session, None, session.get_one(Truth, version), at=now())

    ended.at_once(lambda session: lock_truth(session, ended.board_id), ended.disqualify, work)
    assert ended.honours().challenges == 0
