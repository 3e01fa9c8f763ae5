"""Pages that are kept for a moment: how late they may be, for whom, and what is never late."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.db import QUIET, Base, make_engine, make_sessions
from lms.leaderboards.models import Board, Challenge, Share, Team
from lms.leaderboards.queries.kept import MOST, SECONDS, KeptPages
from lms.leaderboards.queries.standings import own_row
from tests.factories.leaderboards import Contest, make_contest


@dataclass
class Kept:
    """A board with two teams, the pages that a process keeps of it, and a clock that stands still."""

    sessions: sessionmaker[Session]
    contest: Contest
    teams: list[Team]
    elsewhere: Contest
    """The same board, written to by another process."""
    moment: float = 0.0
    pages: KeptPages = field(init=False)

    def __post_init__(self) -> None:
        self.pages = KeptPages(lambda: self.moment)
        self.pages.watch(self.sessions)

    def look(self, team: Team | None = None, share: Share = Share.PUBLIC) -> list[tuple[str, float, int]]:
        """Return what a reader of this process is shown."""
        with self.sessions(info={QUIET: True}) as reading:
            board = reading.get_one(Board, self.contest.board.id)
            viewer = None if team is None else reading.get_one(User, team.leader_id)
            mine = None if viewer is None else own_row(reading, board, share, viewer)
            page = self.pages.page(reading, board, share, offset=0, mine=mine)
            reading.commit()
            return [(row.name, row.score, row.entries) for row in page.rows]

    def score_elsewhere(self, place: int, score: float) -> None:
        team = self.elsewhere.session.get_one(Team, self.teams[place].id)
        self.elsewhere.enter(team, score)
        self.elsewhere.session.commit()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    engine = make_engine(f"sqlite:///{tmp_path / 'own.db'}")
    Base.metadata.create_all(engine)
    sessions, other = make_sessions(engine), make_sessions(engine)
    with sessions() as here, other() as elsewhere:
        contest = make_contest(here, per_day=1000)
        teams = [contest.team(name) for name in ("One", "Two")]
        for team, score in zip(teams, (0.75, 0.5), strict=True):
            contest.enter(team, score)
        here.commit()
        rest = (contest.sponsor, contest.organiser, contest.document)
        found = Contest(elsewhere, elsewhere.get_one(Challenge, contest.challenge.id), *rest)
        elsewhere.commit()
        yield Kept(sessions, contest, teams, found)
    engine.dispose()


BEFORE = [("One", 0.75, 1), ("Two", 0.5, 1)]
AFTER = [("Two", 0.875, 2), ("One", 0.75, 1)]


def test_what_another_process_writes_is_shown_a_moment_later(kept: Kept) -> None:
    assert kept.look() == BEFORE
    kept.score_elsewhere(1, 0.875)
    assert kept.look() == BEFORE
    kept.moment = SECONDS
    assert kept.look() == AFTER


def test_what_this_process_writes_is_shown_at_once(kept: Kept) -> None:
    assert kept.look() == BEFORE
    kept.contest.enter(kept.teams[1], 0.875)
    kept.contest.session.commit()
    assert kept.look() == AFTER


def test_a_reader_who_only_reads_makes_nobody_read_afresh(kept: Kept) -> None:
    kept.look()
    kept.look()
    kept.score_elsewhere(1, 0.875)
    assert kept.look() == BEFORE, "the first page is shown still"


def test_who_moved_sees_it_at_once_and_so_do_all_after_them(kept: Kept) -> None:
    kept.look()
    kept.score_elsewhere(1, 0.875)
    assert kept.look(kept.teams[0]) == AFTER, "the first is second now"
    assert kept.look() == AFTER


def test_a_better_entry_count_alone_is_seen_by_its_team(kept: Kept) -> None:
    kept.look(kept.teams[0])
    kept.score_elsewhere(0, 0.25)
    assert kept.look(kept.teams[1])[0] == ("One", 0.75, 1)
    assert kept.look(kept.teams[0])[0] == ("One", 0.75, 2)


def test_what_was_read_before_something_was_written_is_not_kept(kept: Kept) -> None:
    with kept.sessions(info={QUIET: True}) as reading:
        board = reading.get_one(Board, kept.contest.board.id)
        kept.pages.forget()  # somebody writes while this one reads
        kept.pages.page(reading, board, Share.PUBLIC, offset=0, mine=None)
        reading.commit()
    kept.score_elsewhere(1, 0.875)
    assert kept.look() == AFTER


def test_names_are_never_shown_after_they_are_hidden(kept: Kept) -> None:
    kept.look()
    kept.elsewhere.board.anonymous = True
    kept.elsewhere.session.commit()
    assert not {"One", "Two"} & {name for name, _, _ in kept.look()}


def test_scores_of_a_former_truth_are_never_shown(kept: Kept) -> None:
    kept.look()
    kept.elsewhere.board.truth_version += 1
    kept.score_elsewhere(1, 0.875)
    assert kept.look() == AFTER


def test_shares_are_kept_apart(kept: Kept) -> None:
    kept.contest.enter(kept.teams[0], 0.9, 0.125)
    kept.contest.session.commit()
    public, private = kept.look(), kept.look(share=Share.PRIVATE)
    assert public != private
    assert (kept.look(), kept.look(share=Share.PRIVATE)) == (public, private)


def test_no_more_pages_are_kept_than_fit(kept: Kept) -> None:
    with kept.sessions(info={QUIET: True}) as reading:
        board = reading.get_one(Board, kept.contest.board.id)
        for number in range(MOST + 5):
            kept.pages.page(reading, board, Share.PUBLIC, offset=number * 50, mine=None)
    assert len(kept.pages._pages) == MOST


def test_organisers_see_what_others_decided_a_moment_ago(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None], sessions: sessionmaker[Session]
) -> None:
    team = contest.team("One")
    contest.enter(team, 0.5)
    path = f"/challenges/{contest.challenge.slug}/board"
    sign_in(contest.organiser)
    assert "One" in client.get(path).text
    with sessionmaker(sessions.kw["bind"], join_transaction_mode="create_savepoint")() as elsewhere:
        elsewhere.get_one(Team, team.id).name = "Renamed"
        elsewhere.commit()
    assert "Renamed" in client.get(path).text
