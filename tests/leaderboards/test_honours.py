"""What finished challenges give: counted once, anew after corrections, and only what may be known."""

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from lms.accounts.models import OrganisationKind, Role, User
from lms.accounts.services.people import disable
from lms.db import now
from lms.errors import Invalid, NotFound
from lms.leaderboards.cli.boards import boards
from lms.leaderboards.core.honours import Medal, Tier, medal, points
from lms.leaderboards.core.scoring import Scores
from lms.leaderboards.core.table_ranks import rank_table
from lms.leaderboards.core.tables import read_table
from lms.leaderboards.models import Entry, Team, TeamMember, Visibility
from lms.leaderboards.queries import honours as queries
from lms.leaderboards.queries.honours import Wanted
from lms.leaderboards.services import upkeep
from lms.leaderboards.services.challenges import publish_challenge
from lms.leaderboards.services.honouring import count_results, show_honours
from lms.leaderboards.services.importing import import_table
from lms.leaderboards.services.judging import disqualify_entry, disqualify_team, lift, score_again
from lms.leaderboards.services.rescoring import (
    board_difference,
    prepare_rescore,
    publish_rescore,
    rescore_entry,
)
from lms.leaderboards.services.scoring import fail_entry
from lms.leaderboards.services.teams import show_member
from lms.leaderboards.tables.honours import BoardResult, Honours, TeamResult
from tests.factories.accounts import make_member, make_organisation
from tests.factories.leaderboards import NOW, Contest, make_contest

LATER = NOW + timedelta(days=40)
HOUR = timedelta(hours=1)
_second = itertools.count()


def contest_of(
    session: Session, *scores: tuple[float, float], **changes: object
) -> tuple[Contest, list[Team]]:
    """Return a contest with a team for each pair of public and private score."""
    contest = make_contest(session, **changes)  # type: ignore[arg-type]
    teams = [contest.team() for _ in scores]
    for team, (public, private) in zip(teams, scores, strict=True):
        contest.enter(team, public, private)
    return contest, teams


def ended_at(contest: Contest) -> datetime:
    assert contest.board.ends_at is not None
    return contest.board.ends_at


def finish(contest: Contest) -> BoardResult:
    kept = count_results(contest.session, contest.board, ended_at(contest) + timedelta(seconds=1))
    assert kept is not None
    return kept


def crowd(contest: Contest, number: int) -> None:
    """Let many nameless teams stand behind and ahead of nobody: scores 1/number, 2/number …"""
    lines = "".join(
        f"t{each},{each / number},2026-09-02T00:00:00Z,{each / number}\n" for each in range(number)
    )
    table = read_table(("team,score,received_at,private_score\n" + lines).encode())
    import_table(contest.session, None, contest.board, table, at=NOW)


def shown(session: Session, user: User, **choice: object) -> Honours:
    return show_honours(session, user, **{"shown": True, "organisation_id": None} | choice)  # type: ignore[arg-type]


def names(session: Session, **wanted: object) -> list[str]:
    return [row.name for row in queries.people(session, Wanted(**wanted), LATER).rows]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rank", "people", "teams", "days", "expected"),
    [(1, 1, 1000, 0, 60205.9991), (10, 3, 2000, 180, 4538.2630), (2, 1, 394, 0, 33045.6181)],
)
def test_points_are_those_that_were_published(
    session: Session, rank: int, people: int, teams: int, days: int, expected: float
) -> None:
    contest = make_contest(session)
    crowd(contest, teams - 1)
    team = contest.team()
    for _ in range(people - 1):
        session.add(
            TeamMember(team_id=team.id, board_id=contest.board.id, user_id=contest.person().id, joined_at=NOW)
        )
    contest.enter(team, 0.5, (teams - rank - 0.5) / (teams - 1))
    finish(contest)
    leader = contest.leader(team)
    shown(session, leader)
    [found] = queries.people(session, Wanted(), ended_at(contest) + timedelta(days=days)).rows
    assert (found.best_rank, found.best_of) == (rank, teams)
    assert found.points == pytest.approx(expected, abs=5e-5)
    [place] = queries.places_of(session, leader.id, None, ended_at(contest) + timedelta(days=days))
    assert place.points == pytest.approx(expected, abs=5e-5)
    assert found.medals == {each: int(medal(rank, teams) is each) for each in Medal}


