"""Nobody who takes part reads more digits of a score than the board shows: those of a log loss tell labels.

Source: J. Whitehill, "Climbing the Kaggle Leaderboard by Exploiting the Log-Loss Oracle", arXiv 1707.01825.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lms.accounts.models import OutgoingMail, User
from lms.accounts.services.tokens import Purpose, make_token
from lms.db import now
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Entry, Share, Standing, Team
from lms.leaderboards.queries.awards import current_rule, outcome
from lms.leaderboards.services.awarding import confirm_awards
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.declaring import declare_rule
from lms.leaderboards.services.scoring import score_entry
from tests.factories.grades import Class, make_class
from tests.factories.grading import enrol
from tests.factories.leaderboards import PAGES_OF_A_BOARD

DECIMALS = 4
PUBLIC = (0.6931471805599453, 0.6930123724356957, 0.6928123456789012)  # of one team, each better
OTHER = 0.6929271113171923
BASELINE = 0.6927821739130434  # looks the same as the best and is not reached by it
ALSO, PRIVATE, PRIVATE_BASELINE = 0.2718281828459045, 0.6464101615137755, 0.6463991161718191
RAW = (*PUBLIC, OTHER, BASELINE, ALSO, PRIVATE, PRIVATE_BASELINE)
TOO_MANY = re.compile(rf"(?<![\d:])\d\.\d{{{DECIMALS + 1},}}")
"""A small number with more decimals than the board shows; no time of day."""
UNSEEN = 3e-6  # changes no decimal that is shown
SIGNED = re.compile(r"[\w-]{20,}\.[\w-]{6}\.[\w-]{27}")
"""What a form carries to be known again; another one each time."""
RULE = """\
kind: blended
maximum: 20
parts:
  - weight: 1
    rule:
      kind: threshold
      maximum: 20
      steps: [{baseline: forest, points: 20}, {score: 0.7, points: 12}]
      otherwise: 10
  - {weight: 1, rule: {kind: tie_group, maximum: 100, bands: [{top: 1, points: 100}], otherwise: 60}}
"""
NEEDED = PAGES_OF_A_BOARD
"""What a participant must have been shown, for the look at it to mean something."""
SCORED = {
    "leaderboards.challenge_board",
    "leaderboards.challenge_climbs",
    "leaderboards.challenge_csv",
    "leaderboards.challenge_entries",
    "leaderboards.framed_board",
    "leaderboards_api.board",
    "leaderboards_api.entries",
    "leaderboards_grades.show",
}
"""Where one's own best public score stands before the end."""
UNPUBLISHED = {"courses", "grading"}  # the course of these tests has no pages


@dataclass
class Oracle:
    """A class on a board by log loss, and one of its students who reads whatever there is."""

    app: Flask
    client: FlaskClient
    group: Class
    team: Team

    @property
    def reader(self) -> User:
        return self.group.contest.leader(self.team)

    def pages(self) -> Iterator[tuple[str, str]]:
        """Return endpoint and text of all that the reader gets, by the application's own map."""
        key = self.app.extensions["settings"].session_key()
        token = {"Authorization": f"Bearer {make_token(self.reader, Purpose.BOARDS, key)}"}
        for endpoint, address in self._addresses():
            for headers in (
                ({"HX-Request": "true"}, token) if "/api/" in address else ({}, {"HX-Request": "1"})
            ):
                answer = self.client.get(address, headers=headers)
                assert answer.status_code < 500, address
                if answer.status_code == 200:
                    yield endpoint, answer.get_data(as_text=True)

    def scored(self) -> list[tuple[str, str]]:
        """Return those on which scores stand, without what is another each time."""
        return [(name, SIGNED.sub("", text)) for name, text in self.pages() if name in SCORED]

    def _addresses(self) -> Iterator[tuple[str, str]]:
        known: dict[str, Any] = {
            "challenge_slug": self.group.contest.challenge.slug,
            "board_id": self.group.board.id,
            "team_id": self.team.id,
        }
        with self.app.test_request_context():
            for rule in self.app.url_map.iter_rules():
                is_there = rule.endpoint.partition(".")[0] not in UNPUBLISHED
                if is_there and "GET" in (rule.methods or ()) and rule.arguments <= known.keys():
                    given = {name: known[name] for name in rule.arguments}
                    address = self.app.url_for(rule.endpoint, **given)
                    yield rule.endpoint, address
                    if rule.endpoint.endswith("board"):
                        yield rule.endpoint, f"{address}?share=public"


