"""Whatever happens on a board, in whatever order: the kept standings are what the entries say."""

import random
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from lms.errors import DomainError
from lms.leaderboards.core.rank import Place, places
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.core.selection import Candidate, final_entries
from lms.leaderboards.models import (
    Board,
    Disqualification,
    Entry,
    EntryKind,
    EntryState,
    PrivateScore,
    Share,
    Standing,
    Team,
)
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.counting import differences, shares_of
from lms.leaderboards.services import judging, scoring, selecting, teams
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.standing import recompute
from tests.factories.leaderboards import NOW, Contest, make_contest

SCORES = (0.0, -0.0, 0.25, 0.5, 0.5, 0.75, 0.7500000001, 1.0, float("nan"), float("inf"))
STEPS = 14
ROOMY = {
    "per_day": 1000,
    "total": 10_000,
    "failures_per_day": 1000,
    "team_size": 20,
    "ends": {"after_days": 60},
}


class History:
    """One board on which chance decides what happens next."""

    def __init__(self, contest: Contest, board: Board, seed: int) -> None:
        self.contest, self.board, self.chance = contest, board, random.Random(seed)
        self.session = contest.session
        self.teams = [contest.team() for _ in range(self.chance.randint(1, 4))]

    def play(self, steps: int = STEPS) -> None:
        moves = [
            *[self.take] * 4,
            *[self.score] * 5,
            self.fail,
            self.disqualify,
            self.lift,
            self.disqualify_team,
            self.merge,
            self.select,
            self.retry,
        ]
        for _ in range(steps):
            try:
                self.chance.choice(moves)()
            except DomainError:  # what the rules refuse changes nothing
                self.session.flush()

    def entries(self, *states: EntryState) -> list[Entry]:
        statement = select(Entry).where(Entry.board_id == self.board.id, Entry.team_id.is_not(None))
        found = self.session.scalars(statement.order_by(Entry.id)).all()
        return [entry for entry in found if not states or entry.state in states]

    def take(self) -> None:
        team = self.chance.choice(self.teams)
        moment = NOW + timedelta(seconds=self.chance.randint(0, 9), microseconds=self.chance.randint(0, 1))
        work = Work(EntryKind.PREDICTIONS, "b" * 64)
        if team.leader_id is not None and team.merged_into_id is None:
            take_entry(
                self.session, self.contest.leader(team), self.contest.challenge, work, received_at=moment
            )

    def score(self) -> None:
        for entry in self.some(EntryState.RECEIVED, EntryState.SCORED, EntryState.FAILED):
            public, private = self.chance.choice(SCORES), self.chance.choice(SCORES)
            losses = np.array([self.chance.random() < 0.5 for _ in range(8)], dtype=float)
            if self.board.ladder:
                public = 1 - float(losses.mean())
            found = Scores(public, private, public_losses=losses if self.board.ladder else None)
            scoring.score_entry(self.session, entry.id, found, at=NOW)

    def some(self, *states: EntryState) -> list[Entry]:
        found = self.entries(*states)
        return [self.chance.choice(found)] if found else []

    def fail(self) -> None:
        for entry in self.some(EntryState.RECEIVED, EntryState.SCORED):
            scoring.fail_entry(self.session, entry.id, "broken")

    def retry(self) -> None:
        for entry in self.some(EntryState.FAILED):
            scoring.retry_entry(self.session, entry.id)

    def disqualify(self) -> None:
        for entry in self.some():
            judging.disqualify_entry(self.session, None, entry, "copied", at=NOW)

    def disqualify_team(self) -> None:
        if self.chance.random() < 0.3:
            judging.disqualify_team(self.session, None, self.chance.choice(self.teams), "two", at=NOW)

    def lift(self) -> None:
        open_ones = select(Disqualification).where(
            Disqualification.board_id == self.board.id, Disqualification.lifted_at.is_(None)
        )
        found = self.session.scalars(open_ones).all()
        if found:
            judging.lift(self.session, None, self.chance.choice(found), "a mistake", at=NOW)

    def merge(self) -> None:
        into, other = self.chance.choice(self.teams), self.chance.choice(self.teams)
        moment = NOW + timedelta(seconds=self.chance.randint(0, 9))
        teams.merge(self.session, self.contest.organiser, into, other, at=moment)

    def select(self) -> None:
        team = self.chance.choice(self.teams)
        own = [entry.id for entry in self.entries(EntryState.SCORED) if entry.team_id == team.id]
        chosen = self.chance.sample(own, min(len(own), self.chance.randint(0, 2)))
        if team.leader_id is not None:
            selecting.select_entries(self.session, self.contest.leader(team), team, chosen, at=NOW)


