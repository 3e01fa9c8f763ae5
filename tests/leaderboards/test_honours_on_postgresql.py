"""Points, medals, groups and filters, on PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from lms.accounts.models import Role
from lms.leaderboards.core.honours import Medal, Tier
from lms.leaderboards.queries import honours
from lms.leaderboards.queries.finding import Sought, choices_on, found
from lms.leaderboards.services import upkeep
from lms.leaderboards.services.honouring import show_honours
from tests.factories.accounts import make_member
from tests.factories.leaderboards import NOW, make_contest

pytestmark = pytest.mark.postgres


def test_points_are_counted_shown_grouped_and_filtered(postgres_engine: Engine) -> None:
    with Session(postgres_engine, expire_on_commit=False) as session:
        contest = make_contest(session)
        teams = [contest.team(f"Team {number}") for number in range(10)]
        for number, team in enumerate(teams):
            contest.enter(team, 0.9 - number / 100, number / 100)
        after = contest.challenge.ends_at + timedelta(minutes=1)
        assert contest.board.id in upkeep.due_boards(session, after)
        upkeep.look_over(session, contest.board, after)
        assert contest.board.id not in upkeep.due_boards(session, after + timedelta(minutes=1))
        last, first = contest.leader(teams[-1]), contest.leader(teams[0])
        university = make_member(session, user=last, role=Role.STUDENT).organisation
        session.expire(last, ["memberships"])
        last.name, last.country, first.name = "Rose", "KR", "Fell"
        show_honours(session, last, shown=True, organisation_id=university.id)
        show_honours(session, first, shown=True, organisation_id=None)
        rows = honours.people(session, honours.Wanted(), after).rows
        assert [(row.rank, row.name, row.best_rank, row.tier) for row in rows] == [
            (1, "Rose", 1, Tier.CONTRIBUTOR), (2, "Fell", 10, Tier.CONTRIBUTOR),
        ]  # fmt: skip
        wanted = honours.Wanted(text="ROSE", organisation=university.slug, country="KR", tier="contributor")
        assert [row.name for row in honours.people(session, wanted, after).rows] == ["Rose"]
        [group] = honours.by_country(session, after)
        assert (group.key, group.people, group.medals[Medal.GOLD], group.best) == ("KR", 1, 1, 1)
        assert [each.organisation for each in honours.by_organisation(session, after)] == [university]
        assert [place.rank for place in honours.places_of(session, last.id, None, after)] == [1]
        teams_found = found(session, contest.board, None, NOW, Sought(organisation=university.slug)).rows
        assert [(row.rank, row.name) for row in teams_found] == [(10, "Team 9")]
        assert choices_on(session, contest.board, NOW).countries == {"KR"}
