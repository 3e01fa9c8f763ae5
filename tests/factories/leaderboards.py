"""Challenges with teams and entries, for tests."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, OrganisationKind, Role, User
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.models import Board, Challenge, Entry, EntryKind, Standing, Team, TeamMember
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules, publish_challenge
from lms.leaderboards.services.honouring import count_results, show_honours
from lms.leaderboards.services.receiving import Work, take_entry
from lms.leaderboards.services.scoring import score_entry
from lms.leaderboards.tables.honours import Honours
from tests.factories.grading import make_organisation, make_staff, make_user

OPENS = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)
NOW = OPENS + timedelta(days=3)
_count = itertools.count(1)


PAGES_OF_A_BOARD = {
    "leaderboards.challenge",
    "leaderboards.challenge_board",
    "leaderboards.challenge_climbs",
    "leaderboards.challenge_csv",
    "leaderboards.challenge_entries",
    "leaderboards.challenge_team",
    "leaderboards.framed_board",
    "leaderboards_api.board",
    "leaderboards_api.challenge",
    "leaderboards_api.entries",
    "leaderboards_grades.show",
}
"""Endpoints at which a participant meets scores of a challenge."""


def challenge_document(sponsor: str, **changes: Any) -> dict[str, Any]:
    """What `publish_challenge` takes; the limits and dates are given flat."""
    limits = {"per_day": 5, "total": 500, "failures_per_day": 3, "team_size": 3, "selections": 1}
    dates: dict[str, Any] = {
        "entry_deadline": {"after_days": 20},
        "merge_deadline": {"after_days": 20},
        "freeze": None,
        "ends": {"after_days": 27},
    }
    document = {
        "slug": f"parcels-{next(_count)}",
        "title": {"ko": "나뉜 소포", "en": "Sorted parcels"},
        "summary": {"ko": "소포가 갈 곳을 맞혀요.", "en": "Say where a parcel goes."},
        "description": {"ko": "소포를 나눠요.", "en": "Sort parcels."},
        "rules": {"ko": "규칙을 지켜요.", "en": "Keep the rules."},
        "sponsor": sponsor,
        "kind": "predictions",
        "environment": "ml-basics",
        "metric": "accuracy",
        "form": {"columns": [{"name": "place", "kind": "label"}]},
        "timezone": "UTC",
        "rules_version": "1",
        "licence": "CC-BY-4.0",
    }
    for name, value in changes.items():
        if name in limits:
            limits[name] = value
        elif name in dates:
            dates[name] = value
        else:
            document[name] = value
    return document | {"limits": limits, "dates": {k: v for k, v in dates.items() if v is not None}}


@dataclass
class Contest:
    """A published challenge with its board, on its third day."""

    session: Session
    challenge: Challenge
    sponsor: Organisation
    organiser: User
    document: dict[str, Any]
    people: list[User] = field(default_factory=list)

    @property
    def board(self) -> Board:
        return board_of_challenge(self.session, self.challenge)

    def person(self, name: str = "김하늘") -> User:
        """Somebody who accepted the rules and is in no team."""
        user = make_user(self.session, name=name)
        accept_rules(self.session, user, self.challenge, self.challenge.rules_version, at=OPENS)
        self.people.append(user)
        return user

    def team(self, name: str | None = None, *, at: datetime = NOW) -> Team:
        """A team of one."""
        return teams.join(self.session, self.person(), self.challenge, name or f"팀 {next(_count)}", at=at)

    def add(self, team: Team, name: str = "이바다") -> User:
        """One more person in a team."""
        user = self.person(name)
        self.session.add(TeamMember(team_id=team.id, board_id=team.board_id, user_id=user.id, joined_at=NOW))
        self.session.flush()
        return user

    def leader(self, team: Team) -> User:
        return self.session.get_one(User, team.leader_id)

    def take(self, team: Team, *, at: datetime | None = None, **work: Any) -> Entry:
        """A receipt for the team's leader; each comes a second after the one before."""
        made = Work(**{"kind": EntryKind.PREDICTIONS, "blob": "b" * 64, **work})
        moment = at or NOW + timedelta(seconds=next(_count))
        return take_entry(self.session, self.leader(team), self.challenge, made, received_at=moment)

    def score(
        self,
        entry: Entry,
        public: float,
        private: float | None = None,
        *,
        losses: Sequence[float] | None = None,
        at: datetime = NOW,
    ) -> Entry:
        scores = Scores(public, public if private is None else private, public_losses=losses)  # type: ignore[arg-type]
        return score_entry(self.session, entry.id, scores, at=at)

    def enter(
        self, team: Team, public: float, private: float | None = None, *, at: datetime | None = None
    ) -> Entry:
        """One scored entry."""
        return self.score(self.take(team, at=at), public, private)

    def standing(self, team: Team, share: str = "public") -> Standing | None:
        return self.session.scalar(
            select(Standing)
            .where(Standing.team_id == team.id, Standing.share == share)
            .execution_options(populate_existing=True)
        )


def make_contest(session: Session, *, opens_at: datetime = OPENS, **changes: Any) -> Contest:
    """Publish a challenge of a company."""
    sponsor = make_organisation(session, OrganisationKind.COMPANY)
    organiser = make_staff(session, sponsor, Role.INSTRUCTOR)
    document = challenge_document(sponsor.slug, **changes)
    challenge = publish_challenge(session, organiser, document, opens_at=opens_at, at=opens_at)
    return Contest(session, challenge, sponsor, organiser, document)


def give_honours(session: Session, user: User, *, others: int = 9, **changes: Any) -> Honours:
    """Let a person win a challenge that has ended, and show it."""
    contest = make_contest(session, **changes)
    accept_rules(session, user, contest.challenge, contest.challenge.rules_version, at=OPENS)
    first = teams.join(session, user, contest.challenge, f"팀 {next(_count)}", at=NOW)
    contest.enter(first, 0.9)
    for each in range(others):
        contest.enter(contest.team(), 0.5 - each / 100, 0.5 + each / 100)
    count_results(session, contest.board, contest.challenge.ends_at + timedelta(seconds=1))
    return show_honours(session, user, shown=True, organisation_id=None)
