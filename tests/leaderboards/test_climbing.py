"""The Ladder on a board, through failures, merges and new truths."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy.orm import Session

from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, Share, Team
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.queries.entries import history
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services import rescoring, scoring, teams
from tests.factories.leaderboards import NOW, Contest, make_contest

ROWS = 100


@pytest.fixture
def contest(session: Session) -> Contest:
    return make_contest(session, ladder=True)


def losses(wrong: int) -> np.ndarray:
    return np.arange(ROWS) < wrong


def scores(wrong: int) -> Scores:
    return Scores(1 - wrong / ROWS, 0.5, public_losses=losses(wrong).astype(float))


def enter(contest: Contest, team: Team, wrong: int, *, minutes: int) -> Entry:
    entry = contest.take(team, at=NOW + timedelta(minutes=minutes))
    return scoring.score_entry(contest.session, entry.id, scores(wrong), at=NOW)


def released(contest: Contest, team: Team) -> float | None:
    standing = contest.standing(team)
    return None if standing is None else standing.score


def merge(contest: Contest, into: Team, other: Team, *, minutes: int) -> Team:
    return teams.merge(contest.session, contest.organiser, into, other, at=NOW + timedelta(minutes=minutes))


def test_a_merged_team_goes_on_from_the_better_release(contest: Contest) -> None:
    one, other = contest.team(), contest.team()
    enter(contest, one, 40, minutes=1)
    best = enter(contest, other, 20, minutes=2)
    into = merge(contest, one, other, minutes=3)
    assert released(contest, into) == 0.8
    assert enter(contest, into, 19, minutes=4).released_score == 0.8  # noise, measured at the better losses
    assert enter(contest, into, 10, minutes=5).released_score == 0.9
    assert best.released_score == 0.8
    assert differences(contest.session, contest.board) == []


def test_a_score_that_comes_after_a_merge_counts_for_the_time_before_it(contest: Contest) -> None:
    one, other = contest.team(), contest.team()
    enter(contest, one, 40, minutes=1)
    early = contest.take(other, at=NOW + timedelta(minutes=2))
    into = merge(contest, one, other, minutes=3)
    late = enter(contest, into, 39, minutes=4)
    assert late.released_score is None  # what came before may say more
    scoring.score_entry(contest.session, early.id, scores(20), at=NOW)
    assert (early.released_score, late.released_score, released(contest, into)) == (0.8, 0.8, 0.8)


def test_a_failure_lets_go_what_it_held_back(contest: Contest) -> None:
    team = contest.team()
    waiting = contest.take(team, at=NOW)
    late = enter(contest, team, 40, minutes=1)
    assert released(contest, team) is None
    scoring.fail_entry(contest.session, waiting.id, "broken")
    assert (late.released_score, released(contest, team)) == (0.6, 0.6)


def test_a_new_truth_replays_every_ladder(contest: Contest) -> None:
    session, team = contest.session, contest.team()
    entries = [enter(contest, team, wrong, minutes=minutes) for minutes, wrong in enumerate((40, 39, 20))]
    truth = rescoring.prepare_rescore(session, None, contest.board, "mended rows", blob=None, at=NOW)
    for entry, wrong in zip(entries, (10, 9, 90), strict=True):
        rescoring.rescore_entry(session, truth, entry.id, scores(wrong))
    [change] = [
        each for each in rescoring.board_difference(session, None, truth) if each.share is Share.PUBLIC
    ]
    assert (change.score_before, change.score_after) == (0.8, 0.9)
    assert [entry.released_score for entry in entries] == [0.6, 0.6, 0.8]
    rescoring.publish_rescore(session, None, truth, at=NOW)
    assert [entry.released_score for entry in entries] == [0.9, 0.9, 0.9]
    assert differences(session, contest.board) == []


@pytest.mark.parametrize(
    ("metric", "told"), [("root_mean_squared_error", [2, 1]), ("mean_squared_error", [4, 1])]
)
def test_a_release_is_a_score_of_the_metric(session: Session, metric: str, told: list[float]) -> None:
    """A team that is wrong by 2 and then by 1 everywhere: squares are the losses of both metrics."""
    form = {"columns": [{"name": "litres", "kind": "number"}]}
    contest = make_contest(session, ladder=True, metric=metric, form=form)
    team = contest.team()
    for minutes, wrong in enumerate((2.0, 1.0)):
        entry = contest.take(team, at=NOW + timedelta(minutes=minutes))
        got = Scores(told[minutes], told[minutes], public_losses=np.full(ROWS, wrong**2))
        scored = scoring.score_entry(session, entry.id, got, at=NOW)
        assert (scored.public_score, scored.released_score) == (told[minutes], told[minutes])
    assert released(contest, team) == 1.0
    assert differences(session, contest.board) == []


def test_no_public_number_but_the_release_is_shown(contest: Contest) -> None:
    team = contest.team()
    for minutes, wrong in enumerate((40, 39, 20)):
        enter(contest, team, wrong, minutes=minutes)
    shown = {row.score for row in standings(contest.session, contest.board, None, NOW).rows}
    [climb] = history(contest.session, contest.board, NOW)
    assert shown | {step.score for step in climb.steps} == {0.6, 0.8}
