from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.errors import Conflict, Invalid, NotAllowed, NotFound, TooSoon
from lms.leaderboards.models import Entry, EntryKind, QuotaDay, Team, TeamMerge
from lms.leaderboards.policies.merging import check_can_merge, mergeable_at
from lms.leaderboards.queries.boards import open_invitations, team_of
from lms.leaderboards.queries.counting import differences
from lms.leaderboards.services import teams
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.judging import disqualify_team
from lms.leaderboards.services.receiving import Work, take_entry
from tests.factories.grading import make_user
from tests.factories.leaderboards import NOW, OPENS, Contest, make_contest

LATE = NOW + timedelta(days=30)


@pytest.fixture
def team(contest: Contest) -> Team:
    return contest.team("첫째")


def come(contest: Contest, into: Team, other: Team, *, at: object = NOW) -> Team:
    """Both leaders say yes to a merge."""
    leader = contest.leader(other)
    asked = teams.invite(contest.session, contest.leader(into), into, leader, at=NOW)
    return teams.accept(contest.session, leader, asked, at=at)  # type: ignore[arg-type]


def test_who_joins_is_a_team_of_one_and_stays_in_it(contest: Contest, team: Team) -> None:
    user = contest.leader(team)
    assert teams.join(contest.session, user, contest.challenge, "another", at=LATE) is team
    assert [member.user_id for member in team.members] == [user.id]


def test_nobody_joins_without_the_rules_or_out_of_time(contest: Contest) -> None:
    session, challenge = contest.session, contest.challenge
    with pytest.raises(NotAllowed):
        teams.join(session, make_user(session), challenge, "x", at=NOW)
    for moment in (OPENS - timedelta(seconds=1), challenge.entry_deadline + timedelta(seconds=1)):
        with pytest.raises(Conflict):
            teams.join(session, contest.person(), challenge, "x", at=moment)
    assert teams.join(session, contest.person(), challenge, "x", at=challenge.entry_deadline)


def test_accepting_is_kept_with_the_version_that_was_read(contest: Contest) -> None:
    session, user = contest.session, make_user(contest.session)
    kept = accept_rules(session, user, contest.challenge, "1", at=NOW)
    assert accept_rules(session, user, contest.challenge, "1", at=LATE) is kept
    assert (kept.version, kept.accepted_at) == ("1", NOW)
    with pytest.raises(Conflict):
        accept_rules(session, user, contest.challenge, "0", at=NOW)


@pytest.mark.parametrize("name", ["", "   ", "\u202e\u200b", "x" * 61, "\x00\x1b"])
def test_a_name_that_cannot_be_shown_is_refused(contest: Contest, name: str) -> None:
    with pytest.raises(Invalid):
        teams.join(contest.session, contest.person(), contest.challenge, name, at=NOW)


@pytest.mark.parametrize("name", ["Team One", "team  one", "ｔｅａｍ one", "TEAM\u200b ONE"])
def test_names_that_look_alike_are_one_name(contest: Contest, name: str) -> None:
    contest.team("Team One")
    with pytest.raises(Conflict):
        contest.team(name)


def test_people_come_by_invitation_up_to_the_size_of_a_team(contest: Contest, team: Team) -> None:
    session, leader = contest.session, contest.leader(team)
    for _ in range(2):
        person = contest.person()
        asked = teams.invite(session, leader, team, person, at=NOW)
        assert open_invitations(session, contest.board, person) == [asked]
        assert teams.accept(session, person, asked, at=NOW) is team
        with pytest.raises(NotFound):
            teams.accept(session, person, asked, at=NOW)
    with pytest.raises(Conflict, match="at most 3"):
        teams.invite(session, leader, team, contest.person(), at=NOW)


def test_an_invitation_is_the_leaders_to_give_and_the_persons_to_answer(contest: Contest, team: Team) -> None:
    session, person = contest.session, contest.person()
    with pytest.raises(NotAllowed):
        teams.invite(session, person, team, contest.person(), at=NOW)
    asked = teams.invite(session, contest.leader(team), team, person, at=NOW)
    with pytest.raises(NotFound):
        teams.accept(session, contest.person(), asked, at=NOW)
    with pytest.raises(Conflict):
        teams.accept(session, person, asked, at=LATE)
    teams.decline(session, person, asked, at=NOW)
    assert team_of(session, contest.board, person) is None


def test_a_merged_team_has_the_better_standing_and_all_that_was_used(contest: Contest, team: Team) -> None:
    other = contest.team()
    for score in (0.5, 0.6):
        contest.enter(team, score)
    best = contest.enter(other, 0.9, 0.1)
    contest.take(other)
    assert come(contest, team, other).id == team.id
    session = contest.session
    standing = contest.standing(team)
    assert standing is not None
    assert (standing.entry_id, standing.score, standing.entries) == (best.id, 0.9, 3)
    assert contest.standing(other) is None
    assert (team.taken, other.taken, other.merged_into_id) == (4, 0, team.id)
    assert session.get_one(QuotaDay, (team.id, NOW.date())).used == 4
    assert set(session.scalars(select(Entry.origin_id))) == {team.id, other.id}
    kept = session.scalars(select(TeamMerge)).one()
    assert (kept.entries, kept.allowed) == (4, 15)
    assert differences(session, contest.board) == []


