"""What others do while a freeze is being set: the frozen board has all of it, whichever comes first."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import make_sessions
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Challenge, EntryKind, Share, Standing, Team
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.services.challenges import open_challenge
from lms.leaderboards.services.dates import lock_dates, write_dates
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.services.standing import rebuild
from lms.leaderboards.services.teams import join, merge
from tests.factories.leaderboards import NOW, Contest, make_contest

LONGEST = 20  # seconds that anything here is waited for
LATER = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Meeting:
    """Numbers of what is there: a challenge, two teams with an entry each, somebody who is in none."""

    sessions: sessionmaker[Session]
    challenge: int
    one: int
    entry: int
    other: int
    nobody: int


def set_freeze(session: Session, meeting: Meeting) -> None:
    """As the page of the dates and a publication do."""
    challenge = session.get_one(Challenge, meeting.challenge)
    write_dates(challenge, replace(lock_dates(session, challenge), freezes_at=NOW + timedelta(days=10)))
    session.flush()
    open_challenge(session, challenge)


def choose(meeting: Meeting, read: Callable[[], object]) -> None:
    with meeting.sessions.begin() as session:
        team = session.get_one(Team, meeting.one)
        user, board = session.get_one(User, team.leader_id), team.board
        assert board.freezes_at is None
        read()
        select_entries(session, user, team, [meeting.entry], at=LATER)


def come_together(meeting: Meeting, read: Callable[[], object]) -> None:
    with meeting.sessions.begin() as session:
        one, other = session.get_one(Team, meeting.one), session.get_one(Team, meeting.other)
        user, board = session.get_one(User, one.leader_id), one.board
        assert board.freezes_at is None
        read()
        merge(session, user, one, other, at=LATER)


def come_and_enter(meeting: Meeting, read: Callable[[], object]) -> None:
    with meeting.sessions.begin() as session:
        challenge, user = session.get_one(Challenge, meeting.challenge), session.get_one(User, meeting.nobody)
        read()
        join(session, user, challenge, "late", at=NOW)
        work = Work(kind=EntryKind.PREDICTIONS, blob="b" * 64)
        entry_id = take_entry(session, user, challenge, work, received_at=LATER).id
    with meeting.sessions.begin() as session:
        score_entry(session, entry_id, Scores(0.9, 0.9), at=LATER)


@pytest.fixture
def meeting(postgres_engine: Engine) -> Meeting:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest = make_contest(session)
        one, other = contest.team(), contest.team()
        entry, _ = contest.enter(one, 0.5), contest.enter(other, 0.4)
        return Meeting(sessions, contest.challenge.id, one.id, entry.id, other.id, contest.person().id)


@pytest.mark.postgres
@pytest.mark.parametrize("act", [choose, come_together, come_and_enter])
def test_whoever_acts_while_a_freeze_is_set_stands_on_the_frozen_board(
    postgres_engine: Engine, meeting: Meeting, act: Callable[[Meeting, Callable[[], object]], None]
) -> None:
    has_read, is_set, has_acted = threading.Event(), threading.Event(), threading.Event()

    def freeze() -> None:
        try:
            assert has_read.wait(LONGEST)
            with meeting.sessions.begin() as session:
                set_freeze(session, meeting)
                is_set.set()
                until_somebody_waits(postgres_engine, has_acted)
        finally:
            is_set.set()

    def read() -> None:
        has_read.set()
        assert is_set.wait(LONGEST)

    def meanwhile() -> None:
        try:
            act(meeting, read)
        finally:
            has_acted.set()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(freeze), threads.submit(meanwhile)]:
            done.result(2 * LONGEST)
    with meeting.sessions() as session:
        board = board_of_challenge(session, session.get_one(Challenge, meeting.challenge))
        assert board.freezes_at is not None
        assert differences(session, board) == []


def until_somebody_waits(engine: Engine, has_acted: threading.Event) -> None:
    """Return once another connection waits for a lock, or has gone on without."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and not has_acted.wait(0.02):
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
    assert has_acted.is_set(), "nobody waits and nobody has gone on"


def kept(session: Session, board: Board) -> list[tuple[object, ...]]:
    rows = select(Standing.share, Standing.team_id, Standing.entry_id, Standing.key, Standing.entries)
    return [tuple(row) for row in session.execute(rows.where(Standing.board_id == board.id))]


def test_a_freeze_that_is_lifted_goes_at_once_however_many_teams_there_are(
    session: Session, statements: list[str]
) -> None:
    contest = make_contest(session, freeze={"after_days": 24})
    numbers = []
    for _ in range(2):
        for _ in range(5):
            contest.enter(contest.team(), 0.5)
        contest.board.freezes_at = contest.challenge.freezes_at
        rebuild(session, contest.board)
        before = len(kept(session, contest.board))
        contest.board.freezes_at = None
        session.flush()
        statements.clear()
        assert rebuild(session, contest.board) * 3 == before * 2
        numbers.append(len([sent for sent in statements if sent.startswith("DELETE")]))
        assert differences(session, contest.board) == []
        assert Share.FROZEN not in {row[0] for row in kept(session, contest.board)}
    assert numbers == [1, 1]


def test_a_score_reads_its_board_once(contest: Contest, statements: list[str]) -> None:
    """Who scores has read it with the team locked, also where the whole team is looked at again."""
    entry = contest.enter(contest.team(), 0.5)
    statements.clear()
    contest.score(entry, 0.6)
    assert len([sent for sent in statements if "FROM boards" in sent]) == 1
