"""Filters of a board: places are those on the whole board, and only people who show themselves are found."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import Organisation, Role, User
from lms.accounts.services.people import disable
from lms.db import now
from lms.leaderboards.models import Team
from lms.leaderboards.queries.finding import Sought, choices_on, found
from lms.leaderboards.services.honouring import show_honours
from lms.leaderboards.services.teams import show_member
from tests.factories.accounts import make_member, make_organisation
from tests.factories.leaderboards import NOW, Contest, make_contest


def stand_for(session: Session, user: User, organisation: Organisation | None, country: str | None) -> None:
    """Let a person show themselves, for an organisation and with a country."""
    if organisation is not None:
        make_member(session, user=user, organisation=organisation, role=Role.STUDENT)
        session.expire(user, ["memberships"])
    user.country = country
    show_honours(session, user, shown=True, organisation_id=organisation.id if organisation else None)


def places(contest: Contest, **sought: Any) -> list[int | None]:
    return [row.rank for row in found(contest.session, contest.board, None, NOW, Sought(**sought)).rows]


@pytest.fixture
def university(session: Session) -> Organisation:
    return make_organisation(session, slug="river-university")


@pytest.fixture
def filled(contest: Contest, university: Organisation) -> Contest:
    """Six teams: the second and the fifth stand for the university, the second and third are in Korea."""
    for number in range(6):
        team = contest.team(f"Team {number + 1}")
        contest.enter(team, 0.9 - number / 10)
        organisation = university if number in {1, 4} else None
        country = "KR" if number in {1, 2} else None
        if organisation or country:
            stand_for(contest.session, contest.leader(team), organisation, country)
    return contest


def test_places_are_those_on_the_whole_board(filled: Contest, university: Organisation) -> None:
    assert places(filled, organisation=university.slug) == [2, 5]
    assert places(filled, country="KR") == [2, 3]
    assert places(filled, organisation=university.slug, country="KR") == [2]
    assert places(filled, organisation=university.slug, text="team 5") == [5]
    assert places(filled, country="NZ") == places(filled, organisation="nobody") == places(filled) == []
    offered = choices_on(filled.session, filled.board, NOW)
    assert ([each.slug for each in offered.organisations], offered.countries) == ([university.slug], {"KR"})


def test_filters_do_not_tell_who_joined_and_stands_nowhere(
    contest: Contest, university: Organisation
) -> None:
    session, team = contest.session, contest.team()
    stand_for(session, contest.leader(team), university, "KR")
    offered = choices_on(session, contest.board, NOW)
    assert (offered.organisations, offered.countries) == ([], set())
    contest.enter(team, 0.5)
    offered = choices_on(session, contest.board, NOW)
    assert (offered.organisations, offered.countries) == ([university], {"KR"})


@pytest.mark.parametrize("how", ["not shown", "name hidden in the team", "account closed", "left"])
def test_who_is_hidden_is_found_by_nothing_but_the_teams_name(
    filled: Contest, university: Organisation, how: str
) -> None:
    session = filled.session
    team = found(session, filled.board, None, NOW, Sought(text="Team 2")).rows[0]
    [user] = [each for each in filled.people if each.country == "KR" and each.memberships]
    if how == "not shown":
        show_honours(session, user, shown=False, organisation_id=university.id)
    elif how == "name hidden in the team":
        show_member(session, user, _team(filled, team.team_id), shown=False)
    elif how == "account closed":
        disable(session, None, user)
    else:
        user.memberships[0].ended_at = now()
    assert places(filled, organisation=university.slug) == [5]
    assert places(filled, country="KR") == ([2, 3] if how == "left" else [3])
    assert places(filled, text="Team 2") == [2]


def _team(contest: Contest, number: int | None) -> Team:
    return contest.session.get_one(Team, number)


def test_an_anonymous_board_has_no_filters_before_its_end(filled: Contest, university: Organisation) -> None:
    filled.board.anonymous = True
    assert places(filled, organisation=university.slug) == []
    after = filled.challenge.ends_at + timedelta(seconds=1)
    rows = found(filled.session, filled.board, None, after, Sought(organisation=university.slug)).rows
    assert len(rows) == 2


def test_what_is_found_goes_on_by_twenty(contest: Contest, university: Organisation) -> None:
    for number in range(23):
        team = contest.team()
        contest.enter(team, 0.9 - number / 100)
        stand_for(contest.session, contest.leader(team), university, None)
    sought = Sought(organisation=university.slug)
    second = found(contest.session, contest.board, None, NOW, sought, page=2)
    assert ([row.rank for row in second.rows], second.page, second.pages) == ([21, 22, 23], 2, 2)
    assert found(contest.session, contest.board, None, NOW, sought, page=99).page == 2


def test_the_page_offers_filters_to_who_wants_them(
    session: Session, client: FlaskClient, university: Organisation, statements: list[str]
) -> None:
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    for number in range(12):
        team = contest.team(f"Team {number:02}", at=now())
        contest.enter(team, 0.9 - number / 100, at=now())
        if number in {3, 7}:
            stand_for(session, contest.leader(team), university, "KR")
    session.commit()
    show = _shower(client, contest)
    statements.clear()
    page = show()
    assert "Filter by organisation or country" in page
    assert not any("honours" in each for each in statements)
    assert "South Korea" in show("?filter=1")
    page = show("?organisation=river-university&country=KR")
    assert ("Team 03" in page, "Team 07" in page, "Team 04" in page) == (True, True, False)
    assert '<span class="rank">8</span>' in page
    assert "organisation=river-university" in page.partition("hx-get=")[2].partition(">")[0]
    assert "No team here fits" in show("?country=NZ&q=Team")
    contest.board.anonymous = True
    session.commit()
    assert "South Korea" not in show("?filter=1")


def _shower(client: FlaskClient, contest: Contest) -> Callable[..., str]:
    def show(rest: str = "") -> str:
        path = f"/challenges/{contest.challenge.slug}/board{rest}"
        answer = client.get(path, headers={"Accept-Language": "en"})
        assert answer.status_code == 200
        return answer.text

    return show