@pytest.fixture
def oracle(app: Flask, client: FlaskClient, session: Session, sign_in: Callable[[User], None]) -> Oracle:
    opens_at = now().replace(microsecond=0) - timedelta(days=3)
    group = make_class(
        session,
        opens_at=opens_at,
        metric="log_loss",
        also=["brier_score"],
        decimals=DECIMALS,
        form={"columns": [{"name": "p", "kind": "probability"}]},
    )
    contest = group.contest
    set_baselines(session, contest.challenge, {"forest": (BASELINE, PRIVATE_BASELINE)}, at=opens_at)
    declare_rule(session, group.instructor, group.board, RULE, objection_days=14, at=opens_at)
    mine, other = (contest.team(name, at=opens_at + timedelta(hours=1)) for name in ("Mine", "Other"))
    for team in (mine, other):
        enrol(session, contest.leader(team), group.cohort)
    entered = opens_at + timedelta(hours=2)
    for number, (team, public) in enumerate([*((mine, each) for each in PUBLIC), (other, OTHER)]):
        _enter(group, team, public, entered + timedelta(hours=number))
    made = Oracle(app, client, group, mine)
    client.set_cookie("language", "en")
    sign_in(made.reader)
    return made


def _enter(group: Class, team: Team, public: float, at: datetime) -> None:
    scores = Scores(public, PRIVATE, also={"brier_score": (ALSO, ALSO)})
    score_entry(group.session, group.contest.take(team, at=at).id, scores, at=at)


def _assert_rounded(place: str, text: str) -> None:
    assert not TOO_MANY.findall(text), place
    for raw in RAW:
        assert f"{raw:.8f}"[: len("0.") + DECIMALS + 1] not in text, place


def test_a_participant_reads_no_more_digits_of_a_score_than_the_board_shows(oracle: Oracle) -> None:
    shown, scored = set(), set()
    for endpoint, text in oracle.pages():
        _assert_rounded(endpoint, text)
        shown.add(endpoint)
        scored |= {endpoint} if f"{PUBLIC[-1]:.{DECIMALS}f}" in text else set()
    assert shown >= NEEDED
    assert scored >= SCORED


def test_nor_does_anybody_after_the_end_or_by_letter(oracle: Oracle) -> None:
    group = oracle.group
    group.end(now() - timedelta(hours=1))
    declared = current_rule(group.session, group.board)
    assert declared is not None
    found = outcome(group.session, group.board, read_rule(declared.rule), Share.PRIVATE, anew=True)
    confirm_awards(group.session, group.instructor, group.board, seen=found.digest, at=now())
    group.session.commit()
    said = ""
    for endpoint, text in oracle.pages():
        _assert_rounded(endpoint, text)
        said += text if endpoint == "leaderboards_grades.show" else ""
    assert f"{PRIVATE:.{DECIMALS}f}" in said
    letters = group.session.scalars(select(OutgoingMail.body)).all()
    assert any(f"{PRIVATE:.{DECIMALS}f}" in letter for letter in letters)
    for letter in letters:
        _assert_rounded("a letter", letter)
    award = group.award(oracle.team)
    assert award.score == PRIVATE, "what is kept is what was compared"


def test_a_score_that_is_not_reached_although_it_looks_so_says_why(oracle: Oracle) -> None:
    page = oracle.client.get(f"/boards/{oracle.group.board.id}/grades").text
    assert "The score 0.6928 reaches 0.7: 12 of 20 points." in page
    assert "Scores are rounded here to 4 decimals" in page


def test_what_no_decimal_shows_moves_nothing_on_any_page(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the heights in the chart, whose ends others can place."""
    moment = now()
    for module in ("api", "views.boards", "views.entering", "views.grades"):
        monkeypatch.setattr(f"lms.leaderboards.{module}.now", lambda: moment)
    session = oracle.group.session
    before = oracle.scored()
    shifted = {column: column + UNSEEN for column in (Entry.public_score, Entry.released_score)}
    mine = Entry.team_id == oracle.team.id
    session.execute(update(Entry).where(mine, Entry.released_score < PUBLIC[0]).values(shifted))
    session.execute(
        update(Standing).where(Standing.team_id == oracle.team.id).values(score=Standing.score + UNSEEN)
    )
    session.commit()
    for (endpoint, text), (_, known) in zip(oracle.scored(), before, strict=True):
        assert text == known, endpoint
