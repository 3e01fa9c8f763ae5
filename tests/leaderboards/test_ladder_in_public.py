"""With the Ladder on, participants meet no public number but the release, wherever and whenever they look."""

import csv
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import OutgoingMail, User
from lms.accounts.services.tokens import Purpose, make_token
from lms.db import now
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, Share, Team, Truth
from lms.leaderboards.queries.awards import outcome
from lms.leaderboards.services.awarding import confirm_awards
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.declaring import declare_rule
from lms.leaderboards.services.honouring import count_results, show_honours
from lms.leaderboards.services.rescoring import prepare_rescore, rescore_entry
from lms.leaderboards.services.scoring import fail_entry, score_entry
from lms.leaderboards.services.standing import note_ranks
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from lms.leaderboards.tables.grades import GradeRule
from tests.factories.grades import BY_BASELINE, Class, make_class
from tests.factories.grading import enrol
from tests.factories.leaderboards import PAGES_OF_A_BOARD

ROWS = 100
RAW = ("0.6044", "0.6137", "0.6222", "0.6377")
"""What entries really scored; the releases are 0.6 and 0.61, and 0.9 for one that waits for another."""
METRIC, AFTER_THE_RESCORE, INTERVAL = "0.6242", "0.6511", ("0.5137", "0.7037")
HIDDEN = (
    *RAW,
    METRIC,
    AFTER_THE_RESCORE,
    *INTERVAL,
    *(f"{float(raw) * 100:.2f}" for raw in RAW),
    "0.3863",
    "0.3778",
)
HELD_BACK = "0.9000"
STAGES = ("open", "frozen", "ended")
VARIANTS = {  # by endpoint: what else can be asked there
    "leaderboards.challenge_board": ("?q=team", "?near=1", "?seen=x", "?share=public", "?share=private"),
    "leaderboards.framed_board": ("?seen=x",),
    "leaderboards_api.board": ("?limit=1&offset=1",),
}
UNPUBLISHED = {"courses", "grading"}  # the course of these tests has no pages
NEEDED = PAGES_OF_A_BOARD | {"leaderboards_honours.people", "web.home"}
"""What a member of a team must have been shown, for the look at it to mean something."""


@dataclass
class Climbers:
    """Three teams under a Ladder: by their real scores the first leads, by what was told the second."""

    group: Class
    first: Team
    second: Team
    waiting: Team
    waits: Entry
    truth: Truth
    rule: GradeRule

    @property
    def session(self) -> Session:
        return self.group.session

    def leader(self, team: Team) -> User:
        return self.group.contest.leader(team)

    def end(self) -> None:
        """Let the challenge end, and all that follows be done."""
        session, board, instructor = self.session, self.group.board, self.group.instructor
        fail_entry(session, self.waits.id, "broken")
        self.group.end(now() - timedelta(minutes=1))
        found = outcome(session, board, read_rule(self.rule.rule), Share.PRIVATE, anew=True)
        confirm_awards(session, instructor, board, seen=found.digest, at=now())
        count_results(session, board, now())
        show_honours(session, self.leader(self.first), shown=True, organisation_id=None)


def score(group: Class, entry: Entry, wrong: int, raw: float, private: float) -> None:
    losses = (np.arange(ROWS) < wrong).astype(float)
    got = Scores(raw, private, also={"f1_macro": (float(METRIC), private)}, public_losses=losses)
    score_entry(group.session, entry.id, got, at=now())


@pytest.fixture
def climbers(session: Session) -> Climbers:
    group = make_class(session, opens_at=now() - timedelta(days=3))
    contest, board = group.contest, group.board
    set_baselines(session, contest.challenge, {"forest": (0.605, 0.25)}, at=now())
    contest.challenge.settings = contest.challenge.settings | {"also": ["f1_macro"]}
    board.ladder = True
    rule = declare_rule(session, group.instructor, board, BY_BASELINE, objection_days=14, at=now())
    board.freezes_at = now() + timedelta(hours=1)
    minutes = itertools.count(1)

    def moment() -> datetime:
        return now() - timedelta(hours=2) + timedelta(minutes=next(minutes))

    first, second, waiting = teams = [contest.team(f"Team {each}", at=moment()) for each in range(3)]
    for team in teams:
        enrol(session, contest.leader(team), group.cohort)
    scored = [
        (first, 40, 0.6044, 0.31),
        (first, 39, 0.6137, 0.32),  # noise: it is told the 0.6 again
        (second, 39, 0.6100, 0.29),
        (second, 38, 0.6222, 0.28),
    ]
    for team, wrong, raw, private in scored:
        score(group, contest.take(team, at=moment()), wrong, raw, private)
    note_ranks(session, board)
    waits = contest.take(waiting, at=moment())
    score(group, contest.take(waiting, at=moment()), 10, 0.6377, 0.27)
    standing = contest.standing(first)
    assert standing is not None
    between = {"least_score": float(INTERVAL[0]), "most_score": float(INTERVAL[1])}
    tied = Tied(first.id, standing.entry_id, 7, 1, 3, **between)
    keep_tie_groups(session, board, Share.PUBLIC, [tied], at=now())
    truth = prepare_rescore(session, None, board, "two rows were wrong", blob=None, at=now())
    again = Scores(float(AFTER_THE_RESCORE), 0.3, public_losses=np.zeros(ROWS))
    rescore_entry(session, truth, standing.entry_id, again)
    return Climbers(group, first, second, waiting, waits, truth, rule)


