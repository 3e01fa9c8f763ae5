"""Points and medals in the browser's eyes: who is on the pages, and who decides that."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from lms.accounts.models import Role, User
from lms.db import now
from lms.leaderboards.core.honours import points
from lms.leaderboards.models import Visibility
from lms.leaderboards.queries.boards import board_of_challenge
from lms.leaderboards.queries.honours import Place, honours_of, places_of
from lms.leaderboards.services.honouring import count_results, recount, show_honours
from lms.leaderboards.services.standing import note_ranks
from tests.factories.accounts import make_member, make_user
from tests.factories.aftermath import Ending, make_ending
from tests.factories.leaderboards import Contest, give_honours, make_contest
from tests.leaderboards.test_honours import crowd

English = {"Accept-Language": "en"}
Show = Callable[..., str]


@pytest.fixture
def show(client: FlaskClient, session: Session) -> Show:
    """Ask for a page, as text."""

    def show(path: str = "", *, status: int = 200) -> str:
        session.commit()
        answer = client.get(f"/honours{path}", headers=English)
        assert answer.status_code == status
        return answer.text

    return show


def winner(session: Session, name: str = "Kim Haneul", **changes: object) -> User:
    """Somebody who won a challenge and shows it."""
    user = make_user(session, name=name, language="en")
    give_honours(session, user, **changes)  # type: ignore[arg-type]
    return user


def address(session: Session, user: User) -> str:
    kept = honours_of(session, user)
    assert kept is not None
    return f"/people/{kept.address}"


@pytest.mark.parametrize(
    ("rank", "people", "teams", "days", "printed"),
    [(1, 1, 1000, 0, "60,206"), (10, 3, 2000, 180, "4,538"), (2, 1, 394, 0, "33,046")],
)
def test_the_page_prints_the_published_points(
    session: Session, show: Show, rank: int, people: int, teams: int, days: int, printed: str
) -> None:
    contest = make_contest(session, opens_at=now() - timedelta(days=27 + days))
    crowd(contest, teams - 1)
    at = contest.challenge.opens_at + timedelta(days=1)
    team = contest.team(at=at)
    for _ in range(people - 1):
        contest.add(team)
    contest.enter(team, 0.5, (teams - rank - 0.5) / (teams - 1), at=at)
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(days=days, seconds=1)
    count_results(session, contest.board, now())
    show_honours(session, contest.leader(team), shown=True, organisation_id=None)
    assert f">{printed}<" in show()
    page = show(address(session, contest.leader(team)))
    assert f"<b>{printed}</b>" in page
    assert f"{rank} of {teams}" in page


def test_nobody_is_on_any_page_who_did_not_ask_for_it(
    session: Session, show: Show, client: FlaskClient
) -> None:
    hidden = winner(session, "Hidden Person")
    hidden.country = "NZ"
    show_honours(session, hidden, shown=False, organisation_id=None)
    for path in ("", "?q=Hidden", "?country=NZ", "/organisations", "/countries"):
        page = show(path)
        assert "Hidden Person" not in page
        assert "New Zealand" not in page
    show(address(session, hidden), status=404)
    show("/people/nobody", status=404)
    assert "Hidden" not in client.get("/api/honours").text
    show_honours(session, hidden, shown=True, organisation_id=None)
    assert "Hidden Person" in show()
    assert "New Zealand" in show("/countries")
    assert "Hidden Person" in show(address(session, hidden))


def test_a_person_looks_at_their_places_and_decides_who_else_does(
    session: Session, show: Show, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    user = winner(session)
    university = make_member(session, user=user, role=Role.STUDENT).organisation
    session.expire(user, ["memberships"])
    show_honours(session, user, shown=False, organisation_id=None)
    session.commit()
    assert client.get("/honours/mine").status_code == 302
    sign_in(user)
    assert "only you see your points" in show()
    page = show("/mine")
    assert ("only you see them" in page, "gold medal" in page, "1 of 10" in page) == (True, True, True)
    answer = client.post("/honours/mine", data={"shown": "y", "organisation": str(university.id)})
    assert answer.status_code == 303
    page = show()
    assert "Kim Haneul" in page
    assert university.name["en"] in page
    assert university.name["en"] in show("/organisations")
    assert "This is what everyone sees of you" in show(address(session, user))
    client.post("/honours/mine", data={"organisation": "0"})
    assert "<bdi>Kim Haneul" not in show()
    show(address(session, user), status=404)


def test_nobody_can_stand_for_an_organisation_of_others(
    session: Session, client: FlaskClient, sign_in: Callable[[User], None]
) -> None:
    user, other = winner(session), make_member(session, role=Role.STUDENT).organisation
    session.commit()
    sign_in(user)
    answer = client.post("/honours/mine", data={"shown": "y", "organisation": str(other.id)})
    assert answer.status_code == 422
    kept = honours_of(session, user)
    assert kept is not None
    assert kept.organisation_id is None


def test_everything_is_explained_before_anybody_is_there(
    session: Session, show: Show, sign_in: Callable[[User], None]
) -> None:
    assert "can show their points and medals here" in show()
    assert "name a country in their profile" in show("/countries")
    assert "for which organisation they stand" in show("/organisations")
    user = make_user(session, language="en")
    session.commit()
    sign_in(user)
    assert "No place yet" in show("/mine")


def test_filters_narrow_the_page_and_stay_in_its_address(session: Session, show: Show) -> None:
    for number, country in enumerate(("KR", "NZ", None)):
        winner(session, f"Person {number}", others=number + 1).country = country
    page = show("?country=KR&q=person&tier=contributor")
    assert ("Person 0" in page, "Person 1" in page) == (True, False)
    assert '<option value="KR" selected>South Korea' in page
    assert '<td class="num" data-label="Place">3</td>' in page
    assert "Nobody here fits" in show("?q=zebra")
    for strange in (
        "?tier=king&country=ZZZ&page=99999999999",
        "?organisation=%3Cb%3E",
        "?page=0",
        "?country=%00",
    ):
        show(strange, status=404 if "%00" in strange else 200)


def test_names_cannot_break_the_page(session: Session, show: Show) -> None:
    user = winner(session, '<script>alert(1)</script>"\u202e')
    for path in ("", address(session, user)):
        page = show(path)
        assert "<script>alert" not in page
        assert "<bdi>&lt;script&gt;" in page
        assert "style=" not in page


def test_a_place_among_signed_in_people_is_told_to_them_only(
    session: Session, show: Show, sign_in: Callable[[User], None]
) -> None:
    user = winner(session)
    [place] = places_of(session, user.id, user, now())
    place.challenge.visibility = Visibility.SIGNED_IN
    page = show(address(session, user))
    assert ("Sorted parcels" in page, "These places are for people who are signed in" in page) == (
        False,
        True,
    )
    give_honours(session, user)
    page = show(address(session, user))
    assert ("Sorted parcels" in page, "More places are for people who are signed in" in page) == (True, True)
    sign_in(make_user(session, language="en"))
    page = show(address(session, user))
    assert (page.count('<th scope="row"'), "who are signed in" in page) == (2, False)
    for place in places_of(session, user.id, user, now()):
        _put_before_a_course(session, place)
    show(address(session, user), status=404)
    assert "Kim Haneul" not in show()


def _put_before_a_course(session: Session, place: Place) -> None:
    place.challenge.visibility = Visibility.COURSE
    recount(session, board_of_challenge(session, place.challenge), now(), people_too=True)


def test_the_pages_are_there_in_korean(session: Session, client: FlaskClient) -> None:
    user = winner(session, "김하늘")
    user.country = "KR"
    session.commit()
    korean = {"Accept-Language": "ko"}
    assert "대한민국" in client.get("/honours/countries", headers=korean).text
    assert "금메달" in client.get(f"/honours{address(session, user)}", headers=korean).text


def test_programs_get_what_the_page_shows(session: Session, client: FlaskClient) -> None:
    user = winner(session)
    user.country = "KR"
    show_honours(session, winner(session, "Hidden"), shown=False, organisation_id=None)
    session.commit()
    [place] = places_of(session, user.id, None, now())
    told = client.get("/api/honours").json
    assert told is not None
    [row] = told["rows"]
    assert (told["found"], told["page"], told["pages"]) == (1, 1, 1)
    assert (row["rank"], row["name"], row["country"], row["best_rank"], row["best_of"]) == (
        1, "Kim Haneul", "KR", 1, 10,
    )  # fmt: skip
    assert row["medals"] == {"gold": 1, "silver": 0, "bronze": 0}
    assert row["points"] == pytest.approx(
        points(1, team_size=1, teams=10, age=now() - place.ended_at), rel=1e-6
    )
    for wanted, found in (("country=kr", 1), ("tier=contributor", 1), ("tier=master", 0), ("tier=", 1)):
        assert (client.get(f"/api/honours?{wanted}").json or {})["found"] == found
    answer = client.get("/api/honours?tier=king", headers=English)
    assert (answer.status_code, "novice, contributor, expert" in answer.text) == (422, True)
    assert client.get("/api/honours?country=NZ").json == {"found": 0, "page": 1, "pages": 1, "rows": []}


def test_programs_get_the_change_of_places_after_the_end(session: Session, client: FlaskClient) -> None:
    contest = make_contest(session, opens_at=now() - timedelta(days=3))
    first, second = contest.team(at=now()), contest.team(at=now())
    contest.enter(first, 0.9, 0.1, at=now())
    contest.enter(second, 0.5, 0.6, at=now())
    session.commit()
    path = f"/api/challenges/{contest.challenge.slug}/board"
    assert "shake_up" not in (client.get(path).json or {})
    contest.board.ends_at = contest.challenge.ends_at = now() - timedelta(seconds=1)
    count_results(session, contest.board, now())
    session.commit()
    told = client.get(path).json
    assert told is not None
    assert (told["shake_up"], told["shake_up_of_top"]) == (0.5, 0.5)
    assert told["public_ranks"] == {str(first.id): 1, str(second.id): 2}


@pytest.fixture
def ending(session: Session, client: FlaskClient) -> Ending:
    return make_ending(session, client)


def test_a_final_board_says_where_each_team_came_from(ending: Ending) -> None:
    assert "from the public board" not in ending.page()
    ending.end()
    page = ending.page()
    row = {
        name: page.partition(f"<bdi>{name}")[0].rpartition("<tr")[2] for name in ("First", "Middle", "Last")
    }
    assert "up 2 places" in row["Last"]
    assert "not moved" in row["Middle"]
    assert "down 2 places" in row["First"]
    assert "a team moved by 1.3 places on average, which is 44.4 % of the field" in page
    assert "in the first tenth it is 66.7 %" in page
    assert "about 30 %: the smaller" in page
    assert 'href="/honours"' in page
    public = ending.page("?share=public")
    assert "Shake-up" not in public
    assert "up 2 places" not in public
    assert "up 2 places" in ending.page("?q=Last")


def test_a_final_board_that_is_not_counted_yet_says_nothing_of_changes(ending: Ending) -> None:
    note_ranks(ending.contest.session, ending.contest.board)
    ending.end(count=False)
    page = ending.page()
    assert "Shake-up" not in page
    assert "not moved" not in page


def test_changes_cost_no_statement_before_the_end_and_none_for_each_team(
    ending: Ending, statements: list[str]
) -> None:
    ending.page()
    statements.clear()
    ending.page()
    assert not any("results" in each for each in statements)
    ending.end()
    costs = []
    for _ in range(2):
        ending.page()
        statements.clear()
        ending.page()
        costs.append(len(statements))
        _more_teams(ending.contest)
    assert costs[0] == costs[1]


def _more_teams(contest: Contest) -> None:
    at = contest.challenge.opens_at + timedelta(days=1)
    for number in range(20):
        contest.enter(contest.team(at=at), number / 100, at=at)
    count_results(contest.session, contest.board, now())
