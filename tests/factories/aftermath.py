"""Challenges that are over, for tests of what comes after the end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from lms.accounts.models import User
from lms.blobs import BlobStore
from lms.db import now
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Challenge, EntryKind, Team
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services.challenges import accept_rules, publish_challenge
from lms.leaderboards.services.honouring import count_results
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.services.teams import join
from lms.leaderboards.services.verifying import Evidence, ask_winners, hand_in_evidence
from lms.leaderboards.services.writing_up import publish_writeup
from tests.factories.grading import notebook
from tests.factories.leaderboards import Contest, challenge_document, make_contest


@dataclass
class Over:
    """A challenge that is over, its teams from the first place down, and a browser."""

    contest: Contest
    teams: list[Team]
    client: FlaskClient
    sign_in: Callable[[User], None]

    def get(self, path: str, user: User | None = None) -> TestResponse:
        if user is not None:
            self.sign_in(user)
        return self.client.get(f"/challenges/{self.contest.challenge.slug}{path}")

    def post(self, path: str, user: User, /, **data: Any) -> TestResponse:
        self.sign_in(user)
        return self.client.post(f"/challenges/{self.contest.challenge.slug}{path}", data=data)

    def leader(self, place: int = 0) -> User:
        return self.contest.leader(self.teams[place])


@dataclass
class Ending:
    """A board on which the end turns the order around, but for the middle."""

    contest: Contest
    client: FlaskClient

    @property
    def path(self) -> str:
        return f"/challenges/{self.contest.challenge.slug}/board"

    @property
    def last(self) -> User:
        """Who leads the team called Last."""
        return self.contest.people[2]

    def page(self, rest: str = "") -> str:
        self.contest.session.commit()
        answer = self.client.get(self.path + rest, headers={"Accept-Language": "en"})
        assert answer.status_code == 200
        return answer.text

    def told(self) -> dict[str, Any]:
        """What a program is told."""
        self.contest.session.commit()
        told: dict[str, Any] = self.client.get(f"/api{self.path}").get_json()
        return told

    def end(self, *, count: bool = True) -> None:
        board = self.contest.board
        board.ends_at = self.contest.challenge.ends_at = now() - timedelta(seconds=1)
        if count:
            count_results(self.contest.session, board, now())


def make_ending(session: Session, client: FlaskClient) -> Ending:
    """Three teams that the end will turn around, but for the middle one; it has not come yet."""
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    for name, public, private in (("First", 0.9, 0.1), ("Middle", 0.8, 0.2), ("Last", 0.7, 0.3)):
        contest.enter(contest.team(name, at=now()), public, private, at=now())
    return Ending(contest, client)


def make_ended(session: Session, names: tuple[str, ...] = (), **changes: Any) -> tuple[Contest, list[Team]]:
    """A challenge that ended some days ago; its teams stand on the final board in the order of their names.

    Each has one scored notebook.
    """
    contest = make_contest(session, opens_at=now() - timedelta(days=40), **changes)
    while_open = now() - timedelta(days=30)
    teams = []
    for place, name in enumerate(names):
        team = contest.team(name, at=while_open)
        work = {"kind": EntryKind.NOTEBOOK, "filename": "work.ipynb"}
        entry = contest.take(team, at=while_open + timedelta(seconds=place), **work)
        contest.score(entry, 0.5, 0.9 - place / 10)
        teams.append(team)
    return contest, teams


def make_over(
    session: Session, blobs: BlobStore, student: User, organiser: User, sponsor: str, **changes: Any
) -> Challenge:
    """A challenge of a sponsor that is over: the student has written it up, and proves to have won it."""
    begin = now() - timedelta(days=40)
    document = challenge_document(sponsor, **changes)
    found = publish_challenge(session, None, document, opens_at=begin, at=begin)
    accept_rules(session, student, found, found.rules_version, at=begin)
    team = join(session, student, found, "하늘 팀", at=begin)
    work = Work(EntryKind.NOTEBOOK, blobs.put(notebook()), "work.ipynb", len(notebook()))
    entry = take_entry(session, student, found, work, received_at=begin)
    score_entry(session, entry.id, Scores(0.75, 0.5), at=begin)
    publish_writeup(
        session, student, team, "나무를 심었어요", "## 방법\n\n**나무** 300그루.", entry_id=entry.id, at=now()
    )
    board = board_of_challenge(session, found)
    (claim,) = ask_winners(
        session, organiser, board, winners=1, wanted="노트북을 내 주세요.", days=7, at=now()
    )
    file = Evidence(blobs.put(notebook()), "work.ipynb", len(notebook()))
    hand_in_evidence(session, student, claim, "이 노트북으로 만들었어요.", file, at=now())
    return found