@dataclass
class Looking:
    """Somebody who looks at everything that the application has to show."""

    app: Flask
    client: FlaskClient
    climbers: Climbers
    user: User | None

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Return endpoint and address of each page and each answer, taken from the application's own map."""
        climbers = self.climbers
        known: dict[str, Any] = {
            "challenge_slug": climbers.group.contest.challenge.slug,
            "board_id": climbers.group.board.id,
            "entry_id": climbers.waits.id,
            "team_id": climbers.first.id,
            "version": climbers.truth.version,
            "course": climbers.group.course.slug,
            "slug": climbers.group.course.slug,
        }
        with self.app.test_request_context():
            for rule in self.app.url_map.iter_rules():
                is_there = rule.endpoint.partition(".")[0] not in UNPUBLISHED
                if is_there and "GET" in (rule.methods or ()) and rule.arguments <= set(known):
                    address = self.app.url_for(
                        rule.endpoint, **{name: known[name] for name in rule.arguments}
                    )
                    for variant in ("", *VARIANTS.get(rule.endpoint, ())):
                        yield rule.endpoint, address + variant

    def answers(self) -> Iterator[tuple[str, str, TestResponse]]:
        key = self.app.extensions["settings"].session_key()
        token = (
            {}
            if self.user is None
            else {"Authorization": f"Bearer {make_token(self.user, Purpose.BOARDS, key)}"}
        )
        for endpoint, address in self.addresses():
            for more in ({}, {"HX-Request": "true"}, *([token] if address.startswith("/api/") else [])):
                answer = self.client.get(address, headers=more)
                assert answer.status_code < 500, address
                yield endpoint, address, answer


@pytest.fixture
def look(
    app: Flask, client: FlaskClient, climbers: Climbers, sign_in: Callable[[User], None]
) -> Callable[[Team | None], Looking]:
    def look(team: Team | None) -> Looking:
        user = None if team is None else climbers.leader(team)
        climbers.session.commit()
        client.set_cookie("language", "en")
        if user is not None:
            sign_in(user)
        return Looking(app, client, climbers, user)

    return look


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("who", ["first", "second", "waiting", "a visitor"])
def test_no_public_number_but_the_release_is_shown(
    climbers: Climbers, look: Callable[[Team | None], Looking], who: str, stage: str
) -> None:
    hidden = HIDDEN if stage == "ended" else (*HIDDEN, HELD_BACK)
    if stage == "frozen":
        climbers.group.board.freezes_at = now()
    if stage == "ended":
        climbers.end()
    shown = set()
    for endpoint, address, answer in look(getattr(climbers, who, None)).answers():
        found = [number for number in hidden if number in answer.get_data(as_text=True)]
        assert not found, f"{address} shows {found}"
        if answer.status_code == 200:
            shown.add(endpoint)
    if who != "a visitor":
        assert shown >= NEEDED
    letters = climbers.session.scalars(select(OutgoingMail.body)).all()
    assert bool(letters) == (stage == "ended")
    assert not [number for number in hidden for letter in letters if number in letter]


def test_the_release_alone_decides_places_points_and_moves(
    climbers: Climbers, look: Callable[[Team | None], Looking]
) -> None:
    seen = look(climbers.first)
    board = f"/challenges/{climbers.group.contest.challenge.slug}/board"
    text = seen.client.get(f"{board}.csv").get_data(as_text=True).removeprefix("\ufeff")
    rows = [(row["TeamName"], row["Score"]) for row in csv.DictReader(io.StringIO(text)) if row["TeamId"]]
    assert rows == [(climbers.second.name, "0.6100"), (climbers.first.name, "0.6000")]
    page = seen.client.get(board).text
    assert "tie group 7" not in page
    told = seen.client.get(f"/api{board}").get_json()
    for name in ("tie_group", "rank_interval", "score_interval"):
        assert [row[name] for row in told["rows"]] == [None] * 3
    own = seen.client.get(f"/api{board.removesuffix('board')}entries").get_json()["entries"]
    assert [(entry["score"], entry["metrics"]) for entry in own] == [(0.6, {}), (0.6, {})]
    assert "you would get 10 of 20 points" in page, "by the real score it would be 20"


def test_an_entry_that_waits_for_an_earlier_one_is_told_nothing_yet(
    climbers: Climbers, look: Callable[[Team | None], Looking]
) -> None:
    seen = look(climbers.waiting)
    path = f"/api/challenges/{climbers.group.contest.challenge.slug}/entries"
    states = [(one["state"], one["score"]) for one in seen.client.get(path).get_json()["entries"]]
    assert states == [("scored", None), ("received", None)]
    fail_entry(climbers.session, climbers.waits.id, "broken")
    climbers.session.commit()
    states = [(one["state"], one["score"]) for one in seen.client.get(path).get_json()["entries"]]
    assert states == [("scored", 0.9), ("failed", None)]
