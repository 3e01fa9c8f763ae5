"""The board in the browser's eyes: who sees it, what is on it, and what goes out of it as a file."""

import csv
import html
import io
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.models import Share, Team, Visibility
from lms.leaderboards.services import judging, teams
from lms.leaderboards.services.boards import keep_baselines
from lms.leaderboards.services.challenges import accept_rules
from lms.leaderboards.services.honouring import show_honours
from lms.leaderboards.services.standing import note_ranks, rebuild
from lms.leaderboards.services.ties import Tied, keep_tie_groups
from tests.factories.leaderboards import Contest, make_contest

English = {"Accept-Language": "en"}
Show = Callable[..., str]


@pytest.fixture
def contest(session: Session) -> Contest:
    return make_contest(session, opens_at=now() - timedelta(days=3))


@pytest.fixture
def show(client: FlaskClient, contest: Contest) -> Show:
    """Ask for the board's page, as text."""

    def show(rest: str = "", *, status: int = 200) -> str:
        contest.session.commit()
        answer = client.get(f"/challenges/{contest.challenge.slug}/board{rest}", headers=English)
        assert answer.status_code == status
        return answer.text

    return show


def fill(contest: Contest, number: int) -> list[Team]:
    """Teams with scores, the best first."""
    made = [contest.team(f"Team {each:03}", at=now()) for each in range(number)]
    for each, team in enumerate(made):
        contest.enter(team, 0.9 - each / 1000, each / 1000, at=now())
    return made


def end(contest: Contest) -> None:
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(minutes=1)


def test_the_board_goes_on_by_fifty_and_leads_me_to_my_row(
    contest: Contest, show: Show, sign_in: Callable[[User], None]
) -> None:
    teams = fill(contest, 53)
    first, second = show(), show("?page=2")
    assert ("Team 049" in first, "Team 050" in first, "Page 1 of 2" in first) == (True, False, True)
    assert ("Team 049" in second, "Team 052" in second) == (False, True)
    for strange in ("3", "99999999999999999999999", "-1", "x", "9" * 5000):
        assert "Team 0" in show(f"?page={strange}")
    viewer = contest.leader(teams[50])
    viewer.language = "en"
    sign_in(viewer)
    assert "Your team stands at place 51 of 53" in show()
    near = show("?near=1")
    assert 'id="me"' in near
    assert ("Team 045" in near, "Team 044" in near) == (True, False)


def test_a_team_is_found_by_a_part_of_its_name(contest: Contest, show: Show) -> None:
    fill(contest, 12)
    found = show("?q=team+007")
    assert ("Team 007" in found, "Team 006" in found) == (True, False)
    assert "No name on this board holds" in show("?q=%3Cb%3E%09nobody")
    assert "<b>" not in show("?q=%3Cb%3Enobody")


def test_names_cannot_break_the_page(contest: Contest, show: Show) -> None:
    contest.enter(contest.team('<script>alert(1)</script>"\u202e', at=now()), 0.5, at=now())
    page = show()
    assert "<script>alert" not in page
    assert "<bdi>&lt;script&gt;" in page
    assert "style=" not in page


def test_ties_moves_and_baselines_are_told_in_words(contest: Contest, show: Show) -> None:
    first, _, third = fill(contest, 3)
    keep_baselines(
        contest.session,
        contest.board,
        [{"key": "naive", "title": {"en": "Always north"}, "public_score": 0.8985, "private_score": 0.1}],
        at=now(),
    )
    note_ranks(contest.session, contest.board)
    contest.board.looked_at = now()
    contest.enter(third, 0.95, at=now())
    tied = [
        Tied(team.id, contest.standing(team).entry_id, 1, 1, 3)  # type: ignore[union-attr]
        for team in (third, first)
    ]
    keep_tie_groups(contest.session, contest.board, Share.PUBLIC, tied, at=now())
    page = show()
    assert "(1–3)" in page
    assert page.count("tie group 1") == 2
    assert ("up 2 places" in page, page.count("down 1 place")) == (True, 2)
    assert "Always north (baseline)" in page
    assert "without a rank" in page
    assert "cannot tell apart" in page