def test_points_of_several_challenges_fade_each_from_its_own_end(session: Session) -> None:
    old, (first, _) = contest_of(session, (0.9, 0.9), (0.1, 0.1))
    new, (_, second) = contest_of(session, (0.9, 0.9), (0.1, 0.1), ends={"after_days": 300})
    user = old.leader(first)
    session.execute(
        TeamMember.__table__.update().where(TeamMember.team_id == second.id).values(user_id=user.id)  # type: ignore[attr-defined]
    )
    finish(old)
    finish(new)
    shown(session, user)
    at = ended_at(new) + timedelta(days=77)
    expected = points(1, team_size=1, teams=2, age=at - ended_at(old)) + points(
        2, team_size=1, teams=2, age=timedelta(days=77)
    )
    [found] = queries.people(session, Wanted(), at).rows
    assert found.points == pytest.approx(expected, rel=1e-12)
    assert (found.challenges, found.best_rank) == (2, 1)


def test_a_board_is_counted_when_it_has_ended_and_everything_is_scored(session: Session) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.1), (0.8, 0.7))
    board, after = contest.board, ended_at(contest) + timedelta(minutes=1)
    assert count_results(session, board, ended_at(contest)) is None
    late = contest.take(first)
    upkeep.look_over(session, board, after)
    assert session.get(BoardResult, board.id) is None
    assert board.id not in upkeep.due_boards(session, after + timedelta(minutes=1))
    contest.score(late, 0.95, 0.9)
    assert board.id in upkeep.due_boards(session, after + timedelta(minutes=1))
    upkeep.look_over(session, board, after + timedelta(minutes=1))
    kept = session.get_one(BoardResult, board.id)
    assert (kept.teams, kept.shake_up) == (2, 0.0)
    assert board.id not in upkeep.due_boards(session, after + timedelta(minutes=2))
    assert {row.team_id: row.rank for row in session.scalars(select(TeamResult))} == {
        first.id: 1,
        second.id: 2,
    }


def test_an_entry_that_is_never_scored_holds_nobody_up_for_more_than_a_day(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.1), (0.8, 0.7))
    contest.take(team)
    end = ended_at(contest)
    assert count_results(session, contest.board, end + timedelta(hours=23)) is None
    assert count_results(session, contest.board, end + timedelta(hours=25)) is not None


@pytest.mark.parametrize("days", [0, 61])
def test_what_is_scored_again_after_the_end_counts_soon(session: Session, days: int) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    late, board = contest.take(second), contest.board
    fail_entry(session, late.id, "scorer_failed")
    finish(contest)
    again = ended_at(contest) + timedelta(days=days, hours=1)
    upkeep.look_over(session, board, again)
    score_again(session, contest.organiser, late)
    assert board.id not in upkeep.due_boards(session, again)
    contest.score(late, 0.95, 0.95, at=again)
    assert board.id in upkeep.due_boards(session, again)
    upkeep.look_over(session, board, again)
    assert session.get_one(TeamResult, (board.id, second.id)).rank == 1
    assert session.get_one(Honours, first.leader_id).best_rank == 2
    assert board.id not in upkeep.due_boards(session, again + timedelta(minutes=1))


def test_what_never_gets_a_score_holds_nothing_up_long_after_the_end(session: Session) -> None:
    contest, (team, other) = contest_of(session, (0.9, 0.1), (0.8, 0.7))
    contest.take(team)
    late = contest.take(other)
    at = ended_at(contest) + timedelta(days=61)
    upkeep.look_over(session, contest.board, at)
    assert contest.board.id not in upkeep.due_boards(session, at)
    contest.score(late, 0.95, 0.05, at=at)
    assert contest.board.id in upkeep.due_boards(session, at)


def test_one_entry_that_waits_again_takes_nobodys_points(session: Session) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    late = contest.take(second)
    fail_entry(session, late.id, "scorer_failed")
    finish(contest)
    kept = shown(session, contest.leader(first))
    score_again(session, contest.organiser, late)
    made = disqualify_team(session, contest.organiser, second, "shared a file", at=ended_at(contest) + HOUR)
    upkeep.look_over(session, contest.board, ended_at(contest) + HOUR)
    assert (kept.challenges, kept.best_of) == (1, 1)
    lift(session, contest.organiser, made, "it was not so", at=ended_at(contest) + HOUR)
    assert (kept.challenges, kept.best_of) == (1, 2)


def test_a_table_that_is_imported_after_the_end_counts_at_once(session: Session) -> None:
    contest = make_contest(session)
    team = contest.team("mine")
    finish(contest)
    kept = shown(session, contest.leader(team))
    table = read_table(
        b"team,score,received_at,private_score\n"
        b"ahead,0.95,2026-09-02T00:00:00Z,0.95\nmine,0.9,2026-09-02T00:00:00Z,0.9\n"
    )
    import_table(session, None, contest.board, table, at=LATER)
    assert (kept.best_rank, kept.best_of) == (2, 2)


