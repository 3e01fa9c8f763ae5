"""What is asked twice at the same moment, on PostgreSQL, where two can write at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.errors import Conflict
from lms.leaderboards.models import Challenge, RulesAcceptance, Team, TeamInvitation, TeamMember
from lms.leaderboards.queries.boards import board_of_challenge, team_of
from lms.leaderboards.services import asking, teams
from lms.leaderboards.services.challenges import accept_rules
from tests.factories.grading import make_user
from tests.factories.leaderboards import NOW, make_contest

pytestmark = pytest.mark.postgres

Step = Callable[[Session, User, Challenge], object]


@dataclass
class Meeting:
    """A challenge with one team, and somebody new who has accepted its rules."""

    engine: Engine
    challenge_id: int
    team_id: int
    user_id: int
    stranger_id: int  # has not accepted them

    def at_once(self, first: Step, second: Step, *, user_id: int = 0) -> None:
        """Let the second begin while the first is done and not final: the database makes it wait."""

        def ask(session: Session, step: Step) -> None:
            user = session.get_one(User, user_id or self.user_id)
            step(session, user, session.get_one(Challenge, self.challenge_id))
            session.flush()

        def later() -> None:
            with Session(self.engine) as other:
                ask(other, second)
                other.commit()

        with Session(self.engine) as session, ThreadPoolExecutor(1) as pool:
            ask(session, first)
            waiting = pool.submit(later)
            self._until_one_waits()
            session.commit()
            waiting.result(timeout=30)

    def _until_one_waits(self) -> None:
        with self.engine.connect() as looking:
            for _ in range(300):
                if looking.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    return
                time.sleep(0.05)
        pytest.fail("the second did not wait for the first")

    def count(self, column: object, **same: object) -> int:
        with Session(self.engine) as session:
            return session.scalar(select(func.count(column)).filter_by(**same)) or 0  # type: ignore[arg-type]


@pytest.fixture
def meeting(postgres_engine: Engine) -> Meeting:
    with Session(postgres_engine) as session:
        contest = make_contest(session)
        team, user, stranger = contest.team("하나"), contest.person(), make_user(session)
        session.commit()
        return Meeting(postgres_engine, contest.challenge.id, team.id, user.id, stranger.id)


def join(name: str) -> Step:
    def step(session: Session, user: User, challenge: Challenge) -> None:
        teams.join(session, user, challenge, name, at=NOW)

    return step


def come(team_id: int) -> Step:
    def step(session: Session, user: User, challenge: Challenge) -> None:
        asking.come(session, user, challenge, session.get_one(Team, team_id), at=NOW)

    return step


def accept(session: Session, user: User, challenge: Challenge) -> None:
    accept_rules(session, user, challenge, challenge.rules_version, at=NOW)


def test_who_joins_twice_is_in_one_team(meeting: Meeting) -> None:
    meeting.at_once(join("둘"), join("둘"))
    assert meeting.count(TeamMember.id, user_id=meeting.user_id) == 1
    assert meeting.count(Team.id) == 2


def test_of_two_who_take_one_name_one_is_told(meeting: Meeting) -> None:
    def other(session: Session, _user: User, challenge: Challenge) -> None:
        stranger = session.get_one(User, meeting.stranger_id)
        accept(session, stranger, challenge)
        teams.join(session, stranger, challenge, "둘", at=NOW)

    with pytest.raises(Conflict, match="has this name"):
        meeting.at_once(join("둘"), other)


def test_who_renames_to_a_name_that_is_just_taken_is_told(meeting: Meeting) -> None:
    def rename(session: Session, _user: User, _challenge: Challenge) -> None:
        team = session.get_one(Team, meeting.team_id)
        teams.rename(session, session.get_one(User, team.leader_id), team, "둘", at=NOW)

    with pytest.raises(Conflict, match="has this name"):
        meeting.at_once(join("둘"), rename)


def test_rules_accepted_twice_are_accepted_once(meeting: Meeting) -> None:
    meeting.at_once(accept, accept, user_id=meeting.stranger_id)
    assert meeting.count(RulesAcceptance.id, user_id=meeting.stranger_id) == 1


def test_who_is_invited_twice_has_one_invitation(meeting: Meeting) -> None:
    def invite(session: Session, user: User, _challenge: Challenge) -> None:
        team = session.get_one(Team, meeting.team_id)
        teams.invite(session, session.get_one(User, team.leader_id), team, user, at=NOW)

    meeting.at_once(invite, invite)
    assert meeting.count(TeamInvitation.id) == 1


def test_who_joins_and_comes_into_a_team_at_once_is_in_one(meeting: Meeting) -> None:
    with pytest.raises(Conflict, match="just come into a team"):
        meeting.at_once(join("둘"), come(meeting.team_id))
    with Session(meeting.engine) as session:
        challenge = session.get_one(Challenge, meeting.challenge_id)
        user = session.get_one(User, meeting.user_id)
        team = team_of(session, board_of_challenge(session, challenge), user)
        assert team is not None
        assert team.name == "둘"
