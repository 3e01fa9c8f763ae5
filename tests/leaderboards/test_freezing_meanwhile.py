"""What others do while a freeze is being set: the frozen board has all of it, whichever comes first."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import make_sessions
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Challenge, EntryKind, Team
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.services.challenges import open_challenge
from lms.leaderboards.services.dates import lock_dates, write_dates
from lms.leaderboards.services.judging import disqualify_team
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.services.standing import follow_freeze, note_ranks, rebuild
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


def moved(contest: Contest, freezes_at: datetime | None) -> None:
    contest.board.freezes_at = freezes_at
    follow_freeze(contest.session, contest.board)
    assert differences(contest.session, contest.board) == [], "as the entries have it"


@pytest.mark.parametrize("changes", [{}, {"selections": 2}, {"metric": "mean_absolute_error"}])
def test_standings_follow_a_freeze_wherever_it_is_moved(session: Session, changes: dict[str, Any]) -> None:
    contest = make_contest(session, per_day=20, **changes)
    one, two, late = contest.team(), contest.team(), contest.team()
    for hours, team, score in ((1, one, 0.3), (2, two, 0.5), (3, one, 0.7), (4, two, 0.2), (9, late, 0.6)):
        contest.enter(team, score, 1 - score, at=NOW + timedelta(hours=hours))
    contest.take(late, at=NOW + timedelta(hours=10))  # has no score yet
    out = contest.team()
    contest.enter(out, 0.9, at=NOW + timedelta(hours=5))
    disqualify_team(session, contest.organiser, out, "why", at=NOW)
    note_ranks(session, contest.board)
    for after in (240, 11, None, 10, 3, 0, None, 9, 2, 240, None):
        moved(contest, None if after is None else NOW + timedelta(hours=after))
    moved(contest, NOW + timedelta(days=20))
    public, frozen = contest.standing(one), contest.standing(one, "frozen")
    assert public is not None
    assert frozen is not None
    assert frozen.rank_before == public.rank_before is not None, "the arrows stay"


def test_a_freeze_that_moves_while_it_lies_ahead_takes_as_few_statements_for_many_teams(
    contest: Contest, statements: list[str]
) -> None:
    numbers = []
    for _ in range(2):
        for _ in range(5):
            contest.enter(contest.team(), 0.5)
        statements.clear()
        for days in (10, 12, None):
            contest.board.freezes_at = None if days is None else NOW + timedelta(days=days)
            follow_freeze(contest.session, contest.board)
        numbers.append(len([sent for sent in statements if "standings" in sent]))
    assert numbers == [5, 5]


def test_a_board_made_anew_drops_what_it_keeps_no_more_at_once(
    session: Session, statements: list[str]
) -> None:
    contest = make_contest(session, freeze={"after_days": 24})
    for _ in range(5):
        contest.enter(contest.team(), 0.5)
    contest.board.freezes_at = None
    session.flush()
    statements.clear()
    assert rebuild(session, contest.board) == 10
    assert len([sent for sent in statements if sent.startswith("DELETE")]) == 1
    assert differences(session, contest.board) == []


def test_a_score_reads_its_board_once(contest: Contest, statements: list[str]) -> None:
    """Who scores has read it with the team locked, also where the whole team is looked at again."""
    entry = contest.enter(contest.team(), 0.5)
    statements.clear()
    contest.score(entry, 0.6)
    assert len([sent for sent in statements if "FROM boards" in sent]) == 1
