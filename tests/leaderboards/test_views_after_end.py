"""What the pages of a challenge still say once it has ended."""

import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from lms.accounts.models import User
from lms.db import now
from lms.leaderboards.services.verifying import ask_winners
from lms.leaderboards.tables.winners import WinnerClaim
from tests.factories.aftermath import Ending, make_ending

TOKEN, USED, LEFT = "Make a token", "Used today", "Teams can change until"
CHOSEN, BEST = "those entries count that it chose", "The best entry of each team counts"


@pytest.fixture
def ending(session: Session, client: FlaskClient, sign_in: Callable[[User], None]) -> Ending:
    made = make_ending(session, client)
    made.last.language = "en"
    sign_in(made.last)
    return made


def pages(ending: Ending) -> dict[str, str]:
    found = {}
    for name in ("entries", "team", "board", "verification"):
        ending.contest.session.commit()
        address = ending.path.replace("/board", f"/{name}")
        found[name] = ending.client.get(address).text
    return found


def test_my_entries_offer_no_token_and_count_no_day_any_more(ending: Ending) -> None:
    before = pages(ending)["entries"]
    assert TOKEN in before
    assert USED in before
    ending.end()
    after = pages(ending)["entries"]
    assert TOKEN not in after
    assert USED not in after
    assert "Used in all" in after


def test_teams_are_told_no_time_to_change_once_it_has_passed(ending: Ending) -> None:
    assert LEFT in pages(ending)["team"]
    ending.contest.challenge.merge_deadline = now()
    assert LEFT not in pages(ending)["team"]


def test_a_team_is_offered_no_other_name_any_more(ending: Ending) -> None:
    field, address = 'name="name"', ending.path.replace("/board", "/team/name")
    assert field in pages(ending)["team"]
    ending.end()
    after = pages(ending)["team"]
    assert field not in after
    assert "Rename" not in after
    late = ending.client.post(address, data={"name": "Winners"})
    assert late.status_code == 409
    assert "The challenge has ended, so the team keeps its name." in late.text
    assert 'value="Winners"' in late.text  # to be copied
    assert "Rename" not in late.text
    assert "Last" in ending.page()
    assert "Winners" not in ending.page()


def test_who_sent_nothing_late_is_told_of_no_entry(ending: Ending) -> None:
    refused, sentence = "the entry was not taken", "nothing can be sent any more."
    before = pages(ending)["entries"]
    assert sentence not in before
    ending.end()
    after = pages(ending)["entries"]
    assert sentence in after
    assert refused not in after
    late = {"file": (io.BytesIO(b"id,place\na,north\n"), "late.csv")}
    assert refused in ending.client.post(ending.path.replace("/board", "/entries"), data=late).text


def test_my_boards_count_teams_and_say_which_are_over(ending: Ending) -> None:
    def row() -> str:
        ending.contest.session.commit()
        page = ending.client.get("/boards").text
        return page[page.index("<tbody>") : page.index("</tbody>")]

    tag = 'class="tag quiet"'
    assert "3 of 3 teams" in row()
    assert tag not in row()
    ending.end()
    assert "1 of 3 teams" in row()
    assert tag in row()
    ending.last.language = "ko"
    assert "3팀 중 1위" in row()
    assert "끝남" in row()
    assert "우리 팀은 3팀 중 1위예요." in ending.client.get(ending.path.removesuffix("/board")).text


def test_a_final_board_says_that_chosen_entries_count(ending: Ending) -> None:
    before = pages(ending)["board"]
    assert BEST in before
    assert CHOSEN not in before
    ending.end()
    after = pages(ending)["board"]
    assert CHOSEN in after
    assert BEST not in after
    assert BEST in ending.page("?share=public")
    ending.contest.board.selections = 0  # then every entry counts
    assert BEST in pages(ending)["board"]


def test_scores_over_time_say_that_they_are_public_ones(ending: Ending) -> None:
    ending.end()
    assert "<caption>Public scores of the first ten over time</caption>" in ending.page("/climbs")


def test_a_reason_in_several_lines_keeps_them(ending: Ending) -> None:
    ending.end()
    contest = ending.contest
    ask_winners(contest.session, contest.organiser, contest.board, winners=1, wanted="…", days=7, at=now())
    claim = contest.session.scalars(select(WinnerClaim)).one()
    claim.reason = "One line.\nAnother."
    page = pages(ending)["verification"]
    assert "One line.\nAnother." in page
    assert 'class="notice letter warn"' in page