def test_medals_are_given_at_the_end_and_by_private_ranks(contest: Contest, show: Show) -> None:
    teams = fill(contest, 10)
    assert "gold medal" not in show()
    end(contest)
    final = show()
    assert final.count("gold medal") == final.count("silver medal") == 1
    assert final.count("bronze medal") == 2
    assert final.index(teams[-1].name) < final.index("gold medal") < final.index(teams[-2].name)
    public = show("?share=public")
    assert "medal" not in public.replace("medals", "")
    assert public.index(teams[0].name) < public.index(teams[1].name)


def test_nothing_private_is_shown_before_the_end_whatever_is_asked(contest: Contest, show: Show) -> None:
    contest.enter(contest.team("A", at=now()), 0.25, 0.777, at=now())
    for rest in ("", "?share=private", ".csv", "/climbs", "/frame", "?seen=x"):
        assert "0.777" not in show(rest)


def test_ladder_and_anonymity_are_explained_and_keep_their_promise(contest: Contest, show: Show) -> None:
    team = contest.team("Known name", at=now())
    contest.enter(team, 0.5, at=now())
    contest.board.ladder = contest.board.anonymous = True
    page = show()
    assert "has a Ladder" in page
    assert "only an alias" in page
    for rest in ("", ".csv", "/climbs", "/frame", "?q=Known"):
        assert "Known name" not in show(rest)
    assert team.alias in page
    assert f"\r\n1,,{team.alias}," in show(".csv")


def test_a_frozen_board_says_so(contest: Contest, show: Show) -> None:
    contest.board.freezes_at = now() - timedelta(minutes=1)
    assert "stands still until the end" in show()


