"""What organisers do to whole boards, on PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from lms.db import make_sessions
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.core.tables import read_table
from lms.leaderboards.models import Entry, Share, Team, Truth
from lms.leaderboards.queries.changes import changes_of
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.entries import entries_of, history
from lms.leaderboards.queries.finding import Sought, found
from lms.leaderboards.queries.standings import around, standings
from lms.leaderboards.queries.waiting import boards_to_tie
from lms.leaderboards.services import rescoring, upkeep
from lms.leaderboards.services.comparing import EVERY, compare_truths
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.ties import lock_truth
from tests.factories.leaderboards import NOW, make_contest
from tests.leaderboards.test_upkeep import TABLE

pytestmark = pytest.mark.postgres


def test_a_board_is_imported_scored_anew_looked_over_and_read(postgres_engine: Engine) -> None:
    with Session(postgres_engine, expire_on_commit=False) as session:
        contest = make_contest(session, freeze={"after_days": 10})
        board, team = contest.board, contest.team("mine")
        assert import_table(session, None, board, read_table(TABLE.encode()), at=NOW) == 3
        contest.enter(team, 0.95, 0.1)
        assert differences(session, board) == []
        viewer = contest.leader(team)
        table = standings(session, board, viewer, NOW)
        assert [(row.rank, row.name) for row in table.rows] == [
            (1, "mine"), (2, "first"), (None, ""), (3, "둘째"), (4, "<b>"),
        ]  # fmt: skip
        assert [row.rank for row in around(session, board, viewer, NOW, neighbours=1).rows] == [1, 2, None, 3]
        assert [row.rank for row in found(session, board, viewer, NOW, Sought("FIRST")).rows] == [2]
        assert [each.score for each in entries_of(session, board, team, NOW)] == [0.95]
        assert len(history(session, board, NOW)) == 4
        truth = rescoring.prepare_rescore(session, None, board, "new rows", blob=None, at=NOW)
        for number in rescoring.not_rescored(session, truth):
            entry = session.get_one(Entry, number)
            score = 1 - (entry.public_score or 0)
            scores = None if entry.team_id == team.id else Scores(score, score, public_losses=[score])  # type: ignore[arg-type]
            rescoring.rescore_entry(session, truth, number, scores, "broken")
        changes = rescoring.board_difference(session, None, truth)
        assert {change.name for change in changes} == {"mine", "first", "<b>", "둘째"}
        rescoring.publish_rescore(session, None, truth, at=NOW)
        names = dict(iter(session.execute(select(Team.id, Team.name))))  # type: ignore[arg-type]
        rows = standings(session, board, None, NOW + timedelta(days=60)).rows
        assert [names.get(row.team_id or 0) for row in rows] == ["<b>", "둘째", None, "first"]
        assert boards_to_tie(session, NOW) == [board.id]
        assert lock_truth(session, board.id) is board
        assert upkeep.look_over(session, board, NOW) == []


def test_what_a_new_truth_would_change_is_kept_and_read(postgres_engine: Engine) -> None:
    sessions = make_sessions(postgres_engine, writing=True)
    with sessions.begin() as session:
        contest = make_contest(session)
        first, second = contest.team("first"), contest.team("second")
        entries = [contest.enter(first, 0.9, 0.8), contest.enter(second, 0.5, 0.5)]
        truth = rescoring.prepare_rescore(session, None, contest.board, "new rows", blob=None, at=NOW)
        for entry, score in zip(entries, (0.1, 0.6), strict=True):
            rescoring.rescore_entry(session, truth, entry.id, Scores(score, score))
    assert [compare_truths(sessions, NOW), compare_truths(sessions, NOW + EVERY * 2)] == [1, 0]
    with sessions.begin() as session:
        same = session.get_one(Truth, truth.id)
        found = [(each.share, each.name, each.rank_after) for each in changes_of(session, same)]
        assert found == [
            (share, name, rank)
            for share in (Share.PUBLIC, Share.PRIVATE)
            for name, rank in (("second", 1), ("first", 2))
        ]
        rescoring.publish_rescore(session, None, same, at=NOW)
    assert compare_truths(sessions, NOW + EVERY * 4) == 0
    with sessions() as session:
        assert changes_of(session, session.get_one(Truth, truth.id)) == []
