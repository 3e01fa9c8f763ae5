"""What a prepared truth would change is worked out once, kept, and worked out again when that is due."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, sessionmaker

from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, Rescore, Share, Team, Truth
from lms.leaderboards.queries import changes
from lms.leaderboards.services import judging, rescoring
from lms.leaderboards.services.comparing import EVERY, compare_truths
from lms.leaderboards.services.selecting import select_entries
from lms.leaderboards.tables.changes import TruthChange, TruthComparison
from tests.factories.leaderboards import NOW, Contest, make_contest

Again = Callable[[], int]


@pytest.fixture
def contest(session: Session) -> Contest:
    return make_contest(session, selections=1)


@pytest.fixture
def teams(contest: Contest) -> list[Team]:
    return [contest.team(name) for name in ("first", "second")]


@pytest.fixture
def entries(contest: Contest, teams: list[Team]) -> list[Entry]:
    """Two entries of the first team and one of the second."""
    first, second = teams
    return [contest.enter(first, 0.9, 0.8), contest.enter(first, 0.4, 0.4), contest.enter(second, 0.5, 0.5)]


@pytest.fixture
def truth(contest: Contest, entries: list[Entry]) -> Truth:
    """A truth against which the first team's first entry is worse than the second team's."""
    found = rescoring.prepare_rescore(contest.session, None, contest.board, "wrong", blob=None, at=NOW)
    for entry, score in zip(entries, (0.3, 0.6, 0.5), strict=True):
        rescoring.rescore_entry(contest.session, found, entry.id, Scores(score, score))
    return found


@pytest.fixture
def again(contest: Contest, sessions: sessionmaker[Session]) -> Again:
    """Let the scorer look, each time a little more than `EVERY` after the last."""
    at = [NOW]

    def look() -> int:
        contest.session.commit()
        at[0] += EVERY + timedelta(seconds=1)
        done = compare_truths(sessions, at[0])
        contest.session.expire_all()
        return done

    return look


Row = tuple[str, int | None, int | None, float | None, float | None]


def told(contest: Contest, truth: Truth, share: Share = Share.PUBLIC) -> list[Row]:
    return [
        (each.name, each.rank_before, each.rank_after, each.score_before, each.score_after)
        for each in changes.changes_of(contest.session, truth)
        if each.share is share
    ]


def test_it_is_worked_out_when_the_last_entry_is_scored_and_kept(
    contest: Contest, truth: Truth, entries: list[Entry], again: Again
) -> None:
    session = contest.session
    last = session.get_one(Rescore, (truth.id, entries[2].id))
    session.delete(last)
    assert (again(), changes.comparison_of(session, truth)) == (0, None)
    rescoring.rescore_entry(session, truth, entries[2].id, Scores(0.65, 0.65))
    assert again() == 1
    assert told(contest, truth) == [("second", 2, 1, 0.5, 0.65), ("first", 1, 2, 0.9, 0.6)]
    assert changes.number_of_changes(session, truth) == 4
    standing = contest.standing(session.get_one(Team, entries[0].team_id))
    assert (standing and standing.score, contest.board.truth_version) == (0.9, 1)  # nothing changed


@pytest.mark.usefixtures("truth")
def test_it_is_looked_over_and_not_worked_out_again_where_nothing_changed(
    contest: Contest, again: Again, statements: list[str]
) -> None:
    assert again() == 1
    first = contest.session.scalars(select(TruthComparison.compared_at)).one()
    statements.clear()
    assert again() == 0
    assert contest.session.scalars(select(TruthComparison.compared_at)).one() > first
    assert not [one for one in statements if "UPDATE entries" in one or "DELETE FROM standings" in one]


@pytest.mark.usefixtures("truth")
def test_it_is_not_looked_at_more_than_once_in_a_while(
    contest: Contest, teams: list[Team], again: Again, sessions: sessionmaker[Session]
) -> None:
    assert again() == 1
    seen = contest.session.scalars(select(TruthComparison.compared_at)).one()
    judging.disqualify_team(contest.session, None, teams[0], "copied", at=NOW)
    contest.session.commit()
    assert compare_truths(sessions, seen + EVERY / 2) == 0
    assert compare_truths(sessions, seen + EVERY * 2) == 1


def test_whatever_the_difference_follows_from_makes_it_anew(
    contest: Contest, truth: Truth, entries: list[Entry], teams: list[Team], again: Again
) -> None:
    session = contest.session
    assert again() == 1
    assert [row[3:] for row in told(contest, truth, Share.PRIVATE) if row[0] == "first"] == [(0.8, 0.6)]
    select_entries(session, contest.leader(teams[0]), teams[0], [entries[1].id], at=NOW)
    assert again() == 1
    assert [row[3:] for row in told(contest, truth, Share.PRIVATE) if row[0] == "first"] == [(0.4, 0.6)]
    one = judging.disqualify_entry(session, None, entries[0], "copied", at=NOW)
    assert again() == 1
    assert [row[3:] for row in told(contest, truth) if row[0] == "first"] == [(0.4, 0.6)]
    judging.lift(session, None, one, "their own", at=NOW)
    assert again() == 1
    whole = judging.disqualify_team(session, None, teams[0], "copied", at=NOW)
    assert again() == 1
    assert told(contest, truth) == []
    judging.lift(session, None, whole, "their own", at=NOW)
    assert again() == 1
    rescoring.rescore_entry(session, truth, entries[2].id, None, "scorer_failed")
    assert again() == 1
    assert [row for row in told(contest, truth) if row[0] == "second"] == [("second", 2, None, 0.5, None)]
    assert again() == 0


def test_what_cannot_be_published_any_more_is_forgotten(
    contest: Contest, truth: Truth, entries: list[Entry], again: Again
) -> None:
    session = contest.session
    assert again() == 1
    newer = rescoring.prepare_rescore(session, None, contest.board, "worse", blob=None, at=NOW)
    for entry in entries:
        rescoring.rescore_entry(session, newer, entry.id, Scores(0.1, 0.1))
    assert again() == 1  # the newer one alone
    assert changes.comparison_of(session, truth) is None
    rescoring.publish_rescore(session, None, newer, at=NOW)
    assert again() == 0
    for table in (TruthChange, TruthComparison):
        assert session.scalars(select(table)).all() == []


class Forgetful(sessionmaker[Session]):
    """Sessions of a scorer beside which another one forgets what was kept, just before it writes."""

    def begin(self) -> AbstractContextManager[Session]:
        with super().begin() as other:
            for table in (TruthChange, TruthComparison):
                other.execute(delete(table))
        return super().begin()


def test_what_another_scorer_forgets_meanwhile_is_worked_out_at_the_next_look(
    contest: Contest, truth: Truth, again: Again, sessions: sessionmaker[Session]
) -> None:
    assert again() == 1
    assert compare_truths(Forgetful(**sessions.kw), NOW + EVERY * 5) == 0
    contest.session.expire_all()
    assert changes.comparison_of(contest.session, truth) is None
    assert compare_truths(sessions, NOW + EVERY * 7) == 1


def test_one_page_of_it_is_read_at_a_time_down_the_board_as_it_would_be(
    contest: Contest, truth: Truth, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert again() == 1
    whole = changes.changes_of(contest.session, truth)
    assert [each.share for each in whole] == sorted((each.share for each in whole), key=list(Share).index)
    monkeypatch.setattr(changes, "PAGE", 1)
    pages = [changes.changes_of(contest.session, truth, offset=number) for number in range(len(whole) + 1)]
    assert pages == [[each] for each in whole] + [[]]