def test_a_page_that_is_still_right_gets_no_new_one(
    contest: Contest, show: Show, client: FlaskClient
) -> None:
    team = fill(contest, 3)[0]
    address = f"/challenges/{contest.challenge.slug}/board"
    page = show()
    mark = page.partition("seen=")[2][:24]
    assert show(f"?seen={mark}", status=204) == ""
    part = client.get(f"{address}?seen=old")
    assert part.text.lstrip().startswith('<div id="standings"')
    again = client.get(f"{address}?seen=old", headers={"If-None-Match": part.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    contest.enter(team, 0.99, at=now())
    contest.session.commit()
    assert mark not in show(f"?seen={mark}")
    new = client.get(f"{address}?seen=old", headers={"If-None-Match": part.headers["ETag"]})
    assert new.status_code == 200


@pytest.mark.parametrize(
    "query",
    ["", "?page=2", "?page=99", "?filter=1", "?q=Team", "?q=+team+0&page=9", "?near=1", "?country=kr"],
)
def test_an_open_page_asks_for_what_it_shows_and_is_sent_it_only_if_it_changed(
    contest: Contest, show: Show, client: FlaskClient, sign_in: Callable[[User], None], query: str
) -> None:
    team = fill(contest, 53)[20]
    reader = contest.leader(team)
    reader.language, reader.country = "en", "KR"
    show_honours(contest.session, reader, shown=True, organisation_id=None)
    sign_in(reader)
    page = show(query)
    [asked] = re.findall(r'<div id="standings" hx-get="([^"]+)"', page)
    assert "<bdi>Team 0" in page
    assert client.get(html.unescape(asked)).status_code == 204
    contest.enter(team, 0.95, at=now())
    contest.session.commit()
    assert client.get(html.unescape(asked)).status_code == 200


def test_whoever_filters_goes_on_filtering_on_the_next_page(contest: Contest, show: Show) -> None:
    fill(contest, 51)
    first = show("?filter=1")
    [address] = re.findall(r'href="([^"]*page=2[^"]*)"', first)
    assert 'name="organisation"' in show("?" + html.unescape(address).partition("?")[2])
    assert 'name="organisation"' not in show("?page=2")


def test_a_change_too_small_to_be_shown_is_not_told_by_the_mark_either(contest: Contest, show: Show) -> None:
    team = contest.team("A", at=now())
    entry = contest.enter(team, 0.123411, at=now())
    mark = show().partition("seen=")[2][:24]
    standing = contest.standing(team)
    assert standing is not None
    standing.score = entry.released_score = 0.123399
    assert show(f"?seen={mark}", status=204) == ""


def test_the_table_has_kaggles_columns_and_runs_nothing(contest: Contest, client: FlaskClient) -> None:
    first = contest.team("=HYPERLINK(1)", at=now())
    contest.enter(first, 0.5, at=now())
    contest.enter(contest.team('한글, "따옴표"\n;@sum', at=now()), -0.123456, at=now())
    keep_baselines(
        contest.session,
        contest.board,
        [{"key": "naive", "title": {"en": "+1"}, "public_score": 0.1, "private_score": 0.1}],
        at=now(),
    )
    contest.session.commit()
    answer = client.get(f"/challenges/{contest.challenge.slug}/board.csv", headers=English)
    assert answer.data.startswith(b"\xef\xbb\xbfRank,TeamId,TeamName,LastSubmissionDate,Score,")
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [(row["Rank"], row["TeamName"][:2], row["Score"]) for row in rows] == [
        ("1", "'=", "0.5000"),
        ("0", "'+", "0.1000"),
        ("2", "한글", "-0.1235"),
    ]
    assert rows[0]["TeamId"] == str(first.id)
    assert ";'@sum" in rows[2]["TeamName"]
    assert rows[0]["TeamMemberUserNames"] == contest.leader(first).name


def test_only_an_open_board_may_stand_on_other_sites(
    contest: Contest, show: Show, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    contest.enter(contest.team("A", at=now()), 0.5, at=now())
    contest.session.commit()
    address = f"/challenges/{contest.challenge.slug}/board"
    policies = {
        rest: client.get(f"{address}{rest}").headers["Content-Security-Policy"]
        for rest in ("", "/frame", "/climbs", ".csv")
    }
    assert [rest for rest, policy in policies.items() if "frame-ancestors *" in policy] == ["/frame"]
    assert "script-src 'self'" in policies["/frame"]
    sign_in(contest.organiser)
    assert contest.organiser.name not in client.get(f"{address}/frame").text
    contest.challenge.visibility = Visibility.SIGNED_IN
    show()
    show("/frame", status=404)


@pytest.mark.parametrize("rest", ["", ".csv", "/climbs", "/frame"])
def test_a_board_of_a_course_is_not_there_for_strangers(
    contest: Contest, show: Show, sign_in: Callable[[User], None], rest: str
) -> None:
    contest.challenge.visibility = Visibility.COURSE
    show(rest, status=404)
    sign_in(contest.person())
    show(rest, status=404)


def test_the_number_of_a_challenges_board_leads_to_its_address(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    sign_in(contest.person())
    answer = client.get(f"/boards/{contest.board.id}")
    assert answer.location == f"/challenges/{contest.challenge.slug}/board"
    contest.challenge.visibility = Visibility.COURSE
    contest.session.commit()
    for rest in ("", "/board.csv", "/climbs"):
        assert client.get(f"/boards/{contest.board.id}{rest}").status_code == 404


def test_the_chart_says_the_same_as_its_table(contest: Contest, show: Show) -> None:
    assert "over time will be here" in show("/climbs")
    teams = fill(contest, 12)
    contest.enter(teams[3], 0.95, at=now())
    page = show("/climbs")
    assert page.count('class="climb') >= 10
    assert page.index("Team 003") < page.index("Team 000")
    assert "Team 011" not in page
    assert "style=" not in page


def own_line(page: str) -> tuple[int, str, str]:
    """Return how many lines are drawn, what stands beside the reader's own, and its row of the table."""
    [label] = re.findall(r'<g class="mine">.*?<text[^>]*>(.*?)</text>', page, re.DOTALL)
    [row] = re.findall(r'<tr class="me">.*?</tr>', page, re.DOTALL)
    assert page.count('class="climb mine') == 1
    return len(re.findall(r'class="climb[ "]', page)), label, row


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_chart_has_a_line_of_the_readers_own_team_wherever_it_stands(
    contest: Contest, show: Show, sign_in: Callable[[User], None], *, anonymous: bool
) -> None:
    teams = fill(contest, 17)
    contest.board.anonymous = anonymous
    assert 'class="climb mine' not in show("/climbs")
    reader = contest.leader(teams[14])
    reader.language = "en"
    sign_in(reader)
    page = show("/climbs")
    lines, label, row = own_line(page)
    assert (lines, label) == (11, "15 you · Team 014")
    for told in ("Team 014", "you", '<td class="num">15</td>', "0.8860"):
        assert told in row
    assert "Public scores of the first ten, and yours, over time" in page
    assert ("Team 000" in page, teams[0].alias in page) == (not anonymous, anonymous)
    for hidden in (teams[13], teams[15]):
        assert hidden.name not in page
        assert hidden.alias not in page
    reader = contest.leader(teams[2])
    reader.language = "en"
    sign_in(reader)
    page = show("/climbs")
    lines, label, row = own_line(page)
    assert (lines, label) == (10, "3 you · Team 002")
    assert "Public scores of the first ten over time" in page


def test_with_the_ladder_the_readers_own_line_has_its_releases_only(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    contest = make_contest(session, opens_at=now() - timedelta(days=3), ladder=True)
    first = [contest.team(f"Team {number:03}", at=now()) for number in range(10)]
    own = contest.team("Ours", at=now())
    for team, wrong in (*((team, 10) for team in first), (own, 50), (own, 49)):
        losses = [1.0] * wrong + [0.0] * (100 - wrong)
        contest.score(contest.take(team, at=now()), 1 - wrong / 100, losses=losses)
    reader = contest.leader(own)
    reader.language = "en"
    session.commit()
    sign_in(reader)
    page = client.get(f"/challenges/{contest.challenge.slug}/board/climbs", headers=English).text
    lines, label, row = own_line(page)
    assert (lines, label, row.count("0.5000")) == (11, "11 you · Ours", 2)
    assert "0.51" not in page


def test_the_readers_own_line_is_there_only_where_the_board_has_its_row(
    contest: Contest, show: Show, sign_in: Callable[[User], None]
) -> None:
    own = fill(contest, 15)[14]
    late = contest.enter(own, 0.8861, at=now())
    reader = contest.leader(own)
    reader.language = "en"
    sign_in(reader)
    assert "0.8861" in own_line(show("/climbs"))[2]
    contest.board.freezes_at = late.received_at - timedelta(microseconds=1)
    rebuild(contest.session, contest.board)
    _, label, row = own_line(show("/climbs"))
    assert (label, "0.8861" in row) == ("15 you · Team 014", False)
    contest.board.freezes_at = None
    judging.disqualify_team(contest.session, contest.organiser, own, "two accounts", at=now())
    page = show("/climbs")
    assert ('class="climb mine' in page, "Team 014" in page) == (False, False)


def test_a_row_that_was_drawn_for_one_reader_is_not_shown_to_another_as_theirs(
    contest: Contest, show: Show, sign_in: Callable[[User], None]
) -> None:
    teams = fill(contest, 2)
    for own, other in (teams, teams[::-1]):
        contest.leader(own).language = "en"
        sign_in(contest.leader(own))
        (row,) = re.findall(r'<tr(?=[^>]* class="me").*?</tr>', show(), re.DOTALL)
        assert own.name in row
        assert other.name not in row
    contest.leader(teams[0]).language = contest.leader(teams[1]).language = "ko"
    assert 'data-label="Entries"' not in show()


def test_a_changed_name_is_seen_at_once(contest: Contest, show: Show) -> None:
    (team,) = fill(contest, 1)
    assert "Team 000" in show()
    team.name = "Another name"
    assert "Another name" in show()


def test_the_list_of_boards_asks_no_more_the_more_there_are(
    contest: Contest, client: FlaskClient, sign_in: Callable[[User], None], statements: list[str]
) -> None:
    user = contest.leader(fill(contest, 3)[1])
    for each in (
        contest,
        *(make_contest(contest.session, opens_at=contest.challenge.opens_at) for _ in range(4)),
    ):
        if each is not contest:
            accept_rules(each.session, user, each.challenge, each.challenge.rules_version, at=now())
            teams.join(each.session, user, each.challenge, "Team 001", at=now())
    contest.session.commit()
    sign_in(user)
    client.get("/boards", headers=English)
    statements.clear()
    page = client.get("/boards", headers=English).text
    assert page.count("3팀 중 2위") == 1
    assert page.count(f"/boards/{contest.board.id}") == 1
    assert page.count("<tr>") == 1 + 5
    assert len(statements) < 12
