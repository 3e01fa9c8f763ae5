"""Pages that are kept for a moment: how late they may be, for whom, and what is never late."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import User
from lms.accounts.services.tokens import Purpose, make_token
from lms.blobs import FolderBlobs
from lms.db import QUIET, Base, make_engine, make_sessions, now
from lms.leaderboards.models import Board, Challenge, Share, Team
from lms.leaderboards.queries.entries import number_of_entries
from lms.leaderboards.queries.kept import MOST, SECONDS, KeptPages
from lms.leaderboards.queries.standings import PAGE, own_row
from lms.web.session import session as session_of_request
from lms.web.session import write
from tests.factories.leaderboards import Contest, make_contest

FILE = b"id,place\na,north\nb,north\nc,north\n"


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
    assert len(kept.pages) == MOST


def test_a_page_is_as_old_as_the_look_at_the_database_and_not_as_its_end(kept: Kept) -> None:
    with kept.sessions(info={QUIET: True}) as slow:
        board = slow.get_one(Board, kept.contest.board.id)
        kept.score_elsewhere(1, 0.875)
        kept.moment = SECONDS / 2
        assert kept.look() == AFTER, "a quicker one has read since"
        mine = own_row(slow, board, Share.PUBLIC, slow.get_one(User, kept.teams[0].leader_id))
        page = kept.pages.page(slow, board, Share.PUBLIC, offset=0, mine=mine)
        assert [row.name for row in page.rows] == ["One", "Two"], "as it was when this one began to read"
        slow.commit()
    assert kept.look() == AFTER, "what the slow one saw is older"


def test_whoever_took_long_keeps_nothing(kept: Kept) -> None:
    with kept.sessions(info={QUIET: True}) as slow:
        board = slow.get_one(Board, kept.contest.board.id)
        kept.score_elsewhere(1, 0.875)
        kept.moment = SECONDS
        kept.pages.page(slow, board, Share.PUBLIC, offset=0, mine=None)
        slow.commit()
    assert kept.look() == AFTER


def test_nobody_stands_beyond_the_last_place(kept: Kept) -> None:
    kept.look()
    late = kept.elsewhere.team("Late")
    kept.elsewhere.enter(late, 0.125)
    kept.elsewhere.session.commit()
    with kept.sessions(info={QUIET: True}) as reading:
        board = reading.get_one(Board, kept.contest.board.id)
        mine = own_row(reading, board, Share.PUBLIC, reading.get_one(User, late.leader_id))
        assert mine is not None
        beyond = replace(mine, rank=PAGE + 1)  # not on the first page, so nothing on it tells
        page = kept.pages.page(reading, board, Share.PUBLIC, offset=0, mine=beyond)
    assert page.ranked == 3


@dataclass
class Visitors:
    """A board on the web, whose process keeps its pages while a clock stands still."""

    contest: Contest
    team: Team
    pages: KeptPages
    client: FlaskClient
    sessions: sessionmaker[Session]

    @property
    def path(self) -> str:
        return f"/challenges/{self.contest.challenge.slug}"

    def rename_elsewhere(self, name: str) -> None:
        with Session(self.sessions.kw["bind"], join_transaction_mode="create_savepoint") as elsewhere:
            elsewhere.get_one(Team, self.team.id).name = name
            elsewhere.commit()

    def board(self) -> str:
        return self.client.get(f"{self.path}/board").text


@pytest.fixture
def visitors(
    session: Session, app: Flask, client: FlaskClient, sessions: sessionmaker[Session], blobs: FolderBlobs
) -> Visitors:
    pages: KeptPages = app.extensions["board_pages"]
    pages.clock = lambda: 0.0
    opened = now() - timedelta(days=3)
    contest = make_contest(session, opens_at=opened)
    contest.challenge.files = {"sample_submission.csv": {"sha256": blobs.put(FILE), "bytes": len(FILE)}}
    team = contest.team("One", at=opened)
    contest.enter(team, 0.5, at=opened)
    session.commit()
    return Visitors(contest, team, pages, client, sessions)


def test_visitors_are_shown_what_others_were_and_organisers_what_is(
    visitors: Visitors, sign_in: Callable[[User], None]
) -> None:
    assert "One" in visitors.board()
    visitors.rename_elsewhere("Renamed")
    assert "Renamed" not in visitors.board()
    assert "Renamed" not in visitors.client.get(f"{visitors.path}/board/frame").text
    sign_in(visitors.contest.organiser)
    assert "Renamed" in visitors.board()
    visitors.rename_elsewhere("Once more")
    assert "Once more" in visitors.board()


@pytest.mark.parametrize("form", [{"name": "New name"}, {"name": ""}])
def test_what_a_page_writes_is_on_the_board_at_once(
    visitors: Visitors, sign_in: Callable[[User], None], form: dict[str, str]
) -> None:
    sign_in(visitors.contest.leader(visitors.team))
    visitors.board()
    kept = len(visitors.pages)
    assert kept, "a page that only reads makes nobody forget"
    visitors.client.post(f"{visitors.path}/team/name", data=form)
    assert len(visitors.pages) == (0 if form["name"] else kept)


def test_a_receipt_makes_nobody_read_afresh(
    visitors: Visitors, app: Flask, sign_in: Callable[[User], None]
) -> None:
    leader = visitors.contest.leader(visitors.team)
    sign_in(leader)
    visitors.board()
    kept = len(visitors.pages)
    assert kept
    token = make_token(leader, Purpose.BOARDS, app.extensions["settings"].session_key())
    headers = {"Authorization": f"Bearer {token}"}
    answer = visitors.client.post(f"/api{visitors.path}/entries", data=FILE, headers=headers)
    assert answer.status_code == 202
    file = {"file": (io.BytesIO(FILE.replace(b"north", b"south")), "predictions.csv")}
    assert visitors.client.post(f"{visitors.path}/entries", data=file).status_code == 303
    assert number_of_entries(visitors.contest.session, visitors.team) == 3
    assert len(visitors.pages) == kept


def test_whoever_writes_after_reading_is_a_reader_no_more(app: Flask) -> None:
    with app.test_request_context():
        assert session_of_request().info[QUIET] is True
        assert write().info[QUIET] is False
