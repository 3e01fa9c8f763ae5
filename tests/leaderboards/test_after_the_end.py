"""What an ended board tells: two tabs that never mix, and moves from the public order to the final one."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.models import Share, Standing
from lms.leaderboards.queries.standings import standings
from lms.leaderboards.services.honouring import show_honours
from lms.leaderboards.services.standing import note_ranks
from tests.factories.aftermath import Ending, make_ending

English = {"Accept-Language": "en"}


@pytest.fixture
def ending(session: Session, client: FlaskClient) -> Ending:
    return make_ending(session, client)


def row_of(page: str, name: str) -> tuple[str, str]:
    """Return a team's place and score, as they stand in the table."""
    [row] = [row for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"<bdi>{name}" in row]
    place, score = re.search(r'class="rank">(\d+)<', row), re.search(r'num value">([\d.]+)<', row)
    assert place is not None
    assert score is not None
    return place[1], score[1]


@pytest.mark.parametrize("sought", ["q=Last", "country=KR", "near=1"])
def test_what_is_sought_on_a_tab_has_the_places_and_scores_of_that_tab(
    ending: Ending, sign_in: Callable[[User], None], sought: str
) -> None:
    ending.last.country, ending.last.language = "KR", "en"
    show_honours(ending.contest.session, ending.last, shown=True, organisation_id=None)
    ending.end()
    sign_in(ending.last)
    final, public = ending.page(f"?{sought}"), ending.page(f"?share=public&{sought}")
    assert (row_of(final, "Last"), row_of(public, "Last")) == (("1", "0.3000"), ("3", "0.7000"))
    assert "Your team stands at place 1 of 3" in final
    assert "Your team stands at place 3 of 3" in public
    assert ("private score" in public, "0.3000" in public) == (False, False)


def test_the_ways_on_from_a_tab_keep_to_it(ending: Ending, sign_in: Callable[[User], None]) -> None:
    for number in range(50):
        ending.contest.enter(ending.contest.team(f"Team {number}", at=now()), 0.5, at=now())
    ending.end()
    ending.last.language = "en"
    sign_in(ending.last)
    hidden = '<input type="hidden" name="share" value="public">'
    for rest in ("q=Last", "filter=1"):
        search = ending.page(f"?share=public&{rest}").partition('<form method="get"')[2]
        assert hidden in search.partition("</form>")[0]
        assert hidden not in ending.page(f"?{rest}")
    page = ending.page("?share=public")
    for query in ("filter=1&amp;share=public", "near=1&amp;share=public#me"):
        assert f'href="{ending.path}?{query}"' in page
    assert f'href="{ending.path}?share=public">The whole board' in ending.page("?share=public&q=Last")


def test_a_search_of_the_public_tab_tells_no_name_that_it_hides(ending: Ending) -> None:
    ending.contest.board.anonymous = True
    ending.end()
    assert row_of(ending.page("?q=Last"), "Last") == ("1", "0.3000")
    page = ending.page("?share=public&q=Last")
    assert ("<bdi>" in page, 'type="search"' in page) == (False, False)


@pytest.mark.parametrize("stored", [False, True])
def test_moves_on_the_hidden_order_are_told_nowhere(ending: Ending, *, stored: bool) -> None:
    session, board = ending.contest.session, ending.contest.board
    note_ranks(session, board)
    noted = select(Standing.share).where(Standing.board_id == board.id, Standing.rank_before.is_not(None))
    assert set(session.scalars(noted)) == {Share.PUBLIC}
    if stored:  # as earlier nights may have left it
        kept = update(Standing).where(Standing.board_id == board.id, Standing.share == Share.PRIVATE)
        session.execute(kept.values(rank_before=3))
    assert {row["movement"] for row in ending.told()["rows"]} == {0}
    ending.end(count=False)
    assert {row["movement"] for row in ending.told()["rows"]} == {None}
    page = ending.page()
    assert ("up 2 places" in page, "not moved" in page) == (False, False)
    assert {row.movement for row in standings(session, board, ending.last, now()).rows} == {None}


def test_a_program_is_told_the_same_moves_as_a_reader(
    ending: Ending, sign_in: Callable[[User], None]
) -> None:
    ending.contest.enter(ending.contest.team("Late", at=now()), 0.1, 0.4, at=now())
    note_ranks(ending.contest.session, ending.contest.board)
    ending.end()
    ending.last.language = "en"
    sign_in(ending.last)
    told, page = ending.told(), ending.page()
    moves = {row["team"]: row["movement"] for row in told["rows"]}
    assert moves == {"Late": 3, "Last": 1, "Middle": -1, "First": -3}
    assert (told["mine"]["team"], told["mine"]["movement"]) == ("Last", 1)
    for name, says in (("Late", "up 3 places"), ("Last", "up 1 place"), ("First", "down 3 places")):
        [row] = [row for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"<bdi>{name}" in row]
        assert says in row