def test_teams_with_more_entries_than_the_days_that_passed_allow_stay_apart(contest: Contest) -> None:
    """Two accounts would otherwise have two quotas: five a day, and three days have passed."""
    one, other = contest.team(), contest.team()
    for day in range(2):
        for team in (one, other):
            for second in range(4):
                contest.enter(team, 0.5, at=OPENS + timedelta(days=day, seconds=second))
    with pytest.raises(
        Conflict, match=r"16 entries.*5 for each day.*15 by now.*from 2026-09-05 00:00 \(UTC\)"
    ):
        come(contest, one, other)
    assert come(contest, one, other, at=NOW + timedelta(days=1)).id == one.id


def test_the_day_that_runs_gives_a_merge_nothing(session: Session) -> None:
    contest = make_contest(session)
    one, other = contest.team(at=OPENS), contest.team(at=OPENS)
    for team in (one, other):
        contest.enter(team, 0.5, at=OPENS + timedelta(hours=1))
    asked = teams.invite(session, contest.leader(one), one, contest.leader(other), at=OPENS)
    with pytest.raises(Conflict, match=r"2 entries.*0 by now.*you can merge from"):
        teams.accept(session, contest.leader(other), asked, at=OPENS + timedelta(hours=2))


@pytest.mark.parametrize(
    ("entries", "day"),
    [(1, 2), (5, 2), (6, 3), (10, 3), (20, 5), (21, None)],  # five a day, of twenty in all
)
def test_what_a_merge_is_told_to_wait_for_is_when_it_can_be(
    contest: Contest, entries: int, day: int | None
) -> None:
    challenge = contest.challenge
    challenge.total_limit, challenge.timezone = 20, "Asia/Seoul"
    opens = mergeable_at(challenge, entries)
    if day is None:
        assert opens is None
        with pytest.raises(Conflict, match="you cannot merge before"):
            check_can_merge(challenge, entries, challenge.merge_deadline)
        return
    assert opens == datetime(2026, 9, day, tzinfo=ZoneInfo("Asia/Seoul"))
    check_can_merge(challenge, entries, opens)
    with pytest.raises(Conflict, match=f"from 2026-09-0{day} 00:00"):
        check_can_merge(challenge, entries, opens - timedelta(seconds=1))
    challenge.merge_deadline = opens - timedelta(seconds=1)
    assert mergeable_at(challenge, entries) is None


def test_a_merged_team_cannot_enter_more_on_that_day_than_one_team(contest: Contest, team: Team) -> None:
    other = contest.team()
    for each in (team, other):
        for _ in range(3):
            contest.take(each)
    come(contest, team, other)
    with pytest.raises(TooSoon, match="All 5"):
        contest.take(team)


def test_nobody_leaves_a_team_that_has_entries(contest: Contest, team: Team) -> None:
    session, person = contest.session, contest.person()
    asked = teams.invite(session, contest.leader(team), team, person, at=NOW)
    teams.accept(session, person, asked, at=NOW)
    entry = contest.take(team)
    with pytest.raises(Conflict, match="entries already"):
        teams.leave(session, person, team, at=NOW)
    assert entry.team_id == team.id


def test_nobody_leaves_a_team_whose_entries_came_with_a_merge(contest: Contest, team: Team) -> None:
    """Otherwise: send five, merge, leave, join, and send five more on the same day."""
    session, empty = contest.session, contest.team()
    entries = [contest.take(team) for _ in range(5)]
    into = come(contest, empty, team)
    assert {entry.team_id for entry in entries} == {into.id}
    for member in list(into.members):
        with pytest.raises(Conflict, match="entries already"):
            teams.leave(session, member.user, into, at=NOW)
        assert teams.join(session, member.user, contest.challenge, "fresh", at=NOW) is into
        with pytest.raises(TooSoon):
            take_entry(
                session,
                member.user,
                contest.challenge,
                Work(EntryKind.PREDICTIONS, "c" * 64),
                received_at=NOW,
            )


def test_nobody_leaves_a_disqualified_team(contest: Contest, team: Team) -> None:
    disqualify_team(contest.session, contest.organiser, team, "two accounts", at=NOW)
    with pytest.raises(Conflict, match="disqualified"):
        teams.leave(contest.session, contest.leader(team), team, at=NOW)


def test_who_leaves_an_untouched_team_can_join_again(contest: Contest, team: Team) -> None:
    session, leader, person = contest.session, contest.leader(team), contest.person()
    teams.accept(session, person, teams.invite(session, leader, team, person, at=NOW), at=NOW)
    teams.leave(session, leader, team, at=NOW)
    assert team.leader_id == person.id
    teams.leave(session, person, team, at=NOW)
    assert team.leader_id is None
    again = teams.join(session, leader, contest.challenge, "첫째", at=NOW)
    assert again.id != team.id


def test_after_the_team_deadline_teams_stand(contest: Contest, team: Team) -> None:
    other = contest.team()
    with pytest.raises(Conflict, match="team deadline"):
        come(contest, team, other, at=contest.challenge.merge_deadline + timedelta(seconds=1))


def test_a_team_takes_another_name(contest: Contest, team: Team) -> None:
    teams.rename(contest.session, contest.leader(team), team, "둘째", at=NOW)
    assert (team.name, team.name_key) == ("둘째", teams.name_key("둘째"))
    with pytest.raises(NotAllowed):
        teams.rename(contest.session, contest.person(), team, "셋째", at=NOW)


def test_a_team_keeps_its_name_from_the_end_on(contest: Contest, team: Team) -> None:
    end, leader = contest.challenge.ends_at, contest.leader(team)
    teams.rename(contest.session, leader, team, "둘째", at=end)  # the end itself is still in time
    for name in ("셋째", "둘째"):
        with pytest.raises(Conflict, match="keeps its name"):
            teams.rename(contest.session, leader, team, name, at=end + timedelta(microseconds=1))
    assert team.name == "둘째"