def expected(history: History, share: Share) -> list[Place]:
    """Rank the stored entries by the core alone."""
    session, board = history.session, history.board
    away = {
        team.id
        for team in session.scalars(select(Team).where(Team.board_id == board.id))
        if team.disqualified
    }
    entries = [each for each in history.entries(EntryState.SCORED) if each.team_id not in away]
    if share is Share.FROZEN:
        assert board.freezes_at is not None
        entries = [each for each in entries if each.received_at <= board.freezes_at]
    private = {row.entry_id: row.score for row in session.scalars(select(PrivateScore))}
    every = board.selections == 0 or share is not Share.PRIVATE
    candidates = [
        Candidate(
            each.team_id,
            each.sequence,
            each.public_score,
            private[each.id] if share is Share.PRIVATE else each.released_score,
            selected=each.selected or every,
        )
        for each in entries
    ]
    most = None if every else board.selections
    final = final_entries(candidates, board.direction.value, most=most, automatic=board.selections)
    return places(final, board.direction.value)


def kept(history: History, share: Share) -> list[tuple[int, float, int]]:
    statement = select(Standing).where(Standing.board_id == history.board.id, Standing.share == share)
    rows = history.session.scalars(
        statement.order_by(Standing.key), execution_options={"populate_existing": True}
    ).all()
    return [(row.team_id, row.score, row.entries) for row in rows]


def check(contest: Contest, seed: int) -> None:
    chance = random.Random(seed)
    board = board_of_challenge(contest.session, contest.challenge)
    savepoint = contest.session.begin_nested()
    board.direction = chance.choice(["max", "min"])  # type: ignore[assignment]
    board.ladder = chance.random() < 0.25
    if board.ladder:
        board.direction = "max"  # type: ignore[assignment]
    board.selections = chance.choice([0, 0, 1, 2])
    board.freezes_at = NOW + timedelta(seconds=5) if chance.random() < 0.3 else None
    contest.session.flush()
    contest.session.refresh(board)
    history = History(contest, board, seed)
    history.play()
    assert differences(contest.session, board) == []
    for share in shares_of(board):
        found = [(place.competitor, place.score, place.entries) for place in expected(history, share)]
        assert kept(history, share) == found, (seed, share)
    savepoint.rollback()
    contest.session.expire_all()


@pytest.fixture
def crowded(memory: Session) -> Contest:
    return make_contest(memory, **ROOMY)


@pytest.mark.parametrize("block", range(2))
def test_the_kept_standings_are_what_the_entries_say_after_random_histories(
    crowded: Contest, block: int
) -> None:
    for seed in range(block * 30, block * 30 + 30):
        check(crowded, seed)


@pytest.mark.postgres
def test_they_are_on_postgresql_too(postgres_engine: Engine) -> None:
    with Session(postgres_engine, expire_on_commit=False) as session:
        contest = make_contest(session, **ROOMY)
        for seed in range(10):
            check(contest, seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_they_are_after_ten_thousand_histories(crowded: Contest) -> None:
    for seed in range(10_000):
        check(crowded, 1_000_000 + seed)


def test_a_difference_is_found_and_mended(contest: Contest) -> None:
    first, second = contest.team(), contest.team()
    contest.enter(first, 0.9)
    contest.enter(second, 0.8)
    session, board = contest.session, contest.board
    wrong = contest.standing(first)
    assert wrong is not None
    wrong.score, wrong.key = 0.1, b"\xff" * 16
    gone = contest.standing(second, "private")
    session.delete(gone)
    session.flush()
    found = differences(session, board)
    assert {(each.team_id, each.share) for each in found} == {
        (first.id, Share.PUBLIC),
        (second.id, Share.PRIVATE),
    }
    assert len(recompute(session, board)) == 2
    assert differences(session, board) == []
    assert contest.standing(second, "private") is not None
