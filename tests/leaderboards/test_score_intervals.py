"""How sure a score is: between which scores other test sets of the kind would put it, and who is told."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from lms.db import now
from lms.leaderboards.core.losses import losses_of, pack
from lms.leaderboards.core.metrics import METRICS
from lms.leaderboards.core.resampling import wilson
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import TieGroup
from lms.leaderboards.queries.shown import _told_of
from lms.leaderboards.queries.standings import Row
from lms.leaderboards.services import tying
from lms.leaderboards.services.scoring import score_entry
from tests.factories.leaderboards import Contest, make_contest

ITEMS = 100


def packed(wrong: int) -> bytes:
    return pack(losses_of([1.0] * wrong + [0.0] * (ITEMS - wrong)))


def tied(session: Session, sessions: sessionmaker[Session], **changes: object) -> Contest:
    """A board with a team that is never wrong, and one that is three times in ten."""
    opened = now() - timedelta(days=3)
    contest = make_contest(session, opens_at=opened, **changes)
    for name, wrong in (("Perfect", 0), ("Other", 30)):
        losses = np.array([1.0] * wrong + [0.0] * (ITEMS - wrong))
        scores = Scores(1 - wrong / ITEMS, 1 - wrong / ITEMS, public_losses=losses, private_losses=losses)
        entry = contest.take(contest.team(name, at=opened), at=opened + timedelta(minutes=wrong))
        score_entry(session, entry.id, scores, at=now())
    session.commit()
    assert tying.tie_boards(sessions, now()) == 1
    return contest


def test_a_team_that_is_never_wrong_is_not_certain_to_be(
    session: Session, sessions: sessionmaker[Session], client: FlaskClient
) -> None:
    contest = tied(session, sessions)
    perfect, other = session.scalars(
        select(TieGroup).where(TieGroup.share == "public").order_by(TieGroup.number)
    ).all()
    _, most_lost = wilson(0, ITEMS)
    assert (perfect.least_score, perfect.most_score) == pytest.approx((1 - most_lost, 1.0))
    assert 0.5 < (other.least_score or 0) < 0.7 < (other.most_score or 0) < 0.9
    path = f"/challenges/{contest.challenge.slug}/board"
    page = client.get(path, headers={"Accept-Language": "en"}).text
    assert "95 of 100 similar test sets:" in page
    assert "0.9630 to 1.0000" in page
    rows = client.get(f"/api{path}").get_json()["rows"]
    assert rows[0]["score_interval"] == [0.963, 1.0]


def test_a_ladder_tells_no_interval_before_the_end(
    session: Session, sessions: sessionmaker[Session], client: FlaskClient
) -> None:
    contest = tied(session, sessions, ladder=True)
    path = f"/challenges/{contest.challenge.slug}/board"
    assert "similar test sets" not in client.get(path, headers={"Accept-Language": "en"}).text
    assert {row["score_interval"] for row in client.get(f"/api{path}").get_json()["rows"]} == {None}


def test_digits_that_are_not_shown_change_no_mark() -> None:
    row = Row(
        1, "One", {}, "", 0.5, 1, now(), mine=False, assurance="isolated", least_score=0.41, most_score=0.59
    )
    other = replace(row, least_score=0.410001, most_score=0.590001)
    assert _told_of(row, 4) == _told_of(other, 4)
    assert _told_of(row, 6) != _told_of(other, 6)


def test_an_error_as_large_as_numbers_go_has_an_interval() -> None:
    huge = [1e308] + [0.0] * (ITEMS - 1)
    rows = {1: (1, packed(0)), 2: (2, pack(losses_of(huge)))}
    with np.errstate(all="raise", under="ignore"):
        found = tying._tied(rows, METRICS["mean_absolute_error"])
    least, most = found[1].least_score, found[1].most_score
    assert least is not None
    assert most is not None
    assert 0 <= least < 1e308 / ITEMS <= most < 1e308


def test_without_a_metric_that_is_known_no_score_is_made_up() -> None:
    rows = {1: (1, packed(0)), 2: (2, packed(30))}
    found = tying._tied(rows, None)
    assert [(each.number, each.least_score) for each in found] == [(1, None), (2, None)]
