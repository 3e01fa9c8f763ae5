"""A class whose challenge gives points, for tests."""

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lms.accounts.models import OrganisationKind, User
from lms.blobs import FolderBlobs
from lms.courses.models import Cohort, Course
from lms.db import now
from lms.grading.models import Lab
from lms.leaderboards.core.grade_rule_files import read_rule
from lms.leaderboards.models import Board, Share, Team
from lms.leaderboards.queries.awards import outcome, own_award
from lms.leaderboards.services.awarding import confirm_awards
from lms.leaderboards.services.challenges import set_baselines
from lms.leaderboards.services.declaring import declare_rule
from lms.leaderboards.tables.grades import RankAward
from tests.factories.grading import (
    ONLY_TESTS,
    World,
    build_report,
    enrol,
    lab_settings,
    make_organisation,
    make_staff,
    make_user,
    make_world,
)
from tests.factories.leaderboards import OPENS, Contest, make_contest

BOARD = {
    "title": {"ko": "숫자", "en": "Digits"},
    "predict": "predict",
    "metric": "accuracy",
    "direction": "max",
    "public_share": 0.4,
}
BY_RANK = """\
kind: order
maximum: 100
bands:
  - {top: 1, points: 100}
  - {top: 50%, points: 90}
otherwise: 80
unranked: 5
"""
BY_GROUP = """\
kind: tie_group
maximum: 100
bands: [{top: 1, points: 100}]
otherwise: 60
"""
BY_BASELINE = """\
kind: threshold
maximum: 20
steps: [{baseline: forest, points: 20}]
otherwise: 10
"""
_count = itertools.count(1)


@dataclass
class Class:
    """Students of a cohort on the board of a challenge that belongs to their course."""

    contest: Contest
    course: Course
    cohort: Cohort
    instructor: User
    absent: User  # enrolled, and never on the board

    @property
    def session(self) -> Session:
        return self.contest.session

    @property
    def board(self) -> Board:
        return self.contest.board

    def team(self, public: float, private: float | None = None) -> Team:
        """A student's team with one entry."""
        at = self.cohort.starts_at + timedelta(days=1, seconds=next(_count))
        team = self.contest.team(at=at)
        enrol(self.session, self.contest.leader(team), self.cohort)
        self.contest.enter(team, public, private, at=at)
        return team

    def award(self, team: Team) -> RankAward:
        found = own_award(self.session, self.board, self.contest.leader(team))
        assert found is not None
        return found

    @property
    def after(self) -> datetime:
        assert self.board.ends_at is not None
        return self.board.ends_at + timedelta(hours=1)

    def end(self, at: datetime) -> None:
        """Let the challenge have ended at a moment."""
        self.contest.challenge.ends_at = self.board.ends_at = at
        self.session.flush()


def make_class(session: Session, *, opens_at: datetime = OPENS, **changes: Any) -> Class:
    """A course of a university and the sponsor of a challenge, with one student who does not take part."""
    contest = make_contest(session, opens_at=opens_at, **changes)
    university = make_organisation(session, OrganisationKind.UNIVERSITY)
    course = Course(
        slug=f"class-{next(_count)}",
        university_id=university.id,
        company_id=contest.sponsor.id,
        created_at=opens_at,
    )
    session.add(course)
    session.flush()
    lab = Lab(course_id=course.id, slug="parcels")
    cohort = Cohort(
        course_id=course.id,
        slug="autumn",
        title={"ko": "가을", "en": "Autumn"},
        starts_at=opens_at,
        ends_at=opens_at + timedelta(days=90),
    )
    session.add_all([lab, cohort])
    session.flush()
    contest.challenge.lab = lab
    set_baselines(session, contest.challenge, {"forest": (0.5, 0.4)}, at=opens_at)
    absent = make_user(session, name="오새롬")
    enrol(session, absent, cohort)
    return Class(contest, course, cohort, make_staff(session, university), absent)


def give_points(
    session: Session, instructor: User, board: Board, student: User, *, at: datetime
) -> RankAward:
    """Declare a rule at a moment, confirm what it gives as if the board had ended, and return one award."""
    declared = declare_rule(session, instructor, board, BY_RANK, objection_days=14, at=at)
    found = outcome(session, board, read_rule(declared.rule), Share.PRIVATE, anew=True)
    assert board.ends_at is not None
    after = board.ends_at + timedelta(seconds=1)
    confirm_awards(session, instructor, board, seen=found.digest, at=after)
    award = own_award(session, board, student)
    assert award is not None
    return award


def make_board_world(
    session: Session, blobs: FolderBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    """A course whose lab has a hidden set, so that its cohorts can have boards; it began three days ago."""
    report = replace(build_report(ONLY_TESTS), board_archive=b"hidden set")
    monkeypatch.setattr("tests.factories.grading.build_report", lambda *_: report)
    begun = now() - timedelta(days=3)
    return make_world(session, blobs, folder, settings=lab_settings(board=BOARD), started_at=begun)