def test_a_correction_that_moves_nobody_adds_nobody_up(session: Session, statements: list[str]) -> None:
    contest, (_, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    worse = contest.take(second)
    contest.score(worse, 0.1, 0.1)
    finish(contest)
    statements.clear()
    disqualify_entry(session, contest.organiser, worse, "a shared file", at=LATER)
    assert not any("honours" in each for each in statements)


def test_sums_that_were_lost_are_mended_at_night(session: Session, statements: list[str]) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    kept = shown(session, contest.leader(first))
    weight, kept.weight = kept.weight, 1.0
    session.delete(session.get_one(Honours, second.leader_id))
    upkeep.look_over(session, contest.board, LATER)
    assert kept.weight == weight
    assert session.get_one(Honours, second.leader_id).challenges == 1
    statements.clear()
    upkeep.look_over(session, contest.board, LATER)
    assert not any(each.startswith(("INSERT", "UPDATE honours")) for each in statements)


def test_counting_again_writes_nothing(session: Session, statements: list[str]) -> None:
    contest, _ = contest_of(session, (0.9, 0.1), (0.8, 0.7))
    finish(contest)
    statements.clear()
    finish(contest)
    assert [each for each in statements if each.startswith(("INSERT", "DELETE"))] == []
    assert not any("honours" in each for each in statements)


def test_the_shake_up_of_a_board_is_that_of_a_table(session: Session) -> None:
    contest = make_contest(session)
    table = read_table(
        b"team,score,received_at,private_score\n"
        b"a,0.9,2026-09-02T00:00:00Z,\nb,0.8,2026-09-02T00:00:00Z,0.1\n"
        b"c,0.7,2026-09-02T00:00:00Z,0.3\nd,0.6,2026-09-02T00:00:00Z,0.2\n"
    )
    import_table(session, None, contest.board, table, at=NOW)
    kept = finish(contest)
    assert kept.shake_up == rank_table(table, "max").shake_up == pytest.approx(5 / 3 / 4)
    assert kept.shake_up_of_top == pytest.approx(2 / 4)
    assert kept.teams == 3


def test_a_shake_up_that_was_changed_is_mended(session: Session) -> None:
    contest, _ = contest_of(session, (0.9, 0.1), (0.8, 0.7))
    finish(contest).shake_up = 0.75
    assert finish(contest).shake_up == 0.5


def test_a_board_without_teams_gives_nothing(session: Session) -> None:
    kept = finish(make_contest(session))
    assert (kept.teams, kept.shake_up) == (0, None)


def test_a_corrected_truth_gives_points_anew(session: Session) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    users = [contest.leader(team) for team in (first, second)]
    before = [shown(session, user).weight for user in users]
    truth = prepare_rescore(session, contest.organiser, contest.board, "wrong rows", blob=None, at=LATER)
    for entry in session.scalars(select(Entry).where(Entry.board_id == contest.board.id)):
        swapped = 0.1 if entry.team_id == first.id else 0.95
        rescore_entry(session, truth, entry.id, Scores(swapped, swapped))
    board_difference(session, contest.organiser, truth)
    assert [
        session.get_one(Honours, user.id).weight for user in users
    ] == before  # not before it is published
    publish_rescore(session, contest.organiser, truth, at=LATER)
    assert [session.get_one(Honours, user.id).weight for user in users] == before[::-1]
    assert names(session)[0] == users[1].name
    ranks = {row.team_id: (row.public_rank, row.rank) for row in session.scalars(select(TeamResult))}
    assert ranks == {first.id: (2, 2), second.id: (1, 1)}


def test_who_is_disqualified_after_the_end_loses_the_points_and_gets_them_back(session: Session) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    for team in (first, second):
        shown(session, contest.leader(team))
    made = disqualify_team(session, contest.organiser, first, "shared a file", at=LATER)
    [left] = queries.people(session, Wanted(), LATER).rows
    assert (left.user_id, left.best_rank, left.best_of) == (second.leader_id, 1, 1)
    lift(session, contest.organiser, made, "it was not so", at=LATER)
    assert [row.user_id for row in queries.people(session, Wanted(), LATER).rows] == [
        first.leader_id,
        second.leader_id,
    ]


def test_an_end_that_is_put_off_takes_the_points_back(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    shown(session, contest.leader(team))
    assert len(names(session)) == 1
    longer = contest.document | {"dates": contest.document["dates"] | {"ends": {"after_days": 400}}}
    publish_challenge(session, contest.organiser, longer, at=LATER)
    assert names(session) == []
    assert session.scalar(select(func.count()).select_from(BoardResult)) == 0


def test_nobody_is_shown_who_did_not_ask_for_it(session: Session) -> None:
    contest, (first, second) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    assert names(session) == []
    kept = shown(session, contest.leader(first))
    assert [row.user_id for row in queries.people(session, Wanted(), LATER).rows] == [first.leader_id]
    hidden = session.get_one(Honours, second.leader_id)
    with pytest.raises(NotFound):
        queries.person_at(session, hidden.address, LATER)
    assert queries.person_at(session, kept.address, LATER).rank == 1
    shown(session, contest.leader(first), shown=False)
    with pytest.raises(NotFound):
        queries.person_at(session, kept.address, LATER)
    assert names(session) == []
    assert queries.by_country(session, LATER) == queries.by_organisation(session, LATER) == []


def test_a_closed_account_is_shown_no_more(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    shown(session, contest.leader(team))
    disable(session, None, contest.leader(team))
    assert names(session) == []


def test_a_team_in_which_the_name_is_hidden_counts_for_nobody_to_see(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    user = contest.leader(team)
    kept = shown(session, user)
    assert kept.challenges == 1
    show_member(session, user, team, shown=False)
    assert (kept.challenges, kept.weight, names(session)) == (0, 0, [])
    assert queries.places_of(session, user.id, contest.organiser, LATER) == []
    assert [place.counts for place in queries.places_of(session, user.id, user, LATER)] == [False]
    show_member(session, user, team, shown=True)
    assert len(names(session)) == 1


@pytest.mark.parametrize(
    ("visibility", "counts", "to_visitors", "to_members"),
    [(Visibility.EVERYONE, 1, 1, 1), (Visibility.SIGNED_IN, 1, 0, 1), (Visibility.COURSE, 0, 0, 0)],
)
def test_a_place_is_known_to_those_who_may_see_its_board(
    session: Session, visibility: Visibility, counts: int, to_visitors: int, to_members: int
) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    contest.challenge.visibility = visibility
    finish(contest)
    user = contest.leader(team)
    assert shown(session, user).challenges == counts
    assert len(queries.places_of(session, user.id, None, LATER)) == to_visitors
    assert len(queries.places_of(session, user.id, contest.organiser, LATER)) == to_members
    assert len(queries.places_of(session, user.id, user, LATER)) == 1


def test_equal_points_share_a_rank(session: Session) -> None:
    contest = make_contest(session)
    team, other = contest.team(), contest.team()
    mate = contest.add(team)
    contest.enter(team, 0.9)
    contest.enter(other, 0.5)
    finish(contest)
    for user in (contest.leader(team), mate, contest.leader(other)):
        shown(session, user)
    assert [row.rank for row in queries.people(session, Wanted(), LATER).rows] == [1, 1, 3]


def test_filters_keep_the_rank_among_all(session: Session) -> None:
    contest, teams = contest_of(session, *((0.9 - each / 10, 0.9 - each / 10) for each in range(5)))
    finish(contest)
    university = make_organisation(session)
    for number, team in enumerate(teams):
        user = contest.leader(team)
        user.name, user.country = f"Person {number}", ("KR", "KR", "NZ", None, "KR")[number]
        own = number in {1, 3}
        if own:
            make_member(session, user=user, organisation=university, role=Role.STUDENT)
            session.expire(user, ["memberships"])
        shown(session, user, organisation_id=university.id if own else None)
    shown(session, contest.leader(teams[4]), shown=False)

    def found(**wanted: Any) -> list[tuple[int, str]]:
        return [(row.rank, row.name[-1]) for row in queries.people(session, Wanted(**wanted), LATER).rows]

    assert found() == [(1, "0"), (2, "1"), (3, "2"), (4, "3")]
    assert found(country="KR") == [(1, "0"), (2, "1")]
    assert found(organisation=university.slug) == [(2, "1"), (4, "3")]
    assert found(organisation=university.slug, country="KR") == [(2, "1")]
    assert found(text="son 2") == [(3, "2")]
    assert found(text="%") == found(text="_") == found(tier="master") == []
    assert len(found(tier="contributor")) == 4
    assert queries.choices(session).countries == {"KR", "NZ"}


def test_groups_add_up_the_points_of_those_who_are_shown(session: Session) -> None:
    contest, teams = contest_of(session, *((0.9 - each / 10, 0.9 - each / 10) for each in range(10)))
    finish(contest)
    company = make_organisation(session, kind=OrganisationKind.COMPANY)
    people = [contest.leader(team) for team in teams[:3]]
    for user in people:
        user.country = "KR"
        make_member(session, user=user, organisation=company, role=Role.ADMIN)
        session.expire(user, ["memberships"])
        shown(session, user, organisation_id=company.id)
    hidden = contest.leader(teams[3])
    hidden.country = "KR"
    at = ended_at(contest)
    total = sum(points(rank, team_size=1, teams=10) for rank in (1, 2, 3))
    [group] = queries.by_country(session, at)
    assert (group.key, group.people, group.best) == ("KR", 3, 1)
    assert group.points == pytest.approx(total)
    assert group.medals == {Medal.GOLD: 1, Medal.SILVER: 1, Medal.BRONZE: 1}
    [group] = queries.by_organisation(session, at)
    assert (group.organisation, group.people) == (company, 3)
    assert group.points == pytest.approx(total)


def test_who_leaves_an_organisation_counts_there_no_more(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    user = contest.leader(team)
    membership = make_member(session, user=user, role=Role.STUDENT)
    session.expire(user, ["memberships"])
    shown(session, user, organisation_id=membership.organisation_id)
    assert len(queries.by_organisation(session, LATER)) == 1
    membership.ended_at = now()
    assert queries.by_organisation(session, LATER) == []
    [row] = queries.people(session, Wanted(), LATER).rows
    assert row.organisation is None
    assert queries.people(session, Wanted(organisation=membership.organisation.slug), LATER).rows == []


def test_nobody_stands_for_an_organisation_of_others(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    with pytest.raises(Invalid):
        shown(session, contest.leader(team), organisation_id=contest.sponsor.id)
    operator = make_organisation(session, kind=OrganisationKind.OPERATOR)
    make_member(session, user=contest.leader(team), organisation=operator, role=Role.SITE_ADMIN)
    session.expire(contest.leader(team), ["memberships"])
    with pytest.raises(Invalid):
        shown(session, contest.leader(team), organisation_id=operator.id)


def test_a_tier_is_reached_by_medals_and_a_confirmed_address(session: Session) -> None:
    contest = make_contest(session)
    user = contest.person("Two bronze")
    for _ in range(2):
        other, teams = contest_of(session, *((0.9 - each / 10, 0.9 - each / 10) for each in range(10)))
        session.execute(
            TeamMember.__table__.update().where(TeamMember.team_id == teams[3].id).values(user_id=user.id)  # type: ignore[attr-defined]
        )
        finish(other)
    assert shown(session, user).tier is Tier.EXPERT
    assert names(session, tier="expert") == ["Two bronze"]
    user.confirmed_at = None
    assert names(session, tier="expert") == []
    assert names(session, tier="novice") == ["Two bronze"]


def test_pages_hold_fifty_and_cost_the_same_however_many_there_are(
    session: Session, statements: list[str]
) -> None:
    contest = make_contest(session)
    costs: list[int] = []
    for number in (3, 60):
        teams = [contest.team() for _ in range(number)]
        for team in teams:
            contest.enter(team, 0.5)
            shown(session, contest.leader(team))
        finish(contest)
        statements.clear()
        page = queries.people(session, Wanted(), LATER)
        costs.append(len(statements))
    assert costs[0] == costs[1] <= 3
    assert (len(page.rows), page.found, page.pages) == (50, 63, 2)
    assert len(queries.people(session, Wanted(page=2), LATER).rows) == 13
    assert queries.people(session, Wanted(page=2**31 - 1), LATER).page == 2
    assert not any(" entries" in each for each in statements)


def test_who_may_know_of_a_place_decides_again_when_the_challenge_is_published_anew(session: Session) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    contest.challenge.visibility = Visibility.COURSE
    finish(contest)
    kept = shown(session, contest.leader(team))
    assert (kept.challenges, names(session)) == (0, [])
    opened = contest.document | {"visibility": "everyone"}
    publish_challenge(session, contest.organiser, opened, at=LATER)
    assert (kept.challenges, len(names(session))) == (1, 1)


def test_recompute_counts_what_was_lost(session: Session, sessions: sessionmaker[Session]) -> None:
    contest, (team, _) = contest_of(session, (0.9, 0.9), (0.8, 0.2))
    finish(contest)
    kept = shown(session, contest.leader(team))
    weight, kept.weight = kept.weight, 1.0
    session.get_one(TeamResult, (contest.board.id, team.id)).rank = 7
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(days=1)
    session.commit()
    done = CliRunner().invoke(boards, ["recompute"], obj=SimpleNamespace(sessions=sessions))
    assert done.exit_code == 0
    session.expire_all()
    assert session.get_one(TeamResult, (contest.board.id, team.id)).rank == 1
    assert session.get_one(Honours, team.leader_id).weight > weight  # it ended later than it did
